"""Commands about the wiring: the groups of people."""
