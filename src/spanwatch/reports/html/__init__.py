"""A report as one page: a function of its parts, with nothing that is loaded from anywhere."""
