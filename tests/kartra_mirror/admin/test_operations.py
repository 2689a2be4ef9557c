"""Every operation in the admin: what is clicked becomes the exact call that Kartra received; who may not gets 403."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall, Connection, Door
from kartra_mirror.admin.leads import outcome_messages
from kartra_mirror.ui import lead_fields
from kartra_mirror.ui.lead_fields import NEEDED
from leads import changes, kinds, mirror
from leads.kinds.profile import profile_fields
from leads.models import (
    Activity,
    CustomField,
    Lead,
    LeadChange,
    LeadTag,
    RecurringSubscription,
    SequenceEnrollment,
    Transaction,
)
from tests.factories import BulkRunFactory, DeliveryFactory, LeadChangeFactory, StaffFactory
from tests.flows.test_operations import BESIDES, BOOKING, CUSTOM, PROFILE, custom_said, said

pytestmark = pytest.mark.django_db(transaction=True)

LEADS = "/admin/leads/lead/"
FORM_BOOKING = {"calendar": "Coaching", "class": "Intro call", "date": BOOKING["date"], "hour": "15:00"}
FORM_CUSTOM = {
    "custom.shirt_size": "611",
    "custom.interests": ["620", "621"],
    "custom.crm_ref": "A-1009",
    "custom.remarks": "a\nb",
}


@pytest.fixture
def staff(client):
    client.user = StaffFactory(username="mara", is_superuser=True)
    client.force_login(client.user)
    return client


@pytest.fixture
def lead(sandbox, connection):
    return sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")


def drain(connection):
    for _ in range(4):
        push.drain(Connection.objects.get(pk=connection.pk), until_s=2)


def shown_form(client, lead):
    """The lead's form as a browser would send it back untouched."""
    form = client.get(lead.get_absolute_url()).context["form"]
    data = {}
    for bound in form:
        value = bound.value()
        if value not in (None, "", []):
            data[bound.html_name] = value
        if bound.field.show_hidden_initial and value not in (None, "", []):
            data[bound.html_initial_name] = value
    return data


def edit(client, lead, **given):
    return client.post(lead.get_absolute_url(), {**shown_form(client, lead), **given}, follow=True)


def test_form_that_is_sent_twice_is_recorded_once(staff, sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    given = {**shown_form(staff, lead), "points": "15"}

    pages = [staff.post(lead.get_absolute_url(), given, follow=True).content.decode() for _ in range(2)]
    assert ["nothing was added" in page for page in pages] == [False, True]
    assert [change.kind for change in lead.changes.all()] == ["give_points"]
    edit(staff, lead, points="15")
    assert lead.changes.count() == 2


# --- 2, 18: create


def test_add_a_lead(staff, sandbox, connection):
    answer = staff.post(
        f"{LEADS}add/", {"email": "ada@example.com", **PROFILE, **FORM_CUSTOM, "why": "Fair"}, follow=True
    )
    drain(connection)

    [call] = sandbox.calls()
    assert "1 change requested" in answer.content.decode()
    assert call["cmds"] == ["create_lead"]
    assert {n: v for n, v in call["form"]["lead"].items() if n != "custom_fields"} == {
        "email": "ada@example.com",
        **PROFILE,
    }
    assert custom_said(call)["interests"] == {"0": "620", "1": "621"}
    change = LeadChange.objects.get()
    assert (change.status, change.why, change.requested_by) == ("accepted", "Fair", staff.user)
    assert Lead.objects.get().kartra_id == str(sandbox.lead("ada@example.com")["id"])


def test_add_a_lead_with_everything_is_two_calls(staff, sandbox, connection):
    staff.post(
        f"{LEADS}add/",
        {"email": "ada@example.com", **PROFILE, **FORM_CUSTOM, **BESIDES, "list": ["Buyers"], **FORM_BOOKING},
    )
    drain(connection)

    first, second = sandbox.calls()
    assert {n: v for n, v in first["form"]["lead"].items() if n != "custom_fields"} == {
        "email": "ada@example.com",
        **PROFILE,
    }
    assert said(first) == [
        {"cmd": "create_lead"},
        {"cmd": "assign_tag", "tag_name": "VIP"},
        {"cmd": "assign_tag", "tag_name": "buyer"},
        {"cmd": "give_points_to_lead", "points": "15", "expiration": "30"},
        {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"},
        {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Welcome series", "step": "2"},
    ]
    assert said(second) == [BOOKED]
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    check_copy(Lead.objects.get(), sandbox.lead("ada@example.com"))


BOOKED = {
    "cmd": "calendar_subscribe",
    "calendar_name": "Coaching",
    "class_name": "Intro call",
    "starting_date": f"16 Jan {BOOKING['date'][:4]}",
    "starting_hour": "15:00",
}


def check_copy(lead, kartra):
    """Our copy has all that was asked for, as Kartra has it."""
    assert {name: getattr(lead, name) for name in PROFILE} == PROFILE
    assert (lead.kartra_id, lead.email) == (str(kartra["id"]), kartra["email"])
    assert {name: value for name, value in lead.custom_values.items() if value} == {
        "shirt_size": [["611", "Large"]],
        "interests": [["620", "Running"], ["621", "Cooking"]],
        "crm_ref": "A-1009",
        "remarks": "a\nb",
    }
    assert {str(row) for row in lead.leadtags.all()} == set(kartra["tags"]) == {"VIP", "buyer"}
    assert {str(row) for row in lead.listsubscriptions.filter(active=True)} == {"Buyers"}
    assert lead.sequenceenrollments.get(sequence__name="Welcome series").step == "2"
    assert [row.status for row in lead.calendarenrollments.filter(calendar_class__name="Intro call")] == ["Active"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"email": ""}, "needs an email"),
        ({"email": "ada"}, "valid email"),
        ({"email": "a@example.com", "sequence": "Upsell"}, "sequence and step"),
        ({"email": "a@example.com", "points": "-1"}, "greater than or equal to 1"),
        ({"email": "a@example.com", "tag": ["nope"]}, "not in our copy"),
        ({"email": "ada@example.com"}, "already"),
    ],
)
def test_bad_input_on_the_add_page_is_told_and_changes_nothing(staff, sandbox, lead, given, words):
    answer = staff.post(f"{LEADS}add/", given)

    assert words in answer.content.decode()
    assert not LeadChange.objects.exists()
    assert Lead.objects.count() == 1


