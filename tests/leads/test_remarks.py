"""A sentence of ours is never state: rows keep a code and what fills its places, and the words come where it is shown."""

import ast
import importlib
import re
from enum import Enum
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone

from integrations import models
from integrations.models import Seen, sighting
from leads import labels, transitions
from leads.models import ChangeRemark, LeadChange
from leads.models.remarks import CODES, RemarkField, remark, sentence_of, words_of_code
from tests.factories import LeadChangeFactory
from tests.kartra_mirror.admin.languages import pseudo

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for app in ("leads", "integrations", "kartra_mirror") for path in (ROOT / app).rglob("*.py"))
PLACE = re.compile(r"%\((\w+)\)s")
TRANSLATED = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext"}
MAKERS = {"remark", "sighting", "Unreadable", "Bad"} | {
    *(
        "NotSent",
        "OutcomeUnknown",
        "Rejected",
        "CredentialsRefused",
        "Throttled",
        "NoSlot",
        "NotHere",
        "KeyLost",
        "KartraError",
    )
}
"""What makes a remark, or an error that becomes one: a code with what fills the places of its words."""


def trees():
    for path in MODULES:
        if "migrations" not in path.parts:
            yield path, ast.parse(path.read_text())


def name_of(call):
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def code_in(path, call):
    """The code that a call names, as the module that makes the call knows it; None where it is given one."""
    members = [each for each in call.args if isinstance(each, ast.Attribute) and each.attr.isupper()]
    if not members:
        return None
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    vocabulary = eval(ast.unparse(members[0].value), {**vars(models), **vars(module)})  # some are imported in functions
    return getattr(vocabulary, members[0].attr)


def made():
    """Every call that fills the places of a code: (where, code, names of places)."""
    for path, tree in trees():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node) in MAKERS):
            code = code_in(path, call)
            places = {keyword.arg for keyword in call.keywords} - {"also"}
            if code is not None and str(code.value) in CODES and None not in places:
                yield f"{path.name}:{call.lineno}", code, places


def filled(code):
    """A remark with this code, its places filled with Greek."""
    places = dict.fromkeys(PLACE.findall(words_of_code(code)), "Ω")
    special = {
        "fields": ["custom.Ω", "city"],
        "field": "city",
        "change": {"kind": "update_lead", "parameters": {"city": "Ω"}},
        "why": {"what": "json_missing"},
    }
    return {"what": code, **{name: special.get(name, value) for name, value in places.items()}}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_words_in_the_readers_language(code, monkeypatch):
    pseudo.speak(monkeypatch)

    said = sentence_of(filled(code))

    assert "⟦" in said or not re.search("[a-z]", PLACE.sub("", words_of_code(code)))
    assert "%(" not in said
    assert not pseudo.untranslated(said.replace("city", ""))


def test_words_take_exactly_what_is_given_with_their_code():
    evidence = {str(each.value) for each in Seen}  # tells more than its words say
    wrong = {
        where: (str(code.value), places)
        for where, code, places in made()
        if str(code.value) not in evidence and places != set(PLACE.findall(str(code.label)))
    }

    assert wrong == {}
    assert not [code for code in evidence if PLACE.search(words_of_code(code))]


def test_every_code_is_said_somewhere():
    text = "\n".join(path.read_text() for path in MODULES)

    members = {code: member.name for code, member in CODES.items() if isinstance(member, Enum)}
    assert [code for code, name in members.items() if not re.search(rf"\.{name}\b", text)] == []


# --- nothing else is stored

WRITERS = {"create", "update", "bulk_create", "get_or_create", "update_or_create", "settle", "doubt", "leave_to_person"}
WRITERS |= {
    "ApiCall",
    "Attempt",
    "LeadChange",
    "ChangeOutcome",
    "Activity",
    "Delivery",
    "ImportReject",
    "cancel",
    "stop",
}
WRITERS |= {"remark", "sighting"}
KEPT = {"name"}
"""What a bulk action is called may be typed by a person; so may why sending is on or off."""


