"""What goes on during a trouble: two bulk actions over all leads, and messages that come; and the count of what became of them."""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from contextlib import closing
from typing import Any

from tests.drill.house import HOST, House

POINTS = 5
HEARD = "Drill heard"
HEARD_BY = 10
"""So many leads the messages are about. They have the tag already: a message that changes nothing asks for no read."""
APART_S = 1.6
SENDERS = 4
"""At once: one may wait for an answer."""
PATIENCE_S = 30.0
CUT_OFF = ("RemoteDisconnected", "ConnectionResetError")
"""What a post meets that web had in hands when it was killed. No 200 was said; a proxy hands it over again (docs/operators.md)."""


class Messages:
    """Posts as Kartra does: each once, whatever is answered."""

    numbers = itertools.count()

    def __init__(self, house: House, path: str, leads: list[dict[str, Any]]) -> None:
        self._house, self._path, self._leads = house, path, leads
        self.answers: dict[bytes, int | str] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._post_all, daemon=True) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S + 10.0)

    def unanswered(self) -> int:
        return sum(answer != 200 for answer in self.answers.values())

    def _post_all(self) -> None:
        while not self._over.wait(APART_S):
            number = next(self.numbers)
            lead = self._leads[number % len(self._leads)]
            named = {"id": str(lead["id"]), "email": lead["email"]}
            told = {"action": "assign_tag", "action_details": {"tag": {"tag_name": HEARD}}, "lead": named}
            body = json.dumps({**told, "number": number}).encode()
            self.answers[body] = self._post(body)

    def _post(self, body: bytes) -> int | str:
        headers = {"Host": HOST, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self._house.port, timeout=PATIENCE_S)) as link:
            try:
                link.request("POST", self._path, body, headers)
                return link.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                return type(error).__name__


class Work:
    """Over all leads a tag is put on and points are given, while messages come."""

    def __init__(self, house: House, tag: str) -> None:
        from integrations.models import Connection

        self.house, self.tag = house, tag
        self.connection = Connection.objects.select_related("account").get()
        self.before = {lead["id"]: lead for lead in house.kartra("leads", whole=1)}
        self.began = time.time()

    def start(self) -> None:
        from leads import changes, kinds
        from leads.models import Lead

        heard_by = [lead for lead in self.before.values() if HEARD in lead["tags"]]
        token = self.connection.endpoints.standing().get().token
        self.messages = Messages(self.house, f"/webhooks/{token}/", heard_by)
        leads = Lead.objects.filter(account=self.connection.account, gone_at=None)
        self.runs = [
            changes.record_run(self.connection.account, leads, kinds.get_kind(kind), parameters)
            for kind, parameters in (("assign_tag", {"tag": self.tag}), ("give_points", {"points": POINTS}))
        ]

    def calls(self) -> int:
        """How many calls of ours that write came to Kartra since it began."""
        return sum("give_points_to_lead" in call["cmds"] for call in self.house.kartra("calls", since=self.began))

    def lost_and_doubled(self, *, web_was_killed: bool) -> tuple[list[str], list[str], int]:
        """What was lost and what was done twice, in words, and how many messages were cut off by a web that was killed. One that got
        no answer in time has to be there all the same."""
        lost, doubled = self._changes()
        rows, cut_off = self._stored(), 0
        for body, answer in self.messages.answers.items():
            if rows[body] == 0 and web_was_killed and answer in CUT_OFF:
                cut_off += 1
            elif rows[body] == 0:
                lost.append(f"message {body!r} was answered {answer} and is not there")
            elif rows[body] > 1:
                doubled.append(f"message {body!r} is there {rows[body]} times")
        return lost, doubled, cut_off

    def _changes(self) -> tuple[list[str], list[str]]:
        from leads.models import Lead, LeadChange, LeadTag

        lost, doubled = [], []
        ours = {lead.kartra_id: lead for lead in Lead.objects.all()}
        tagged = set(LeadTag.objects.filter(tag__name=self.tag).values_list("lead__kartra_id", flat=True))
        asked = LeadChange.objects.filter(run__in=self.runs)
        lost += [f"change {each.pk} is {each.status}" for each in asked.exclude(status="accepted")[:5]]
        if asked.count() != 2 * len(self.before):
            lost.append(f"{asked.count()} changes of {len(self.before)} leads")
        for lead in self.house.kartra("leads", whole=1):
            was, copy = self.before[lead["id"]], ours[str(lead["id"])]
            given = int(lead["score"]) - int(was["score"])
            if given < POINTS:
                lost.append(f"lead {lead['id']} got {given} points")
            if given > POINTS:
                doubled.append(f"lead {lead['id']} got {given} points")
            if self.tag not in lead["tags"]:
                lost.append(f"lead {lead['id']} has no tag")
            if copy.score != int(lead["score"]) or copy.kartra_id not in tagged:
                lost.append(f"our copy of lead {lead['id']} differs: {copy.score} points, Kartra has {lead['score']}")
        for reference, number in self._tagged().items():
            if number > 1:
                doubled.append(f"lead {reference} was given the tag {number} times")
        return lost, doubled

    def _tagged(self) -> Counter[str]:
        """How often Kartra carried out our tag, by lead, as its own log of calls says."""
        found: Counter[str] = Counter()
        for call in self.house.kartra("calls", since=self.began):
            if call["result"] == "ok":
                actions = call["form"].get("actions") or {}
                found[call["lead"]] += sum(each.get("tag_name") == self.tag for each in actions.values())
        return found

    def _stored(self) -> Counter[bytes]:
        from integrations.models import Delivery

        return Counter(bytes(body) for body in Delivery.objects.values_list("body", flat=True))
