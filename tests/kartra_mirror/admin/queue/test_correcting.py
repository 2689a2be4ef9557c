"""The page of one failed change: its form filled in; sent corrected, dismissed, or told who can."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from integrations.models import Heartbeat
from leads.models import LeadChange
from tests.factories import ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop():
    Heartbeat.objects.create(name="sweep", at=timezone.now())
    return ConnectionFactory(sending="on")


def of_group(client, name):
    user = StaffFactory()
    user.groups.add(Group.objects.get(name=name))
    client.force_login(user)
    return user


def refused(shop, **more):
    more.setdefault("parameters", {"tag": "VPI"})
    more.setdefault("lead", LeadFactory(account=shop.account))
    return LeadChangeFactory(
        status="rejected", code="212", message="Tag does not exist", settled_at=timezone.now(), **more
    )


def at(change):
    return reverse("admin:failure", args=[change.pk])


def text(client, url):
    return " ".join(client.get(url).content.decode().split())


def test_the_form_holds_what_was_asked_for_and_sends_what_is_corrected(client, shop):
    clerk = of_group(client, "Support")
    failed = refused(shop, requested_by=clerk)
    shop.account.tags.create(name="VIP")

    page = text(client, at(failed))
    assert 'value="VPI"' in page
    assert "Tag does not exist (212)" in page
    answer = client.post(at(failed), {"do": "send", "tag": "VIP", "why": "a slip"})

    change = LeadChange.objects.get(retry_of=failed)
    assert answer.url == failed.lead.get_absolute_url()
    assert (change.parameters, change.requested_by, change.status) == ({"tag": "VIP"}, clerk, "waiting")
    assert not LeadChange.objects.failed().exists()


def test_a_name_that_is_not_known_says_so_and_stays_open(client, shop):
    of_group(client, "Support")
    failed = refused(shop)

    page = client.post(at(failed), {"do": "send", "tag": "VPI"}).content.decode()

    assert 'value="catalogue"' in page
    assert LeadChange.objects.failed().exists()


def test_fields_of_a_lead_are_corrected_alone(client, shop):
    of_group(client, "Support")
    failed = refused(shop, kind="update_lead", parameters={"city": "Lisbn", "company": ""}, family="profile")

    form = client.get(at(failed)).context_data["form"]
    assert {each.name for each in form.visible_fields()} == {"city", "company", "why"}
    client.post(at(failed), {"do": "send", "city": "Lisbon", "company": ""})

    assert LeadChange.objects.get(retry_of=failed).parameters == {"city": "Lisbon", "company": ""}


def test_who_made_it_dismisses_it_with_a_reason_and_others_hear_who_can(client, shop):
    clerk = of_group(client, "Support")
    own, other = refused(shop, requested_by=clerk), refused(shop)

    client.post(at(own), {"do": "dismiss", "why": " "})
    assert LeadChange.objects.failed().count() == 2
    client.post(at(own), {"do": "dismiss", "why": "Not wanted any more."})
    assert list(LeadChange.objects.failed()) == [other]
    assert "dismissed it on" in text(client, at(own))

    assert "Can be done by: Manager." in text(client, at(other))
    assert client.post(at(other), {"do": "dismiss", "why": "x"}).status_code == 403
    assert at(other) in text(client, other.get_absolute_url())
    assert at(own) not in text(client, own.get_absolute_url())


def test_who_is_too_late_is_told_what_was_done(client, shop):
    of_group(client, "Manager")
    failed = refused(shop)
    first = {"do": "dismiss", "why": "Not wanted any more."}
    client.post(at(failed), first)

    page = client.post(at(failed), first, follow=True).content.decode()
    assert "dismissed it on" in page
    client.post(at(failed), {"do": "send", "tag": "VPI"})
    assert LeadChange.objects.count() == 1


def test_a_viewer_may_send_nothing_and_hears_who_can(client, shop):
    of_group(client, "Viewer")
    failed = refused(shop)

    page = text(client, at(failed))

    assert "Can be done by: Manager, Marketer, Support." in page
    assert client.post(at(failed), {"do": "send", "tag": "VPI"}).status_code == 403


def test_what_moves_money_has_no_form_here(client, shop):
    of_group(client, "Manager")
    failed = refused(
        shop, kind="refund_transaction", parameters={"transaction": "1", "amount": "5.00"}, family="sale:1"
    )

    assert "?tab=money" in text(client, at(failed))
    assert client.post(at(failed), {"do": "send"}).status_code == 403
    assert 'value="retry"' not in text(client, reverse("admin:failures"))


def test_the_group_offers_to_dismiss_ones_own_alone(client, shop):
    clerk = of_group(client, "Support")
    own, other = refused(shop, requested_by=clerk), refused(shop)
    group = {"account": shop.account_id, "kind": "assign_tag", "family": own.family, "code": "212"}

    assert "Dismiss yours (1)" in text(client, reverse("admin:failures"))
    client.post(reverse("admin:failures"), {**group, "do": "close", "why": "Not wanted any more."})

    assert list(LeadChange.objects.failed()) == [other]
    client.force_login(StaffFactory(is_superuser=True))
    assert "Correct…" in text(client, reverse("admin:failures"))


def test_home_leads_from_the_only_failed_change_to_its_form(client, shop):
    of_group(client, "Support")
    failed = refused(shop, lead=LeadFactory(account=shop.account, first_name="Wanda", last_name="Ebner"))

    [need] = client.get("/admin/home/now/").context_data["needs"]

    assert (need["url"], need["do"], need["who"]) == (at(failed), "Correct", "")
    assert "Wanda Ebner" in need["words"]


def test_home_says_who_can_decide_and_who_can_send(client, shop):
    of_group(client, "Viewer")
    refused(shop)
    lead = LeadFactory(account=shop.account)
    asked = LeadChangeFactory(
        lead=lead, kind="give_points", parameters={"points": 5}, family="points", status="undecided", reason="outcome"
    )

    needs = client.get("/admin/home/now/").context_data["needs"]

    assert [(need["do"], need["who"]) for need in needs] == [
        ("", "Can be done by: Manager, Marketer, Support."),
        ("", "Can be done by: Manager, Marketer, Support."),
    ]
    assert "You may not decide this. Can be done by:" in text(client, reverse("admin:decision", args=[asked.pk]))
    of_group(client, "Support")
    [need] = [each for each in client.get("/admin/home/now/").context_data["needs"] if each["level"] == "warn"]
    assert need["who"] == "Can be done by: Manager."
