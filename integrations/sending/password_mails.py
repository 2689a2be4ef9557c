"""The mail with a link to choose a new password, for those of our people who asked for one. A worker looks whose address it is, and
sends it, so that a stranger learns nothing from how long the page takes or what it says."""

import datetime as dt
import logging
from collections import defaultdict
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from integrations.clock import now
from leads.models import PasswordLinkRequest

logger = logging.getLogger(__name__)

WANTED_FOR = dt.timedelta(hours=1)
"""Whoever asked longer ago has asked again, or does not wait any more."""


def link_for(user: Any) -> str:
    """Where this person chooses a password: valid for three days, and until one is chosen."""
    uid, token = urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)
    return f"{settings.PUBLIC_URL.rstrip('/')}{reverse('password_reset_confirm', args=[uid, token])}"


def drain() -> int:
    """Send the mails that were asked for; how many. One that cannot be delivered is logged and not repeated. Safe to run twice, also
    at once."""
    sent, waiting = 0, list(PasswordLinkRequest.objects.waiting().order_by("pk")[:100])
    if not waiting:
        return 0
    people = _people_by_digest()
    for row in waiting:
        at = now()
        if not PasswordLinkRequest.objects.filter(pk=row.pk, done_at=None).update(done_at=at):
            continue
        if row.asked_at >= at - WANTED_FOR:
            sent += sum(_send(user) for user in people[row.email_digest])
    return sent


def _people_by_digest() -> defaultdict[str, list[User]]:
    """Those who may sign in, by the digest of their address: they are few, and no table holds it."""
    found: defaultdict[str, list[User]] = defaultdict(list)
    for user in User.objects.filter(is_active=True, is_staff=True).exclude(email=""):
        found[PasswordLinkRequest.digest_of(user.email)].append(user)
    return found


def _send(user: User) -> bool:
    text = render_to_string("admin/staff/new_password.txt", {"link": link_for(user), "user": user})
    try:
        send_mail(_("A new password for Kartra Mirror"), text, None, [user.email])
    except Exception:  # whatever the mail server has to say: nobody waits for it
        logger.exception("The link for a new password of user %s could not be sent.", user.pk)
        return False
    return True
