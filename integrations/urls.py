"""Where Kartra posts to."""

from django.urls import re_path

from integrations import webhooks

urlpatterns = [
    re_path(r"^(?P<token>[^/]{1,200})/?$", webhooks.receive_outbound),
    re_path(r"^(?P<token>[^/]{1,200})/ipn/?$", webhooks.receive_ipn),
]
