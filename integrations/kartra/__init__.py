"""Kartra's API in plain Python: no Django, no settings, no retries."""