def sentences_in(node, called=frozenset()):
    """Calls of gettext anywhere in an expression, and names that are `called` by what one gave."""
    found = [each for each in ast.walk(node) if isinstance(each, ast.Call) and name_of(each) in TRANSLATED]
    return found + [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id in called]


def written_by(call, called):
    """The sentences that a call is given to write into a row. What Django keeps of who did what is its own."""
    if name_of(call) not in WRITERS or ast.unparse(call.func).startswith("LogEntry."):
        return []
    given = [each.value for each in call.keywords if each.arg not in KEPT] + call.args
    return [each for value in given for each in sentences_in(value, called)]


def named_sentences(function):
    """Names in a function that stand for a sentence, not for the row that one is the name of."""
    assigned = [each for each in ast.walk(function) if isinstance(each, ast.Assign) and sentences_in(each.value)]
    told = [each for each in assigned if not (isinstance(each.value, ast.Call) and name_of(each.value) in WRITERS)]
    return {target.id for each in told for target in each.targets if isinstance(target, ast.Name)}


def test_no_sentence_is_given_to_what_writes_a_row():
    found = set()
    for path, tree in trees():
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            called = named_sentences(function)
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                found |= {f"{path.relative_to(ROOT)}:{each.lineno}" for each in written_by(call, called)}

    assert found == set()


def test_no_sentence_is_set_as_a_field_of_a_row():
    fields = {field.name for model in apps.get_models() for field in model._meta.fields} - KEPT
    found = set()
    for path, tree in trees():
        if path.is_relative_to(ROOT / "kartra_mirror"):
            continue  # pages have fields of their own
        for node in (each for each in ast.walk(tree) if isinstance(each, ast.Assign)):
            if isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr in fields:
                found |= {f"{path.relative_to(ROOT)}:{each.lineno}" for each in sentences_in(node.value)}

    assert found == set()


def test_sentence_that_is_written_is_found():
    source = "def f(rows):\n words = _('Done.') % {}\n rows.update(message=words)\n rows.update(name=_('x'))"
    function = ast.parse(source).body[0]
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]

    assert [each.id for call in calls for each in written_by(call, named_sentences(function))] == ["words"]


def test_code_that_nobody_knows_is_not_written(db):
    change = LeadChangeFactory()

    with pytest.raises(ValueError, match="nonsense"):
        LeadChange.objects.filter(pk=change.pk).update(remark={"what": "nonsense"})
    with pytest.raises(ValueError, match="nonsense"):
        RemarkField().get_prep_value([sighting(timezone.now(), Seen.DONE), {"what": "nonsense"}])


def test_code_that_is_stored_and_nobody_knows_any_more_is_shown_as_it_is():
    assert sentence_of({"what": "nonsense", "step": 2}) == "nonsense {'step': '2'}"
    assert sentence_of({"what": ChangeRemark.CANCELLED_BY}) == "cancelled_by"
    assert labels.what_was_seen({"what": "nonsense", "step": 2}) == "nonsense"


def test_row_is_read_in_another_language_than_it_was_written_in(db, monkeypatch):
    change = LeadChangeFactory(lead__first_name="Ada")
    rows = LeadChange.objects.filter(pk=change.pk)
    with monkeypatch.context() as patch:
        pseudo.speak(patch)
        transitions.doubt(rows, remark(ChangeRemark.NOT_RECORDED))
        change.refresh_from_db()
        assert change.words == "⟦Sent, but the answer was never recorded.⟧"

    assert change.remark == {"what": "not_recorded"}
    assert change.words == "Sent, but the answer was never recorded."


def test_every_remark_is_kept_in_a_field_that_knows_the_codes():
    said = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.fields
        if isinstance(field, RemarkField)
    }

    assert {
        "LeadChange.remark",
        "Attempt.remark",
        "Attempt.evidence",
        "ApiCall.remark",
        "BulkRun.paused_remark",
    } <= said
