"""A person limited to one account: every address of the admin, asked with what is another account's.

The table is made of the admin's own addresses. One that is added later is in it by itself; if its parts are not known here,
the test says so.
"""

import re
from urllib.parse import urlencode

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, reverse
from django.urls.converters import SlugConverter

from integrations.models import ApiCall, Connection, Delivery, SendingStop, WebhookEndpoint
from kartra_mirror.frame import menu
from leads.models import (
    Account,
    Activity,
    BulkRun,
    Import,
    Lead,
    LeadChange,
    Occurrence,
    Recipe,
    RecurringSubscription,
    RunDraft,
    Schedule,
    Segment,
    StaffLimits,
    Tag,
    Transaction,
)
from tests.factories.accounts import whole_account

pytestmark = pytest.mark.django_db

THEIRS = re.compile(r"zebra|88902|71902|31902|7[,. ]?000[,. ]?902", re.IGNORECASE)
"""What only the other account's rows hold: its word, and the ids of its lead, sale, plan, and Kartra's total of it."""

WORDS = {
    "kind": ["assign_tag", "cancel_subscription"],
    "what": ["on", "rotate", "start", "cancel", "delete", "skip", "pause", "release", "take-over"],
    "answer": ["again"],
}
"""Parts of addresses that name no row."""
OPEN_TO_ALL = {"login", "logout", "jsi18n", "password_change", "password_change_done", "app_list"}
OTHER_APPS = ("auth", "axes")
"""Their rows are people and their signing in, who belong to no account."""


@pytest.fixture
def world(client):
    """Two accounts with everything in them, and a person of the first who otherwise may do all there is to do."""
    ours, theirs = whole_account("Heron", 901), whole_account("Zebra", 902)
    person = get_user_model().objects.create(username="limited", email="limited@example.com", is_staff=True)
    person.user_permissions.set(Permission.objects.all())
    StaffLimits.objects.create(user=person, limited=True).accounts.set([ours.account])
    client.force_login(person)
    return ours, theirs


def addresses(patterns=None, owner=None):
    """Every address of the admin: (name, its parts by name, the model its page is about)."""
    for each in site.urls[0] if patterns is None else patterns:
        if isinstance(each, URLResolver):
            app_model = str(each.pattern).strip("/").split("/")
            model = next((m for m in site._registry if [m._meta.app_label, m._meta.model_name] == app_model), owner)
            yield from addresses(each.url_patterns, model)
        elif isinstance(each, URLPattern) and each.name:
            yield each.name, each.pattern.converters, owner


ADDRESSES = {name: (parts, model) for name, parts, model in addresses()}
PLAIN = sorted(name for name, (parts, _) in ADDRESSES.items() if not parts and name not in OPEN_TO_ALL)
OF_A_ROW = sorted(name for name, (parts, _) in ADDRESSES.items() if parts and name not in OPEN_TO_ALL | {"try"})


def row_of(rows, model):
    """The account's row of a model."""
    found = [each for each in vars(rows).values() if isinstance(each, model)]
    assert found, f"tests/factories/accounts.py makes no {model.__name__}"
    return found[0]


def arguments(rows, name):
    """The parts of an address, each naming a row of these, or one of WORDS: a list of possible ones."""
    parts, model = ADDRESSES[name]
    if name == "view_on_site":
        return [{"content_type_id": ContentType.objects.get_for_model(Lead).pk, "object_id": rows.lead.pk}]
    named = {"change": rows.undecided.pk, "account": rows.account.pk, "key": rows.draft.key}
    if name == "decision":
        named["pk"] = rows.undecided.pk
    elif name == "failure":
        named["pk"] = rows.refused.pk
    elif model is not None and {"pk", "object_id", "id"} & set(parts):
        if model._meta.app_label in OTHER_APPS:
            return []
        named["pk"] = named["object_id"] = row_of(rows, model).pk
    found = [{}]
    for part, converter in parts.items():
        values = WORDS[part] if isinstance(converter, SlugConverter) else [named[part]]
        found = [{**each, part: value} for each in found for value in values]
    return found


def text_of(answer):
    if answer.streaming:
        return b"".join(answer.streaming_content).decode(errors="replace")
    return answer.content.decode(errors="replace")


