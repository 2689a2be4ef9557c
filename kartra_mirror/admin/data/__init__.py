"""Data in and out: imports, exports, the catalogue and custom fields."""
