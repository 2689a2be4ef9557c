"""The Django app of everything that touches the wire."""

from django.apps import AppConfig
from django.core import checks


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Kartra"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from integrations import person, receivers  # noqa: F401  (receivers notify the pusher on changes_recorded)
        from integrations.setup import key_rotation
        from leads.models.account_path import account_paths_of
        from leads.person import parts

        parts.add(person.PART)
        checks.register(account_paths_of(self.label), checks.Tags.models)
        checks.register(key_rotation.keys_are_there, checks.Tags.security)
        checks.register(key_rotation.keys_are_ours, checks.Tags.database)
