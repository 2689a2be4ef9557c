"""A Kartra of our own on loopback: plain Python, written from the documented facts, sharing no code with our client."""