def test_known_address_is_told_once_with_the_way_to_its_lead(staff, sandbox, lead):
    text = staff.post(f"{LEADS}add/", {"email": "ada@example.com"}).content.decode()

    assert text.count("Change that one instead.") == 1
    assert f'<a href="{lead.get_absolute_url()}">Open {lead}</a>' in text


# --- 3, 4: get, does it exist


@pytest.mark.parametrize("named", ["email", "id"])
def test_find_in_kartra_says_yes_and_keeps_only_when_asked(staff, sandbox, connection, named):
    number = sandbox.add_lead("bo@example.com", first_name="Bo")
    asked = {"connection": connection.pk, "named": "bo@example.com" if named == "email" else number}

    yes = staff.post(f"{LEADS}find/", {**asked, "do": "look"}).content.decode()
    assert f"Yes: Kartra has lead {number}" in yes
    assert not Lead.objects.exists()
    kept = staff.post(f"{LEADS}find/", {**asked, "do": "keep"}, follow=True).content.decode()

    assert "in our copy now" in kept
    assert Lead.objects.get().first_name == "Bo"
    assert sandbox.calls()[0]["form"]["get_lead"] == {named: asked["named"]}


@pytest.mark.parametrize("named", ["+34", "600 123 456", "Ada", "@", "12x", "٣"])
def test_what_names_no_lead_to_kartra_is_not_asked(staff, sandbox, connection, named):
    answer = staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": named}).content.decode()

    assert "Kartra can be asked by a whole email address" in answer
    assert sandbox.calls() == []
    assert "by nothing else" in staff.get(LEADS, {"q": named}).content.decode()


def test_id_that_never_was_is_not_said_to_be_deleted(staff, sandbox, connection):
    answer = staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": "999999"}).content.decode()

    assert "No: Kartra has no lead 999999." in answer
    assert "deleted there" not in answer


def test_find_in_kartra_says_no(staff, sandbox, connection):
    answer = staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": "no@example.com"})

    assert "No: Kartra has no lead no@example.com" in answer.content.decode()
    assert not Lead.objects.exists()


def test_leads_are_updated_from_kartra_by_an_action(staff, sandbox, lead, rings):
    Lead.objects.update(dirty_at=None)
    staff.post(LEADS, {"action": "read_again", "_selected_action": [lead.pk], "index": "0", "select_across": "0"})

    lead.refresh_from_db()
    assert lead.dirty_at is not None
    assert ("refresh_leads", (lead.account.connection.pk,)) in rings


