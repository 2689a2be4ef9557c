"""A bulk action by hand: one aggregate for the preview, one INSERT … SELECT for the changes."""

from django.db import connection, transaction


def preview(account: int, tag: str) -> None:
    """Who of the account would get the tag, counted in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE l.gone_at IS NOT NULL), count(*) FILTER (WHERE t.id IS NOT NULL),
                   count(*) FILTER (WHERE l.kartra_id IS NULL), min(l.read_at), sum(l.id)
            FROM leads_lead l
            LEFT JOIN leads_leadtag t ON t.lead_id = l.id
                AND t.tag_id = (SELECT id FROM leads_tag WHERE account_id = %s AND name = %s)
            WHERE l.account_id = %s
            """,
            [account, tag, account],
        )
        cursor.fetchone()


def whole_preview(account: int, tag: str) -> None:
    """The same, and what a preview says and promises besides: which of them are known by their address alone, were never read or long
    ago, are absent in Kartra, have a change about this tag open, and a mark by which the same leads are known again."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.id IS NOT NULL AND o.lead_id IS NULL, coalesce(o.other, false), l.gone_at IS NOT NULL,
                   l.absent_at IS NOT NULL AND l.kartra_id IS NULL AND l.gone_at IS NULL AND c.lead_id IS NULL,
                   l.kartra_id IS NULL, l.read_at IS NULL,
                   l.dirty_at IS NOT NULL OR l.read_at IS NULL OR l.read_at < now() - interval '24 hours',
                   count(*), min(l.read_at), sum(l.id), sum(l.id * l.id %% 1000003)
            FROM leads_lead l
            LEFT JOIN leads_leadtag t ON t.lead_id = l.id
                AND t.tag_id = (SELECT id FROM leads_tag WHERE account_id = %s AND name = %s)
            LEFT JOIN (SELECT lead_id, bool_or(kind <> 'assign_tag') AS other FROM leads_leadchange
                       WHERE family = 'tag:' || %s AND status IN ('waiting', 'sending', 'unknown', 'undecided')
                       GROUP BY lead_id) o ON o.lead_id = l.id
            LEFT JOIN (SELECT DISTINCT lead_id FROM leads_leadchange
                       WHERE kind = 'create_lead' AND status IN ('waiting', 'sending', 'unknown', 'undecided')) c
                ON c.lead_id = l.id
            WHERE l.account_id = %s
            GROUP BY 1, 2, 3, 4, 5, 6, 7
            """,
            [account, tag, tag, account],
        )
        cursor.fetchall()


def record(account: int, run: int, tag: str) -> None:
    """A change for each lead of the account, in one statement."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO leads_leadchange (account_id, lead_id, run_id, kind, parameters, family, baseline, status, reason, code,
                message, remark, send_alone, force, read_first, closed_why, not_done, why, requested_at, settled_at)
            SELECT l.account_id, l.id, %s, 'assign_tag', jsonb_build_object('tag', %s::text), 'tag:' || %s, '{}',
                CASE WHEN t.id IS NULL THEN 'waiting' ELSE 'skipped' END,
                CASE WHEN t.id IS NULL THEN '' ELSE 'already_so' END, '', '', '{}', false, false, false, '', 0, '',
                now(), CASE WHEN t.id IS NULL THEN NULL ELSE now() END
            FROM leads_lead l
            LEFT JOIN leads_leadtag t ON t.lead_id = l.id
                AND t.tag_id = (SELECT id FROM leads_tag WHERE account_id = %s AND name = %s)
            WHERE l.account_id = %s
            ORDER BY l.id
            """,
            [run, tag, tag, account, tag, account],
        )
