"""The addresses of the project. They are a promise: see the README. /healthz and /readyz are answered before these (health.Probes)."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from kartra_mirror import metrics
from kartra_mirror.admin.staff import passwords
from kartra_mirror.theme import ICON

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("favicon.ico", RedirectView.as_view(url=ICON)),
    path("admin/password_reset/", passwords.AskView.as_view(), name="admin_password_reset"),
    path("admin/reset/<uidb64>/<token>/", passwords.ChooseView.as_view(), name="password_reset_confirm"),
    path("admin/", admin.site.urls),
    path("webhooks/", include("integrations.urls")),
    path("metrics", metrics.page),
]

handler404 = "kartra_mirror.edge.refusals.not_found"
