"""voiced: a daemon that answers and places telephone calls with an AI voice."""

__version__ = "0.1.0"
