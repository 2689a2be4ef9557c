"""Drafts and segments keep a selection as JSON with a version, where they kept a query or a filter's parameters.

The conditions and their inputs are listed here as they were on that day. What none of them has is carried over as a
condition that nobody knows, so that it goes on to fit nobody.
"""

import re
from urllib.parse import parse_qs

from django.db import migrations, models

CONDITIONS = {
    "segment": ("segment",),
    "tag": ("tag",),
    "tag_all": ("tag_all",),
    "list": ("list", "list_state"),
    "sequence": ("sequence", "sequence_step", "sequence_status"),
    "membership": ("membership", "membership_state"),
    "calendar": ("calendar", "calendar_status", "calendar_from", "calendar_to"),
    "bought": ("bought", "bought_from", "bought_to"),
    "refunded": ("refunded", "refunded_from", "refunded_to"),
    "plan": ("plan", "plan_from", "plan_to"),
    "account": ("account",),
    "score": ("score_min", "score_max"),
    "joined": ("joined_from", "joined_to"),
    "country": ("country",),
    "source": ("source",),
    "gdpr": ("gdpr",),
    "custom": ("custom", "custom_how", "custom_value"),
    "wish": ("wish",),
    "copy": ("copy",),
    "older": ("older",),
}
NOT = "not_"
SHOWING = ("all", "e", "_facets", "_popup", "o", "p", "_to_field")
"""What of a list's query says how it is shown."""


def selection_of(wanted):
    """The selection of a filter's parameters, {name: [texts]}: all of it must hold."""
    parts, known = [], {"q"}
    if text := " ".join(wanted.get("q", ())):
        parts.append({"condition": "search", "values": {"q": [text]}})
    for condition, inputs in CONDITIONS.items():
        for prefix in ("", NOT):
            known |= {f"{prefix}{name}" for name in inputs}
            values = {name: [text for text in wanted.get(f"{prefix}{name}", ()) if text] for name in inputs}
            values = {name: texts for name, texts in values.items() if texts}
            if values:
                leaf = {"condition": condition, "values": values}
                if condition == "segment" and all(re.fullmatch("[0-9]{1,17}", text) for text in values["segment"]):
                    leaf = {"segments": list(dict.fromkeys(map(int, values["segment"])))}
                parts.append({"not": leaf} if prefix else leaf)
    parts += [{"condition": name, "values": {name: list(wanted[name])}} for name in sorted(set(wanted) - known)]
    leads = {"all": parts} if len(parts) > 1 else parts[0] if parts else {"everybody": True}
    return {"version": 1, "leads": leads}


def of_query(query):
    """The selection of a list's query, as the list read it."""
    wanted = {name: texts for name, texts in parse_qs(query).items() if name not in SHOWING}
    if "q" in wanted:
        wanted["q"] = wanted["q"][-1:]
    if "account__id__exact" in wanted:
        wanted["account"] = wanted.get("account", []) + wanted.pop("account__id__exact")
    return selection_of(wanted)


def carry_over_drafts(apps, schema_editor):
    drafts, changed = apps.get_model("leads", "RunDraft").objects, []
    for draft in drafts.exclude(selection__has_key="people").iterator(chunk_size=500):
        draft.listed = draft.selection.get("query", "")
        ids = draft.selection.get("ids")
        draft.selection = of_query(draft.listed) if ids is None else {"version": 1, "leads": {"ids": ids}}
        changed.append(draft)
    drafts.bulk_update(changed, ["selection", "listed"], batch_size=100)


def carry_over_segments(apps, schema_editor):
    segments, changed = apps.get_model("leads", "Segment").objects, []
    for segment in segments.iterator(chunk_size=500):
        segment.selection = selection_of(segment.selection)
        changed.append(segment)
    segments.bulk_update(changed, ["selection"], batch_size=100)


class Migration(migrations.Migration):
    dependencies = [("leads", "0019_group_given")]

    operations = [
        migrations.AddField("RunDraft", "listed", models.TextField(blank=True, default="")),
        migrations.RenameField("Segment", "conditions", "selection"),
        migrations.RunPython(carry_over_drafts, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(carry_over_segments, migrations.RunPython.noop, elidable=True),
    ]
