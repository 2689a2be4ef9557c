"""Recipes and schedules on pages: kept, used, made by hand or of a bulk action; what is coming and what was, skip, pause, release."""
