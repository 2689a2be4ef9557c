"""Strangers who try passwords, on the real server and behind the proxies of deploy/: one address cannot try many names, whatever it
claims about where it comes from; asking for new passwords tells nobody who is here."""

import http.client
from urllib.parse import urlencode

import pytest
from axes.models import AccessAttempt

from leads.models import PasswordLinkRequest
from tests.abuse.proxies import Proxy
from tests.abuse.web import Web
from tests.factories import StaffFactory

TRIES = 6
CLAIMS = ["6.6.6.{n}", "6.6.6.{n}, 7.7.7.{n}", "127.0.0.1, 6.6.6.{n}", "for=6.6.6.{n}", "::ffff:6.6.6.{n}"]
OTHER_CLAIMS = ("X-Real-IP", "Forwarded", "Client-IP", "CF-Connecting-IP", "True-Client-IP")


@pytest.fixture
def web(transactional_db, tmp_path, request):
    (tmp_path / "web").mkdir()
    server = Web(
        tmp_path / "web",
        SIGN_IN_TRIES_ADDRESS=str(TRIES),
        PROXY_COUNT=str(getattr(request, "param", 0)),
        EMAIL_URL="smtp://127.0.0.1:9",
    )
    yield server
    server.stop()


class Stranger:
    """A client that gets a form as a browser does, and sends it: (status, text of the answer)."""

    def __init__(self, port):
        self.port = port
        self.token = ""

    def send(self, method, path, given=None, **headers):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = urlencode(given | {"csrfmiddlewaretoken": self.token}) if given else None
        how = {"Content-Type": "application/x-www-form-urlencoded"} if given else {}
        how |= {"Cookie": f"csrftoken={self.token}", "Host": "127.0.0.1"}
        link.request(method, path, body, how | headers)
        answer = link.getresponse()
        text = answer.read().decode()
        for cookie in answer.msg.get_all("Set-Cookie") or []:
            if cookie.startswith("csrftoken="):
                self.token = cookie.split(";")[0].partition("=")[2]
        link.close()
        return answer.status, text

    def try_names(self, number):
        """One password on so many names, each try with other claims. The statuses."""
        self.send("GET", "/admin/login/")
        found = []
        for n in range(number):
            claim = CLAIMS[n % len(CLAIMS)].format(n=n)
            headers = {"X-Forwarded-For": claim} | dict.fromkeys(OTHER_CLAIMS, f"8.8.8.{n}")
            given = {"username": f"name{n}@example.com", "password": "Summer2026!"}
            found.append(self.send("POST", "/admin/login/", given, **headers)[0])
        return found


def test_one_address_cannot_try_many_names(web):
    answers = Stranger(web.port).try_names(TRIES + 6)

    assert answers == [200] * (TRIES - 1) + [429] * 7
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"127.0.0.1"}
    assert AccessAttempt.objects.count() == TRIES


@pytest.mark.parametrize("web", [1], indirect=True)
@pytest.mark.parametrize("name", ["caddy", "nginx"])
def test_claims_of_a_client_do_not_get_past_the_proxies_of_deploy(web, tmp_path, name):
    (tmp_path / "proxy").mkdir()
    proxy = Proxy(name, web.port, tmp_path / "proxy")
    try:
        answers = Stranger(proxy.port).try_names(TRIES + 6)
    finally:
        proxy.stop()

    assert answers == [200] * (TRIES - 1) + [429] * 7
    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"127.0.0.1"}


@pytest.mark.parametrize("web", [1], indirect=True)
def test_client_is_the_entry_that_the_proxy_wrote(web):
    """As a proxy that adds to what it was told would send it: the last entry is its own."""
    stranger = Stranger(web.port)
    stranger.send("GET", "/admin/login/")
    for n in range(4):
        given = {"username": f"name{n}", "password": "x"}
        stranger.send("POST", "/admin/login/", given, **{"X-Forwarded-For": f"6.6.6.{n}, 5.5.5.5"})

    assert set(AccessAttempt.objects.values_list("ip_address", flat=True)) == {"5.5.5.5"}


def test_asking_for_new_passwords_tells_nobody_who_is_here(web):
    """The mail server is not there: as little as its absence may be told by an answer."""
    StaffFactory(email="ada@example.com")
    StaffFactory(email="gone@example.com", is_active=False)
    stranger = Stranger(web.port)
    stranger.send("GET", "/admin/password_reset/")
    kinds = {"known": "ada@example.com", "gone": "gone@example.com", "unknown": "nobody@example.com"}
    answers = {kind: stranger.send("POST", "/admin/password_reset/", {"email": email}) for kind, email in kinds.items()}
    again = {kind: stranger.send("POST", "/admin/password_reset/", {"email": email}) for kind, email in kinds.items()}

    said = {*answers.values(), *again.values()}
    assert len(said) == 1
    assert next(iter(said))[0] == 200
    assert PasswordLinkRequest.objects.count() == 3
