"""What this app holds of a person besides the lead's own rows, for whoever shows it or forgets them: messages, calls, tries.

A message that could not be read, was turned away or was too large is linked to no lead, and may name one all the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.kartra.bodies import Unreadable, fields_of, object_of
from integrations.models import ApiCall, Attempt, Channel, DeletionReport, Delivery, SendingStop
from integrations.receive import body_text
from leads import forgotten
from leads.erasure.texts import Texts
from leads.models import Lead
from leads.person.held import told
from leads.person.naming import MOST_TELLING, KnownBy, Person, told_in
from leads.person.parts import Counts, Part, Section

CHUNK = 200
NOBODYS = (
    Texts(ApiCall, ("commands", "message", "answer", "remark")),
    Texts(Attempt, ("message", "before", "evidence", "remark"), whose="change__lead"),
    Texts(SendingStop, ("why",), whose=""),
)
"""Where a person may be named in what is about somebody else, or about nobody."""


def known_by(lead: Lead) -> Iterator[KnownBy]:
    """Telephones and streets that messages told of the person; a bill may have others than the lead."""
    rows = Delivery.objects.filter(lead=lead).exclude(body=b"").order_by("-pk")
    for channel, body in rows.values_list("channel", "body")[:MOST_TELLING]:
        yield from told_in(_fields(channel, bytes(body)))


def _fields(channel: str, body: bytes) -> Mapping[str, Any]:
    try:
        return fields_of(body) if channel == Channel.IPN else object_of(body)
    except Unreadable:
        return {}


def messages_of_nobody(person: Person) -> Iterator[Delivery]:
    """Messages of no lead that name the person in whatever spelling, waiting ones too: they may turn out unreadable."""
    rows = Delivery.objects.filter(endpoint__connection__account=person.account_id, lead=None).exclude(body=b"")
    for delivery in rows.order_by("pk").iterator(chunk_size=CHUNK):
        said = [delivery.action, delivery.family, delivery.reason, delivery.changed, delivery.replays, delivery.headers]
        if person.is_in_bytes(bytes(delivery.body)) or person.is_in(said):
            yield delivery


def blank(person: Person) -> Counts:
    """Empty what names the person. Of a message size, digest and verdict stay; one that waits is left out when it is applied."""
    counts: Counts = Counter()
    for delivery in messages_of_nobody(person):
        delivery.body, delivery.family, delivery.reason = b"", "", forgotten.REMARK
        delivery.action = "" if person.is_in(delivery.action) else delivery.action
        delivery.headers, delivery.changed = person.without_in(delivery.headers), []
        delivery.replays = person.without_in(delivery.replays)
        delivery.save(update_fields=["body", "family", "reason", "action", "headers", "changed", "replays"])
        counts[Delivery._meta.label_lower] += 1
    for texts in NOBODYS:
        counts[texts.model._meta.label_lower] += texts.blank(person)
    return counts


def held(lead: Lead, person: Person) -> list[Section]:
    """Messages with their bodies as texts, secrets hidden; calls and tries with what Kartra answered; findings that the lead is
    deleted."""
    text = {"text": lambda row: body_text.shown(bytes(row.body)).raw}
    own = Delivery.objects.filter(lead=lead)
    nobodys = Delivery.objects.filter(pk__in=[each.pk for each in messages_of_nobody(person)])
    tries = Attempt.objects.filter(Q(change__lead=lead) | Q(call__lead=lead)).order_by("pk")
    answer = {"answer": lambda row: body_text.shown(row.answer.encode("utf-8", "replace")).raw}
    return [
        Section("integrations.delivery", _("Messages from Kartra"), told(own, (), text)),
        Section("nobody", _("Messages that are linked to no lead"), told(nobodys, (), text)),
        Section("integrations.apicall", _("Calls to Kartra"), told(ApiCall.objects.filter(lead=lead), (), answer)),
        Section("integrations.attempt", _("Tries of changes"), told(tries)),
        Section("integrations.deletionreport", _("Found deleted"), told(DeletionReport.objects.filter(lead=lead))),
    ]


PART = Part(known_by, held, blank)
