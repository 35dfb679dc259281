"""The operator's side: what the commands ask of a running daemon, and how they show it."""
