"""A status moves only by the verbs of `leads.transitions`, and only as its table allows."""

import ast
import itertools
from pathlib import Path

import pytest
from django.utils import timezone

from leads import transitions
from leads.models import OPEN, ChangeStatus, LeadChange, Reason
from tests.factories import LeadChangeFactory

ROOT = Path(__file__).resolve().parents[2]
WITH_A_REASON = (ChangeStatus.SKIPPED, ChangeStatus.UNDECIDED)


def change_in(status):
    change = LeadChangeFactory()
    ended = None if status in OPEN else timezone.now()
    reason = Reason.OUTCOME if status in WITH_A_REASON else ""
    LeadChange.objects.filter(pk=change.pk).update(status=status, settled_at=ended, reason=reason)
    change.refresh_from_db()
    return change


@pytest.mark.django_db
@pytest.mark.parametrize(("before", "after"), list(itertools.product(ChangeStatus, ChangeStatus)))
def test_change_moves_as_the_table_says_or_stays_as_it_is(before, after):
    change, at = change_in(before), timezone.now()
    was = LeadChange.objects.filter(pk=change.pk).values().get()
    reason = Reason.OUTCOME if after in WITH_A_REASON else ""

    if after in transitions.TRANSITIONS[before]:
        transitions.settle(change, after, at=at, reason=reason)
        row = LeadChange.objects.get(pk=change.pk)
        assert (row.status, row.settled_at, row.reason) == (after, None if after in OPEN else at, reason)
        assert (change.status, change.settled_at) == (row.status, row.settled_at)
    else:
        with pytest.raises(transitions.CannotMove):
            transitions.settle(change, after, at=at, reason=reason)
        assert LeadChange.objects.filter(pk=change.pk).values().get() == was


VERBS = {
    ChangeStatus.SENDING: transitions.start_sending,
    ChangeStatus.WAITING: transitions.requeue,
    ChangeStatus.UNKNOWN: lambda rows: transitions.doubt(rows, "Who knows"),
    ChangeStatus.UNDECIDED: lambda rows: transitions.leave_to_person(rows, Reason.OUTCOME, "Who knows"),
    ChangeStatus.SKIPPED: lambda rows: transitions.skip(rows, Reason.GONE),
    ChangeStatus.CANCELLED: transitions.cancel,
}


@pytest.mark.django_db
@pytest.mark.parametrize("after", VERBS)
def test_verb_moves_those_that_may_and_leaves_the_others(after):
    rows = {before: change_in(before).pk for before in ChangeStatus}
    may = [before for before in ChangeStatus if after in transitions.TRANSITIONS[before]]

    moved = VERBS[after](LeadChange.objects.filter(pk__in=rows.values()))

    became = dict(LeadChange.objects.values_list("pk", "status"))
    assert moved == len(may)
    assert {before: became[pk] for before, pk in rows.items()} == {
        before: after if before in may else before for before in ChangeStatus
    }


PAYMENT_PLANS = "leads/mirror/money.py"
"""Saves payment plans, which have a status of Kartra's."""


def writes_of_status(source):
    """Where a source gives a change a status: [(line, what)]. Sources that know no change write other statuses."""
    tree = ast.parse(source)
    if not any(isinstance(node, ast.alias) and node.name in ("LeadChange", "ChangeStatus") for node in ast.walk(tree)):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [(node.lineno, "assigned") for each in targets if getattr(each, "attr", "") == "status"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            texts = [part.value for each in node.args for part in ast.walk(each) if isinstance(part, ast.Constant)]
            if node.func.attr in ("update", "aupdate", "update_or_create") and "ChangeStatus" in ast.unparse(node):
                found += [(node.lineno, "updated")] if "status" in named else []
            if node.func.attr == "bulk_update" and "status" in texts:
                found.append((node.lineno, "updated in bulk"))
            if node.func.attr == "setattr" or (node.func.attr == "save" and "status" in ast.unparse(node)):
                found.append((node.lineno, "saved"))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "LeadChange":
            born = next((keyword.value for keyword in node.keywords if keyword.arg == "status"), None)
            if born is not None and ast.unparse(born) not in ("ChangeStatus.WAITING", "ChangeStatus.SKIPPED"):
                found.append((node.lineno, "born"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "UPDATE leads_leadchange" in node.value:
            found.append((node.lineno, "SQL"))
    return found


def test_nothing_else_writes_a_status():
    sources = [
        path
        for app in ("leads", "integrations", "kartra_mirror")
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts
        and "sandbox" not in path.parts
        and path.name != "transitions.py"
        and not str(path).endswith(PAYMENT_PLANS)
    ]

    assert len(sources) > 250
    assert [
        f"{p.relative_to(ROOT)}:{line}: {what}" for p in sources for line, what in writes_of_status(p.read_text())
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        'change.status = "accepted"',
        "rows.update(status=ChangeStatus.SENDING)",
        'LeadChange.objects.bulk_update(rows, ["status", "code"])',
        'change.save(update_fields=["status"])',
        "LeadChange(status=ChangeStatus.ACCEPTED)",
        "cursor.execute(\"UPDATE leads_leadchange SET status = 'waiting'\")",
    ],
)
def test_a_write_is_found(line):
    assert writes_of_status(f"from leads.models import ChangeStatus, LeadChange\n{line}\n")
    assert not writes_of_status(f"from leads.models import Lead\n{line}\n")