# --- 5 to 14: one lead and in bulk


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        (
            "give_points",
            {"points": "5", "expires_in_days": "7"},
            {"cmd": "give_points_to_lead", "points": "5", "expiration": "7"},
        ),
        ("remove_points", {"points": "3"}, {"cmd": "remove_points_from_lead", "points": "3"}),
        ("assign_tag", {"tag": "VIP"}, {"cmd": "assign_tag", "tag_name": "VIP"}),
        ("unassign_tag", {"tag": "VIP"}, {"cmd": "unassign_tag", "tag_name": "VIP"}),
        ("subscribe_list", {"list": "Buyers"}, {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"}),
        ("unsubscribe_list", {"list": "Buyers"}, {"cmd": "unsubscribe_lead_from_list", "list_name": "Buyers"}),
        (
            "subscribe_sequence",
            {"sequence": "Upsell", "step": "2"},
            {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Upsell", "step": "2"},
        ),
        (
            "unsubscribe_sequence",
            {"sequence": "Upsell"},
            {"cmd": "unsubscribe_lead_from_sequence", "sequence_name": "Upsell"},
        ),
        (
            "subscribe_calendar",
            {"calendar": "Coaching", "class": "Deep dive", "date": BOOKING["date"], "hour": "09:30"},
            {
                "cmd": "calendar_subscribe",
                "calendar_name": "Coaching",
                "class_name": "Deep dive",
                "starting_date": f"16 Jan {BOOKING['date'][:4]}",
                "starting_hour": "09:30",
            },
        ),
        (
            "cancel_calendar",
            {"calendar": "Coaching", "class": "Deep dive"},
            {"cmd": "calendar_cancel", "calendar_name": "Coaching", "class_name": "Deep dive"},
        ),
        ("update_lead", {"city": "Bend"}, None),
    ],
)
def test_bulk_action_and_one_lead(staff, sandbox, connection, lead, kind, form, expected):
    Lead.objects.update(read_at=None, score=0)
    other = sandbox.mirrored_lead(connection, "bo@example.com")
    Lead.objects.update(read_at=None)
    chosen = {"action": kind, "_selected_action": [lead.pk, other.pk], "index": "0", "select_across": "0"}
    for begin in (
        lambda: staff.post(LEADS, chosen).url,
        lambda: staff.post(reverse("admin:leads_lead_prepare", args=[lead.pk, kind])).url,
    ):
        url = begin()
        staff.post(url, {"do": "preview", **form})
        preview = staff.get(url).context["preview"]
        staff.post(url, {"do": "start", "mark": preview["mark"]})

    drain(connection)

    calls = [call for call in sandbox.calls(writes=True) if call["form"]["lead"]["id"] == lead.kartra_id]
    if expected is None:
        assert calls[0]["form"]["lead"] == {"id": lead.kartra_id, "city": "Bend"}
        assert calls[0]["cmds"] == ["edit_lead"]
    else:
        assert said(calls[0])[0] == expected
    assert {call["form"]["lead"]["id"] for call in sandbox.calls(writes=True)} == {lead.kartra_id, other.kartra_id}


def test_preview_warns_of_texts_that_the_firewall_may_refuse(staff, lead):
    url = staff.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "update_lead"])).url
    staff.post(url, {"do": "preview", "company": "A <b> {c}"})

    assert "firewall is reported to refuse" in staff.get(url).content.decode()


# --- 19: the lead's own page


def test_only_what_was_changed_is_recorded_with_what_was_seen(staff, sandbox, connection, lead):
    edit(staff, lead, city="Bend", zip="97701")
    change = LeadChange.objects.get()
    assert (change.kind, change.parameters) == ("update_lead", {"city": "Bend", "zip": "97701"})
    assert change.seen == {"city": ["Salem"], "zip": [""]}
    page = staff.get(lead.get_absolute_url()).content.decode()
    assert "Salem" in page
    assert "→ <strong>Bend</strong>" in page

    drain(connection)

    [call] = sandbox.calls()
    assert call["form"]["lead"] == {"id": lead.kartra_id, "city": "Bend", "zip": "97701"}
    lead.refresh_from_db()
    assert lead.city == "Bend"


