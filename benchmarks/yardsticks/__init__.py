"""The same work by hand, for speed alone: what the measured code is held against."""
