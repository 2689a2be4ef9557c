"""Storing secrets anew with the newest keys, beside everything that runs, and what is still stored with older ones."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.db import DatabaseError, transaction
from django.db.models import Count, Model, QuerySet, TextField
from django.db.models.functions import Cast, Left
from django.utils.translation import gettext as _

from integrations.models import WebhookEndpoint
from integrations.secrets import EncryptedTextField, LostSecret, seal, unseal
from leads.models import DataSubjectRequest, Forgotten
from leads.models.digests import KEY_NAME, key_name, newest

BATCH = 500

DIGESTS = (
    (WebhookEndpoint, "token_digest"),
    (WebhookEndpoint, "old_token_digest"),
    (Forgotten, "digest"),
    (DataSubjectRequest, "digest"),
)
"""Where digests are kept."""


def encrypted_fields() -> Iterator[tuple[type[Model], str]]:
    """Every column that holds a secret."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, EncryptedTextField):
                yield model, field.name


def _stored(model: type[Model], name: str) -> QuerySet[Any]:
    """The rows with a secret in this column, with `stored`, the text as the database has it."""
    rows = model._default_manager.order_by("pk").annotate(stored=Cast(name, TextField()))
    return rows.exclude(stored=None).exclude(stored="")


def secrets_by_key() -> Counter[str]:
    """How many stored secrets there are of each key, by its name."""
    return _counted((_stored(model, name), "stored") for model, name in encrypted_fields())


def digests_by_key() -> Counter[str]:
    """How many digests there are of each key, by its name."""
    return _counted((model._default_manager.exclude(**{name: None}), name) for model, name in DIGESTS)


def _counted(columns: Iterable[tuple[QuerySet[Any], str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for rows, column in columns:
        found.update(
            dict(
                rows.order_by().annotate(its_key=Left(column, KEY_NAME)).values_list("its_key").annotate(n=Count("pk"))
            )
        )
    return found


def cannot_start() -> str:
    """Why neither web nor workers may run with these keys, in a sentence; empty where they may.

    Without the key of its digests an installation would know no address again, and nobody who asked to be forgotten. That a secret
    cannot be opened is no reason: its connection stops by itself.
    """
    return keys_problem() or _unknown_digests()


def keys_problem() -> str:
    """What is wrong with the keys themselves, in a sentence."""
    if not any(settings.DIGEST_KEYS):
        return _("DIGEST_KEYS is empty. Put in the key of this installation; a new one for a new installation.")
    return encryption_problem()


def _unknown_digests() -> str:
    try:
        unknown = sorted(set(digests_by_key()) - {key_name(key) for key in settings.DIGEST_KEYS})
    except DatabaseError:
        return ""  # no database yet, or no tables: nothing to be known again
    if not unknown:
        return ""
    return _(
        "This database knows addresses and forgotten people by the key %(names)s, which DIGEST_KEYS does not have. Put it back, "
        "after the newer ones."
    ) % {"names": ", ".join(unknown)}


def keys_are_there(**kwargs: Any) -> list[CheckMessage]:
    """The check of the keys themselves. A warning, so that commands that mend them run."""
    return [Warning(why, id="integrations.W001")] if (why := keys_problem()) else []


def keys_are_ours(**kwargs: Any) -> list[CheckMessage]:
    """The check of the keys against the database, with `check --database default`."""
    return [Warning(why, id="integrations.W002") for why in (_unknown_digests(), lost_secrets()) if why]


def encryption_problem() -> str:
    """What is wrong with FIELD_ENCRYPTION_KEYS themselves, in a sentence."""
    if not any(settings.FIELD_ENCRYPTION_KEYS):
        return _(
            "FIELD_ENCRYPTION_KEYS is empty: secrets can be neither stored nor read. Put in the key of this installation."
        )
    for number, key in enumerate(settings.FIELD_ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            return _(
                "Key %(number)s of FIELD_ENCRYPTION_KEYS is mistyped: a key has 44 letters, as the one it was copied from."
            ) % {"number": number}
    return ""


def lost_secrets() -> str:
    """Which stored secrets cannot be opened, in a sentence; empty where all can."""
    try:
        lost = secrets_by_key()
    except DatabaseError:
        return ""
    for key in settings.FIELD_ENCRYPTION_KEYS:
        del lost[key_name(key)]
    if not lost:
        return ""
    return _(
        "%(number)s stored secrets were encrypted with the key %(names)s, which FIELD_ENCRYPTION_KEYS does not have. Put it back, "
        "or enter those keys and passwords again."
    ) % {"number": lost.total(), "names": ", ".join(sorted(lost))}


def older_keys() -> list[str]:
    """For each key but the newest whether rows use it still: one line each."""
    lines = []
    for setting, counted in (
        ("FIELD_ENCRYPTION_KEYS", secrets_by_key()),
        ("DIGEST_KEYS", digests_by_key()),
    ):
        for number, key in enumerate(getattr(settings, setting)[1:], start=2):
            used = counted[key_name(key)]
            words = f"{used:,} rows use it still" if used else "no row uses it any more: it may go"
            lines.append(f"{setting}, key {number} ({key_name(key)}): {words}.")
    return lines


def rotate(*, batch: int = BATCH) -> tuple[int, int]:
    """Store every secret anew that is not stored with the newest key, and make the digests of addresses anew. How many were, and
    how many cannot be opened. What is done stays done, so it may be ended at any time and begun again; a row that somebody
    writes meanwhile is left as they wrote it.
    """
    newest_key = key_name(settings.FIELD_ENCRYPTION_KEYS[0])
    done = lost = 0
    for model, name in encrypted_fields():
        last = 0
        while rows := list(
            _stored(model, name)
            .filter(pk__gt=last)
            .exclude(stored__startswith=f"{newest_key}:")
            .values_list("pk", "stored")[:batch]
        ):
            last = rows[-1][0]
            for pk, stored in rows:
                text = unseal(stored)
                if isinstance(text, LostSecret):
                    lost += 1
                else:
                    # a LostSecret is written as it is
                    done += _stored(model, name).filter(pk=pk, stored=stored).update(**{name: LostSecret(seal(text))})
    for pk in WebhookEndpoint.objects.values_list("pk", flat=True):
        _renew_digests(pk)
    return done, lost


def _renew_digests(pk: int) -> None:
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=pk)
        renewed = {
            f"{name}_digest": newest("door", token)
            for name in ("token", "old_token")
            if (token := getattr(endpoint, name)) is not None and not isinstance(token, LostSecret)
        }
        if any(getattr(endpoint, name) != value for name, value in renewed.items()):
            WebhookEndpoint.objects.filter(pk=pk).update(**renewed)
