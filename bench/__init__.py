"""Measures what docs/performance.md states: `python -m bench`."""
