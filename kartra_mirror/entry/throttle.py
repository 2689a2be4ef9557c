"""How often a password may be wrong. django-axes counts; here stands what a limit is of."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from kartra_mirror.entry import known_devices


def limits() -> tuple[int, int, int]:
    """In the order of AXES_LOCKOUT_PARAMETERS, which says what is counted together."""
    return settings.SIGN_IN_TRIES, settings.SIGN_IN_TRIES_ADDRESS, settings.SIGN_IN_TRIES_NAME


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name under which a try is counted (AXES_USERNAME_CALLABLE): in small letters, so that no spelling has tries of its own."""
    name = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(name).strip().casefold()[:255]


class SignInHandler(AxesDatabaseHandler):
    """django-axes with a limit for each thing that is counted; it knows one for all of them.

    Within a quarter of an hour (AXES_COOLOFF_TIME), counted from the last wrong try that was looked at:

    1. SIGN_IN_TRIES of one name from one address, as somebody who does not remember.
    2. SIGN_IN_TRIES_ADDRESS from one address, whatever the names: one password tried on everybody. Higher, as an office has one address.
    3. SIGN_IN_TRIES_NAME of one name, from anywhere: many addresses against one person. A stranger can bring this about and keep it up,
       so it must not shut the person out: it holds only for devices on which they have never signed in (`known_devices`), and a link
       for a new password, by mail or from a colleague, signs in and makes the device known.

    A try that is refused is not counted (AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT is off), or nobody who goes on trying would ever
    be let in again."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The failures of what is nearest to its limit, or furthest beyond it, as if all had the limit of the first."""
        counted = list(zip(self.get_user_attempts(request, credentials), limits(), strict=True))
        if known_devices.is_known(request, (credentials or {}).get("username")):
            counted.pop()
        most = max((tries.aggregate(n=Sum("failures_since_start"))["n"] or 0) - limit for tries, limit in counted)
        return int(settings.AXES_FAILURE_LIMIT) + most

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """After a success: those of this name from this address. All other names tried from there, and all other addresses that tried
        this name, stay as they are."""
        number: int = self.filter_user_attempts(request, credentials)[0].delete()[0]
        return number
