"""Every word that a person sees in the admin goes through gettext: in a language of brackets nothing stands outside of them.

All data is Greek (see `greek`), so a Latin word outside of the brackets is one of ours that no translator would be asked for.
"""

import json

import pytest
from django.contrib import admin
from django.core import mail
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.urls import reverse

from integrations import receive
from integrations.models import Connection, Delivery, Stop
from integrations.sending import alerts, run_mails
from leads import kinds, mirror
from leads.models import Import, ImportState, Lead, LeadChange, RunDraft, Segment
from tests.factories import ConnectionFactory, StaffFactory
from tests.kartra_mirror.admin import pseudo
from tests.kartra_mirror.admin.greek import KINDS, world

pytestmark = pytest.mark.django_db

DATA = frozenset(
    [
        "Kartra",
        "Mirror",
        "Viewer",
        "Support",
        "Marketer",
        "Manager",
        "Engineer",  # the product, groups of the database
        "sale",
        "Sale",
        "rebill",
        "Rebill",
        "refund",
        "Refund",
        "failed",
        "Failed",  # Kartra's own words for transactions
        "checkbox",
        "ipn",
        "Ipn",
        "localhost",
        "Axes",
        "true",
        "false",
        "md",  # the hash of passwords in tests is md5
    ]
)
JSON_NAMES = [
    "tag",
    "list",
    "sequence",
    "calendar",
    "class",
    "membership",
    "level",
    "points",
    "step",
    "field",
    "was",
    "is",
    "city",
    "blacklisted",
]
"""Names in what is kept as JSON and shown as it is."""


