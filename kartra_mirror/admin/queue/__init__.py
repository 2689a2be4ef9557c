"""What is on its way to Kartra: changes, decisions, failures, calls."""
