"""Who needs a second factor, and the gate before everything else until it is given. See docs/decisions/0022."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, SESSION_KEY
from django.contrib.auth.models import User
from django.core import checks
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY

from integrations.models import SecondFactor
from leads import access
from leads.kind import every_kind

OFF, MONEY, EVERYBODY = "off", "money", "all"
"""Of SECOND_FACTOR. Anything else is an error (`check_mode`), and everybody's until it is mended."""

KEYS = frozenset(
    f"integrations.{name}"
    for name in (
        "add_connection",
        "change_connection",
        "add_webhookendpoint",
        "change_webhookendpoint",
        "rotate_webhookendpoint",
        "see_webhook_addresses",
        "use_console",
    )
)
"""Who has one of these sees or replaces keys, or speaks with them to Kartra."""

PEOPLE = frozenset(f"auth.{name}" for name in ("add_group", "change_group", "add_user", "change_user"))
"""Who has one of these says what others may do, and by a group also what they may do themselves."""


def needed_for() -> frozenset[str]:
    """The permissions of which each asks for a second factor: money, keys, and giving either to somebody."""
    return KEYS | PEOPLE | {kind.permission for kind in every_kind() if kind.money}


def is_needed(user: access.RequestUser) -> bool:
    if settings.SECOND_FACTOR == OFF or not user.is_authenticated:
        return False
    if settings.SECOND_FACTOR != MONEY or user.is_superuser:
        return True
    return not needed_for().isdisjoint(user.get_all_permissions())


def is_given(request: HttpRequest) -> bool:
    """Whether a code was given in this session, of the factor that the person has now."""
    given = request.session.get(DEVICE_ID_SESSION_KEY)
    if given is None:
        return False
    factor = SecondFactor.objects.filter(user=request.user.pk, confirmed=True).only("pk").first()
    return factor is not None and factor.persistent_id == given


def give(request: HttpRequest, factor: SecondFactor) -> None:
    """From now on the session counts as verified; it gets another key, as after a password."""
    request.session.cycle_key()
    request.session[DEVICE_ID_SESSION_KEY] = factor.persistent_id


class SecondFactorGate:
    """Middleware, behind `SessionEnds`: until the code is given, a session reaches the page for it and the sign-out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SECOND_FACTOR != OFF and SESSION_KEY in request.session and _is_held_back(request):
            page = reverse("admin:second_factor")
            following = request.get_full_path() if request.method == "GET" else reverse("admin:index")
            return HttpResponseRedirect(f"{page}?{urlencode({REDIRECT_FIELD_NAME: following})}")
        return self.get_response(request)


def _is_held_back(request: HttpRequest) -> bool:
    if request.path in (reverse("admin:second_factor"), reverse("admin:logout")):
        return False
    return not is_given(request) and is_needed(request.user)


def check_mode(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """That SECOND_FACTOR is one of those."""
    if settings.SECOND_FACTOR in (OFF, MONEY, EVERYBODY):
        return []
    words = f"SECOND_FACTOR is {settings.SECOND_FACTOR!r}, which is none of off, money and all; it is taken for all."
    return [checks.Error(words, id="kartra_mirror.E002")]


def take_away(user: User) -> bool:
    """Take somebody's factor and their recovery codes away; whether there was one. They set up another at their next sign-in."""
    return bool(SecondFactor.objects.filter(user=user).delete()[0])
