"""The error of a server that cannot start."""


class StartRefused(Exception):
    """The server cannot start; the message is one line for the user."""
