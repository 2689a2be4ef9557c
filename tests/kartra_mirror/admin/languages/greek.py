"""An account in which all that people or Kartra wrote is Greek: what stands on a page in Latin letters is our own word."""

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from integrations.models import ApiCall, Attempt, DeletionReport, DeletionVerdict, Heartbeat, StopCause, WebhookEndpoint
from integrations.models.evidence import Seen, sighting
from integrations.sending import switch
from leads.kind import ties
from leads.models import (
    Activity,
    Calendar,
    CalendarClass,
    CalendarEnrollment,
    ChangeRemark,
    CustomField,
    Import,
    ImportReject,
    LeadTag,
    ListSubscription,
    Membership,
    MembershipGrant,
    MembershipLevel,
    Page,
    Product,
    RecurringSubscription,
    RunDraft,
    Sequence,
    SequenceEnrollment,
    StaffLimits,
    Transaction,
)
from leads.models.activity import ALONE, Source
from leads.models.remarks import remark
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    MailingListFactory,
    SegmentFactory,
    StaffFactory,
    TagFactory,
)
from tests.kartra_mirror.admin.languages import greek_people
from tests.kartra_mirror.admin.languages.greek_plans import plans
from tests.leads.kinds.parameters import GIVEN

IN_GREEK = {
    "tag": "Φίλοι",
    "list": "Νέα",
    "sequence": "Αρχή",
    "calendar": "Ώρα",
    "class": "Πρώτη",
    "hour": "15:00",
    "email": "1@1.gr",
    "city": "Άργος",
}
KINDS: dict[str, dict[str, Any]] = {
    kind: {name: IN_GREEK.get(name, value) for name, value in given.items()} for kind, given in GIVEN.items()
}
EVERY_ACTIVITY = (
    *(code for pair in ties().values() for code in pair),
    *ALONE,
    "field_changed",
    "changed_in_kartra",
    "points_given",
    "points_removed",
    "calendar_booked",
    "calendar_cancelled",
    "calendar_completed",
    "membership_granted",
    "membership_revoked",
    "decided",
    "not_gone",
    "payment_sale",
    "payment_rebill",
    "payment_refund",
    "filled_form",
    "video_play",
)


def world(url: str = "http://127.0.0.1:9/api") -> SimpleNamespace:
    """A row or more of everything, in the states that pages tell apart."""
    now = timezone.now()
    person = StaffFactory(username="ελένη", first_name="Ελένη", last_name="Δήμου", email="1@1.gr", is_superuser=True)
    made = SimpleNamespace(now=now, person=person)
    connection = ConnectionFactory(account__name="Αθήνα", sending="on", test_mode=True, api_url=url, app_id="ω" * 8)
    made.connection, made.account = connection, connection.account
    made.account.contacts_in_kartra = 60214
    made.account.save()
    _colleagues(made)
    _catalogue(made)
    _leads(made)
    _changes(made)
    _runs(made)
    _money(made)
    plans(made)
    _wire(made)
    _files(made)
    _other_connections(made)
    return made


def _colleagues(made: SimpleNamespace) -> None:
    made.colleague = StaffFactory(username="νίκος", first_name="Νίκος", email="2@1.gr")
    made.colleague.groups.set(Group.objects.filter(name__in=["Support", "Marketer"]))
    StaffLimits.objects.create(user=made.colleague, limited=True).accounts.set([made.account])
    StaffFactory(username="όλγα", is_active=False)


def _catalogue(made: SimpleNamespace) -> None:
    account, now = made.account, made.now
    made.tag = TagFactory(account=account, name="Φίλοι")
    TagFactory(account=account, name="Παλιοί", missing_since=now)
    made.list = MailingListFactory(account=account, name="Νέα")
    made.sequence = Sequence.objects.create(account=account, name="Αρχή")
    made.calendar = Calendar.objects.create(account=account, name="Ώρα")
    made.calendar_class = CalendarClass.objects.create(calendar=made.calendar, name="Πρώτη")
    made.membership = Membership.objects.create(account=account, name="Λέσχη")
    made.level = MembershipLevel.objects.create(membership=made.membership, name="Χρυσή")
    made.product = Product.objects.create(account=account, name="Βιβλίο")
    made.page = Page.objects.create(account=account, name="Σελίδα")
    options = [["1", "Μικρό"], ["2", "Μεγάλο"]]
    for number, type in enumerate(("input_field", "text_area", "drop_down", "radio_button", "checkbox")):
        CustomField.objects.create(
            account=account, identifier=f"πεδίο{number}", type=type, options=options if number > 1 else []
        )


