"""Several kinds in one bulk action: {"steps": [[kind, parameters], …]}. Each becomes changes of its own, with its own
permission and outcome; they travel together in as few calls as Kartra's rules allow."""

from typing import Any

from django.utils.translation import gettext as _, gettext_lazy

from leads.kind import BadParameters, ChangeKind, Parameters, Step, get_kind
from leads.models import Account


class Several(ChangeKind):
    """What a person chose together. It is asked for on pages and by undoing, never sent as such."""

    def parts(self, parameters: Parameters) -> list[tuple[ChangeKind, dict[str, Any]]]:
        return [(get_kind(name), dict(given)) for name, given in parameters.get("steps", [])]

    def clean(self, account: Account, given: Parameters) -> dict[str, Any]:
        parts = [(kind, kind.clean(account, parameters)) for kind, parameters in self.parts(given)]
        if not parts:
            raise BadParameters(_("Choose an action."))
        seen: set[str] = set()
        for name, parameters in self.single_steps({"steps": [[kind.name, clean] for kind, clean in parts]}):
            kind = get_kind(name)
            family = kind.family(parameters)
            if family in seen:
                raise BadParameters(
                    _("“%(sentence)s” is asked for beside another change of the same thing. Choose one of them.")
                    % {"sentence": kind.sentence(parameters)}
                )
            seen.add(family)
        return {"steps": [[kind.name, clean] for kind, clean in parts]}


def _steps(parameters: Parameters) -> list[Step]:
    return [step for kind, given in SEVERAL.parts(parameters) for step in kind.single_steps(given)]


def _sentence(parameters: Parameters) -> str:
    return ", ".join(kind.sentence(given) for kind, given in SEVERAL.parts(parameters)) or _("several actions")


def _done(name: str, parameters: Parameters) -> str:
    return " ".join(kind.done_message(name, given) for kind, given in SEVERAL.parts(parameters))


def _no_effect(*_: Any) -> None:
    raise TypeError("Several kinds are never one change.")


SEVERAL = Several(
    name="several",
    label=gettext_lazy("Several actions"),
    permission="leads.view_lead",
    fields=lambda account: {},
    family=lambda parameters: "",
    sentence=_sentence,
    done_message=_done,
    effect=_no_effect,
    steps=_steps,
    composed=True,
)
