"""Forgetting a person who asked for it: what is erased, and what other rows keep of them. The question itself is in `leads.forgotten`."""
