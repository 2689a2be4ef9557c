"""The tables of the wire: how Kartra is reached, what it sent us, what we sent it."""

from integrations.models.call import ApiCall, Attempt, Cause, Outcome, Proof
from integrations.models.connection import Connection, Door, Sending, StoppedBy
from integrations.models.delivery import Channel, Delivery, DeliveryStatus, Secret
from integrations.models.gone import Belief, GoneFinding
from integrations.models.heartbeat import Heartbeat
from integrations.models.installation import Installation
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
    "Installation",
    "Outcome",
    "Proof",
    "Secret",
    "Sending",
    "Stop",
    "StoppedBy",
]
