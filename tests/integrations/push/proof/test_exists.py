"""A creation that Kartra refused because the lead exists: what rode along about one thing goes on in its order."""

import pytest

from integrations.push.proof import Evidence, Request, classify_adopted
from tests.integrations.push.proof.story import carry_out, on_list, tag


@pytest.mark.parametrize(
    ("family", "requests", "there", "statuses"),
    [
        ("tag:VIP", [tag(True), tag(False), tag(True)], True, ["skipped", "waiting", "waiting"]),
        ("tag:VIP", [tag(False), tag(True)], True, ["waiting", "waiting"]),
        ("tag:VIP", [tag(True), tag(True)], True, ["skipped", "skipped"]),
        ("list:News", [on_list(True), on_list(False), on_list(True)], "on", ["skipped", "waiting", "waiting"]),
        ("list:News", [on_list(True), on_list(False), on_list(True)], "left", ["skipped", "waiting", "skipped"]),
    ],
)
def test_what_is_so_is_left_out_only_while_nothing_before_it_goes_out(family, requests, there, statuses):
    carried = [Request(number, kind, given, code="244") for number, (kind, given) in enumerate(requests)]

    verdicts = classify_adopted(Evidence(family, tuple(carried), after=there))

    assert [str(verdicts[number].status) for number in range(len(requests))] == statuses
    state = there
    for number, (kind, given) in enumerate(requests):
        if statuses[number] == "waiting":
            state = carry_out(kind, given, state)
    assert state == (carry_out(*requests[-1], there) if there != "left" else "left")
