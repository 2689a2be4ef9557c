"""A kind is one entry, two with its translation: nothing of it is missing, and nobody else knows it by its name."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission

from integrations.translate import KIND_OF_EVENT, WIRE_FORMATS
from kartra_mirror import groups
from leads import kinds
from leads.kind import ties
from leads.mirror.changelog import add_activity
from leads.models.activity import ALONE, WORDS, happened
from tests.factories import LeadChangeFactory, LeadFactory
from tests.leads.kinds.parameters import GIVEN

ROOT = Path(__file__).resolve().parents[3]
every_kind = pytest.mark.parametrize("kind", kinds.ALL.values(), ids=kinds.ALL)


def test_every_kind_is_tried():
    assert set(GIVEN) == set(kinds.ALL) == set(WIRE_FORMATS)


@every_kind
@pytest.mark.django_db
def test_permission_is_there_and_given(kind):
    permission = Permission.objects.get(content_type__app_label="leads", codename=kind.name)
    given = set(Group.objects.filter(permissions=permission).values_list("name", flat=True))

    assert kind.permission == f"leads.{kind.name}"
    assert permission.name == kind.permission_words != ""
    assert given == set(kind.groups) != set()
    assert set(kind.groups) <= set(groups.GROUPS)


@every_kind
def test_words(kind):
    given = GIVEN[kind.name]

    assert kind.label
    assert kind.sentence(given)
    assert kind.done_message("Ada Lind", given)
    assert kind.family(given)
    assert bool(kind.thing) == bool(kind.verb)
    assert bool(kind.verb) == (kind.in_bulk and not kind.edits)
    assert kind.noun in given or kind.creates or kind.edits
    assert (kind.already_words is not None) == (kind.already_so_q is not None)


@every_kind
def test_timeline(kind):
    assert kind.activity
    assert kind.activity not in {**ALONE, **WORDS}
    assert happened(kind.activity) == kind.activity_words != ""
    assert Counter(each.activity for each in kinds.ALL.values())[kind.activity] == 1
    if kind.tie is not None:
        assert kind.afterwards_words % {kind.noun: "VIP"}
        assert kind.activity in ties()[kind.noun]


@every_kind
@pytest.mark.django_db
def test_undo(kind):
    if kind.undoable_q is None:
        assert kind.can_be_undone == kind.edits
        assert kind.why_never_undone
        return
    fields = kinds.get_kind(kind.inverse).fields(LeadFactory().account)

    assert kind.undo_keeps
    assert set(kind.undo_keeps) <= set(GIVEN[kind.name])
    assert {name for name, field in fields.items() if field.required} <= set(kind.undo_keeps) <= set(fields)


@every_kind
@pytest.mark.django_db
def test_forms(kind):
    account = LeadFactory().account

    assert set(GIVEN[kind.name]) <= set(kind.fields(account))
    assert set(kind.beside) <= set(kinds.UPDATE.fields(account))
    assert kind.in_bulk == (kind.name in kinds.IN_BULK)
    assert not (kind.in_bulk and kind.money)


@every_kind
def test_translation(kind):
    encoding = WIRE_FORMATS[kind.name]

    assert encoding.commands
    assert encoding.action(GIVEN[kind.name])
    assert (encoding.lead_fields is not None) == (kind.creates or kind.edits)
    assert (kind.tie is not None) == (kind.name in KIND_OF_EVENT.values())
    if encoding.witness is not None:
        assert encoding.witness.adds == (kind.tie is True)


@pytest.mark.django_db
def test_line_that_its_kind_does_not_leave_is_refused():
    change = LeadChangeFactory(kind="assign_tag", parameters={"tag": "VIP"})

    with pytest.raises(ValueError, match="assign_tag leaves no line list_joined"):
        add_activity(change.lead, "list_joined", {}, "push", change.requested_at, change, "")


# --- nobody else knows a kind by its name

EVENT = "Kartra's name of an event"
NAMED = {
    ("integrations/read/schedule.py", "create_lead"): "Kartra's name of a command",
    ("integrations/receive/events.py", "assign_tag"): EVENT,
    ("integrations/receive/events.py", "unassign_tag"): EVENT,
    ("kartra_mirror/admin/home/setup.py", "assign_tag"): EVENT,
    ("kartra_mirror/admin/home/setup.py", "cancel_subscription"): EVENT,
    ("kartra_mirror/admin/home/setup.py", "unassign_tag"): EVENT,
    ("kartra_mirror/admin/kartra/webhook_endpoints.py", "assign_tag"): EVENT,
    ("kartra_mirror/admin/kartra/webhook_endpoints.py", "cancel_subscription"): EVENT,
    ("kartra_mirror/admin/kartra/webhook_endpoints.py", "unassign_tag"): EVENT,
    ("kartra_mirror/admin/leads/one_lead/timeline.py", "create_lead"): EVENT,
    ("kartra_mirror/admin/leads/one_lead/timeline.py", "update_lead"): EVENT,
    ("leads/access.py", "refund_transaction"): "the permission that a ceiling hangs on; it stands below the kinds",
    ("leads/changes/__init__.py", "create_lead"): "a function of ours, in __all__",
    ("leads/models/activity.py", "cancel_subscription"): EVENT,
}
APPS = ("integrations", "kartra_mirror", "leads")
THEIR_OWN = ("integrations/kartra/", "integrations/sandbox/", "integrations/translate/", "leads/kinds/")


def names_of_kinds(source):
    """The kinds that a source names in texts, their permissions too."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [text.removeprefix("leads.") for text in texts if text.removeprefix("leads.") in kinds.ALL]


def test_kinds_are_known_by_name_nowhere_else():
    found = Counter()
    for path in (path for app in APPS for path in (ROOT / app).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if "migrations" not in path.parts and not name.startswith(THEIR_OWN):
            found.update((name, kind) for kind in names_of_kinds(path.read_text()))

    assert found == Counter(dict.fromkeys(NAMED, 1))


def test_name_of_a_kind_is_found():
    assert names_of_kinds("if kind.name == 'assign_tag' or user.has_perm('leads.give_points'): pass") == [
        "assign_tag",
        "give_points",
    ]