def test_update_with_everything_is_three_calls(staff, sandbox, connection, lead):
    sandbox.act("book", lead=lead.kartra_id, calendar="Support", **{"class": "Office hours"}, when="2031-02-02 10:00")
    everything = {
        **PROFILE,
        **FORM_CUSTOM,
        **BESIDES,
        "list": ["Buyers"],
        **FORM_BOOKING,
        "email": "moss@example.com",
        "leave_list": ["Partners"],
        "leave_sequence": "Win back",
        "leave_calendar": "Support",
        "leave_class": "Office hours",
    }
    Lead.objects.update(read_at=None)

    edit(staff, lead, **everything)
    drain(connection)

    first, second, third = sandbox.calls(writes=True)
    assert first["cmds"] == [
        "edit_lead",
        "assign_tag",
        "assign_tag",
        "give_points_to_lead",
        "unsubscribe_lead_from_list",
        "subscribe_lead_to_list",
        "unsubscribe_lead_from_sequence",
        "calendar_cancel",
    ]
    assert {n: v for n, v in first["form"]["lead"].items() if n != "custom_fields"} == {
        "id": lead.kartra_id,
        "new_email": "moss@example.com",
        **PROFILE,
    }
    assert said(first)[3:] == [
        {"cmd": "give_points_to_lead", "points": "15", "expiration": "30"},
        {"cmd": "unsubscribe_lead_from_list", "list_name": "Partners"},
        {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"},
        {"cmd": "unsubscribe_lead_from_sequence", "sequence_name": "Win back"},
        {"cmd": "calendar_cancel", "calendar_name": "Support", "class_name": "Office hours"},
    ]
    assert said(second) == [
        {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Welcome series", "step": "2"}
    ]
    assert said(third) == [BOOKED]
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    lead.refresh_from_db()
    check_copy(lead, sandbox.lead("moss@example.com"))


def test_nothing_changed_is_said(staff, lead):
    assert "Nothing was changed" in edit(staff, lead).content.decode()
    assert not LeadChange.objects.exists()


def test_a_field_is_emptied_on_the_page(staff, sandbox, connection, lead):
    edit(staff, lead, city="")
    drain(connection)

    assert sandbox.calls()[0]["form"]["lead"] == {"id": lead.kartra_id, "city": ""}


def test_odd_texts_are_asked_about_first(staff, lead):
    answer = edit(staff, lead, company="A <b>").content.decode()
    assert "Please look once more" in answer
    assert not LeadChange.objects.exists()

    edit(staff, lead, company="A <b>", confirmed="1")

    assert LeadChange.objects.get().parameters == {"company": "A <b>"}


@pytest.mark.parametrize(
    ("answer", "status", "city"), [("give-up", "cancelled", "Reno"), ("again", "accepted", "Bend")]
)
def test_a_field_changed_in_kartra_meanwhile_is_a_conflict(staff, sandbox, connection, lead, answer, status, city):
    edit(staff, lead, city="Bend")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    staff.post(reverse("admin:leads_lead_read", args=[lead.pk]))
    drain(connection)

    change = LeadChange.objects.get()
    page = staff.get(lead.get_absolute_url()).content.decode()
    assert (change.status, change.reason) == ("undecided", "conflict")
    assert "Changed in Kartra meanwhile" in page
    assert sandbox.calls(writes=True) == []
    staff.post(reverse("admin:leads_lead_decide", args=[lead.pk, change.pk, answer]), {"decision_why": "She said so"})
    drain(connection)

    change.refresh_from_db()
    assert (change.status, sandbox.lead(lead.kartra_id)["city"]) == (status, city)
    assert Activity.objects.get(kind="decided").details["why"] == "She said so"


def test_keeping_theirs_says_what_else_is_dropped_before_and_after(staff, sandbox, connection, lead):
    edit(staff, lead, city="Bend", first_name="Ben2")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    staff.post(reverse("admin:leads_lead_read", args=[lead.pk]))
    drain(connection)

    change = LeadChange.objects.get()
    words = "“Keep theirs” drops the rest of this change too; not sent then: set first name to Ben2."
    for page in (lead.get_absolute_url(), reverse("admin:decision", args=[change.pk])):
        assert words in staff.get(page).content.decode()
    decide = reverse("admin:leads_lead_decide", args=[lead.pk, change.pk, "give-up"])
    after = staff.post(decide, follow=True).content.decode()

    change.refresh_from_db()
    assert change.message == "A person kept what Kartra holds. Not sent either: set first name to Ben2."
    assert change.message in after
    assert Activity.objects.get(kind="decided").details["answer"] == "keep theirs"


def test_a_second_wish_for_a_field_is_no_conflict(staff, sandbox, connection, lead):
    edit(staff, lead, city="Bend")
    edit(staff, lead, city="Reno")
    drain(connection)

    assert sandbox.lead(lead.kartra_id)["city"] == "Reno"
    assert list(LeadChange.objects.order_by("pk").values_list("status", flat=True)) == ["superseded", "accepted"]


def test_a_second_wish_after_the_first_has_gone_out_is_no_conflict(staff, sandbox, connection, lead):
    shown = shown_form(staff, lead)
    edit(staff, lead, city="Bend")
    drain(connection)
    staff.post(lead.get_absolute_url(), {**shown, "city": "Reno"})
    drain(connection)

    assert LeadChange.objects.last().status == "undecided"  # she saw Salem, and a colleague's Bend came between


def test_who_put_it_there_is_told(staff, sandbox, connection, lead):
    now = timezone.now()
    run = BulkRunFactory(account=connection.account, name="Spring offer")
    change = LeadChangeFactory(
        lead=lead, run=run, requested_by=staff.user, why="They asked", status="accepted", settled_at=now
    )
    for name, more in (
        ("VIP", {"source": "push", "change": change}),
        ("buyer", {"source": "refresh"}),
        ("cold", {"source": "refresh", "after": lead.read_at}),
        ("trial", {"source": "webhook"}),
        ("podcast", {"source": "import"}),
    ):
        LeadTag.objects.create(lead=lead, tag=connection.account.tags.get(name=name), since=now, **more)
    Activity.objects.create(
        account=connection.account,
        lead=lead,
        kind="payment_sale",
        at=now - timezone.timedelta(seconds=40),
        source="ipn",
        details={"product_name": "Trail Course"},
    )

    page = staff.get(lead.get_absolute_url()).content.decode()

    assert "put on by mara in “Spring offer”" in page
    assert "because: They asked" in page
    assert "already there when first read" in page
    assert "found by a read: came between" in page
    assert "put on by Kartra" not in page  # what came before is no cause
    assert "Trail Course was bought 40 s before, which may or may not be why" in page
    assert "told by an import" in page


def test_who_took_it_off_is_told(staff, connection, lead):
    now = timezone.now()
    change = LeadChangeFactory(lead=lead, requested_by=staff.user, why="Asked", status="accepted", settled_at=now)
    mirror.set_list(lead, "Buyers", True, source="webhook", at=now)
    mirror.set_list(lead, "Buyers", False, source="push", at=now, change=change)
    mirror.set_sequence(lead, "Upsell", "1", "active", at=now, change=change)
    mirror.set_sequence(lead, "Upsell", "", "unsubscribed", at=now, change=change)

    page = staff.get(lead.get_absolute_url()).content.decode()

    assert page.count("taken off by mara") == 2
    assert "put on by mara" not in page


def test_timeline_tells_in_words_with_kartras_zone(staff, sandbox, connection, lead):
    for kind, given in (
        ("give_points", {"points": 5, "expires_in_days": 1}),
        ("subscribe_sequence", {"sequence": "Upsell", "step": 2}),
        ("subscribe_calendar", FORM_BOOKING),
        ("update_lead", {"custom.shirt_size": "Large", "city": "Bend"}),
    ):
        changes.record_changes(lead, kinds.get_kind(kind), given, by=staff.user, why="Fair")
    drain(connection)

    page = staff.get(lead.get_absolute_url()).content.decode()

    year = BOOKING["date"][:4]
    for words in (
        "Points given: 5, to expire after 1 day<",
        "Sequence entered: Upsell, at step 2<",
        "City: Salem → Bend<",
        "Shirt size: — → Large<",
        f"Calendar booked: Coaching, Intro call, 16 Jan {year} 15:00, Kartra&#x27;s time (America/New_York)<",
    ):
        assert words.replace("<", " ") in page
    timeline = page.split("km-panel-timeline")[1]
    assert timeline.count("sent by us, confirmed by Kartra, asked for by mara: Fair") == 5
    assert f"16 Jan {year} 15:00, Kartra&#x27;s time (America/New_York), Active" in page


def test_wish_for_an_option_is_shown_by_its_name(staff, sandbox, connection, lead):
    edit(staff, lead, **{"custom.shirt_size": "611"})

    assert "→ <strong>Large</strong>" in staff.get(lead.get_absolute_url()).content.decode()
    assert LeadChange.objects.get().parameters == {"custom.shirt_size": "611"}


# --- 15 to 17: money


@pytest.fixture
def buyer(sandbox, connection, staff, lead):
    lead.sale = str(sandbox.act("sale", lead=lead.kartra_id, amount="97.00")["transaction"])
    lead.plan = str(sandbox.act("start_subscription", lead=lead.kartra_id, product="Trail Club")["subscription"])
    staff.post(reverse("admin:leads_lead_read_money", args=[lead.pk]))
    sandbox.server.calls.clear()
    return lead


def test_transactions_and_subscriptions_are_read_on_the_page(staff, buyer):
    page = staff.get(buyer.get_absolute_url() + "?tab=money").content.decode()

    assert buyer.sale in page
    assert "97.00" in page
    assert f"subscription {buyer.plan}<" in page
    assert "Trail Club" in page


def test_find_a_transaction(staff, sandbox, connection, buyer):
    Transaction.objects.all().delete()
    asked = {"connection": connection.pk, "named": buyer.sale}

    assert (
        f"Yes: Kartra has transaction {buyer.sale}"
        in staff.post("/admin/leads/transaction/find/", asked).content.decode()
    )
    assert not Transaction.objects.exists()
    assert [call["cmds"] for call in sandbox.calls()] == [["get_transaction_details"]]
    staff.post("/admin/leads/transaction/find/", {**asked, "do": "keep"})
    assert Transaction.objects.get().kartra_id == buyer.sale
    no = staff.post("/admin/leads/transaction/find/", {**asked, "named": "1"}).content.decode()
    assert "No: Kartra has no transaction 1" in no


def refund_url(buyer):
    return reverse("admin:leads_transaction_refund", args=[Transaction.objects.get(kartra_id=buyer.sale).pk])


def test_refund_page_states_amount_person_and_product(staff, buyer):
    page = staff.get(refund_url(buyer)).content.decode()

    for words in ("97.00", "ada@example.com", "Trail Course", "Type the amount once more"):
        assert words in page


def test_refund_and_cancel_the_plan_in_one_form(staff, sandbox, connection, buyer):
    sale = Transaction.objects.get(subscription__kartra_id=buyer.plan)
    url = reverse("admin:leads_transaction_refund", args=[sale.pk])
    assert "Access to memberships is not taken away" in staff.get(url).content.decode()

    staff.post(url, {"what": "whole", "typed": "29.00", "cancel_plan": "on", "why": "She asked"})
    drain(connection)

    writes = [said(call) for call in sandbox.calls(writes=True)]
    assert writes == [
        [{"cmd": "refund_transaction", "transaction_id": sale.kartra_id}],
        [
            {
                "cmd": "modify_subscription_status",
                "subscription_id": buyer.plan,
                "subscription_status_modification": "cancel",
            }
        ],
    ]
    assert RecurringSubscription.objects.get().status == "Cancelled"


@pytest.mark.parametrize(
    "given",
    [
        {"what": "part", "amount": "20.00", "typed": "2.00"},
        {"what": "part", "typed": "20.00"},
        {"what": "whole", "typed": "yes"},
        {"what": "whole", "typed": ""},
        {"what": "part", "amount": "97.01", "typed": "97.01"},
        {"typed": "97.00"},
        {"what": "part", "amount": "-1", "typed": "-1"},
    ],
)
def test_refund_that_is_not_typed_right_is_refused(staff, sandbox, buyer, given):
    answer = staff.post(refund_url(buyer), given)

    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not LeadChange.objects.exists()


def test_part_refund_and_a_second_is_barred(staff, sandbox, connection, buyer):
    given = {"what": "part", "amount": "20.00", "typed": "20.00"}
    staff.post(refund_url(buyer), given)
    second = staff.post(refund_url(buyer), given).content.decode()

    assert "not settled yet" in second
    drain(connection)
    assert [said(call)[0]["refund_amount"] for call in sandbox.calls(writes=True)] == ["20.00"]


def test_refund_of_all_after_a_part_is_of_what_is_left(staff, sandbox, connection, buyer):
    staff.post(refund_url(buyer), {"what": "part", "amount": "20.00", "typed": "20.00"})
    drain(connection)
    staff.post(reverse("admin:leads_lead_read_money", args=[buyer.pk]))

    page = staff.get(refund_url(buyer)).content.decode()
    assert "the remaining 77.00" in page
    assert staff.post(refund_url(buyer), {"what": "whole", "typed": "97.00"}).context["form"].errors
    staff.post(refund_url(buyer), {"what": "whole", "typed": "77.00"})
    drain(connection)

    change = LeadChange.objects.last()
    assert str(change) == f"refund the remaining 77.00 of transaction {buyer.sale}"
    assert f"The remaining 77.00 of transaction {buyer.sale} were given back to" in outcome_messages.sentence(change)
    assert said(sandbox.calls(writes=True)[-1]) == [{"cmd": "refund_transaction", "transaction_id": buyer.sale}]


def test_who_may_refund_up_to_a_sum_may_give_back_the_rest_below_it(staff, sandbox, connection, buyer):
    staff.post(refund_url(buyer), {"what": "part", "amount": "20.00", "typed": "20.00"})
    drain(connection)
    staff.post(reverse("admin:leads_lead_read_money", args=[buyer.pk]))

    amount, before = kinds.refund_amounts(connection.account, {"transaction": buyer.sale, "amount": "whole"})

    assert (amount, before) == (Decimal("77.00"), Decimal("20.00"))


def test_plan_that_has_ended_has_no_next_payment(staff, buyer):
    tab = f"{buyer.get_absolute_url()}?tab=money"
    assert "Next payment" in staff.get(tab).content.decode()
    RecurringSubscription.objects.update(status="Cancelled")

    assert "Next payment" not in staff.get(tab).content.decode()
    listed = staff.get(reverse("admin:leads_recurringsubscription_changelist")).content.decode()
    assert "29.00" not in listed


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("cancel_subscription", {}, {"subscription_status_modification": "cancel"}),
        ("pause_subscription", {}, {"subscription_status_modification": "pause"}),
        ("edit_subscription", {"amount": "31.50"}, {"subscription_amount": "31.50"}),
    ],
)
def test_plan_pages(staff, sandbox, connection, buyer, kind, more, expected):
    url = reverse("admin:leads_recurringsubscription_ask", args=[RecurringSubscription.objects.get().pk, kind])
    assert "Trail Club" in staff.get(url).content.decode()
    assert "That is not" in staff.post(url, {"typed": "1", **more}).content.decode()

    staff.post(url, {"typed": buyer.plan, **more})
    drain(connection)

    [call] = sandbox.calls(writes=True)
    assert said(call)[0].items() >= {"subscription_id": buyer.plan, **expected}.items()


