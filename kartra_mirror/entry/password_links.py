"""Asking for a link to choose a new password: recorded, and no more. The same is done, and answered, for every address, whether
somebody has it or not, and whether it was asked for too often or not; the mail is a worker's (`integrations.sending.password_mails`)."""

import datetime as dt

from django.conf import settings
from django.http import HttpRequest

from integrations.notify import notify_worker
from kartra_mirror.entry.addresses import counted_address
from leads.clock import now
from leads.models import PasswordLinkRequest

WITHIN = dt.timedelta(hours=1)
AGAIN_AFTER = dt.timedelta(minutes=1)
"""One mail a minute to an address, whoever asks: the first is on its way."""


def ask(request: HttpRequest, email: str) -> None:
    """Take down that somebody wants a link for this mail address, unless they, or others for it, had enough of them."""
    at, digest, address = now(), PasswordLinkRequest.digest_of(email), counted_address(request)
    lately = PasswordLinkRequest.objects.since(at - WITHIN)
    of_mail, of_address = lately.filter(email_digest=digest), lately.filter(address=address)
    enough = (
        of_mail.count() >= settings.PASSWORD_LINKS_PER_HOUR,
        of_address.count() >= settings.PASSWORD_LINKS_PER_HOUR_ADDRESS,
        of_mail.since(at - AGAIN_AFTER).exists(),
    )
    if any(enough) or not settings.MAIL_IS_SET_UP:
        return
    PasswordLinkRequest.objects.create(email_digest=digest, address=address, asked_at=at)
    notify_worker("mail_password_links")
