"""The admin app, with our site as its default."""

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy


class MirrorAdminConfig(AdminConfig):
    default_site = "kartra_mirror.admin.site.MirrorAdminSite"

    def ready(self) -> None:
        super().ready()
        apps.get_app_config("auth").verbose_name = gettext_lazy("People")
        from kartra_mirror.admin import custom_fields, imports, lead, money, people, runs, segments  # noqa: F401  (pages made of both apps)
