"""A call to the sandbox as it goes over the wire."""

import urllib.error
import urllib.request

from integrations.sandbox.state import APP_ID, KEY, PASSWORD

CREDENTIALS = f"app_id={APP_ID}-unlimited&api_key={KEY}&api_password={PASSWORD}&"


def post(sandbox, body, credentials=CREDENTIALS):
    request = urllib.request.Request(sandbox.url, (credentials + body).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()