def _leads(made: SimpleNamespace) -> None:
    account, now = made.account, made.now
    named = {"account": account, "first_name": "Μαρία", "last_name": "Λίνδου", "country": "Ελλάδα"}
    made.lead = LeadFactory(
        **named,
        email="3@1.gr",
        phone="5",
        city="Άργος",
        score=7,
        date_joined=now,
        custom_values={"πεδίο0": "Ναι"},
        company="Εταιρεία",
        source="μορφή",
        gdpr_lead_status="ναι",
    )
    made.leads = [
        made.lead,
        LeadFactory(**named, email="4@1.gr", phone="5", gone_at=now, gone_reason="deleted", notes="Προσοχή"),
        LeadFactory(**named, email="5@1.gr", phone="5", dirty_at=now),
        LeadFactory(**named, email="6@1.gr", kartra_id=None, read_at=None, absent_at=now),
    ]
    for lead in made.leads[:1]:
        told = {"lead": lead, "since": now}
        for source in Source.values:
            LeadTag.objects.create(
                **told, tag=TagFactory(account=account, name=f"Ετικέτα {Source.values.index(source)}"), source=source
            )
        LeadTag.objects.create(**told, tag=made.tag, source="refresh", after=now - dt.timedelta(days=1))
        ListSubscription.objects.create(**told, mailing_list=made.list, source="import")
        left = MailingListFactory(account=account, name="Παλιά")
        ListSubscription.objects.create(**told, mailing_list=left, source="webhook", active=False)
        SequenceEnrollment.objects.create(**told, sequence=made.sequence, source="webhook", step="2", status="ενεργή")
        CalendarEnrollment.objects.create(
            **told, calendar_class=made.calendar_class, source="webhook", starts_at=now, status="ενεργή", booking_id="9"
        )
        MembershipGrant.objects.create(**told, level=made.level, source="webhook")
    details = {
        "tag": "Φίλοι",
        "list": "Νέα",
        "sequence": "Αρχή",
        "calendar": "Ώρα",
        "class": "Πρώτη",
        "membership": "Λέσχη",
        "level": "Χρυσή",
        "points": 5,
        "expires_in_days": 1,
        "step": "2",
        "starts_at": now.isoformat(),
        "product_name": "Βιβλίο",
    }
    for number, kind in enumerate(EVERY_ACTIVITY):
        told = (
            {"field": "city", "was": "Άργος", "is": ""} if kind in ("field_changed", "changed_in_kartra") else details
        )
        Activity.objects.create(
            account=account,
            lead=made.lead,
            kind=kind,
            at=now - dt.timedelta(minutes=number),
            details=told,
            source=Source.values[number % 6] if number > 12 else "refresh",
        )
    for field, was, now_is in (
        ("custom.πεδίο3", [["1", "Μικρό"]], []),
        ("blacklisted", False, True),
        ("tag Φίλοι", "", True),
    ):
        Activity.objects.create(
            account=account,
            lead=made.lead,
            kind="changed_in_kartra",
            at=now,
            source="refresh",
            details={"field": field, "was": was, "is": now_is},
            between_from=now - dt.timedelta(days=1),
        )


def _changes(made: SimpleNamespace) -> None:
    """A change of every kind, in every status and for every reason."""
    now, made.changes = made.now, {}
    states = [
        ("waiting", {}),
        ("sending", {}),
        ("unknown", {}),
        ("accepted", {"settled_at": now}),
        ("cancelled", {"settled_at": now}),
        *(("undecided", {"reason": reason}) for reason in ("outcome", "conflict", "unlisted_code", "firewall")),
        *(("skipped", {"reason": reason, "settled_at": now}) for reason in ("already_so", "gone", "left_out")),
        *(
            ("rejected", {"settled_at": now, "code": code, "message": "Όχι"})
            for code in ("212", "230", "250", "999", "206")
        ),
    ]
    for number, (kind, parameters) in enumerate(KINDS.items()):
        status, more = states[number % len(states)]
        lead = made.lead if number % 3 == 0 else LeadFactory(account=made.account, first_name="Ρέα", last_name="Λ")
        change = LeadChangeFactory(
            lead=lead, kind=kind, parameters=parameters, status=status, requested_by=made.person, why="Γιατί", **more
        )
        made.changes[more.get("reason") or status] = change
    said = [remark(ChangeRemark.FIELD_IS_NOW, field="city", value=remark(ChangeRemark.EMPTY))]
    held = LeadChangeFactory(
        lead=made.lead, kind="give_points", parameters={"points": 1}, status="undecided", reason="outcome", remark=said
    )
    LeadChangeFactory(lead=made.lead, kind="give_points", parameters={"points": 2}, requested_by=made.person)
    made.changes["held"] = held
    for number in range(3):
        LeadChangeFactory(
            lead=LeadFactory(account=made.account, first_name="Ρέα", last_name="Λ"),
            parameters={"tag": "Φίλοι"},
            status="rejected",
            code=("212", "212", "")[number],
            message=("Όχι", "Όχι", "")[number],
            settled_at=now,
        )