# --- 20: events


def test_door_page_has_the_three_steps_and_every_event(staff, connection):
    door = Door.objects.create(connection=connection, name="Shop")
    DeliveryFactory(door=door, action="assign_tag", status="applied", applied_at=timezone.now())
    DeliveryFactory(door=door, channel="ipn", action="ipn sale", status="applied", applied_at=timezone.now())

    answer = staff.get(reverse("admin:integrations_door_change", args=[door.pk]))

    page = answer.content.decode()
    assert page.count("<li>") >= 3
    assert "Integrations &gt; My API &gt; Outbound API" in page
    assert door.outbound_url in page
    events = answer.context["events"]
    assert len(events) == 26
    assert {kind.name for kind, _ in events if kind.last_at} == {"assign_tag", "ipn"}
    assert page.count("never seen") == 24


# --- 21: any call


def test_console_shows_the_answer_and_never_the_credentials(staff, sandbox, connection):
    url = reverse("admin:integrations_connection_console")
    page = staff.post(
        url, {"connection": connection.pk, "pairs": "actions[0][cmd]=retrieve_account_pages\n"}
    ).content.decode()

    assert "Landing A" in page
    for secret in (sandbox.key, sandbox.password):
        assert secret not in page
    call = ApiCall.objects.get()
    assert (call.commands, call.cause, call.made_by) == ("retrieve_account_pages", "console", staff.user)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ("", "required"),
        ("hello", "no “=”"),
        ("=x", "needs a name"),
        ("api_key=x", "credentials are added"),
        ("app_id[0]=x", "credentials are added"),
    ],
)
def test_console_refuses_in_words(staff, sandbox, connection, pairs, words):
    page = staff.post(reverse("admin:integrations_connection_console"), {"connection": connection.pk, "pairs": pairs})

    assert words in page.content.decode()
    assert sandbox.calls() == []


