"""A person's own rights over their data: all that is held of them, forgetting them, the list of what was asked for."""
