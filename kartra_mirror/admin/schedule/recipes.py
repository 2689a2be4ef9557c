"""Recipes in the admin: the list, the page of one with its versions, making, changing and deleting them."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.bulk import from_recipe
from kartra_mirror.admin.schedule import recipe_form
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.unfold_adapter import RelatedDropdownFilter
from leads import access, kinds
from leads.models import Account, BulkRun, Recipe, Schedule
from leads.schedules import recipes

SHOWN = 20


def sentences(steps: recipes.Steps) -> list[str]:
    """What a recipe does, an action a line."""
    return [capfirst(kinds.get_kind(name).sentence(parameters)) for name, parameters in steps]


def may_change(user: access.RequestUser, recipe: Recipe) -> bool:
    """Whoever may change recipes, or made it, and may do each of its actions."""
    owns = recipe.created_by_id == user.pk or user.has_perm("leads.change_recipe")
    return bool(owns and user.has_perm("leads.add_recipe")) and all(
        from_recipe.may_do(user, name) for name, _given in recipe.steps
    )


@admin.register(Recipe)
class RecipeAdmin(ReadOnlyAdmin):
    list_display = ["name", "what", "account", "version", "created_by", "updated_at"]
    list_filter = [("account", RelatedDropdownFilter)]
    search_fields = ["name", "note"]
    list_select_related = ["account", "created_by"]
    change_form_template = "admin/schedule/recipe_page.html"

    @admin.display(description=gettext_lazy("what it does"))
    def what(self, recipe: Recipe) -> str:
        return ", ".join(sentences(recipe.steps))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("leads.add_recipe"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/edit/", view(self.edit_view), name="leads_recipe_edit"),
            path("<int:pk>/remove/", view(self.remove_view), name="leads_recipe_remove"),
            *super().get_urls(),
        ]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """By hand, or `?run=` of what a bulk action did."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        steps: recipes.Steps = []
        accounts = access.only_mine(Account.objects.order_by("name"), request.user)
        account = accounts.first()
        if text := request.GET.get("run", ""):
            run = self._run(request, text)
            account, steps = run.account, recipes.steps_of(kinds.get_kind(run.kind), run.parameters)
        elif (text := request.GET.get("account", "")).isdecimal() and len(text) < 18:
            account = accounts.filter(pk=text).first()
        if account is None:
            raise Http404
        context = {"title": _("New recipe"), "accounts": [] if request.GET.get("run") else list(accounts[:SHOWN])}
        return self._form(request, context, account, None, steps)

    def _run(self, request: HttpRequest, text: str) -> BulkRun:
        """The bulk action that a recipe is made of. 404 for one that this person is not shown, or of which none can be made."""
        runs = access.only_mine(BulkRun.objects.select_related("account"), request.user)
        run = runs.filter(pk=text).first() if text.isdecimal() and len(text) < 18 else None
        if run is None or not request.user.has_perm("leads.view_bulkrun") or not recipes.can_be_kept(run):
            raise Http404
        return run

    def _form(
        self,
        request: HttpRequest,
        more: dict[str, Any],
        account: Account,
        recipe: Recipe | None,
        steps: recipes.Steps,
    ) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **more}
        found = recipe_form.page(request, context, account, recipe, steps)
        if isinstance(found, HttpResponse):
            return found
        words = _("Saved. Everybody who works in %(account)s can use the recipe %(name)s now.")
        self.message_user(request, words % {"account": account, "name": found.name}, messages.SUCCESS)
        return redirect(found)

    def _recipe(self, request: HttpRequest, pk: int | str) -> Recipe:
        text = str(pk)
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("account", "created_by")
        recipe: Recipe | None = rows.filter(pk=text).first() if text.isdecimal() and len(text) < 18 else None
        if recipe is None:
            raise Http404
        return recipe

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a recipe: what it does now and did before, and what uses it."""
        recipe = self._recipe(request, object_id)
        versions = recipe.versions.select_related("created_by")[:SHOWN]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": recipe.name,
            "recipe": recipe,
            "sentences": sentences(recipe.steps),
            "versions": [{"version": each, "sentences": sentences(each.steps)} for each in versions],
            "schedules": Schedule.objects.filter(recipe=recipe)[:SHOWN],
            "may_change": may_change(request.user, recipe),
            "may_delete": request.user.has_perm("leads.delete_recipe") or recipe.created_by_id == request.user.pk,
            "may_schedule": request.user.has_perm("leads.add_schedule"),
        }
        return TemplateResponse(request, self.change_form_template, context)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change it; what it does then is a new version."""
        recipe = self._recipe(request, pk)
        if not may_change(request.user, recipe):
            raise PermissionDenied
        title = _("Change the recipe %(name)s") % {"name": recipe.name}
        return self._form(request, {"title": title}, recipe.account, recipe, recipe.steps)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete it, unless a schedule uses it. A POST alone."""
        recipe = self._recipe(request, pk)
        if not (request.user.has_perm("leads.delete_recipe") or recipe.created_by_id == request.user.pk):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(recipe.get_absolute_url())
        try:
            recipes.delete(recipe)
        except recipes.CannotKeep as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return HttpResponseRedirect(recipe.get_absolute_url())
        words = _("The recipe %(name)s is deleted. What was done by it stays.") % {"name": recipe.name}
        self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:leads_recipe_changelist"))
