"""Writes of many leads at once, the set-based sisters of what is written one by one: the rows of an export, its transactions, what
messages tell, confirmed changes, reads that found nothing new. What is out of the ordinary is left to the rest of `leads.mirror`,
which this uses and which does not know it."""
