"""Keeps recipes: makes them, gives them new versions, deletes those that nothing uses."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from leads import kinds
from leads.access import Author, user_of
from leads.models import Account, BulkRun, Recipe, RecipeVersion, Schedule, Watch

MOST_STEPS = 8
SHOWN = 5
"""So many schedules and watched segments are named where a recipe stays because of them."""

Steps = Sequence[Sequence[Any]]


class CannotKeep(ValueError):
    """The recipe cannot be kept, or not deleted. The text is a sentence for people."""


def steps_of(kind: kinds.ChangeKind, clean: Mapping[str, Any]) -> list[list[Any]]:
    """What a bulk action does, as the steps of a recipe."""
    return [[part.name, parameters] for part, parameters in kind.parts(clean)]


def can_be_kept(run: BulkRun) -> bool:
    """Whether a recipe can be made of what this bulk action did."""
    if run.mixed or run.undoes_id or not run.parameters:
        return False
    steps = steps_of(kinds.get_kind(run.kind), run.parameters)
    return 0 < len(steps) <= MOST_STEPS and all(name in kinds.IN_BULK for name, _parameters in steps)


def keep(account: Account, name: str, steps: Steps, note: str = "", *, by: Author = None) -> Recipe:
    """A new recipe, its first version beside it. Raises CannotKeep."""
    recipe = Recipe(account=account, name=_named(name), note=note.strip(), created_by=user_of(by))
    recipe.steps = _cleaned(account, steps)
    with _name_is_free(account, recipe.name), transaction.atomic():
        recipe.save()
        _add_version(recipe, by)
    return recipe


def change(recipe: Recipe, name: str, steps: Steps, note: str, *, by: Author = None) -> Recipe:
    """Another name, or what it says as a new version. Of the same as before there is none. Raises CannotKeep."""
    name, note, steps = _named(name), note.strip(), _cleaned(recipe.account, steps)
    with _name_is_free(recipe.account, name), transaction.atomic():
        row = Recipe.objects.select_for_update(of=("self",)).get(pk=recipe.pk)
        is_new = (row.steps, row.note) != (steps, note)
        row.name, row.steps, row.note = name, steps, note
        row.version += is_new
        row.save()
        if is_new:
            _add_version(row, by)
    return row


def delete(recipe: Recipe) -> None:
    """Raises CannotKeep while a schedule or a watched segment uses it; bulk actions that were made by it stay."""
    with transaction.atomic():
        row = Recipe.objects.select_for_update(of=("self",)).get(pk=recipe.pk)
        users = list(Schedule.objects.filter(recipe=row).values_list("name", flat=True)[: SHOWN + 1])
        users += Watch.objects.filter(recipe=row).values_list("segment__name", flat=True)[: SHOWN + 1]
        if users:
            more = "…" if len(users) > SHOWN else ""
            words = _("The recipe %(name)s stays, because these use it: %(users)s. Change or delete those first.")
            raise CannotKeep(words % {"name": row.name, "users": ", ".join(users[:SHOWN]) + more})
        row.delete()


def version_of(recipe: Recipe) -> RecipeVersion | None:
    """Its newest version."""
    return recipe.versions.filter(version=recipe.version).first()


def _add_version(recipe: Recipe, by: Author) -> None:
    RecipeVersion.objects.create(
        recipe=recipe, version=recipe.version, steps=recipe.steps, note=recipe.note, created_by=user_of(by)
    )


def _named(name: str) -> str:
    if not (name := name.strip()[:200]):
        raise CannotKeep(_("Give the recipe a name."))
    return name


def _cleaned(account: Account, steps: Steps) -> list[list[Any]]:
    if len(steps) > MOST_STEPS:
        raise CannotKeep(_("A recipe has at most %(most)s actions.") % {"most": MOST_STEPS})
    if not all(name in kinds.IN_BULK for name, _parameters in steps):
        raise CannotKeep(_("One of these actions cannot be done in bulk."))
    try:
        kind, clean = kinds.recipe_kind(Recipe(account=account, steps=[list(step) for step in steps]))
    except (kinds.BadParameters, kinds.UnknownKind) as problem:
        raise CannotKeep(getattr(problem, "words", str(problem))) from None
    return steps_of(kind, clean)


class _name_is_free:
    """Says in words that a name is taken."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.name = account, name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, problem: Any, trace: Any) -> None:
        if kind is not None and issubclass(kind, IntegrityError):
            words = _("There is a recipe called %(name)s already. Choose another name.")
            raise CannotKeep(words % {"name": self.name}) from None
