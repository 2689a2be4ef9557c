"""What our queries may not hold: a list that is searched from end to end for each of a million leads.

`x NOT IN (SELECT …)`, and an `IN (SELECT …)` that is one of several alternatives, become a list in memory; where PostgreSQL thinks
that it does not fit, each row walks through all of it. `EXISTS` asks an index.
"""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leads import kinds
from leads.changes import checks, preview, side_effects, undo
from leads.changes.preview import Choices
from leads.filters import duplicates, matching
from leads.filters.base import NOT
from leads.filters.segments import as_kept
from leads.models import Account, BulkRun, Lead, Segment
from tests.factories import BulkRunFactory, LeadFactory
from tests.leads.filters.cases import CASES, lead_with_everything

pytestmark = pytest.mark.django_db

PARAMETERS = {
    "assign_tag": {"tag": "VIP"},
    "unassign_tag": {"tag": "VIP"},
    "subscribe_list": {"list": "News"},
    "unsubscribe_list": {"list": "News"},
    "subscribe_sequence": {"sequence": "Welcome", "step": "1"},
    "unsubscribe_sequence": {"sequence": "Welcome"},
    "update_lead": {"email": "new@example.com"},
    "cancel_subscription": {"subscription": "7"},
    "refund_transaction": {"transaction": "1", "amount": "whole"},
}


def lists_in(sql: str) -> list[str]:
    """Sub-queries by IN that are negated, or stand beside an OR or in a CASE."""
    found = []
    for match in re.finditer(r" (NOT )?IN \(SELECT", sql):
        depth, place = 0, match.start()
        while place > 0:  # outwards through the brackets
            place -= 1
            if sql[place] == ")":
                depth += 1
            elif sql[place] == "(":
                depth -= 1
                if depth < 0:
                    depth = 0
                    inside = _inside(sql, place)
                    before = sql[max(0, place - 12) : place].upper()
                    if before.endswith(("NOT ", "WHEN ")) or _has_or(inside):
                        found.append(inside[:200])
                        break
                    if before.rstrip().upper().endswith(("FROM", "IN", "EXISTS")):
                        break
        if match[1]:
            found.append(match[0])
    return found


def _inside(sql: str, start: int) -> str:
    depth = 0
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if not depth:
            return sql[start + 1 : place]
    return sql[start + 1 :]


def _has_or(inside: str) -> bool:
    """Whether the level itself, not what stands in its brackets, is an alternative."""
    depth, plain = 0, []
    for sign in inside:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if not depth:
            plain.append(sign)
    return " OR " in "".join(plain)


def test_the_reader_of_queries_sees_what_it_looks_for():
    """A check of the check, on queries by hand."""
    assert lists_in('SELECT 1 FROM a WHERE NOT (a."x" IN (SELECT 1))')
    assert lists_in("SELECT 1 FROM a WHERE a.x NOT IN (SELECT 1)")
    assert lists_in("SELECT 1 FROM a WHERE (a.y = 1 OR (a.z = 2 AND a.x IN (SELECT 1)))")
    assert lists_in("SELECT CASE WHEN (a.x IN (SELECT 1)) THEN 1 END FROM a")
    assert not lists_in("SELECT 1 FROM a WHERE (a.x IN (SELECT 1) AND a.y IN (SELECT b FROM c WHERE (c.d OR c.e)))")
    assert not lists_in("SELECT 1 FROM a WHERE NOT EXISTS(SELECT 1 FROM b WHERE b.x IN (SELECT 1))")


def check(*querysets):
    for queryset in querysets:
        sql = str(queryset.query)
        assert not lists_in(sql), sql


@pytest.mark.parametrize(
    "name", [*CASES, *(f"copy {state}" for state in ("gone", "absent", "no_id", "unread", "second"))]
)
def test_no_filter_walks_through_a_list_for_each_lead(name):
    ada = lead_with_everything(LeadFactory().account)
    wanted = CASES[name]() if name in CASES else {"copy": [name.removeprefix("copy ")]}
    left_out = {f"{NOT}{part}": values for part, values in wanted.items()}
    duplicates.search(ada.account, timezone.now())
    segment = Segment.objects.create(account=ada.account, name="Ours", selection=as_kept(wanted))

    for given in (wanted, left_out, {"segment": [str(segment.pk)]}, {f"{NOT}segment": [str(segment.pk)]}):
        leads = matching(Lead.objects.all(), given)
        assert "WHERE" in str(leads.query)
        check(leads)


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_kind_walks_through_a_list_for_each_lead(name):
    account = lead_with_everything(LeadFactory().account).account
    kind, parameters = kinds.get_kind(name), PARAMETERS[name]
    leads = Lead.objects.filter(account=account)
    asked = [kind.applicable_q(leads, parameters)]
    asked += [leads.filter(told(account, parameters)) for told in (kind.already_so_q, kind.opted_out_q) if told]
    members = preview.classify_members(account, leads, [(kind, parameters)])
    asked += [members, members.filter(preview.will_change([(kind, parameters)], Choices(read_first=True)))]
    check(*asked)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        checks.why_not(account, leads, kind, parameters)
    assert queries
    for query in queries:
        assert not lists_in(query["sql"]), query["sql"]


def test_no_undo_walks_through_a_list_for_each_lead():
    lead = lead_with_everything(LeadFactory().account)
    run: BulkRun = BulkRunFactory(account=lead.account)
    for name, parameters in PARAMETERS.items():
        check(undo.sorted_changes(run, kinds.get_kind(name), parameters))
    back = kinds.get_kind("unassign_tag"), {"tag": "VIP"}
    check(side_effects.leads_of(run, side_effects.Next("tag_assigned:VIP", "got the tag VIP", 1, back)))
    assert Account.objects.count() == 1