def test_console_writes_obey_the_switch(staff, sandbox, connection):
    Connection.objects.update(sending="look_only")
    pairs = "lead[email]=ada@example.com\nactions[0][cmd]=assign_tag\nactions[0][tag_name]=VIP"

    page = staff.post(reverse("admin:integrations_connection_console"), {"connection": connection.pk, "pairs": pairs})

    assert "look-only" in page.content.decode()
    assert sandbox.calls() == []


def test_custom_field_is_made_in_kartra(staff, sandbox, connection):
    url = reverse("admin:leads_customfield_add")
    given = {"connection": connection.pk, "identifier": "shoe_size", "type": "drop_down", "options": "40\n41\n"}

    assert staff.post(url, given).status_code == 302

    first = sandbox.calls()[0]
    assert said(first) == [
        {
            "cmd": "create_custom_field",
            "custom_field_identifier": "shoe_size",
            "custom_field_type": "drop_down",
            "custom_field_options": {"0": {"option_name": "40"}, "1": {"option_name": "41"}},
        }
    ]
    assert "lead" not in first["form"]
    assert [words for _, words in CustomField.objects.get(identifier="shoe_size").options] == ["40", "41"]
    assert "letters, digits" in staff.post(url, {**given, "identifier": "shoe size"}).content.decode()


