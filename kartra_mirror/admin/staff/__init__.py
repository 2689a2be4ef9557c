"""The people who work here: users, groups, invitations, signing in."""
