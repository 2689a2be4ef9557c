"""The second factor of our own people: codes of a phone (RFC 6238), and codes on paper for when it is lost.

The rules are django-otp's (throttle, what a session remembers); the rows are ours, because its own keep the key and the codes in the
clear. See docs/decisions/0022.
"""

import datetime as dt
import secrets
from base64 import b32encode
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import models, transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext, gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from integrations.clock import now
from integrations.secrets import EncryptedTextField

KEY_BYTES = 20
STEP_S = 30
TOLERANCE = 1
"""So many steps before and after are taken, too: phones' clocks are not ours."""
LONGEST_WAIT_S = 3600
RECOVERY_CODES = 10
ISSUER = "Kartra Mirror"


def _new_key() -> str:
    return secrets.token_hex(KEY_BYTES)


class SecondFactor(ThrottlingMixin, Device):
    """One person's phone. `confirmed` once a code of it was right; until then it is only being set up."""

    account_path = None  # about people: everybody may see it

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor")
    key = EncryptedTextField(default=_new_key, help_text=_("Hexadecimal."))
    last_step = models.BigIntegerField(
        default=-1, help_text=_("The last step of which a code was taken: none is taken twice.")
    )

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("second factor of %(whom)s") % {"whom": self.user_id}

    @property
    def is_lost(self) -> bool:
        """Whether the key cannot be opened with the encryption keys we have."""
        return not self.key

    def secret(self) -> str:
        """The key as it is typed into an app, in groups of four."""
        text = b32encode(bytes.fromhex(self.key)).decode().rstrip("=")
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))

    def address(self) -> str:
        """What the picture says: the key-uri that apps read."""
        label = quote(f"{ISSUER}:{self.user.get_username()}")
        return f"otpauth://totp/{label}?{urlencode({'secret': self.secret().replace(' ', ''), 'issuer': ISSUER}, quote_via=quote)}"

    def get_throttle_factor(self) -> int:
        return 1

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """As django-otp has it (1, 2, 4, 8 … seconds after so many wrong codes), but an hour at most, and by the database's clock: who
        knows the password keeps nobody out for good, and 24 tries a day come to nothing among a million codes."""
        if self.throttling_failure_timestamp is None:
            return True, None
        wait_s = min(2 ** min(self.throttling_failure_count - 1, 20), LONGEST_WAIT_S)
        until = self.throttling_failure_timestamp + dt.timedelta(seconds=wait_s)
        return now() >= until, {"locked_until": until}

    def throttle_increment(self, commit: bool = True) -> None:
        super().throttle_increment(commit=False)
        self.throttling_failure_timestamp = now()
        if commit:
            self.save()

    def verify_token(self, token: str) -> bool:
        """Whether the code is right: of the phone (once), or a recovery code, which is used up by it.

        Call it on a row that is locked. A try while waiting counts for nothing and is refused."""
        if not self.verify_is_allowed()[0]:
            return False
        typed = "".join(token.split()).replace("-", "").lower()
        well = self._is_of_phone(typed) or (self.confirmed and self.recovery_codes.use(typed))
        if well:
            self.throttle_reset(commit=False)
            self.save()
        else:
            self.throttle_increment()
        return well

    def _is_of_phone(self, typed: str) -> bool:
        if self.is_lost or len(typed) != 6 or not (typed.isascii() and typed.isdigit()):
            return False
        totp = TOTP(bytes.fromhex(self.key), STEP_S)
        totp.time = now().timestamp()
        if not totp.verify(int(typed), TOLERANCE, self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    def use(self, typed: str) -> bool:
        """Whether it is one of these; it is none afterwards."""
        found = [code.pk for code in self if constant_time_compare(code.digest, code_digest(code.factor_id, typed))]
        return bool(found and self.filter(pk__in=found).delete()[0])

    def make_anew(self, factor: SecondFactor) -> list[str]:
        """New codes instead of those there are, as they are shown: this once."""
        alphabet = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks alike
        codes = ["".join(secrets.choice(alphabet) for _ in range(10)) for _ in range(RECOVERY_CODES)]
        with transaction.atomic():
            self.filter(factor=factor).delete()
            RecoveryCode.objects.bulk_create(
                [RecoveryCode(factor=factor, digest=code_digest(factor.pk, code)) for code in codes]
            )
        return [f"{code[:5]}-{code[5:]}" for code in codes]


def code_digest(factor: int, code: str) -> str:
    """Keyed; a code has 49 bits by chance, so it needs no slow hash."""
    return salted_hmac(f"recovery code {factor}", code, algorithm="sha256").hexdigest()


class RecoveryCode(models.Model):
    """A code on paper, for one time."""

    account_path = None  # about people: everybody may see it

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64, editable=False)

    objects = RecoveryCodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("recovery code of %(whom)s") % {"whom": self.factor_id}
