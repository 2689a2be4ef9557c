"""Tags and filters of the parts in `templates/admin/ui/`, known in every template without a load."""

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leads.models import ChangeStatus

register = template.Library()

LOOKS: dict[str, str] = {
    ChangeStatus.ACCEPTED: "good",
    ChangeStatus.REJECTED: "bad",
    ChangeStatus.UNKNOWN: "warn",
    ChangeStatus.UNDECIDED: "warn",
    ChangeStatus.WAITING: "wait",
    ChangeStatus.SENDING: "wait",
}
"""The colour of a change's status: green done, blue on its way, amber needs a look, red failed; any other is grey."""


@register.filter
def look(status: str) -> str:
    """The class of a badge for the status of a change."""
    return LOOKS.get(status, "")


@register.simple_tag
def icon(name: str) -> SafeString:
    """A picture of icons.svg by its name, for the eyes alone."""
    return format_html(
        '<svg class="i" viewBox="0 0 24 24" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("kartra_mirror/icons.svg"),
        name,
    )
