"""One telephone call, answer to hang-up."""
