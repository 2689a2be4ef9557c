"""The ground floor of every page: what all admin rooms stand on, and what no room owns alone.

The Unfold adapter is the one place that imports the theme. May import both apps and the wiring; never a room of `kartra_mirror.admin`.
"""
