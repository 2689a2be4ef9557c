"""A recipe made by hand, or changed: its actions one below the other, as on the page of a bulk action, its name and its note.

What was typed stays in the page itself: nothing is kept before it is saved.
"""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.bulk import draft_view, field_picks, from_recipe
from kartra_mirror.admin.bulk.draft_forms import Drafting
from kartra_mirror.ui.lead_fields import check_steps, show_what_may_be_asked
from kartra_mirror.ui.unfold_adapter import style
from leads import kinds
from leads.models import Account, Lead, Recipe, RunDraft
from leads.schedules import recipes

PREFIX = "recipe"
STEP = "recipe-step"
"""So that no parameter of an action is called like what is asked for besides."""


class NameForm(forms.Form):
    """The name, and what the API has no command for."""

    name = forms.CharField(max_length=200, label=gettext_lazy("Name of the recipe"))
    note = forms.CharField(
        required=False,
        max_length=2000,
        label=gettext_lazy("Note (seen by your team)"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "For what Kartra does by itself, e.g. “The tag starts the automation that opens the course”."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)


class Actions:
    """The actions of a recipe as forms. `names` are those of their kinds, `kept` what stands in the inputs, `data` what was sent."""

    def __init__(self, account: Account, names: list[str], kept: dict[str, Any], data: Any = None) -> None:
        self.account, self.names, self.kept = account, names, kept
        self.forms: Drafting | None = None
        if names:
            draft = RunDraft(kind=names[0], more=names[1:], parameters={"form": kept}, selection={})
            nobody: QuerySet[Lead] = Lead.objects.none()
            self.forms = Drafting(draft, account, nobody, data)

    @property
    def all(self) -> list[Any]:
        return self.forms.all if self.forms else []

    def typed(self) -> dict[str, Any]:
        return self.forms.typed() if self.forms else {}

    def changed(self, do: str, kind: str) -> "Actions":
        """With another action, or without one of them; what was typed stays."""
        names, typed = list(self.names), self.typed()
        if do == "add" and len(names) < recipes.MOST_STEPS:
            names.append(kind)
        number = do.removeprefix("remove-")
        if number.isdecimal() and 2 <= int(number) <= len(names):
            del names[int(number) - 1]
            typed = draft_view.closed_up(typed, int(number))
        return Actions(self.account, names, typed)


def page(
    request: HttpRequest, context: dict[str, Any], account: Account, recipe: Recipe | None, steps: recipes.Steps
) -> HttpResponse | Recipe:
    """The form; once it is saved the recipe."""
    user = request.user
    begun = {"name": recipe.name, "note": recipe.note} if recipe else {}
    naming = NameForm(request.POST if request.method == "POST" else None, initial=begun, prefix=PREFIX)
    if request.method != "POST":
        actions = Actions(account, [name for name, _given in steps], from_recipe.form_of(steps))
    else:
        names = [name for name in request.POST.getlist(STEP) if from_recipe.may_do(user, name)][: recipes.MOST_STEPS]
        do, kind = request.POST.get("do", ""), request.POST.get("kind", "")
        if field_picks.is_pick(do):
            picked = Actions(account, names, {}, field_picks.changed(request.POST, do)).typed()
            actions = Actions(account, names, picked)
        elif (do == "add" and from_recipe.may_do(user, kind)) or do.startswith("remove-"):
            actions = Actions(account, names, {}, request.POST).changed(do, kind)
        else:
            actions = Actions(account, names, {}, request.POST)
            if saved := _save(request, naming, actions, recipe):
                return saved
        if do != "save":
            typed = {name: request.POST.get(f"{PREFIX}-{name}", "") for name in naming.fields}
            naming = NameForm(initial=typed, prefix=PREFIX)
    return _show(request, context, account, naming, actions)


def _save(request: HttpRequest, naming: NameForm, actions: Actions, recipe: Recipe | None) -> Recipe | None:
    """The recipe; None where something is wrong, which the forms say. 403 without the permission for one of its actions."""
    named, fit = naming.is_valid(), actions.forms is not None and actions.forms.is_valid()
    if actions.forms is None:
        naming.add_error(None, _("Add an action first."))
    if not named or not fit or actions.forms is None:
        return None
    kind, clean = actions.forms.together()
    check_steps(request, kind, clean)
    steps, given = recipes.steps_of(kind, clean), naming.cleaned_data
    try:
        if recipe is None:
            return recipes.keep(actions.account, given["name"], steps, given["note"], by=request.user)
        return recipes.change(recipe, given["name"], steps, given["note"], by=request.user)
    except recipes.CannotKeep as problem:
        naming.add_error("name", str(problem))
        return None


class _Here:
    """Where the buttons of picked fields send what they ask for."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get_absolute_url(self) -> str:
        return self.address


def _show(
    request: HttpRequest, context: dict[str, Any], account: Account, naming: NameForm, actions: Actions
) -> HttpResponse:
    user, do = request.user, request.POST.get("do", "")
    here = _Here(request.get_full_path())
    for form in actions.all:
        show_what_may_be_asked(form, user)
    parts = actions.forms.shown() if actions.forms else []
    if field_picks.is_pick(do) and request.headers.get("HX-Request") == "true":
        number = field_picks.number_of(do)
        part = next((each for each in parts if each["number"] == number and each["picks"] is not None), None)
        if part is not None:
            return TemplateResponse(request, "admin/bulk/draft_picks.html", {"part": part, "draft": here})
    more = {
        "account": account,
        "naming": naming,
        "parts": parts,
        "draft": here,
        "may_add": len(actions.names) < recipes.MOST_STEPS,
        "addable": [kind for name, kind in kinds.IN_BULK.items() if from_recipe.may_do(user, name)],
    }
    return TemplateResponse(request, "admin/schedule/recipe_form.html", {**context, **more})
