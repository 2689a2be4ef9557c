"""The admin site."""

from unfold.sites import UnfoldAdminSite


class MirrorAdminSite(UnfoldAdminSite):
    site_title = "Kartra Mirror"
    site_header = "Kartra Mirror"
