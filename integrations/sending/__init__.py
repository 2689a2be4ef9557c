"""May we send, how fast, and one call: the sending switch, stops, outages, the pace, and the row of every call.

Knows nothing of what a call is for. May import `translate`, the models and what stands below them.
"""
