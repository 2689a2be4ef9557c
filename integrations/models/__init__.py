"""The tables of the wire: how Kartra is reached, what it sent us, what we sent it."""

from integrations.models.call import ApiCall, Attempt, Cause, Outcome, Proof
from integrations.models.connection import Connection, Door, Sending, StoppedBy
from integrations.models.delivery import Channel, Delivery, DeliveryStatus
from integrations.models.gone import Belief, GoneFinding
from integrations.models.heartbeat import Heartbeat
from integrations.models.stop import Stop

__all__ = [
    "ApiCall",
    "Attempt",
    "Belief",
    "Cause",
    "Channel",
    "Connection",
    "Delivery",
    "DeliveryStatus",
    "Door",
    "GoneFinding",
    "Heartbeat",
    "Outcome",
    "Proof",
    "Sending",
    "Stop",
    "StoppedBy",
]
