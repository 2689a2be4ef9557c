"""Chaos: random wishes, random faults, processes killed at random; afterwards the Kartra sandbox must hold exactly what was
accepted. `python -m tests.chaos --help`; `make chaos` runs all of it, the suite a slice.
"""