def kept_of(rows):
    """Everything stored of the account, to see that nothing was touched."""
    stored = [each for name, each in sorted(vars(rows).items()) if name not in ("word", "number")]
    fresh = [type(each)._default_manager.get(pk=each.pk) for each in stored]
    numbers = [
        model.objects.filter(**{f"{route}__in": [rows.account.pk]}).count()
        for model, route in (
            (Lead, "account"),
            (LeadChange, "account"),
            (BulkRun, "account"),
            (RunDraft, "account"),
            (Segment, "account"),
            (Recipe, "account"),
            (Schedule, "account"),
            (Occurrence, "schedule__account"),
            (Import, "account"),
            (WebhookEndpoint, "connection__account"),
            (ApiCall, "connection__account"),
            (SendingStop, "connection__account"),
            (Delivery, "endpoint__connection__account"),
            (Activity, "account"),
            (Tag, "account"),
        )
    ]
    return serializers.serialize("json", fresh), numbers


def shows_theirs(answer):
    found = THEIRS.search(text_of(answer))
    return found.group() if found else ""


def test_no_page_shows_anything_of_another_account(client, world):
    _, theirs = world
    before, wrong = kept_of(theirs), []

    for name in PLAIN:
        url = reverse(f"admin:{name}")
        for answer in (client.get(url), client.post(url)):
            if answer.status_code >= 500 or shows_theirs(answer):
                wrong.append((name, answer.request["REQUEST_METHOD"], answer.status_code, shows_theirs(answer)))
    assert wrong == []
    assert kept_of(theirs) == before


def test_addresses_of_another_accounts_rows_are_none(client, world):
    _, theirs = world
    before, wrong = kept_of(theirs), []

    for name in OF_A_ROW:
        for given in arguments(theirs, name):
            url = reverse(f"admin:{name}", kwargs=given)
            for answer in (
                client.get(url),
                client.post(url),
                client.post(url, {"post": "yes", "do": "cancel", "why": "x"}),
            ):
                if answer.status_code not in (403, 404) or shows_theirs(answer):
                    wrong.append((url, answer.request["REQUEST_METHOD"], answer.status_code, shows_theirs(answer)))
    assert wrong == []
    assert kept_of(theirs) == before


def test_the_same_addresses_of_ones_own_rows_are_pages(client, world):
    """Or the test above would be content with addresses that never answer. Nearly nothing can be deleted by hand."""
    ours, _ = world
    answered = {
        name: {client.get(reverse(f"admin:{name}", kwargs=given)).status_code for given in arguments(ours, name)}
        for name in OF_A_ROW
        if not name.endswith("_delete")
    }
    assert [name for name, codes in answered.items() if codes and not codes & {200, 302}] == []


ASKED = {
    "leads_lead_changelist": [
        {"q": "Zebra"},
        {"tag": "tag"},
        {"not_tag": "tag"},
        {"tag_all": "tag"},
        {"list": "mailing_list"},
        {"account": "account"},
        {"segment": "segment"},
        {"not_segment": "segment"},
        {"sequence": "sequence"},
        {"calendar": "calendar_class"},
        {"membership": "level"},
        {"bought": "product"},
        {"refunded": "product"},
        {"plan": "product"},
        {"country": "Zebraland"},
    ],
    "leads_segment_save": [{"query": "tag=%(tag)s&list=%(mailing_list)s&segment=%(segment)s&account=%(account)s"}],
    "leads_segment_changelist": [{"q": "segment"}, {"account__id__exact": "account"}],
    "leads_recipe_add": [{"run": "run"}, {"account": "account"}],
    "leads_recipe_changelist": [{"account__id__exact": "account"}, {"q": "recipe"}],
    "leads_schedule_add": [{"recipe": "recipe", "segment": "segment"}],
    "leads_schedule_changelist": [{}, {"tab": "past"}],
    "compare": [{"one": "tag-%(tag)s"}, {"one": "segment-%(segment)s", "other": "list-%(mailing_list)s"}],
    "leads_lead_export": [{"_ids": "lead"}, {"tag": "tag"}, {"account": "account"}],
    "leads_lead_add": [{"account": "account"}],
    "leads_lead_find": [{"q": "nothing"}],
    "leads_activity_without_us": [{"account": "account"}],
    "leads_activity_changelist": [{"account__id__exact": "account"}],
    "leads_leadchange_changelist": [
        {"run__id__exact": "run"},
        {"account__id__exact": "account"},
        {"kind": "assign_tag"},
    ],
    "leads_bulkrun_changelist": [{"account__id__exact": "account"}, {"q": "run"}],
    "leads_tag_changelist": [{"account__id__exact": "account"}, {"q": "tag"}],
    "leads_transaction_changelist": [{"product__id__exact": "product"}, {"account__id__exact": "account"}],
    "leads_recurringsubscription_changelist": [{"status": "plan"}],
    "integrations_delivery_changelist": [{"endpoint__id__exact": "door"}, {"action": "Heron_action"}],
    "integrations_apicall_changelist": [{"connection__id__exact": "connection"}],
    "decisions": [{"reason": "outcome"}],
    "setup_now": [{}],
    "health_charts": [{}],
    "search": [{"s": "lead"}, {"s": "lead", "extended": "1"}],
}
"""Questions in addresses that name what is another account's; a value is a name of one of its rows, or a text."""


