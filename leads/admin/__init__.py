"""Admin pages of the mirror's tables and of the wishes. Leads and bulk actions themselves are in `kartra_mirror.admin`."""

from leads.admin import accounts, activity, catalogue, changes

__all__ = ["accounts", "activity", "catalogue", "changes"]