def test_options_of_a_custom_field_go_as_typed_and_odd_ones_are_asked_about_first(staff, sandbox, connection):
    url = reverse("admin:leads_customfield_add")
    given = {"connection": connection.pk, "identifier": "size", "type": "drop_down", "options": "<40>\r\n &=%🦊 \r\n"}

    assert "firewall is reported to refuse" in staff.post(url, given).content.decode()
    assert sandbox.calls() == []
    staff.post(url, {**given, "confirmed": "1"})

    names = [each["option_name"] for each in said(sandbox.calls()[0])[0]["custom_field_options"].values()]
    assert names == ["<40>", " &=%🦊 "]


# --- who may


@pytest.mark.parametrize("kind", sorted(kinds.ALL))
def test_without_the_permission_no_button_and_403(client, sandbox, connection, buyer, kind):
    user = StaffFactory()
    own = kinds.get_kind(kind).permission.split(".")[1]
    views = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(views | Permission.objects.filter(content_type__app_label="leads").exclude(codename=own))
    client.force_login(user)
    sale, plan = Transaction.objects.get(kartra_id=buyer.sale), RecurringSubscription.objects.get()
    if kind == "create_lead":
        url, label = f"{LEADS}add/", "/admin/leads/lead/add/"
    elif kind == "refund_transaction":
        url, label = refund_url(buyer), "Refund…"
    elif kinds.get_kind(kind).money:
        url = reverse("admin:leads_recurringsubscription_ask", args=[plan.pk, kind])
        label = f"/{kind}/"
    else:
        url, label = reverse("admin:leads_lead_prepare", args=[buyer.pk, kind]), f"/{kind}/"

    page = client.get(buyer.get_absolute_url()).content.decode() + client.get(LEADS).content.decode()

    assert label not in page
    assert client.post(url).status_code == 403
    assert f'value="{kind}"' not in page
    assert sale.pk