def filled(question, rows):
    keys = {name: getattr(each, "pk", "") for name, each in vars(rows).items()}
    return urlencode(
        {name: (value % keys if "%(" in value else keys.get(value) or value) for name, value in question.items()}
    )


def test_asking_for_what_is_another_accounts_tells_nothing(client, world):
    _, theirs = world
    wrong = []

    for name, question in [(name, each) for name, many in ASKED.items() for each in many]:
        asked = filled(question, theirs)
        answer = client.get(f"{reverse(f'admin:{name}')}?{asked}")
        shown = text_of(answer)
        for typed in filter(THEIRS.search, question.values()):  # what was typed comes back
            shown = shown.replace(typed, "")
        if answer.status_code not in (200, 302, 404) or THEIRS.search(shown):
            wrong.append((name, asked, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("address", ["setup", "setup_now"])
def test_set_up_of_another_connection_is_not_found(client, world, address):
    assert client.get(reverse(f"admin:{address}"), {"connection": world[1].connection.pk}).status_code == 404


SENT = {
    "leads_import_add": {"account": "account", "kind": "leads"},
    "leads_lead_find": {"connection": "connection", "named": "Zebra@example.com", "do": "keep"},
    "leads_transaction_find": {"connection": "connection", "named": "71902", "do": "keep"},
    "integrations_connection_console": {"connection": "connection", "pairs": "get_lead[email]=Zebra@example.com"},
    "leads_customfield_add": {"connection": "connection", "identifier": "another", "type": "input_field"},
    "integrations_webhookendpoint_add": {"connection": "connection", "name": "another"},
    "leads_segment_save": {"query": "q=a", "name": "another", "account": "account"},
    "leads_lead_add": {"email": "new@example.com", "account": "account"},
    "leads_recipe_add": {
        "account": "account",
        "recipe-name": "x",
        "recipe-step": "give_points",
        "points": "5",
        "do": "save",
    },
    "leads_schedule_add": {
        "name": "x",
        "recipe": "recipe",
        "segment": "segment",
        "period": "daily",
        "at": "09:00",
        "zone": "UTC",
        "largest_difference": "30",
        "grace_hours": "6",
    },
    "leads_schedule_pause_all": {},
    "auth_user_add": {"email": "new@example.com", "limited": "on", "accounts": "account"},
    "failures": {
        "account": "account",
        "kind": "assign_tag",
        "family": "tag:Zebra third",
        "code": "212",
        "do": "close",
        "why": "x",
    },
    "failures_csv": {},
    "stop_all": {},
    "own_sign_in": {"do": "codes"},
    "second_factor": {"begin": "1"},
}
"""What forms could be made to send about another account."""


@pytest.mark.parametrize("name", SENT)
def test_sending_what_is_another_accounts_changes_nothing_there(client, world, name):
    _, theirs = world
    before = kept_of(theirs)
    given = {key: getattr(getattr(theirs, value, None), "pk", value) for key, value in SENT[name].items()}
    if name == "leads_import_add":
        given["file"] = SimpleUploadedFile("leads.csv", b"Email\nnew@example.com\n")

    client.post(reverse(f"admin:{name}"), given)
    client.post(f"{reverse(f'admin:{name}')}?account={theirs.account.pk}", given)

    assert kept_of(theirs) == before


def test_actions_on_another_accounts_rows_do_nothing(client, world):
    ours, theirs = world
    before, wrong = kept_of(theirs), []

    for name in (name for name in PLAIN if name.endswith("_changelist")):
        _, model = ADDRESSES[name]
        if model._meta.app_label in OTHER_APPS:
            continue
        own, other, url = row_of(ours, model), row_of(theirs, model), reverse(f"admin:{name}")
        for action in site._registry[model].get_actions(client.get(url).wsgi_request):
            ticked = {"action": action, "_selected_action": [own.pk, other.pk], "post": "yes"}
            across = {"action": action, "_selected_action": [other.pk], "select_across": "1"}
            answers = (
                client.post(url, ticked, follow=True),
                client.post(f"{url}?account={theirs.account.pk}", across, follow=True),
            )
            wrong += [(name, action, shows_theirs(answer)) for answer in answers if shows_theirs(answer)]
    assert wrong == []
    assert kept_of(theirs) == before


def test_chosen_rows_of_another_account_are_in_no_file(client, world):
    """The ids travel in the address, where anybody may write any."""
    ours, theirs = world
    url = f"{reverse('admin:leads_lead_export')}?_ids={ours.lead.pk},{theirs.lead.pk}"
    text = text_of(client.post(url, {"form": "mirror"}))
    assert ours.lead.email in text
    assert not THEIRS.search(text)


def test_failed_changes_of_another_account_are_not_found(client, world):
    ours, theirs = world
    for rows, status in ((ours, 200), (theirs, 404)):
        given = {"account": rows.account.pk, "kind": "assign_tag", "family": f"tag:{rows.word} third", "code": "212"}
        assert client.get(reverse("admin:failures_csv"), given).status_code == status
    given["why"] = "x"
    assert client.post(reverse("admin:failures"), {**given, "do": "close"}).status_code == 404
    assert client.post(reverse("admin:failures"), {**given, "do": "retry"}).status_code == 404


def test_running_badge_counts_the_bulk_actions_of_ones_accounts(client, world):
    request = client.get("/admin/").wsgi_request
    assert menu.running(request) == 1
    StaffLimits.objects.update(limited=False)
    assert menu.running(client.get("/admin/").wsgi_request) == 2


def test_what_a_limited_colleague_asks_for_is_judged_in_their_accounts(client, world):
    """Whoever starts it for them may have more accounts; the leads are still those of the one who asked."""
    ours, theirs = world
    draft = RunDraft.objects.create(
        created_by=StaffLimits.objects.get().user,
        account=ours.account,
        kind="assign_tag",
        selection={"version": 1, "leads": {"everybody": True}},
        parameters={"clean": {"tag": ours.tag.name}, "form": {"tag": ours.tag.name}},
        asked_at=ours.draft.asked_at,
    )
    Tag.objects.create(account=theirs.account, name=ours.tag.name)
    client.force_login(get_user_model().objects.create(username="root", is_staff=True, is_superuser=True))

    page = client.get(draft.get_absolute_url())

    assert page.context_data["chosen"] == 1
    assert page.context_data["account"] == ours.account


def test_person_without_accounts_meets_no_error(client, world):
    StaffLimits.objects.get().accounts.clear()
    for name in PLAIN:
        assert client.get(reverse(f"admin:{name}")).status_code < 500, name
    assert client.get(f"{reverse('admin:leads_segment_save')}?query=q%3Da").status_code < 500


def test_limited_person_makes_no_new_account(client, world):
    """It would be one that they may not see."""
    assert client.get(reverse("admin:integrations_connection_add")).status_code == 403
    assert Account.objects.count() == 2
    assert Connection.objects.count() == 2
    assert Transaction.objects.count() == RecurringSubscription.objects.count() == 2
