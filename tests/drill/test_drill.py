"""The drill has an entry for every trouble, and knows what is well. `make drill` holds it."""

import json

import pytest

from tests.drill.__main__ import amiss
from tests.drill.ears import Ears
from tests.drill.house import PROCFILE
from tests.drill.troubles import TROUBLES

CONNECTION = {
    "why_not_sending": "",
    "why_commands_wait": "",
    "copy": {"stopped": ""},
    "queue": {"waiting": 0, "accepted": 7},
    "messages_waiting": {"number": 0},
    "pace": {"slowed_to": 1.0},
}
WELL = {"not_here": "", "wrong_clocks": [], "full_disks": [], "last_sweep": "2999-01-01T00:00:00+00:00"}


def test_every_trouble_has_an_entry():
    assert set(TROUBLES) == {"database", "redis", *PROCFILE, "clock", "disk", "kartra"}
    assert all(trouble.told for trouble in TROUBLES.values())


def test_all_is_well():
    assert amiss(0, json.dumps({**WELL, "connections": [CONNECTION]})) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"not_here": "No mark."},
        {"wrong_clocks": ["The clock of web-2 is 61 s ahead."]},
        {"full_disks": ["web-2"]},
        {"last_sweep": None},
        {"last_sweep": "2026-01-01T00:00:00+00:00"},
    ],
)
def test_something_is_amiss(changed):
    assert len(amiss(0, json.dumps({**WELL, **changed, "connections": [CONNECTION]}))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"why_not_sending": "An outage."},
        {"queue": {"unknown": 1}},
        {"queue": {"undecided": 1}},
        {"messages_waiting": {"number": 3}},
        {"pace": {"slowed_to": None}},
        {"copy": {"stopped": "So many were deleted."}},
    ],
)
def test_something_is_amiss_with_a_connection(changed):
    assert len(amiss(0, json.dumps({**WELL, "connections": [{**CONNECTION, **changed}]}))) == 1


def test_status_that_cannot_be_asked_is_amiss():
    assert amiss(1, "no database") == ["status ended with 1: no database"]


def test_only_what_is_mailed_and_posted_and_not_over_was_told(tmp_path):
    ears = Ears(tmp_path)
    try:
        ears.heard = [(1.0, "Kartra Mirror: beat does not run"), (3.0, "Kartra Mirror: over: web is away")]
        assert ears.when_told("beat does not run", since=0.0) is None

        (ears.mails / "1.log").write_text("Subject: x\n\nbeat does\nnot run; web is away")

        assert ears.when_told("beat does not run", since=0.0) == 1.0
        assert ears.when_told("beat does not run", since=2.0) is None
        assert ears.when_told("web is away", since=0.0) is None
    finally:
        ears.stop()
