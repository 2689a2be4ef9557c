"""The Content-Security-Policy: strict everywhere, loosened for the admin alone by what its theme needs.

See docs/decisions/0001.
"""

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase

STRICT: dict[str, list[str]] = {
    "default-src": [SELF],
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}
ADMIN = STRICT | {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


class ContentSecurityPolicy(CSPMiddleware):
    """Sets the header of every answer by its address."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        rules = ADMIN if request.path.startswith("/admin/") else STRICT
        response.headers.setdefault(
            "Content-Security-Policy", "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())
        )
        return response
