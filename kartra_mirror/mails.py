"""Mail to our own people: an invitation, a new password. Never to leads. Without EMAIL_URL there is no mail, and pages say so."""

import logging
import smtplib

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)


class NotSent(Exception):
    """The mail did not go out. The text says why, for a person."""


def are_set_up() -> bool:
    return bool(settings.MAIL_IS_SET_UP)


def send(to: str, subject: str, template: str, context: dict[str, object]) -> None:
    """Send a plain text mail. Raises NotSent."""
    if not are_set_up():
        raise NotSent(_("No mail server is set up here."))
    try:
        send_mail(subject, render_to_string(template, context), None, [to])
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("A mail could not be sent: %s", type(error).__name__)
        raise NotSent(_("The mail server did not take it (%(why)s).") % {"why": type(error).__name__}) from None
