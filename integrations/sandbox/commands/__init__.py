"""The commands of Kartra's API, carried out on the sandbox's account."""
