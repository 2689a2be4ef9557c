"""Loads what Kartra exported (CSV of leads or of transactions) into the mirror. Sends nothing to Kartra.

`files` reads any CSV, `columns` says what its columns are, `values` what its cells hold; `jobs` carries an import through.
"""

from leads.importing.columns import custom_targets, is_target, label, targets
from leads.importing.files import CannotImport
from leads.importing.jobs import (
    cancel,
    check,
    create,
    digest_of,
    forget_old,
    match,
    open_kept,
    reject_lines,
    samples,
    start,
    stop,
    unfinished,
    work,
)

__all__ = [
    "CannotImport",
    "cancel",
    "check",
    "create",
    "custom_targets",
    "digest_of",
    "forget_old",
    "is_target",
    "label",
    "match",
    "open_kept",
    "reject_lines",
    "samples",
    "start",
    "stop",
    "targets",
    "unfinished",
    "work",
]
