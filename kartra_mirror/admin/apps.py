"""The admin app, with our site as its default."""

from django.contrib.admin.apps import AdminConfig


class MirrorAdminConfig(AdminConfig):
    default_site = "kartra_mirror.admin.site.MirrorAdminSite"
