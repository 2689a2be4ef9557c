"""Sets of leads and what is done with them beside the leads list: two compared, and who enters a watched segment. May import `ui` and
what is below it; the pages of one segment are `kartra_mirror/admin/leads/segments.py`."""
