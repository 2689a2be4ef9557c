"""Tags put on leads at Kartra and leads read from it by hand: a bare loop, and pushes that keep the same promises."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import requests
from django.db import connection, transaction

SENDERS = 8
AT_ONCE = 20


def loop(url: str, keys: dict[str, str], ids: Sequence[str], tag: str) -> None:
    """A POST for each lead, one after the other, of which nobody keeps anything."""
    session = requests.Session()
    session.trust_env = False
    for id in ids:
        _assign(session, url, keys, id, tag)


def read_loop(url: str, keys: dict[str, str], ids: Sequence[str]) -> None:
    """A `get_lead` for each lead, of which nobody keeps anything."""
    session = requests.Session()
    session.trust_env = False
    for id in ids:
        found = session.post(url, data={**keys, "get_lead[id]": id}).json()
        assert found["lead_details"]["id"] == id, found


def _assign(session: requests.Session, url: str, keys: dict[str, str], id: str, tag: str) -> str:
    told = {**keys, "lead[id]": id, "actions[0][cmd]": "assign_tag", "actions[0][tag_name]": tag}
    answer = session.post(url, data=told)
    assert answer.json()["status"] == "Success", answer.text
    return answer.text


CLAIM = """
    SELECT c.id, c.lead_id, l.kartra_id FROM leads_leadchange c JOIN leads_lead l ON l.id = c.lead_id
    WHERE c.run_id = %s AND c.status = 'waiting'
        AND NOT EXISTS (SELECT 1 FROM integrations_apicall a
            WHERE a.lead_id = c.lead_id AND a.finished_at IS NULL AND a.writes)
        AND NOT EXISTS (SELECT 1 FROM leads_leadchange b WHERE b.lead_id = c.lead_id AND b.family = c.family
            AND b.id < c.id AND b.status IN ('waiting', 'sending', 'unknown', 'undecided'))
        AND NOT EXISTS (SELECT 1 FROM leads_leadtag t WHERE t.lead_id = c.lead_id AND t.tag_id = %s)
    ORDER BY c.id LIMIT %s FOR UPDATE OF c, l SKIP LOCKED
"""
WRITE_CALLS = """
    INSERT INTO integrations_apicall (connection_id, lead_id, cause, writes, commands, claimed_at, lease_until,
        outcome, code, message, remark, answer, receipt)
    SELECT %s, lead, 'push', true, 'assign_tag', now(), now() + interval '15 s', '', '', '', '{}', '', ''
    FROM unnest(%s::bigint[]) AS lead RETURNING id, lead_id
"""
WRITE_ATTEMPTS = """
    INSERT INTO integrations_attempt (change_id, call_id, position, command, proof, code, message, remark, before,
        evidence, looks)
    SELECT change, call, 0, 'assign_tag', 'open', '', '', '{}', '{"state": false}', '[]', 0
    FROM unnest(%s::bigint[], %s::bigint[]) AS t (change, call)
"""
FINISH = """
    UPDATE integrations_apicall SET finished_at = now(), outcome = 'answered', elapsed_ms = 1, answer = t.answer
    FROM unnest(%s::bigint[], %s::text[]) AS t (id, answer)
    WHERE integrations_apicall.id = t.id AND finished_at IS NULL RETURNING integrations_apicall.id
"""
SHOW = """
    WITH tied AS (
        INSERT INTO leads_leadtag (lead_id, tag_id, since, source, change_id)
        SELECT lead, %s, now(), 'push', change FROM unnest(%s::bigint[], %s::bigint[]) AS t (lead, change)
        ON CONFLICT DO NOTHING RETURNING lead_id, change_id)
    INSERT INTO leads_activity (account_id, lead_id, kind, at, source, details, change_id)
    SELECT %s, lead_id, 'tag_assigned', now(), 'push', jsonb_build_object('tag', %s::text), change_id FROM tied
    RETURNING id, lead_id
"""


def keeping_promises(url: str, keys: dict[str, str], account: int, on: int, run: int, tag: tuple[int, str]) -> int:
    """Tag the leads of a bulk action: claims, marks as sent, proofs, effects and lines of the timeline, each in sets of twenty.
    How many."""
    sessions = [requests.Session() for _ in range(SENDERS)]
    for session in sessions:
        session.trust_env = False
    sent = 0
    with ThreadPoolExecutor(SENDERS) as senders:
        while rows := _claim(on, run, tag[0]):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE integrations_apicall SET sent_at = now(), lease_until = now() + interval '50 s'"
                    " WHERE id = ANY(%s) AND finished_at IS NULL AND sent_at IS NULL",
                    [[row[0] for row in rows]],
                )
                cursor.execute(
                    "UPDATE integrations_connection SET calls_made = calls_made + %s WHERE id = %s", [len(rows), on]
                )
            jobs = [
                senders.submit(_assign, sessions[place % SENDERS], url, keys, row[3], tag[1])
                for place, row in enumerate(rows)
            ]
            _settle(account, run, tag, rows, [job.result() for job in jobs])
            sent += len(rows)
    return sent


def _claim(on: int, run: int, tag: int) -> list[tuple[int, int, int, str]]:
    """(call, change, lead, Kartra's id) of the next leads."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(CLAIM, [run, tag, AT_ONCE])
        due = cursor.fetchall()
        if not due:
            return []
        cursor.execute(WRITE_CALLS, [on, [lead for _, lead, _ in due]])
        calls = {lead: call for call, lead in cursor.fetchall()}
        changes = [change for change, _, _ in due]
        cursor.execute(WRITE_ATTEMPTS, [changes, [calls[lead] for _, lead, _ in due]])
        cursor.execute("UPDATE leads_leadchange SET status = 'sending' WHERE id = ANY(%s)", [changes])
    return [(calls[lead], change, lead, id) for change, lead, id in due]


def _settle(
    account: int, run: int, tag: tuple[int, str], rows: list[tuple[int, int, int, str]], told: list[str]
) -> None:
    calls, changes, leads = ([row[column] for row in rows] for column in range(3))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM leads_lead WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [leads])
        cursor.execute(FINISH, [calls, told])
        assert len(cursor.fetchall()) == len(rows)
        cursor.execute(
            "UPDATE integrations_attempt SET proof = 'done', message = 'Success',"
            """ evidence = jsonb_build_array(jsonb_build_object('at', now(), 'what', 'answer'))"""
            " WHERE call_id = ANY(%s) AND proof = 'open'",
            [calls],
        )
        cursor.execute(
            "UPDATE leads_leadchange SET status = 'accepted', settled_at = now() WHERE id = ANY(%s) AND status = 'sending'",
            [changes],
        )
        cursor.execute(SHOW, [tag[0], leads, changes, account, tag[1]])
        lines = cursor.fetchall()
        cursor.execute(
            "UPDATE leads_leadtag SET activity_id = t.line FROM unnest(%s::bigint[], %s::bigint[]) AS t (line, lead)"
            " WHERE leads_leadtag.lead_id = t.lead AND tag_id = %s",
            [[line for line, _ in lines], [lead for _, lead in lines], tag[0]],
        )
        cursor.execute(
            "UPDATE leads_lead SET changed_seq = nextval(pg_get_serial_sequence('leads_changecounter', 'id')),"
            " changed_xid = pg_current_xact_id()::text::bigint WHERE id = ANY(%s)",
            [leads],
        )
        cursor.execute("UPDATE leads_bulkrun SET refusals = 0 WHERE id = %s AND refusals > 0", [run])
