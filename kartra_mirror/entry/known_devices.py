"""Devices on which somebody has signed in before: a signed cookie says as whom. It opens nothing; strangers who try a name from many
addresses do not keep its person out where it is (`throttle`). Who copies it may try SIGN_IN_TRIES from each address they have, until the
person's sessions are ended everywhere."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

from leads.models import StaffSessions

COOKIE, SALT = "known_device", "kartra_mirror.known_device"
KEPT_S = 180 * 24 * 3600
MOST_PEOPLE = 5
"""As whom one device is remembered, at most; the last ones."""


def is_known(request: HttpRequest, username: Any) -> bool:
    """Whether the person of this name has signed in here since their sessions were last ended everywhere."""
    people = _people(request)
    if not people:
        return False
    user = User.objects.filter(username=username).select_related("sessions").first()
    return user is not None and people.get(str(user.pk)) == StaffSessions.epoch_of(user)


def remember(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    people = _people(request)
    people.pop(str(user.pk), None)
    kept = dict([*people.items(), (str(user.pk), StaffSessions.epoch_of(user))][-MOST_PEOPLE:])
    response.set_cookie(
        COOKIE,
        signing.dumps(kept, salt=SALT),
        max_age=KEPT_S,
        path="/admin/",
        httponly=True,
        samesite="Lax",
        secure=bool(settings.SESSION_COOKIE_SECURE),
    )


def _people(request: HttpRequest) -> dict[str, int]:
    try:
        found: dict[str, int] = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=KEPT_S)
    except signing.BadSignature:
        return {}
    return found