@pytest.fixture(scope="module")
def greek(django_db_setup, django_db_blocker):
    """The account, made once for all; what a test writes into it is taken back, for it has a savepoint of its own."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), transaction.atomic():
        pseudo.speak(patch)
        yield world()
        transaction.set_rollback(True)


@pytest.fixture
def made(greek, db):
    cache.clear()
    return greek


@pytest.fixture
def staff(client, made):
    client.force_login(made.person)
    return client


def check(*answers, data=()):
    """No text of these answers is left outside of the brackets. All that are left are told at once."""
    found = {}
    assert answers
    for answer in answers:
        assert answer.status_code == 200, (answer.request["PATH_INFO"], answer.status_code, answer.content[:500])
        where = f"{answer.request['PATH_INFO']}?{answer.request['QUERY_STRING']}".rstrip("?")
        if left := pseudo.words_left(answer.content.decode(), DATA | set(data)):
            found[where] = left
    told = "\n".join(f"{where}\n    " + "\n    ".join(dict.fromkeys(left)) for where, left in found.items())
    assert not found, f"Texts that did not go through gettext:\n{told}"


def told_by(client, url, given=None, *, silent=False):
    """Post; the page that follows, which has to say something: in a message, or at a field of a form."""
    answer = client.post(url, given or {"nothing": "given"}, follow=True)
    shown = [value for layer in answer.context or () for scope in layer.dicts for value in scope.values()]
    said = [value for value in shown if getattr(value, "errors", None)] + list(answer.context.get("messages") or ())
    assert said or silent, f"{url} said nothing"
    return answer


def at(name, *args):
    return reverse(f"admin:{name}", args=args)


OURS = [model for model in admin.site._registry if model._meta.app_label in ("leads", "integrations", "auth")]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_lists(staff, model):
    url = at(f"{model._meta.app_label}_{model._meta.model_name}_changelist")

    check(staff.get(url), staff.get(f"{url}?q=ω"))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_pages_of_rows(staff, model):
    name = f"{model._meta.app_label}_{model._meta.model_name}_change"
    rows = model._default_manager.values_list("pk", flat=True)[:40]

    check(*(staff.get(at(name, pk), follow=True) for pk in rows), data=JSON_NAMES)


@pytest.mark.parametrize(
    "name",
    [
        "index",
        "home_now",
        "home_copies",
        "health",
        "health_now",
        "health_charts",
        "setup",
        "setup_now",
        "failures",
        "decisions",
        "leads_activity_without_us",
        "leads_lead_find",
        "leads_lead_add",
        "leads_lead_export",
        "leads_lead_newcomers",
        "leads_transaction_find",
        "leads_import_add",
        "leads_customfield_add",
        "integrations_connection_console",
        "integrations_connection_add",
        "integrations_door_add",
        "auth_user_add",
        "auth_group_add",
        "password_change",
    ],
)
def test_pages(staff, name):
    check(staff.get(at(name)))


def test_pages_of_those_who_are_not_signed_in(client, made):
    asked, wrong = {"email": "x@1.gr"}, {"username": "ν", "password": "ν"}
    for url, given in ((at("login"), wrong), (reverse("admin_password_reset"), asked)):
        check(client.get(url), client.post(url, given, follow=True))
    check(client.get(reverse("password_reset_confirm", args=["x", "y"])))


def test_pages_of_one_who_may_only_look(client, made):
    viewer = StaffFactory(username="ζωή")
    viewer.groups.set(made.colleague.groups.model.objects.filter(name="Viewer"))
    client.force_login(viewer)

    names = ["index", "decisions", "failures", "leads_lead_changelist", "leads_bulkrun_changelist"]
    urls = [at(name) for name in names] + [made.lead.get_absolute_url(), at("decision", made.changes["held"].pk)]
    check(*(client.get(url) for url in urls))


# --- leads


def test_filters_in_use(staff, made):
    filtered = (
        f"tag={made.tag.pk}&tag_all={made.tag.pk}&list={made.list.pk}&list_state=left&sequence_step=2&score_min=1&score_max=9"
        f"&joined_from=2026-01-01&country=Ελλάδα&gdpr=ναι&custom=πεδίο0&custom_how=filled&bought=any&bought_to=2026-01-01"
        f"&refunded={made.product.pk}&plan=any&wish=waiting&copy=due&copy=second&older=3&segment={made.segment.pk}"
        f"&membership_state=ended&calendar_from=2026-01-01&not_source=ω&account={made.account.pk}&membership=1&calendar=1"
    )
    check(
        staff.get(f"{at('leads_lead_changelist')}?{filtered}"),
        staff.get(f"{at('leads_lead_changelist')}?score_min=ω"),
        staff.get(f"{at('leads_lead_changelist')}?q=ω"),
    )


def test_one_lead(staff, made):
    urls = [lead.get_absolute_url() for lead in made.leads]
    spoken = staff.get(at("leads_lead_spoken", made.lead.pk))
    wrong = staff.post(urls[0], {"email": "x", "points": "x", "step": "1"})
    nothing = staff.post(urls[0], {})

    check(*(staff.get(url) for url in urls), wrong, nothing, *([spoken] if spoken.status_code == 200 else []))


def test_adding_a_lead(staff, made):
    add = at("leads_lead_add")
    check(
        told_by(staff, add),
        told_by(staff, add, {"email": "x", "points": "x", "expires_in_days": "3"}),
        told_by(staff, add, {"email": "x@1.gr", "sequence": "Αρχή"}),
        told_by(staff, add, {"email": "x@1.gr", "expires_in_days": "3"}),
        told_by(
            staff, add, {"email": "x@1.gr", "date": "2020-01-01", "hour": "10:00", "calendar": "Ώρα", "class": "Πρώτη"}
        ),
        told_by(staff, add, {"email": "x@1.gr", "calendar": "Ώρα", "class": "Πρώτη", "date": "2031-01-01"}),
        told_by(staff, add, {"email": "x@1.gr", "business_type": "ω", "tag": ["ω"], "custom.πεδίο3": "ω"}),
        told_by(staff, add, {"email": "3@1.gr"}),
        told_by(staff, add, {"email": "y@1.gr", "company": "<Α>"}, silent=True),
        told_by(staff, add, {"email": "z@1.gr", "city": "Άργος", "tag": ["Φίλοι"], "points": "5"}),
    )


def test_newcomers_from_a_file(staff, made):
    url = at("leads_lead_newcomers")
    good = SimpleUploadedFile("αρχείο", "Email,First name,ω\nx@1.gr,Α,ω\n3@1.gr,Β,ω\nω,Γ,ω\n".encode())
    bad = SimpleUploadedFile("αρχείο", b"PK\x03\x04")
    account = str(made.account.pk)
    page = staff.post(url, {"account": account, "file": good}, follow=True)

    check(told_by(staff, url), told_by(staff, url, {"account": account, "file": bad}), page)


@pytest.mark.parametrize("kind", sorted(kinds.IN_BULK))
def test_bulk_action_of_each_kind(staff, made, kind):
    def draft():
        lead = made.leads[2] if kind != "update_lead" else made.lead
        return staff.post(at("leads_lead_prepare", lead.pk, kind)).url

    url, wrong = draft(), draft()
    given = KINDS[kind]
    answers = [staff.get(url), staff.post(wrong, {"do": "preview", "points": "x", "step": "x", "tag": "ω"})]
    staff.post(url, {"do": "preview", "why": "Γιατί", **given})
    answers.append(staff.get(url))
    answers.append(staff.post(url, {"do": "start", "mark": "1/9/9"}, follow=True))
    shown = staff.get(url).context["preview"]
    answers.append(staff.post(url, {"do": "start", "mark": shown["mark"]}, follow=True))

    check(*answers)


def test_several_kinds_to_many_leads(staff, made):
    chosen = {"action": "assign_tag", "_selected_action": [made.lead.pk], "select_across": "1", "index": "0"}
    url = staff.post(at("leads_lead_changelist"), chosen).url
    staff.post(url, {"do": "add", "kind": "subscribe_list", "tag": "Φίλοι"})
    staff.post(url, {"do": "add", "kind": "subscribe_sequence", "tag": "Φίλοι"})
    staff.post(
        url, {"do": "preview", "tag": "Φίλοι", "2-list": "Νέα", "3-sequence": "Αρχή", "3-step": "2", "anyway": "on"}
    )

    check(
        staff.get(url),
        told_by(staff, url, {"do": "read"}),
        staff.post(url, {"do": "try", "mark": staff.get(url).context["preview"]["mark"]}, follow=True),
    )
    check(staff.get(url))


def test_no_leads_and_leads_of_two_accounts(staff, made):
    none = RunDraft.objects.create(created_by=made.person, kind="assign_tag", selection={"query": "", "ids": [0]})

    check(staff.get(none.get_absolute_url(), follow=True), told_by(staff, f"{at('leads_lead_export')}?_ids=0"))


def test_approvals(staff, client, made):
    url = made.draft.get_absolute_url()
    asked, refused = staff.get(url), staff.post(url, {"do": "refuse", "refused_why": "Όχι"}, follow=True)
    client.force_login(made.colleague)
    seen = client.get(url)

    check(asked, refused, seen, data=["Ask"])


# --- bulk actions, decisions, failures


def test_bulk_actions(staff, made):
    answers = []
    for run in made.runs.values():
        polled(staff.get(at("leads_bulkrun_progress", run.pk)))
        answers += [staff.get(run.get_absolute_url()), staff.get(at("leads_bulkrun_undo", run.pk), follow=True)]
        answers += [
            told_by(staff, at("leads_bulkrun_steer", run.pk), {"do": do}) for do in ("pause", "resume", "cancel")
        ]

    check(*answers)


def polled(answer):
    """What a page asks for again and again has no words that did not go through gettext."""
    told = answer.json()
    rows = [*told.get("counts", []), *told.get("results", [])]
    texts = [told.get(name, "") for name in ("state_words", "amount", "pace", "why_not", "sentence")] + [
        row["words"] for row in rows
    ]
    assert [text for text in texts if pseudo.untranslated(text, DATA)] == []


def test_undo(staff, made):
    url = at("leads_bulkrun_undo", made.runs["finished"].pk)
    mark = staff.get(url).context["mark"]

    check(told_by(staff, url, {"mark": "99"}), told_by(staff, url, {"mark": mark, "also": ["list_joined:Νέα"]}))
    check(staff.get(made.runs["finished"].get_absolute_url()))


def test_decisions(staff, made):
    rows = LeadChange.objects.filter(status="undecided")
    answers = [staff.get(at("decision", row.pk)) for row in rows]
    for row, answer in zip(rows, ("happened", "again", "give-up", "again", "happened"), strict=False):
        url = at("decision", row.pk)
        answers += [told_by(staff, url), told_by(staff, url, {"answer": answer, "why": "Γιατί"})]
    answers += [staff.get(f"{at('decisions')}?reason=outcome"), staff.get(at("decision", made.changes["accepted"].pk))]

    check(*answers)


def test_failures(staff, made):
    url, account = at("failures"), made.account.pk
    group = {"account": account, "kind": "assign_tag", "family": "tag:Φίλοι", "code": "212"}
    answers = [staff.get(f"{url}?code=212"), told_by(staff, url, {**group, "do": "close"})]
    answers += [
        staff.post(url, {**group, "do": "retry", "why": "Γιατί"}, follow=True),
        told_by(staff, url, {**group, "do": "retry"}),
    ]
    answers.append(told_by(staff, url, {**group, "code": "", "do": "close", "why": "Γιατί"}))

    check(*answers)


# --- money


def test_money(staff, made):
    refund = at("leads_transaction_refund", made.sale.pk)
    answers = [
        staff.get(refund),
        told_by(staff, refund),
        told_by(staff, refund, {"what": "part", "typed": "1"}),
        told_by(staff, refund, {"what": "whole", "typed": "1"}),
        told_by(staff, refund, {"what": "part", "amount": "999", "typed": "999"}),
        told_by(staff, at("leads_transaction_refund", made.sale.pk + 3)),
    ]
    for kind in ("cancel_subscription", "pause_subscription", "unpause_subscription", "edit_subscription"):
        url = at("leads_recurringsubscription_ask", made.plan.pk, kind)
        answers += [staff.get(url), told_by(staff, url), told_by(staff, url, {"typed": "1"})]
    url = at("leads_recurringsubscription_ask", made.plan.pk, "edit_subscription")
    LeadChange.objects.filter(family="subscription:81").delete()
    for wrong in (
        {"product_id": "1"},
        {"later_period": "yearly"},
        {"installments_left": "ω"},
        {"next_payment": "2020-01-01 10:00"},
    ):
        answers.append(told_by(staff, url, {"typed": "81", **wrong}))
    answers.append(told_by(staff, url, {"typed": "81", "amount": "31.50"}))

    check(*answers)


# --- Kartra


def test_connections(staff, made):
    connection = made.connection
    do = [
        at("integrations_connection_do", connection.pk, what) for what in ("check", "catalogue", "safety", "on", "off")
    ]
    answers = [staff.get(url, follow=True) for url in do] + [told_by(staff, url, {"why": "Γιατί"}) for url in do]
    answers.append(staff.get(at("integrations_connection_do", made.stopped.pk, "on")))
    for given in (
        {},
        {"name": "Αθήνα", "app_id": "ω", "api_url": "x"},
        {"name": "ω", "app_id": "ω", "key": "κ", "password": "κ", "api_url": "http://x.gr"},
    ):
        answers.append(told_by(staff, at("integrations_connection_add"), {"calls_per_second": "1", **given}))
    answers.append(
        told_by(
            staff,
            at("integrations_connection_change", connection.pk),
            {"name": "Αθήνα", "app_id": "ω", "calls_per_second": "1", "api_url": connection.api_url, "time_zone": "ω"},
        )
    )

    check(*answers)


def test_question_about_deleted_leads(staff, made):
    url = at("integrations_connection_gone", made.connection.pk)

    check(staff.get(url), staff.get(at("integrations_connection_gone", made.silent.pk)))
    check(told_by(staff, url, {"answer": "yes"}), told_by(staff, url, {"answer": "no"}))


def test_addresses(staff, made):
    do = [at("integrations_door_do", made.door.pk, what) for what in ("rotate", "retire-old", "rotate")]
    add = at("integrations_door_add")
    retire = {"action": "retire", "_selected_action": [made.door.pk]}

    check(
        *(told_by(staff, url) for url in do),
        told_by(staff, add),
        told_by(staff, at("integrations_door_changelist"), retire),
    )
    check(staff.get(made.door.get_absolute_url()))


def test_messages_from_kartra(staff, made):
    bodies = [
        b"",
        b"<html>",
        b"[1]",
        b'{"action": ""}',
        b'{"action": "assign_tag"}',
        b'{"action": "ipn"}',
        json.dumps(
            {"action": "assign_tag", "lead": {"id": "77"}, "action_details": {"tag": {"tag_name": "Νέα"}}}
        ).encode(),
        json.dumps({"action": "assign_tag", "lead": {"id": "77"}}).encode(),
        json.dumps({"action": "ωωω", "lead": {"id": "77"}}).encode(),
        json.dumps(
            {
                "action": "list_subscription",
                "lead": {"id": "77", "first_name": "Α"},
                "action_details": {"list": {"list_name": "Νέα"}},
            }
        ).encode(),
        json.dumps({"action": "calendar_subscribe", "lead": {"id": "77"}}).encode(),
    ]
    for number, body in enumerate(bodies):
        for channel in ("outbound", "ipn"):
            Delivery.objects.create(
                door=made.door, channel=channel, received_at=made.now, body=body, size=2, digest=f"{number:064}"
            )
    receive.drain()
    rows = Delivery.objects.order_by("-pk")
    answers = [staff.get(row.get_absolute_url()) for row in rows[: 2 * len(bodies)]]
    answers.append(told_by(staff, at("integrations_delivery_again", rows[0].pk)))
    answers.append(told_by(staff, at("integrations_delivery_again", rows[8].pk)))
    few = {"action": "apply_again", "_selected_action": [row.pk for row in rows[:9]]}
    answers.append(told_by(staff, at("integrations_delivery_changelist"), few))
    answers.append(told_by(staff, at("integrations_delivery_changelist"), {**few, "select_across": "1"}))

    check(*answers)


def test_console(staff, made):
    url, connection = at("integrations_connection_console"), made.connection.pk
    wrong = ["", "ω", "=x", "app_id=x", "actions[0][cmd]=get_lead"]

    check(*(told_by(staff, url, {"connection": connection, "pairs": pairs}) for pairs in wrong))
    url = at("leads_customfield_add")
    for given in (
        {},
        {"identifier": "ω", "type": "drop_down"},
        {"identifier": "x", "type": "drop_down", "options": "Α"},
        {"identifier": "x1", "type": "input_field"},
    ):
        check(told_by(staff, url, {"connection": connection, **given}))


def test_what_kartra_answers(staff, made, sandbox):
    connection = ConnectionFactory(account__name="Δελφοί", api_url=sandbox.url, sending="on", get_lead_by_id=True)
    number = sandbox.add_lead("7@1.gr", first_name="Μύρων")
    lead = mirror.take(
        connection.account, mirror.LeadFacts(number, {"email": "7@1.gr"}), source="import", at=made.now
    ).lead
    find, money = at("leads_lead_find"), at("leads_transaction_find")
    sale = str(sandbox.act("sale", lead=number, amount="9.00")["transaction"])
    asked = [(find, "7@1.gr"), (find, "8@1.gr"), (money, sale), (money, "1")]
    answers = [told_by(staff, url, {"connection": connection.pk, "named": named}, silent=True) for url, named in asked]
    answers += [
        told_by(staff, url, {"connection": connection.pk, "named": named, "do": "keep"})
        for url, named in (asked[0], asked[2])
    ]
    answers += [
        told_by(staff, at(f"leads_lead_{what}", lead.pk), silent=True) for what in ("read", "read_money", "read")
    ]
    answers += [
        told_by(staff, at("integrations_connection_do", connection.pk, what)) for what in ("check", "catalogue")
    ]
    answers.append(told_by(staff, find, {"connection": made.connection.pk, "named": "7@1.gr"}))

    # what the pretend Kartra's demo holds is its data
    check(*answers, data=["Trail", "Course", "VIP", "Buyers", "demo", "UTC", "EST", "United", "States", "manual"])


# --- files


def test_imports(staff, made):
    add = at("leads_import_add")
    answers = [told_by(staff, add)]
    files = {"leads": "Μ,Α\n8@1.gr,Α\n8@1.gr,Β\nω,Γ\n9@1.gr,Α,Β,Γ\n", "transactions": "Α,Β,Γ\n1,ω,x\nω ω,ω,ω\n"}
    for bad in (b"", b"%PDF", b"a@1.gr,b\n", b"\x00\x01\x02" * 500):
        answers.append(
            told_by(staff, add, {"account": made.account.pk, "kind": "leads", "file": SimpleUploadedFile("ω", bad)})
        )
    for kind, text in files.items():
        file = SimpleUploadedFile("ω", text.encode())
        answers.append(staff.post(add, {"account": made.account.pk, "kind": kind, "file": file}, follow=True))
        job = Import.objects.order_by("pk").last()
        match = at("leads_import_match", job.pk)
        answers += [
            told_by(staff, match, {"column_0": ""}),
            told_by(
                staff,
                match,
                {"column_0": "email" if kind == "leads" else "id", "column_1": "email" if kind == "leads" else "id"},
            ),
        ]
        targets = (
            {"column_0": "email"}
            if kind == "leads"
            else {"column_0": "id", "column_1": "full_amount", "column_2": "at"}
        )
        staff.post(match, targets)
        work_through(job)
        answers += [staff.get(job.get_absolute_url()), told_by(staff, at("leads_import_do", job.pk, "start"))]
        work_through(job)
        polled(staff.get(at("leads_import_progress", job.pk)))
        answers += [staff.get(job.get_absolute_url()), told_by(staff, at("leads_import_do", job.pk, "cancel"))]
    total = at("leads_import_total", made.account.pk)
    answers += [
        staff.get(total),
        told_by(staff, total, {"contacts_in_kartra": "x"}),
        told_by(staff, total, {"contacts_in_kartra": "9"}),
    ]

    check(*answers)


def work_through(job):
    from leads import importing

    job.refresh_from_db()
    if job.state in (ImportState.CHECKING, ImportState.LOADING):
        importing.work(job, importing.open_kept(job))
        job.refresh_from_db()


def test_exports(staff, made):
    url = f"{at('leads_lead_export')}?account={made.account.pk}"
    staff.post(url, {"form": "kartra"})

    check(staff.get(url), told_by(staff, url, {"form": "ω"}))


# --- segments, people, the switch


def test_segments(staff, made):
    save, segment = at("leads_segment_save"), made.segment
    do = [at("leads_segment_do", segment.pk, what) for what in ("rename", "delete")]
    Segment.objects.create(account=made.account, name="Άλλη", conditions={})
    answers = [
        staff.get(f"{save}?query=score_min%3D1"),
        staff.get(save, follow=True),
        told_by(staff, save, {"query": "score_min=1", "name": "Ομάδα", "account": made.account.pk}),
        told_by(staff, save, {"query": "score_min=1", "name": "Ομάδα", "account": made.account.pk, "replace": "on"}),
        told_by(staff, save, {"query": "score_min=1", "name": "Νέα", "account": made.account.pk}),
        told_by(staff, do[0], {"name": "Άλλη"}),
        told_by(staff, do[1]),
    ]

    check(*answers)


def test_people(staff, made):
    add, page = at("auth_user_add"), at("auth_user_change", made.colleague.pk)
    answers = [
        told_by(staff, add),
        told_by(staff, add, {"email": "2@1.gr"}),
        told_by(staff, add, {"email": "x@1.gr"}, silent=True),
        told_by(staff, page, {"limited": "on"}),
        told_by(staff, at("auth_user_link", made.colleague.pk), silent=True),
        told_by(staff, at("auth_group_add")),
        told_by(staff, at("password_change")),
    ]

    check(*answers)


def test_deleting_a_person(staff, made):
    # what Django calls the tables between two models it does not translate
    tables = ["User", "user", "group", "relationship", "relationships", "object", "Stafflimits", "account"]

    check(staff.get(at("auth_user_delete", made.colleague.pk)), data=tables)


def test_switch_for_everything(staff, made):
    check(told_by(staff, at("stop_all")), told_by(staff, at("stop_all")))
    assert not Connection.objects.filter(sending="on").exists()


# --- mails


def test_mails(made):
    made.runs["finished"].__class__.objects.update(mail_wanted=True)

    run_mails.drain()
    sentences = [alerts.beginning(stop) for stop in Stop.objects.all()] + [
        alerts.end(stop) for stop in Stop.objects.all()
    ]

    texts = [line for each in mail.outbox for line in (each.subject, *each.body.splitlines())]
    assert texts
    assert [text for text in (*texts, *sentences) if pseudo.untranslated(text, DATA | {"UTC"})] == []


# --- the test itself


def test_what_is_looked_for_is_found():
    """The test would be worth nothing if it found nothing."""
    page = f'<p title="A title">{pseudo.pseudo("Read it.")}</p><pre>raw</pre><b>Save Μαρία</b><i>ada@x.gr</i>'

    assert pseudo.words_left(page) == ["<p title> A title", "<b> Save Μαρία"]
    assert pseudo.pseudo("Read %(number)s <a href=x>leads</a>.") == "⟦Read ⟧%(number)s <a href=x>⟦leads⟧</a>."
    assert issubclass(Lead, object)
