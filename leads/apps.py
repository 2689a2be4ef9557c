"""The Django app of the mirror and the wishes."""

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = _("Leads")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from leads import kinds  # noqa: F401  (fills the registry of `leads.kind`)
        from leads.models.account_path import account_paths_of

        checks.register(account_paths_of(self.label), checks.Tags.models)
