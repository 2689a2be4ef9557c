"""The addresses of the project. They are a promise: see the README."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from kartra_mirror import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("webhooks/", include("integrations.urls")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.metrics),
]
