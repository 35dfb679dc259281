"""The daemon's life: start, serve, read the configuration again, drain, stop."""

from voiced.daemon.life import run

__all__ = ["run"]
