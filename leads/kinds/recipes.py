"""What a recipe asks for, as a kind and its parameters."""

from typing import Any

from leads.kind import ChangeKind, get_kind
from leads.kinds.several import SEVERAL
from leads.models import Recipe


def recipe_kind(recipe: Recipe) -> tuple[ChangeKind, dict[str, Any]]:
    """The kind of a recipe (its only step, or several as one) and its parameters, cleaned for the account as it is now.

    Raises BadParameters where it cannot be meant any more (a tag that is not there), UnknownKind where this version does not know
    one of its kinds.
    """
    steps = recipe.steps
    kind = get_kind(steps[0][0]) if len(steps) == 1 else SEVERAL
    return kind, kind.clean(recipe.account, steps[0][1] if len(steps) == 1 else {"steps": steps})
