"""Chaos: random wishes, random faults, processes killed at random; afterwards the pretend Kartra must hold exactly what was
accepted. `python -m tests.chaos --help`; `make chaos` runs all of it, the suite a slice.
"""
