"""Lists of people: pasted or uploaded, looked at, named, and the start of a bulk action on them."""
