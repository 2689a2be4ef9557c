"""One POST over the wire: time-outs, an overall deadline, and which failure means that nothing left us.

Credentials travel in the body alone. No exception that leaves here holds a request, a body or an address with secrets.
"""

import re
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    SSLError as UrllibSSLError,
)

from integrations.kartra.errors import NotSent, OutcomeUnknown, Throttled
from integrations.kartra.words import Trouble

USER_AGENT = "KartraMirror/0.1 (+requests)"
MAX_ANSWER_BYTES = 20 * 1024 * 1024
IDLE_S = 2.0
"""A socket idle for longer may have been closed by the other side; it is not used for what must not be repeated."""

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status, body as text, how long it took."""

    status: int
    text: str = field(repr=False)
    elapsed_ms: int


class _NoReuseAfterFailure(HTTPAdapter):
    """Never retries by itself."""

    def __init__(self) -> None:
        super().__init__(max_retries=0, pool_connections=1, pool_maxsize=1)


class Transport:
    """Posts forms to one address. One kept-alive session a thread; safe to share between threads."""

    def __init__(
        self,
        api_url: str,
        *,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 20.0,
        deadline_s: float = 30.0,
        user_agent: str = USER_AGENT,
    ) -> None:
        self.api_url = api_url
        self.connect_timeout_s = connect_timeout_s
        self.read_timeout_s = read_timeout_s
        self.deadline_s = deadline_s
        self.user_agent = user_agent
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"Transport({urlsplit(self.api_url).hostname!r})"

    @property
    def host(self) -> str:
        parts = urlsplit(self.api_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def post(
        self, fields: Sequence[tuple[str, str]], *, fresh: bool = False, deadline_s: float | None = None
    ) -> Answer:
        """POST the fields as a form.

        `fresh`: do not use a socket that has been idle. `deadline_s`: for the whole call, however slowly bytes come.
        Raises NotSent (nothing left us), Throttled (HTTP 429), OutcomeUnknown (it may have been carried out).
        """
        deadline_s = deadline_s or self.deadline_s
        began = time.monotonic()
        body = urlencode(fields, encoding="utf-8", errors="surrogatepass").encode("ascii")
        session = self._session(fresh)
        read_timeout_s = min(max(self.read_timeout_s, deadline_s - self.deadline_s + self.read_timeout_s), deadline_s)
        try:
            response = session.post(
                self.api_url,
                data=body,
                headers={"Content-Type": FORM},
                timeout=(self.connect_timeout_s, read_timeout_s),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            self._forget()
            raise self._failure(error) from None
        except (ValueError, UnicodeError):
            self._forget()
            raise NotSent("", Trouble.BAD_HOST, host=self.host) from None
        try:
            text = self._read(response, began + deadline_s)
        finally:
            response.close()
            self._local.used_at = time.monotonic()
        elapsed_ms = round((time.monotonic() - began) * 1000)
        if response.status_code == 429:
            raise Throttled("429")
        if response.status_code != 200:
            self._forget()
            raise OutcomeUnknown(
                "",
                Trouble.HTTP,
                status=response.status_code,
            )
        return Answer(response.status_code, text, elapsed_ms)

    def _session(self, fresh: bool) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        idle_s = time.monotonic() - getattr(self._local, "used_at", 0.0)
        if session is not None and (idle_s <= IDLE_S or not fresh) and idle_s < 30:
            return session
        self._forget()
        session = requests.Session()
        session.trust_env = False
        session.headers["User-Agent"] = self.user_agent
        session.headers["Accept"] = "application/json, text/html;q=0.9"
        for scheme in ("https://", "http://"):
            session.mount(scheme, _NoReuseAfterFailure())
        self._local.session = session
        return session

    def _forget(self) -> None:
        session = getattr(self._local, "session", None)
        self._local.session = None
        if session is not None:
            session.close()

    def _read(self, response: requests.Response, deadline: float) -> str:
        """The body, until the deadline: a server that drips bytes may not hold us longer."""
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise OutcomeUnknown("", Trouble.NO_END)
                self._limit_wait(response, left_s)
                chunk = response.raw.read1(65536, decode_content=True)
                if not chunk:
                    break
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise OutcomeUnknown("", Trouble.TOO_LONG)
        except OutcomeUnknown:
            self._forget()
            raise
        except Exception:  # urllib3, http.client, zlib and socket errors alike: the answer broke off
            self._forget()
            raise OutcomeUnknown("", Trouble.BROKE_OFF) from None
        return answer_text(b"".join(chunks))

    def _limit_wait(self, response: requests.Response, left_s: float) -> None:
        connection = getattr(response.raw, "_connection", None)
        sock: socket.socket | None = getattr(connection, "sock", None)
        if sock is not None:
            sock.settimeout(min(left_s, self.read_timeout_s))

    def _failure(self, error: requests.RequestException) -> NotSent | OutcomeUnknown:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        causes = [reason, error.args[0] if error.args else None, error]
        if any(isinstance(cause, NameResolutionError) for cause in causes) or _root(causes, socket.gaierror):
            return NotSent("", Trouble.NO_HOST, host=self.host)
        if any(isinstance(cause, NewConnectionError) for cause in causes):
            return NotSent(
                "",
                Trouble.NOT_REACHED,
                host=self.host,
            )
        if isinstance(error, requests.ConnectTimeout) or any(isinstance(c, ConnectTimeoutError) for c in causes):
            return NotSent("", Trouble.NOT_CONNECTED, host=self.host)
        if isinstance(error, requests.exceptions.SSLError) or any(
            isinstance(cause, UrllibSSLError | ssl.SSLError) for cause in causes
        ):
            return NotSent(
                "",
                Trouble.NOT_SECURE,
                host=self.host,
            )
        if isinstance(
            error,
            requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema,
        ):
            return NotSent("", Trouble.BAD_ADDRESS)
        if isinstance(error, requests.Timeout):
            return OutcomeUnknown("", Trouble.TOO_SLOW)
        if isinstance(reason, MaxRetryError):
            return OutcomeUnknown("", Trouble.CONNECTION_FAILED)
        return OutcomeUnknown("", Trouble.CONNECTION_BROKE)


def answer_text(body: bytes) -> str:
    """An answer as text: UTF-8, or a Western encoding of one byte a character where that can be read. Raises OutcomeUnknown
    where nothing can: a name with holes in it would be taken for another name."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8", "cp1252", "latin-1"]
    for encoding in encodings:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or not _UNREADABLE.search(text):
            return text
    raise OutcomeUnknown("", Trouble.NO_TEXT)


_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
"""What no text holds: the other encodings take any bytes."""


def _root(causes: Sequence[object], kind: type[BaseException]) -> bool:
    return any(isinstance(getattr(cause, "__cause__", None), kind) for cause in causes)
