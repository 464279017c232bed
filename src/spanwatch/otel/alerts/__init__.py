"""Alerts of this process and, together with it, of all that share its home: evaluated by one of them, told by one."""
