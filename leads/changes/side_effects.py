"""What happened to the leads of a bulk action soon after it that was not ours: an automation in Kartra, the people themselves.

Some of it can be taken back together with the bulk action. Reads only; `new_runs` records.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, DateTimeField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _, gettext_lazy

from leads import kinds
from leads.changes.members import members_of
from leads.changes.undo import parts_of
from leads.kind import ECHO_S
from leads.models import Activity, BulkRun, ChangeStatus, Lead, Source
from leads.models.activity import happened


@dataclass(frozen=True)
class Next:
    """Something that happened to leads of the run after it and that was not ours, to `number` of them. `back` is the
    single change that takes it back, as {"kind": …, "parameters": …}; None where there is none."""

    key: str
    words: str
    number: int
    back: tuple[kinds.ChangeKind, dict[str, Any]] | None
    mails: bool = False


DAYS = 7
"""So long after the end of a bulk action something counts as having happened next; the pages say so. Later it is life, and
an old bulk action costs no more to look at than a new one."""

NAMES = ("tag", "list", "sequence", "field", "is", "product_name", "calendar", "class")
"""Details of an activity by which it is told apart."""

TIES = {kind.activity: kind for kind in kinds.ALL.values() if kind.tie is not None}
FOUND_BY_A_READ: dict[str, str] = {f"{kind.noun} ": code for code, kind in TIES.items() if kind.tie}
"""How a read names what is new, by the beginning of the field: "tag VIP"."""
LOST: dict[str, str] = {f"{kind.noun} ": code for code, kind in TIES.items() if not kind.tie}

OURS = {kind.activity: kind for kind in kinds.ALL.values() if kind.afterwards_words}
"""The kind of change that an activity is the trace of: what Kartra tells us of our own doing is not news."""

WORDS: dict[str, Any] = {
    **{code: kind.afterwards_words for code, kind in OURS.items()},
    "payment_sale": gettext_lazy("bought %(product_name)s"),
    "payment_refund": gettext_lazy("got a refund for %(product_name)s"),
    "buy_product": gettext_lazy("bought %(product_name)s"),
    "gone": gettext_lazy("were deleted in Kartra"),
    "reaches_score": gettext_lazy("reached a score that Kartra reports"),
}


def happened_next(run: BulkRun) -> list[Next]:
    """What happened afterwards to the leads that the run changed, most frequent first. A few queries."""
    after = _afterwards(run)
    ties = Q(details__field__isnull=True) | _any_tie()
    rows = (
        after.filter(ties)
        .order_by()
        .values("kind", *(f"details__{name}" for name in NAMES))
        .annotate(number=Count("lead", distinct=True))
        .order_by("-number")[:300]
    )
    own = {(kind.name, str(parameters.get(kind.noun))) for kind, parameters in parts_of(run)}
    found: dict[str, Next] = {}
    for row in rows:
        details = {name: row[f"details__{name}"] for name in NAMES if row[f"details__{name}"] not in (None, "")}
        kind, details = _plainly(row["kind"], details)
        if kind in OURS and (OURS[kind].name, str(details.get(OURS[kind].noun))) in own:
            continue
        each = _next(kind, details, row["number"])
        before = found[each.key].number if each.key in found else 0
        found[each.key] = replace(each, number=each.number + before)
    edited = after.exclude(ties).aggregate(number=Count("lead", distinct=True))["number"]
    if edited:
        found["profile"] = Next("profile", _("had fields of their profile changed"), edited, None)
    return sorted(found.values(), key=lambda each: (-each.number, each.key))


def _any_tie() -> Q:
    found = Q()
    for beginning in FOUND_BY_A_READ:
        found |= Q(details__field__startswith=beginning)
    return found


def _afterwards(run: BulkRun) -> QuerySet[Activity]:
    """Activity of the run's changed leads since it changed them, up to DAYS after its end, by no change of ours and no person
    of ours."""
    later = ExpressionWrapper(OuterRef("at") + dt.timedelta(seconds=ECHO_S), output_field=DateTimeField())
    changed = run.changes.filter(status=ChangeStatus.ACCEPTED, lead=OuterRef("lead"), settled_at__lte=later)
    told = Activity.objects.filter(account=run.account_id, at__gte=run.created_at, change=None)
    if run.ended_at is not None:
        told = told.filter(at__lt=run.ended_at + dt.timedelta(days=DAYS))
    return told.filter(Exists(changed)).exclude(source__in=[Source.STAFF, Source.PUSH, Source.IMPORT])


def _plainly(kind: str, details: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What a read found new, told as if it had been reported: the field "tag VIP" that is so now is "tag_assigned"."""
    field = str(details.get("field", ""))
    for beginning, told in FOUND_BY_A_READ.items():
        if field.startswith(beginning):
            so = details.get("is") not in (None, False, "")
            return told if so else LOST[beginning], {beginning.strip(): field.removeprefix(beginning)}
    return kind, details


def _next(kind: str, details: dict[str, Any], number: int) -> Next:
    told = next((details[name] for name in ("tag", "list", "sequence", "product_name", "field") if name in details), "")
    key = f"{kind}:{told}"
    words = f"{happened(kind)} {told}".strip()
    if kind in WORDS:
        words = WORDS[kind] % {name: details.get(name, _("something")) for name in NAMES}
    back = None
    if (tie := TIES.get(kind)) is not None and tie.tie and details.get(tie.noun):
        back = kinds.get_kind(tie.inverse), {tie.noun: str(details[tie.noun])}
    return Next(key, words, number, back, mails=kind in OURS and OURS[kind].sends_mails)


def leads_of(run: BulkRun, each: Next) -> QuerySet[Lead]:
    """The leads of the run to whom this happened and for whom it is so still, so that it can be taken back."""
    assert each.back is not None
    kind, parameters = each.back
    assert kind.already_so_q is not None
    [(parameter, name)] = parameters.items()
    told = FOUND_BY_A_READ[f"{parameter} "]
    happened = _afterwards(run).filter(
        Q(kind=told, **{f"details__{parameter}": name}) | Q(details__field=f"{parameter} {name}")
    )
    leads = Lead.objects.filter(account=run.account_id, gone_at=None, pk__in=happened.values("lead"))
    return members_of(run.account, leads.exclude(kind.already_so_q(run.account, parameters)))


def standing(run: BulkRun, each: Next) -> int:
    """For how many of the leads to whom this happened it is so still, and can be taken back."""
    return leads_of(run, each).count() if each.back is not None else 0


def chosen(run: BulkRun, keys: Iterable[str]) -> list[Next]:
    """Of what happened next: what was ticked, is so still and can be taken back."""
    wanted = set(keys)
    return [each for each in happened_next(run) if each.key in wanted and standing(run, each)] if wanted else []