def _runs(made: SimpleNamespace) -> None:
    now, made.runs = made.now, {}
    for state in ("preparing", "running", "paused", "cancelling", "finished", "cancelled"):
        ended = now if state in ("finished", "cancelled") else None
        run = BulkRunFactory(
            account=made.account,
            name="Δράση",
            state=state,
            created_by=made.person,
            why="Γιατί",
            expected=3,
            ended_at=ended,
            paused_at=now if state == "paused" else None,
            paused_why="Παύση" if state == "paused" else "",
            cancelled_by=made.person if state.startswith("cancel") else None,
            parameters={"tag": "Φίλοι"},
        )
        made.runs[state] = run
        for status, more in (
            ("accepted", {"settled_at": now}),
            ("rejected", {"settled_at": now, "code": "212", "message": "Όχι"}),
            ("skipped", {"settled_at": now, "reason": "gone"}),
            ("skipped", {"settled_at": now, "reason": "left_out"}),
            *([] if ended else [("waiting", {})]),
        ):
            lead = LeadFactory(account=made.account, first_name="Άρης", last_name="Λ")
            LeadChangeFactory(run=run, lead=lead, parameters={"tag": "Φίλοι"}, status=status, **more)
    finished = made.runs["finished"]
    tagged = finished.changes.filter(status="accepted").get()
    LeadTag.objects.create(lead=tagged.lead, tag=made.tag, since=now, source="push", change=tagged)
    moved = LeadChangeFactory(
        run=finished,
        lead=LeadFactory(account=made.account, first_name="Ίων", last_name="Λ"),
        parameters={"tag": "Φίλοι"},
        status="accepted",
        settled_at=now,
    )
    for number, kind in enumerate(EVERY_ACTIVITY):
        Activity.objects.create(
            account=made.account,
            lead=(tagged if number % 2 else moved).lead,
            kind=kind,
            at=now + dt.timedelta(seconds=9),
            source="webhook",
            details={
                "tag": "Άλλη",
                "list": "Νέα",
                "sequence": "Αρχή",
                "calendar": "Ώρα",
                "class": "Πρώτη",
                "product_name": "Βιβλίο",
            },
        )
    undoing = BulkRunFactory(
        account=made.account, name="Πίσω", undoes=finished, state="finished", ended_at=now, approved_by=made.colleague
    )
    made.runs["undoing"] = undoing
    made.draft = RunDraft.objects.create(
        created_by=made.colleague,
        kind="assign_tag",
        selection={"version": 1, "leads": {"ids": [made.lead.pk]}},
        asked_at=now,
        parameters={"clean": {"tag": "Φίλοι"}, "form": {"tag": "Φίλοι", "why": "Γιατί"}},
    )
    made.segment = SegmentFactory(
        account=made.account,
        name="Ομάδα",
        created_by=made.person,
        conditions={"tag": [str(made.tag.pk)], "not_country": ["Ελλάδα"], "score_min": ["1"]},
    )


def _money(made: SimpleNamespace) -> None:
    plan = RecurringSubscription.objects.create(
        account=made.account,
        kartra_id="81",
        lead=made.lead,
        product=made.product,
        status="ενεργή",
        started_at=made.now,
        next_payment_at=made.now,
        next_payment_amount=Decimal("29"),
        current_installment=1,
        installments_left="∞",
        read_at=made.now,
    )
    made.plan = plan
    for number, type in enumerate(("sale", "sale", "rebill", "refund", "failed")):
        Transaction.objects.create(
            account=made.account,
            kartra_id=str(71 + number),
            lead=made.lead,
            product=made.product,
            type=type,
            at=made.now,
            full_amount=Decimal("97"),
            subscription=plan if number == 2 else None,
            reported=number == 1,
            parent_kartra_id="71" if type == "refund" else "",
        )
    made.sale = Transaction.objects.get(kartra_id="71")


