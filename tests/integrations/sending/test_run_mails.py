"""A mail when a bulk action has ended: once, to its author, only where it was wanted."""

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations import tasks
from integrations.sending import run_mails
from leads import transitions
from leads.models import BulkRun
from tests.factories import BulkRunFactory, ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db


def ended(**more):
    run = BulkRunFactory(**more)
    LeadChangeFactory(run=run, lead=LeadFactory(account=run.account), status="accepted", settled_at=timezone.now())
    LeadChangeFactory(
        run=run, lead=LeadFactory(account=run.account), status="rejected", settled_at=timezone.now(), code="212"
    )
    transitions.finish_run_if_over(run.pk)
    return run


def test_author_is_mailed_once_when_it_has_ended(mailoutbox, notified):
    mara = StaffFactory(email="mara@example.com")
    run = ended(created_by=mara, mail_wanted=True)
    ended(created_by=mara)
    going = BulkRunFactory(created_by=mara, mail_wanted=True)
    LeadChangeFactory(run=going, lead=LeadFactory(account=going.account))

    tasks.sweep()
    assert ("mail_ended_runs", ()) in notified
    assert [run_mails.drain(), run_mails.drain()] == [1, 0]

    [mail] = mailoutbox
    assert (mail.to, mail.subject) == (["mara@example.com"], "Assign the tag VIP: finished")
    assert "1 done\n1 failed" in mail.body
    assert f"Some of it needs you:\nhttp://testserver{run.get_absolute_url()}" in mail.body


def test_mail_that_cannot_be_sent_holds_nothing_up(monkeypatch):
    ended(created_by=StaffFactory(email="mara@example.com"), mail_wanted=True)
    monkeypatch.setattr(run_mails, "send_mail", lambda *args: 1 / 0)

    assert [run_mails.drain(), run_mails.drain()] == [0, 0]


def test_mail_is_asked_for_beside_the_preview(client, settings):
    settings.MAIL_IS_SET_UP = True
    account = ConnectionFactory(sending="on").account
    TagFactory(account=account, name="VIP")
    lead = LeadFactory(account=account)
    client.force_login(StaffFactory(is_superuser=True, email="mara@example.com"))
    url = client.post(reverse("admin:leads_lead_prepare", args=[lead.pk, "assign_tag"])).url

    client.post(url, {"do": "preview", "tag": "VIP", "mail": "on"})
    client.post(url, {"do": "start", "mark": client.get(url).context["preview"]["mark"]})

    assert BulkRun.objects.get().mail_wanted
