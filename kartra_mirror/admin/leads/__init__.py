"""Leads: the list, its filters and segments, the page of one lead with its timeline and sales."""
