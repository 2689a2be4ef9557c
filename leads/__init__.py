"""What we know of a Kartra account and what we want of it. Makes no network call."""
