"""Messages by hand. The door: a bare view that writes the same row by one ORM INSERT, with nothing around it, served with the
project's own settings of gunicorn (`benchmarks.yardsticks.receive:application`). The worker: one message after the other in good SQL,
25 in a transaction."""

import functools
import hashlib
import json
import os
import uuid
from typing import Any

if __name__ != "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kartra_mirror.settings")


def receive(request: Any, endpoint: int) -> Any:
    from django.http import HttpResponse
    from django.utils import timezone

    from integrations.models import Delivery

    body = request.body
    Delivery.objects.create(
        endpoint_id=endpoint,
        channel="outbound",
        received_at=timezone.now(),
        headers={name: request.headers[name] for name in ("Content-Type", "Content-Length") if name in request.headers},
        size=len(body),
        body=body,
        digest=hashlib.sha256(body).hexdigest(),
        arrival=uuid.uuid4(),
    )
    return HttpResponse(status=200, content_type="text/plain", headers={"Content-Length": "0"})


def bare() -> Any:
    """A WSGI application of this view, without any middleware."""
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path

    django.setup()
    settings.MIDDLEWARE = []
    settings.ROOT_URLCONF = type("Addresses", (), {"urlpatterns": [path("bare/<int:endpoint>/", receive)]})
    return WSGIHandler()


def apply(account: int) -> int:
    """Apply what waits: its lead, its tag and its list are found or made, its line is written, and what became of it is noted."""
    from django.db import connection, transaction

    done = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, body FROM integrations_delivery WHERE status = 'waiting' ORDER BY id LIMIT 25 FOR UPDATE SKIP LOCKED"
            )
            rows = cursor.fetchall()
            for pk, body in rows:
                _apply_one(cursor, account, pk, json.loads(bytes(body)))
            done += len(rows)
            if not rows:
                return done


def _apply_one(cursor: Any, account: int, pk: int, told: dict[str, Any]) -> None:
    """One message in five statements."""
    person, action, noun = told["lead"], told["action"], next(iter(told["action_details"]))
    cursor.execute(
        """
        INSERT INTO leads_lead (account_id, kartra_id, email, email_key, first_name, last_name, dirty_at, changed_seq, changed_xid,
            known_since, known_from, {})
        SELECT %s, %s, %s, %s, %s, %s, now(), nextval(pg_get_serial_sequence('leads_changecounter', 'id')),
            pg_current_xact_id()::text::bigint, now(), 'webhook', {}
        ON CONFLICT (account_id, kartra_id) DO UPDATE SET first_name = excluded.first_name, last_name = excluded.last_name,
            dirty_at = coalesce(leads_lead.dirty_at, excluded.dirty_at), changed_seq = excluded.changed_seq,
            changed_xid = excluded.changed_xid
        RETURNING id
        """.format(*_blank()),
        [account, person["id"], person["email"], person["email"], person["first_name"], person["last_name"]],
    )
    lead = cursor.fetchone()[0]
    name = told["action_details"][noun][f"{noun}_name"]
    cursor.execute(
        "INSERT INTO leads_activity (account_id, lead_id, kind, at, source, details, delivery_id)"
        " VALUES (%s, %s, %s, now(), 'webhook', %s, %s) RETURNING id",
        [account, lead, action, json.dumps({noun: name}), pk],
    )
    line = cursor.fetchone()[0]
    cursor.execute(STATEMENTS[action], {"lead": lead, "account": account, "name": name, "line": line})
    cursor.execute(
        "UPDATE integrations_delivery SET status = 'applied', applied_at = now(), action = %s, family = %s, lead_id = %s,"
        " changed = %s, journal = %s WHERE id = %s",
        [action, f"{noun}:{name}", lead, json.dumps([name]), json.dumps([{"row": noun, "was": None}]), pk],
    )


ON_LIST = """
    INSERT INTO leads_listsubscription (lead_id, mailing_list_id, since, source, activity_id, active)
    SELECT %(lead)s, id, now(), 'webhook', %(line)s, {active} FROM leads_mailinglist
    WHERE account_id = %(account)s AND name = %(name)s
    ON CONFLICT (mailing_list_id, lead_id) DO UPDATE SET active = {active}, since = now(), activity_id = excluded.activity_id
    """
STATEMENTS = {
    "assign_tag": """
        INSERT INTO leads_leadtag (lead_id, tag_id, since, source, activity_id)
        SELECT %(lead)s, id, now(), 'webhook', %(line)s FROM leads_tag WHERE account_id = %(account)s AND name = %(name)s
        ON CONFLICT DO NOTHING
        """,
    "unassign_tag": """
        DELETE FROM leads_leadtag USING leads_tag t
        WHERE t.id = tag_id AND lead_id = %(lead)s AND t.account_id = %(account)s AND t.name = %(name)s
        """,
    "list_subscription": ON_LIST.format(active="true"),
    "list_unsubscription": ON_LIST.format(active="false"),
}


@functools.cache
def _blank() -> tuple[str, str]:
    """The other columns of a lead that must not be null, and what is in them."""
    from leads.models import Lead

    told = {"account_id", "kartra_id", "email", "email_key", "first_name", "last_name", "changed_seq", "changed_xid"}
    told |= {"known_since", "known_from"}
    rest = [
        field for field in Lead._meta.concrete_fields if not (field.null or field.primary_key or field.attname in told)
    ]
    values = ["'{}'::jsonb" if field.get_internal_type() == "JSONField" else "''" for field in rest]
    return ", ".join(field.column for field in rest), ", ".join(values)


def __getattr__(name: str) -> Any:
    if name == "application":
        return bare()
    raise AttributeError(name)
