"""Loads what Kartra exported (CSV of leads or of transactions) into the mirror. Sends nothing to Kartra.

`files` reads any CSV, `columns` says what its columns are, `values` what its cells hold;
`uploads` makes an import, `jobs` says what is done with it, `batches` goes through its rows.
"""

from leads.importing.batches import work
from leads.importing.columns import custom_targets, is_target, label, targets
from leads.importing.files import CannotImport
from leads.importing.jobs import (
    cancel,
    check,
    keep_reject_path,
    looked_up,
    match,
    say_ids,
    start,
    stop,
    to_look_up,
    unfinished,
)
from leads.importing.names import SEPARATORS
from leads.importing.survey import survey
from leads.importing.uploads import create, digest_of, open_kept, reject_lines, samples

__all__ = [
    "SEPARATORS",
    "CannotImport",
    "cancel",
    "check",
    "create",
    "custom_targets",
    "digest_of",
    "is_target",
    "keep_reject_path",
    "label",
    "looked_up",
    "match",
    "open_kept",
    "reject_lines",
    "samples",
    "say_ids",
    "start",
    "stop",
    "survey",
    "targets",
    "to_look_up",
    "unfinished",
    "work",
]
