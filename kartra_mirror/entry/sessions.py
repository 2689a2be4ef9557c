"""How long a session lasts: until nobody has used it for SESSION_IDLE_MIN, or its person's sessions are ended everywhere.

Django itself ends those of somebody whose password changes or who is not active any more.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.entry import known_devices
from leads import clock
from leads.models import StaffSessions

COOKIE = "session_ended"
"""Why there is no session any more, for the page that asks to sign in."""
TOLD_S = 3600
IDLE, ENDED, BY_ONESELF = "idle", "ended", "oneself"

SEEN_AT, EPOCH = "seen_at", "epoch"
"""In the session: when it was last used (Unix time), and in which epoch of its person's sessions it began."""
WRITE_EVERY_S = 60
"""A session that is in use is written so often at most."""

POLLED = frozenset(
    f"admin:{name}"
    for name in (
        "home_now",
        "home_copies",
        "home_trials",
        "setup_now",
        "health_now",
        "health_charts",
        "leads_bulkrun_progress",
        "leads_import_progress",
        "leads_lead_read",
        "leads_lead_parts",
    )
)
"""Addresses that open pages ask by themselves: they show that a page is open, not that somebody is there."""


class SessionEnds:
    """Middleware, right behind the one that knows who is signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        why = _end_if_over(request) if SESSION_KEY in request.session else ""
        response = self.get_response(request)
        if why:
            tell_why(response, why)
        elif SESSION_KEY in request.session:
            _note_use(request)
        if (user := getattr(request, "has_signed_in", None)) is not None:
            known_devices.remember(request, response, user)
            response.delete_cookie(COOKIE, path="/admin/", samesite="Lax")
        return response


def words_of(why: str | None) -> str:
    """For the page that asks to sign in; "" for what is no reason of ours."""
    if why == IDLE:
        return _("You were signed out because this session was not used for %(time)s.") % {"time": idle_words()}
    if why == ENDED:
        return _("You were signed out: your password was changed, or all your sessions were ended.")
    if why == BY_ONESELF:
        return _("You are signed out on every device.")
    return ""


def idle_words() -> str:
    """After what time a session ends that nobody uses; "" where it does not."""
    minutes: int = settings.SESSION_IDLE_MIN
    if minutes % 60:
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": f"{minutes:,}"}
    return ngettext("%(n)s hour", "%(n)s hours", minutes // 60) % {"n": f"{minutes // 60:,}"} if minutes else ""


def tell_why(response: HttpResponseBase, why: str) -> None:
    """Have the page that asks to sign in say it."""
    secure = bool(settings.SESSION_COOKIE_SECURE)
    response.set_cookie(COOKIE, why, max_age=TOLD_S, path="/admin/", httponly=True, samesite="Lax", secure=secure)


def end_others(request: Any, user: User) -> None:
    """End all sessions of the person but this one, which gets another key; this device stays known as theirs."""
    StaffSessions.objects.end_all(user)
    request.session.cycle_key()
    _begin(request, User.objects.get(pk=user.pk))


def _end_if_over(request: HttpRequest) -> str:
    """End the session if it is over. Why, or ""."""
    why = _why_over(request)
    if why:
        request.session.flush()
        request.user = AnonymousUser()
    return why


def _why_over(request: HttpRequest) -> str:
    if not request.user.is_authenticated:  # Django has ended it
        return ENDED
    if request.session.get(EPOCH, 0) != StaffSessions.epoch_of(request.user):
        return ENDED
    seen, most_s = request.session.get(SEEN_AT), settings.SESSION_IDLE_MIN * 60
    return IDLE if most_s and seen is not None and _now_s() - seen > most_s else ""


def _note_use(request: HttpRequest) -> None:
    if not settings.SESSION_IDLE_MIN:
        return
    page = request.resolver_match.view_name if request.resolver_match else ""
    seen, often_s = request.session.get(SEEN_AT), min(WRITE_EVERY_S, settings.SESSION_IDLE_MIN * 6)
    if seen is None or (page not in POLLED and _now_s() - seen >= often_s):
        request.session[SEEN_AT] = _now_s()


def _now_s() -> int:
    return int(clock.about_now().timestamp())


@receiver(user_logged_in, dispatch_uid="kartra_mirror.entry.sessions")
def _begin(request: Any, user: User, **kwargs: Any) -> None:
    request.session[SEEN_AT], request.session[EPOCH] = _now_s(), StaffSessions.epoch_of(user)
    request.has_signed_in = user
