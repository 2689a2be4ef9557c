"""Bookings and cancellations of one class in one call whose answer was lost: no read shows them, messages may."""

import pytest

from integrations.push.proof import Evidence, Request, classify
from integrations.push.proof.evidence import Carried

CLASS = {"calendar": "Coaching", "class": "Intro call"}
BOOK, CANCEL = "subscribe_calendar", "cancel_calendar"
UNCLEAR, DONE = Carried.UNCLEAR, Carried.DONE


@pytest.mark.parametrize(
    ("requests", "told", "becomes"),
    [
        ([(BOOK, UNCLEAR)], {0}, {0: "accepted"}),
        ([(BOOK, UNCLEAR)], set(), {0: "undecided"}),
        ([(CANCEL, UNCLEAR), (BOOK, UNCLEAR)], {1}, {0: "superseded", 1: "accepted"}),
        ([(CANCEL, UNCLEAR), (BOOK, DONE)], set(), {0: "superseded"}),
        ([(BOOK, UNCLEAR), (CANCEL, UNCLEAR)], {0}, {0: "accepted", 1: "waiting"}),
        ([(BOOK, UNCLEAR), (CANCEL, DONE)], set(), {0: "superseded"}),
        ([(CANCEL, DONE), (BOOK, UNCLEAR)], set(), {1: "undecided"}),
    ],
)
def test_what_is_done_ends_what_came_before_it_and_leaves_open_what_came_after(requests, told, becomes):
    made = tuple(Request(number, kind, CLASS, carried) for number, (kind, carried) in enumerate(requests))

    verdicts = classify(
        Evidence("calendar:Coaching:Intro call", made, receipt=True, last_look=True, told=frozenset(told))
    )

    assert {change: str(verdict.status) for change, verdict in verdicts.items()} == becomes
