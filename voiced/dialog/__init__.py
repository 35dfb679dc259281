"""Who speaks when, and what was heard. Pure: `now` is an argument, in seconds."""
