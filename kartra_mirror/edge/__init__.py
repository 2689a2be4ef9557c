"""What a stranger meets first: how large a body may be, what a page may load, and pages that say no. Imports no other room."""
