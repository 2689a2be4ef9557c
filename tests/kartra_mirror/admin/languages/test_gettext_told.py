"""What pages answer to what is done on them, with everything right or wrong, went through gettext too."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from integrations import receive
from integrations.models import Connection, Delivery
from leads import mirror
from leads.models import Import, ImportState, LeadChange
from tests.factories import ConnectionFactory, SegmentFactory
from tests.kartra_mirror.admin.languages.brackets import at, check, told_by

pytestmark = pytest.mark.django_db


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
    do = [at("integrations_webhookendpoint_do", made.endpoint.pk, what) for what in ("rotate", "retire-old", "rotate")]
    add = at("integrations_webhookendpoint_add")
    retire = {"action": "retire", "_selected_action": [made.endpoint.pk]}

    check(
        *(told_by(staff, url) for url in do),
        told_by(staff, add),
        told_by(staff, at("integrations_webhookendpoint_changelist"), retire),
    )
    check(staff.get(made.endpoint.get_absolute_url()))


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
                endpoint=made.endpoint, channel=channel, received_at=made.now, body=body, size=2, digest=f"{number:064}"
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
    lead = mirror.apply_facts(
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

    # what the Kartra sandbox's demo holds is its data
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
        answers += [
            staff.get(job.get_absolute_url()),
            told_by(staff, at("leads_import_do", job.pk, "start"), silent=True),
        ]
        work_through(job)
        check(staff.get(at("leads_import_progress", job.pk)))
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
    SegmentFactory(account=made.account, name="Άλλη", conditions={})
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
    assert not Connection.objects.sending().exists()
