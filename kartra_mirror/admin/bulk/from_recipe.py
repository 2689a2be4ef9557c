"""A bulk action that is begun with a recipe: its actions are the draft's, and stay its own from then on."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from kartra_mirror.admin.bulk.draft_forms import kind_of
from kartra_mirror.ui.lead_fields import check_steps
from kartra_mirror.ui.selection import of_list, of_ticks
from leads import access, kinds
from leads.filters import CannotResolve, Selection
from leads.filters.selection import AllOf, as_json, fits
from leads.models import Lead, Recipe, RecipeVersion, RunDraft
from leads.schedules import recipes

ACTION = "recipe_"
"""The name of an action on the list of leads: "recipe_5"."""


def usable(request: HttpRequest) -> list[Recipe]:
    """The recipes of the person's accounts that they may use. One query for a request."""
    known: list[Recipe] | None = getattr(request, "recipes_known", None)
    if known is None:
        user = request.user
        mine = (
            access.only_mine(Recipe.objects.select_related("account"), user)
            if user.has_perm("leads.view_recipe")
            else []
        )
        known = [each for each in mine if all(may_do(user, name) for name, _given in each.steps)]
        request.recipes_known = known  # type: ignore[attr-defined]
    return known


def may_do(user: access.RequestUser, name: str) -> bool:
    return name in kinds.IN_BULK and bool(user.has_perm(kinds.IN_BULK[name].permission))


def named(request: HttpRequest, text: str) -> Recipe | None:
    """The recipe that a form names: "recipe_5", or its number alone."""
    number = text.removeprefix(ACTION)
    return next((each for each in usable(request) if str(each.pk) == number), None)


def actions(request: HttpRequest) -> dict[str, Any]:
    """The actions on ticked leads that begin with a recipe, as the admin has them."""
    return {f"{ACTION}{each.pk}": _action(each) for each in usable(request)}


def _action(recipe: Recipe) -> Any:
    words = _("Recipe: %(name)s…") % {"name": recipe.name}

    @admin.action(description=words)
    def remember(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse:
        try:
            everybody = request.POST.get("select_across") == "1"
            chosen = of_list(request.GET) if everybody else of_ticks(request.POST.getlist(ACTION_CHECKBOX_NAME))
        except CannotResolve as problem:
            messages.warning(request, str(problem))
            return HttpResponseRedirect(request.get_full_path())
        return redirect(new_draft(request, recipe, chosen, listed=request.GET.urlencode()))

    return remember, f"{ACTION}{recipe.pk}", words


def new_draft(request: HttpRequest, recipe: Recipe, selection: Selection, *, listed: str = "") -> RunDraft:
    """A draft of this person's own, with the recipe's actions, for those of the selection who are of its account."""
    here = fits("account", {"account": (str(recipe.account_id),)})
    draft = RunDraft(
        created_by=access.signed_in(request.user), selection=as_json(AllOf((selection, here))), listed=listed
    )
    put_into(request, draft, recipe)
    return draft


def put_into(request: HttpRequest, draft: RunDraft, recipe: Recipe) -> None:
    """Let the draft do what the recipe says, in place of what it did. 403 without the permission for each of its actions."""
    first, *more = [name for name, _given in recipe.steps]
    draft.kind, draft.more = first, more
    draft.account, draft.recipe_version = recipe.account, recipes.version_of(recipe)
    draft.asked_at = draft.refused_at = draft.refused_by = None
    draft.refused_why = ""
    clean = recipe.steps[0][1] if not more else {"steps": recipe.steps}
    check_steps(request, kind_of(draft), clean)
    draft.parameters = {"form": form_of(recipe.steps)}
    try:
        draft.parameters["clean"] = kinds.recipe_kind(recipe)[1]
    except (kinds.BadParameters, kinds.UnknownKind) as problem:
        messages.warning(request, getattr(problem, "words", str(problem)))
    draft.save()


def form_of(steps: recipes.Steps) -> dict[str, Any]:
    """What stands in the inputs of a draft that does this."""
    return {
        f"{number}-{name}" if number > 1 else name: value
        for number, (_kind, parameters) in enumerate(steps, start=1)
        for name, value in parameters.items()
    }


def version_of(draft: RunDraft) -> RecipeVersion | None:
    """The version of a recipe that the draft follows; None where it has been changed since, or was begun without one."""
    version = draft.recipe_version
    if version is None or version.steps != recipes.steps_of(kind_of(draft), draft.parameters["clean"]):
        return None
    return version
