"""The first code to read: a support agent (agent.py) and the server that answers it (server/)."""
