"""A daemon's habits: logging, measuring, talking to its service manager."""
