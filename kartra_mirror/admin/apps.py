"""The admin app, with our site as its default."""

from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy


class MirrorAdminConfig(AdminConfig):
    default_site = "kartra_mirror.admin.site.MirrorAdminSite"

    def ready(self) -> None:
        super().ready()
        apps.get_app_config("auth").verbose_name = gettext_lazy("People")
        from kartra_mirror.admin.bulk import runs  # noqa: F401  (registers)
        from kartra_mirror.admin.data import catalogue, custom_fields, imports  # noqa: F401
        from kartra_mirror.admin.kartra import accounts, connections, deliveries, webhook_endpoints  # noqa: F401
        from kartra_mirror.admin.leads import activity, lead, money, segments  # noqa: F401
        from kartra_mirror.admin.people import lists  # noqa: F401
        from kartra_mirror.admin.privacy import subject_requests  # noqa: F401
        from kartra_mirror.admin.queue import calls, changes  # noqa: F401
        from kartra_mirror.admin.schedule import recipes, schedules  # noqa: F401
        from kartra_mirror.admin.staff import users  # noqa: F401
