"""The admin app, with our site as its default."""

from django.contrib.admin.apps import AdminConfig


class MirrorAdminConfig(AdminConfig):
    default_site = "kartra_mirror.admin.site.MirrorAdminSite"

    def ready(self) -> None:
        super().ready()
        from kartra_mirror.admin import custom_fields, imports, lead, money, people, runs, segments  # noqa: F401  (pages made of both apps)
