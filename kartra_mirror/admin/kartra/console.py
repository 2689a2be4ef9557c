"""The API console: calls by hand. With its permission one reads; what writes takes the permissions of what it changes. It stands
under the connections."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, gettext_lazy

from integrations import console
from integrations.kartra.errors import KartraError
from integrations.models import ApiCall, Connection
from kartra_mirror.ui.unfold_adapter import only_own_choices, style

LONGEST = 100_000


class ConsoleForm(forms.Form):
    connection = forms.ModelChoiceField(
        Connection.objects.select_related("account"), label=gettext_lazy("Account"), empty_label=None
    )
    pairs = forms.CharField(
        label=gettext_lazy("Fields, one on each line: key=value"),
        max_length=LONGEST,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 8, "spellcheck": "false", "placeholder": "actions[0][cmd]=retrieve_account_pages"}
        ),
        help_text=gettext_lazy("As in get_lead[email]=ada@example.com. The credentials are added by themselves."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def clean_pairs(self) -> list[tuple[str, str]]:
        lines = [line for line in self.cleaned_data["pairs"].replace("\r\n", "\n").split("\n") if line.strip()]
        wrong = [line for line in lines if "=" not in line]
        if wrong:
            raise ValidationError(_("This line has no “=”: %(line)s") % {"line": wrong[0][:80]})
        if not lines:
            raise ValidationError(_("Give at least one line."))
        return [(key.strip(), value) for key, _sign, value in (line.partition("=") for line in lines)]


def page(request: HttpRequest) -> HttpResponse:
    """Ask for the fields, make the call, show the answer whole."""
    if not request.user.has_perm("integrations.use_console"):
        raise PermissionDenied
    form = only_own_choices(ConsoleForm(request.POST or None), request.user)
    answer: console.Answer | None = None
    if request.method == "POST" and form.is_valid():
        try:
            answer = console.call(form.cleaned_data["connection"], form.cleaned_data["pairs"], made_by=request.user)
        except console.CannotCall as problem:
            form.add_error(None, str(problem))
        except KartraError as error:
            form.add_error(None, console.words_of(error))
    context = {
        **admin.site.each_context(request),
        "title": _("API console"),
        "opts": ApiCall._meta,
        "form": form,
        "button": _("Make the call"),
        "answer": _pretty(answer.text) if answer is not None and answer.text else None,
        "lines": answer.lines if answer is not None else (),
        "words": _(
            "One call to Kartra's API. A call that only reads goes out as you write it. A call that changes a "
            "lead becomes the same change as on the lead's page, with the same permissions and limits, and is "
            "sent at once. Both are logged with your name."
        ),
    }
    return TemplateResponse(request, "admin/ui/form.html", context)


def _pretty(answer: str) -> str:
    try:
        return json.dumps(json.loads(answer), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return answer
