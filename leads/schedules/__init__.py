"""Recipes and schedules: kept and changed, their times, and what becomes of each time when it comes.

Knows no clock but the one it is given and no network: whether Kartra is reached, `integrations.due_schedules` says. A bulk action
is recorded by `leads.changes`. May import every other room of `leads`.
"""
