"""A whole account: one row of everything that an admin page shows, each text of it with the account's own word in it."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from integrations.models import ApiCall, Attempt, DeletionReport, SendingStop
from leads.models import (
    Account,
    Activity,
    Calendar,
    CalendarClass,
    CalendarEnrollment,
    CustomField,
    DataSubjectRequest,
    Import,
    ImportReject,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipGrant,
    MembershipLevel,
    Occurrence,
    Page,
    PeopleList,
    Product,
    RecurringSubscription,
    RunDraft,
    ScheduleRemark,
    Sequence,
    SequenceEnrollment,
    Tag,
    Transaction,
)
from leads.models.remarks import remark
from leads.schedules import recipes
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    ScheduleFactory,
    SegmentFactory,
    WebhookEndpointFactory,
)


def whole_account(word: str, number: int) -> Any:
    """Rows by name; `number` keeps the ids of two accounts apart."""
    now = timezone.now()
    account = Account.objects.create(name=f"{word} account", contacts_in_kartra=7_000_000 + number)
    connection = ConnectionFactory(
        account=account, app_id=f"{word}-app", stopped_by="person", stopped_by__why=f"{word} stop"
    )
    lead = LeadFactory(
        account=account,
        email=f"{word}@example.com",
        first_name=word,
        company=f"{word} company",
        country=f"{word}land",
        source=f"{word} source",
        gdpr_lead_status=f"{word}-gdpr",
        kartra_id=f"88{number}",
        phone=f"+1{number}",
        custom_values={f"{word}_field": f"{word} value"},
    )
    tag = Tag.objects.create(account=account, name=f"{word} tag")
    mailing_list = MailingList.objects.create(account=account, name=f"{word} list")
    sequence = Sequence.objects.create(account=account, name=f"{word} sequence")
    calendar = Calendar.objects.create(account=account, name=f"{word} calendar")
    calendar_class = CalendarClass.objects.create(calendar=calendar, name=f"{word} class")
    membership = Membership.objects.create(account=account, name=f"{word} membership")
    level = MembershipLevel.objects.create(membership=membership, name=f"{word} level")
    product = Product.objects.create(account=account, name=f"{word} product")
    page = Page.objects.create(account=account, name=f"{word} page")
    field = CustomField.objects.create(account=account, identifier=f"{word}_field", type="input_field")
    tie: dict[str, Any] = {"lead": lead, "since": now, "source": "refresh"}
    LeadTag.objects.create(tag=tag, **tie)
    ListSubscription.objects.create(mailing_list=mailing_list, **tie)
    SequenceEnrollment.objects.create(sequence=sequence, step="1", status=f"{word} step", **tie)
    CalendarEnrollment.objects.create(calendar_class=calendar_class, status=f"{word} booked", **tie)
    MembershipGrant.objects.create(level=level, **tie)
    plan = RecurringSubscription.objects.create(
        account=account, kartra_id=f"31{number}", lead=lead, product=product, status=f"{word} plan"
    )
    sale = Transaction.objects.create(
        account=account,
        kartra_id=f"71{number}",
        lead=lead,
        product=product,
        type="sale",
        full_amount=80,
        at=now,
        subscription=plan,
        reported=False,
    )
    author = get_user_model().objects.create(username=f"colleague{number}", is_staff=True)
    run = BulkRunFactory(account=account, name=f"{word} run", created_by=author, parameters={"tag": f"{word} tag"})
    given: dict[str, Any] = {
        "lead": lead,
        "parameters": {"tag": f"{word} tag"},
        "requested_by": author,
        "why": f"{word} why",
    }
    change = LeadChangeFactory(run=run, **given)
    undecided = LeadChangeFactory(
        status="undecided",
        reason="outcome",
        message=f"{word} words",
        **{**given, "parameters": {"tag": f"{word} second"}},
    )
    refused = LeadChangeFactory(
        status="rejected",
        code="212",
        message=f"{word} refusal",
        settled_at=now,
        **{**given, "parameters": {"tag": f"{word} third"}},
    )
    draft = RunDraft.objects.create(
        created_by=author,
        account=account,
        kind="assign_tag",
        selection={"version": 1, "leads": {"condition": "account", "values": {"account": [str(account.pk)]}}},
        listed=f"account={account.pk}",
        asked_at=now,
        parameters={"clean": {"tag": f"{word} tag"}, "form": {"tag": f"{word} tag", "why": f"{word} why"}},
    )
    segment = SegmentFactory(
        account=account, name=f"{word} segment", conditions={"tag": [str(tag.pk)]}, created_by=author
    )
    recipe = recipes.keep(
        account, f"{word} recipe", [["assign_tag", {"tag": f"{word} tag"}]], f"{word} note", by=author
    )
    schedule = ScheduleFactory(account=account, name=f"{word} schedule", recipe=recipe, owner=author, why=f"{word} why")
    occurrence = Occurrence.objects.create(
        schedule=schedule, due_at=now, state="held", remark=remark(ScheduleRemark.NO_OWNER)
    )
    activity = Activity.objects.create(
        account=account, lead=lead, kind="tag_assigned", at=now, source="refresh", details={"tag": f"{word} tag"}
    )
    job = Import.objects.create(
        account=account,
        kind="leads",
        file_name=f"{word}.csv",
        size=100,
        digest="a" * 64,
        encoding="utf-8",
        delimiter=",",
        headers=["Email"],
        data_start=10,
        data_line=2,
        position=100,
        line=3,
        rows=2,
        rejected=1,
        state="finished",
        ended_at=now,
        mapping={"email": "Email"},
    )
    ImportReject.objects.create(file=job, line=2, reason=f"{word} reason", cells=[f"{word}@bad"])
    people_list = PeopleList.objects.create(
        account=account,
        name=f"{word} people",
        file_name=f"{word}.csv",
        size=10,
        encoding="utf-8",
        state="ready",
        data_start=0,
        position=10,
        line=2,
        rows_read=1,
        created_by=author,
        used_at=now,
    )
    people_list.people.create(
        number=1, line=1, written=f"{word}@example.com", email=f"{word}@example.com", state="known", lead=lead
    )
    endpoint = WebhookEndpointFactory(connection=connection, name=f"{word} door")
    delivery = DeliveryFactory(
        endpoint=endpoint,
        lead=lead,
        action=f"{word}_action",
        status="quarantined",
        reason=f"{word} unread",
        applied_at=now,
        body=f"{word} body".encode(),
    )
    call = ApiCall.objects.create(
        connection=connection,
        lead=lead,
        cause="push",
        writes=True,
        commands=f"{word}_command",
        claimed_at=now,
        lease_until=now,
        sent_at=now,
        finished_at=now,
        outcome="unknown",
        message=f"{word} no answer",
    )
    Attempt.objects.create(change=undecided, call=call, position=0, command=f"{word}_command", proof="undecided")
    SendingStop.objects.create(
        connection=connection,
        stopped_by="person",
        why=f"{word} old stop",
        began_at=now - dt.timedelta(hours=2),
        ended_at=now - dt.timedelta(hours=1),
        ended_by=author,
    )
    subject_request = DataSubjectRequest.objects.create(
        kind="erasure",
        account=account,
        lead=lead,
        digest=f"{word}-digest",
        asked_at=now,
        due_at=now + dt.timedelta(days=30),
    )
    DeletionReport.objects.create(connection=connection, lead=lead, reason="deleted", found_at=now)
    return SimpleNamespace(**{name: value for name, value in locals().items() if name not in ("given", "tie", "now")})