def _wire(made: SimpleNamespace) -> None:
    connection, now = made.connection, made.now
    Heartbeat.objects.create(name="sweep", at=now - dt.timedelta(hours=3))
    endpoint = made.endpoint = WebhookEndpoint.objects.create(connection=connection, name="Πόρτα", ipn_secret="σσσ")
    endpoint.rotate(now)
    endpoint.save()
    made.retired = WebhookEndpoint.objects.create(connection=connection, name="Παλιά", retired_at=now)
    made.deliveries = []
    for number, status in enumerate(("waiting", "applied", "recorded", "quarantined", "refused")):
        made.deliveries.append(
            DeliveryFactory(
                endpoint=endpoint,
                lead=made.lead,
                action="assign_tag",
                status=status,
                channel="ipn" if number == 4 else "outbound",
                applied_at=None if status == "waiting" else now,
                reason="Όχι" if number > 2 else "",
                secret="wrong" if number == 4 else "",
                truncated=number == 4,
                old_address=number == 1,
                changed=["Φίλοι"] if number == 1 else [],
                digest=str(number // 2) * 64,
                replays=[
                    {"asked_at": now.isoformat(), "by": "ελένη"},
                    {"asked_at": now.isoformat(), "at": now.isoformat(), "status": "applied", "changed": []},
                ]
                if number == 2
                else [],
            )
        )
    for day in range(1, 20):
        DeliveryFactory(
            endpoint=endpoint,
            action="buy_product",
            status="applied",
            applied_at=now,
            received_at=now - dt.timedelta(days=60 + day),
        )
    made.calls = []
    outcomes = ("answered", "refused", "not_sent", "throttled", "credentials", "unknown", "withdrawn", "lost")
    causes = ("push", "verify", "refresh", "pull", "catalogue", "check", "console", "push")
    for outcome, cause in zip(outcomes, causes, strict=True):
        made.calls.append(
            ApiCall.objects.create(
                connection=connection,
                lead=made.lead,
                cause=cause,
                commands="get_lead",
                claimed_at=now,
                sent_at=now,
                lease_until=now,
                finished_at=now,
                outcome=outcome,
                elapsed_ms=90,
                remark=remark(ChangeRemark.WORKER_ENDED) if outcome == "lost" else {},
                made_by=made.person,
                writes=cause == "push",
            )
        )
    for number, proof in enumerate(("done", "refused", "not_done", "unclear", "undecided", "open")):
        Attempt.objects.create(
            change=made.changes["held"],
            call=made.calls[number],
            position=number,
            command="give_points_to_lead",
            proof=proof,
            before={"score": 1, "ever_on_list": False, "sequence": {"step": "2"}} if number else {},
            verify_at=now if proof == "unclear" else None,
            remark=remark(ChangeRemark.DONE_BEFORE, message="Όχι"),
            evidence=[sighting(now, what, receipt=remark(Seen.THERE), sequence=[2, "Ω"], late=True) for what in Seen],
        )
    for verdict in DeletionVerdict.values:
        decided = None if verdict == "pending" else now
        DeletionReport.objects.create(
            connection=connection, lead=made.lead, reason="deleted", found_at=now, verdict=verdict, decided_at=decided
        )


def _files(made: SimpleNamespace) -> None:
    made.people_lists = greek_people.make(made.account, made.lead, made.person, made.now)
    made.imports = {}
    for number, state in enumerate(("checking", "checked", "loading", "finished", "cancelled", "stopped")):
        ended = made.now if state in ("finished", "cancelled", "stopped") else None
        job = Import.objects.create(
            account=made.account,
            kind="transactions" if number % 2 else "leads",
            file_name="αρχείο",
            size=9,
            digest="0",
            encoding="utf-8",
            delimiter=",",
            headers=["Α", "Β", "Γ"],
            data_start=1,
            data_line=2,
            position=5,
            line=3,
            rows=3,
            rejected=1,
            state=state,
            ended_at=ended,
            why="Λάθος" if state == "stopped" else "",
            created_by=made.person,
            mapping={"email": "Α", "custom.πεδίο0": "Β"} if number % 2 == 0 else {"id": "Α", "type": "Β"},
            counts={"created": 1, "changed": 1},
            expected={"created": 1, "changed": 1},
            started_at=made.now,
        )
        ImportReject.objects.create(file=job, line=3, reason="Λάθος", cells=["Α"])
        made.imports[state] = job


def _other_connections(made: SimpleNamespace) -> None:
    """Connections that do not send, each for a reason of its own."""
    now = made.now
    for number, stopped_by in enumerate(
        (StopCause.PERSON, StopCause.CREDENTIALS, StopCause.OUTAGE, StopCause.RESTORED)
    ):
        stopped = ConnectionFactory(account__name=f"Πόλη {number}", sending="on", app_id=str(number))
        if stopped_by == StopCause.PERSON:
            switch.off(stopped, by=made.person, why="Γιατί")
        else:
            switch.stop(stopped, stopped_by, "Γιατί")
    made.stopped = stopped
    went_on = ConnectionFactory(account__name="Πόλη 7", sending="on", app_id="χ")
    switch.stop(went_on, StopCause.OUTAGE, "Γιατί")
    switch.go_on_after_outage(went_on)
    held = ConnectionFactory(
        account__name="Πόλη 8", sending="on", app_id="ψ", hold_until=now + dt.timedelta(hours=1), failures=3
    )
    switch.refuse_command(held, "give_points", "Όχι")
    made.silent = ConnectionFactory(
        account__name="Πόλη 9",
        app_id="φ",
        reads_stopped_at=now,
        reads_stopped_why="Γιατί",
        checked_at=now,
        check_result="Ναι",
    )
