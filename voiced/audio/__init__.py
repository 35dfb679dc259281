"""The audio plane: pure functions and small objects between packets and frames."""
