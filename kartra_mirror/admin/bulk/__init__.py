"""Bulk actions: preparing one and its preview, approval, the run with its progress, undo, and creating leads from a file."""
