"""The drill: a whole installation on servers of its own, and each trouble of operation once, while a bulk action runs and messages
come. After each all must be well within two minutes, nothing lost or doubled, and somebody told. `python -m tests.drill --help`;
`make drill` runs all of it, which takes about half an hour.
"""
