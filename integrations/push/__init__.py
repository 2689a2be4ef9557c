"""Changes to Kartra, once each: claim, preflight, send, settle, verify.

A call is claimed and settled by one thread and sent by a bounded pool. May import `read`, `sending` and everything below them.
"""

from integrations.push.send import Drained, drain

__all__ = ["Drained", "drain"]
