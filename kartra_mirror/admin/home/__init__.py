"""What a person sees first: what needs them, the checklist of a new account, the trials, and health for the engineer."""
