"""What the sandbox's account holds, and what changes in it."""
