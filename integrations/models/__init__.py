"""The tables of the wire: how Kartra is reached, what it sent us, what we sent it."""

from integrations.models.call import ApiCall, Attempt, CallOutcome, Cause, Proof
from integrations.models.concern import Concern, ConcernCode
from integrations.models.connection import Connection, Sending
from integrations.models.connection_remark import ConnectionRemark
from integrations.models.deletion import DeletionReport, DeletionVerdict
from integrations.models.delivery import Channel, Delivery, DeliveryRemark, DeliveryStatus, Secret
from integrations.models.evidence import Seen, sighting
from integrations.models.heartbeat import Heartbeat
from integrations.models.installation import Installation
from integrations.models.second_factor import RecoveryCode, SecondFactor
from integrations.models.stop import NO_USE_ASKING, SendingStop, StopCause, StopRemark
from integrations.models.webhook_endpoint import WebhookEndpoint
from integrations.models.webhook_traffic import Discard, WebhookHour

__all__ = [
    "NO_USE_ASKING",
    "ApiCall",
    "Attempt",
    "CallOutcome",
    "Cause",
    "Channel",
    "Concern",
    "ConcernCode",
    "Connection",
    "ConnectionRemark",
    "DeletionReport",
    "DeletionVerdict",
    "Delivery",
    "DeliveryRemark",
    "DeliveryStatus",
    "Discard",
    "Heartbeat",
    "Installation",
    "Proof",
    "RecoveryCode",
    "SecondFactor",
    "Secret",
    "Seen",
    "Sending",
    "SendingStop",
    "StopCause",
    "StopRemark",
    "WebhookEndpoint",
    "WebhookHour",
    "sighting",
]