def test_edit_without_permission_for_what_is_besides_is_403(client, sandbox, connection, lead):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "update_lead"]))
    client.force_login(user)

    data = shown_form(client, lead)

    assert client.post(lead.get_absolute_url(), {**data, "city": "Bend", "tag": ["VIP"]}).status_code == 403
    assert not LeadChange.objects.exists()


@pytest.mark.parametrize("codename", ["update_lead", "create_lead"])
def test_fields_of_other_kinds_are_not_offered_without_their_permission(client, sandbox, connection, lead, codename):
    user = StaffFactory()
    allowed = ["view_lead", codename, "give_points"]
    user.user_permissions.set(Permission.objects.filter(codename__in=allowed))
    client.force_login(user)

    fields = client.get(lead.get_absolute_url() if codename == "update_lead" else f"{LEADS}add/").context["form"].fields

    assert {"email", "city", "custom.crm_ref", "points", "expires_in_days"} <= set(fields)
    assert set(fields).isdisjoint({*NEEDED} - {"points", "expires_in_days"})


def test_bulk_edit_needs_the_permission_of_all_it_asks_for(client, sandbox, connection, lead):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_lead", "update_lead", "assign_tag"]))
    client.force_login(user)
    url = client.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "update_lead"])).url

    assert "points" not in client.get(url).context["form"].fields
    assert client.post(url, {"do": "preview", "city": "Bend", "points": "5"}).status_code == 403
    client.post(url, {"do": "preview", "city": "Bend", "tag": ["VIP"]})
    mark = client.get(url).context["preview"]["mark"]
    user.user_permissions.remove(Permission.objects.get(codename="assign_tag"))
    assert client.post(url, {"do": "start", "mark": mark}).status_code == 403
    assert not LeadChange.objects.exists()


def test_every_parameter_of_a_lead_is_in_one_group_and_names_its_kind(lead):
    besides = (
        set(kinds.get_kind("update_lead").fields(lead.account)) - set(profile_fields(lead.account)) - {"email", "clear"}
    )

    assert besides == set(NEEDED) == {*lead_fields.BESIDES, *lead_fields.LEAVING}


@pytest.mark.parametrize("name", ["integrations_connection_console", "leads_customfield_add"])
def test_console_and_custom_fields_have_permissions_of_their_own(client, connection, name):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.exclude(codename__in=["use_console", "create_customfield"]))
    client.force_login(user)

    assert client.get(reverse(f"admin:{name}")).status_code == 403
    assert CUSTOM
    assert not SequenceEnrollment.objects.exists()
