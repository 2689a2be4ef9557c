"""What an installation stands on: its connections to Kartra, its keys and its tables. Whether they are its own, and what to do
where they are not."""
