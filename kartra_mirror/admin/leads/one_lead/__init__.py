"""The parts of one lead's page: the facts that are edited in place, the ties with what is wished for them, the timeline by day,
and the small forms over the page. Imports nothing of the page itself."""
