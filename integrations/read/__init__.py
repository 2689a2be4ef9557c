"""Reads of Kartra into the mirror: one lead or many, the catalogue, transactions, deletions.

A read is the only authority on a lead's state.

May import `sending` and everything below it; never `push` or `receive`.
"""
