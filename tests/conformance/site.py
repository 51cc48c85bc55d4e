"""The server under test as a client sees it: requests as written, replies as they came.

Nothing is added to a request but Host and Content-Length: no Accept, no Accept-Encoding, so that a
rule can say what a request without them means. `raw` goes below httpx, for what it would put right.

No request lasts longer than TIMEOUT_S, whatever the server does: also not when it sends a byte a
second.
"""

import json
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from tests.conformance.rules import Failed, Unsupported

TIMEOUT_S = 15.0
CONNECT_S = 5.0
BODY_LIMIT = 64 * 2**20

PLAIN = "!$'()*,:@/?"
"""What may stand in a query as it is (RFC 3986 §3.4) and means itself everywhere. Nothing more is
percent-encoded than has to be: that it is decoded is a rule of its own (§8.3.1)."""

NOT_THERE = frozenset({404, 405, 501})
"""How a server says that it has no such resource or method."""

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True)
class MediaType:
    """A media type taken apart: essence and parameter names in lower case."""

    essence: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        pieces: list[str] = [""]
        quoted = escaped = False
        for letter in text:
            if escaped:
                pieces[-1] += letter
                escaped = False
            elif quoted and letter == "\\":
                escaped = True
            elif letter == '"':
                quoted = not quoted
            elif letter == ";" and not quoted:
                pieces.append("")
            else:
                pieces[-1] += letter
        parameters: dict[str, str] = {}
        for piece in pieces[1:]:
            name, _, value = piece.partition("=")
            parameters[name.strip().lower()] = value.strip()
        return cls(pieces[0].strip().lower(), parameters)


@dataclass(frozen=True)
class Part:
    """One part of a multipart reply."""

    headers: Mapping[str, str]
    content: bytes

    @property
    def media_type(self) -> MediaType:
        return MediaType.parse(self.headers.get("content-type", ""))

    @property
    def transfer_syntax(self) -> str | None:
        return self.media_type.parameters.get("transfer-syntax")


@dataclass(frozen=True)
class Reply:
    """A reply, and the request that it answers in words.

    asked   `GET /studies/{ct}/metadata, Accept: ...`
    body    as it came, its Content-Encoding still on it
    """

    asked: str
    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> MediaType:
        return MediaType.parse(self.headers.get("content-type", ""))

    @property
    def essence(self) -> str:
        return self.media_type.essence

    @property
    def etag(self) -> str | None:
        found: str | None = self.headers.get("etag")
        return found

    def said(self) -> str:
        """The reply in a few words, for the report of a failure."""
        words = f"{self.status}"
        if content_type := self.headers.get("content-type"):
            words += f" {content_type[:120]}"
        if self.status >= 400 and self.body:
            text = self.body[:240].decode("utf-8", "replace").replace("\n", " ")
            words += f": {text}"
        return words

    def failed(self, expected: str) -> Failed:
        return Failed(f"{self.asked}: expected {expected}, seen {self.said()}")

    def require(self, condition: bool, expected: str) -> None:
        """Raises Failed with the request, what was expected and what came."""
        if not condition:
            raise self.failed(expected)

    def expect(self, *statuses: int) -> "Reply":
        self.require(self.status in statuses, " or ".join(map(str, statuses)))
        return self

    def optional(self, *more: int) -> "Reply":
        """Raises Unsupported when the server says that it has no such thing."""
        if self.status in NOT_THERE or self.status in more:
            raise Unsupported(f"{self.asked}: {self.said()}")
        return self

    @cached_property
    def json(self) -> Any:
        self.require(bool(self.body), "a JSON body")
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise self.failed(f"JSON that can be read ({error})") from None

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """The data sets of a JSON array; none for 204."""
        if self.status == 204:
            return []
        self.expect(200)
        found = self.json
        self.require(
            isinstance(found, list) and all(isinstance(one, dict) for one in found),
            "a JSON array of objects (F.2.1)",
        )
        return list(found)

    @cached_property
    def parts(self) -> list[Part]:
        """Of a multipart/related body, strictly by RFC 2046 §5.1.1."""
        media_type = self.media_type
        self.require(media_type.essence == "multipart/related", "multipart/related")
        boundary = media_type.parameters.get("boundary", "")
        self.require(0 < len(boundary) <= 70, "a boundary of 1 to 70 characters")
        # RFC 2046: the delimiter is at the beginning of a line, "--" after it ends the body.
        pieces = (b"\r\n" + self.body).split(b"\r\n--" + boundary.encode())
        self.require(len(pieces) >= 2, f"the delimiter --{boundary}")
        self.require(pieces[-1].startswith(b"--"), "the closing delimiter")
        parts: list[Part] = []
        for piece in pieces[1:-1]:
            line, _, rest = piece.partition(b"\r\n")
            self.require(not line.strip(b" \t"), "nothing after the delimiter on its line")
            if rest.startswith(b"\r\n"):
                head, content = b"", rest[2:]
            else:
                head, found, content = rest.partition(b"\r\n\r\n")
                self.require(bool(found), "an empty line after the headers of a part")
            headers: dict[str, str] = {}
            for row in head.split(b"\r\n"):
                name, _, value = row.decode("latin-1").partition(":")
                if name:
                    headers[name.strip().lower()] = value.strip()
            parts.append(Part(headers, content))
        return parts

    @property
    def payloads(self) -> list[Part]:
        """The parts, or the body itself as the only one."""
        if self.essence == "multipart/related":
            return self.parts
        return [Part({"content-type": self.headers.get("content-type", "")}, self.body)]


class Site:
    """The server under test.

    base    URL of the DICOMweb root, without a slash at its end
    labels  UIDs and what they are called in reports
    """

    def __init__(self, base: str, *, headers: Headers = (), wado_uri: str | None = None) -> None:
        self.base = base.rstrip("/")
        self.wado_uri = wado_uri
        self.labels: dict[str, str] = {}
        self._headers = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        self._client = _client()
        self.requests = 0

    def close(self) -> None:
        self._client.close()

    @property
    def origin(self) -> str:
        pieces = urlsplit(self.base)
        return f"{pieces.scheme}://{pieces.netloc}"

    @property
    def root_path(self) -> str:
        return urlsplit(self.base).path

    def get(self, path: str, **options: Any) -> Reply:
        return self.send("GET", path, **options)

    def send(
        self,
        method: str,
        path: str,
        *,
        accept: str | None = None,
        query: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        headers: Headers = (),
        content: bytes | Iterable[bytes] | None = None,
    ) -> Reply:
        """One request. `path` is below the DICOMweb root, or a whole URL.

        query  values are percent-encoded here; a path may have its query already
        """
        url = path if path.startswith("http") else self.base + path
        pairs = list(query.items()) if isinstance(query, Mapping) else list(query)
        if pairs:
            encoded = "&".join(f"{quote(k, safe=PLAIN)}={quote(v, safe=PLAIN)}" for k, v in pairs)
            url += ("&" if "?" in url else "?") + encoded
        sent = list(self._headers)
        if accept is not None:
            sent.append(("Accept", accept))
        given = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        sent += given
        asked = self.words(method, url, accept=accept, headers=given)
        # httpx encodes header values by ASCII unless they are bytes.
        wire = [(k.encode("latin-1"), v.encode("utf-8")) for k, v in sent]
        request = httpx.Request(method, url, headers=wire, content=content)
        self.requests += 1
        status, fields, body = self._answer(request, asked)
        return Reply(asked, status, fields, body)

    def _answer(self, request: httpx.Request, asked: str) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body. Raises Failed, also when they do not come in time."""
        end = time.monotonic() + TIMEOUT_S
        body = bytearray()
        # A head that comes a byte a second meets no timeout of httpx; a closed socket ends it.
        watchdog = threading.Timer(TIMEOUT_S + 1, self._client.close)
        watchdog.start()
        try:
            response = self._client.send(request, stream=True)
            try:
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > BODY_LIMIT:
                        raise Failed(f"{asked}: the body is over {BODY_LIMIT} bytes")
                    if time.monotonic() > end:
                        raise Failed(f"{asked}: not answered whole within {TIMEOUT_S:.0f} s")
            finally:
                response.close()
        except httpx.TimeoutException:
            raise Failed(f"{asked}: no answer within {TIMEOUT_S:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            words = str(error) or type(error).__name__
            raise Failed(f"{asked}: the connection broke: {words}") from None
        finally:
            watchdog.cancel()
            if self._client.is_closed:
                self._client = _client()
        return response.status_code, response.headers, bytes(body)

    def words(
        self,
        method: str,
        url: str,
        *,
        accept: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> str:
        """A request in a line, the run's own UIDs as their names."""
        line = f"{method} {url.removeprefix(self.base) or '/'}"
        if accept is not None:
            line += f", Accept: {accept}"
        for name, value in headers:
            line += f", {name}: {value[:100]}"
        return self.named(line)

    def named(self, text: str) -> str:
        """The text with the run's own UIDs as their names."""
        for uid, label in self.labels.items():
            text = text.replace(uid, "{" + label + "}")
        return text

    def raw(self, request: bytes, *, asked: str, half_close: bool = False) -> Reply:
        """The bytes as they are over a socket of their own, and the first reply to them."""
        pieces = urlsplit(self.base)
        if pieces.scheme != "http":
            raise Unsupported(f"{asked}: raw bytes are sent over plain http only")
        address = (pieces.hostname or "", pieces.port or 80)
        self.requests += 1
        received = bytearray()
        end = time.monotonic() + TIMEOUT_S
        try:
            with socket.create_connection(address, CONNECT_S) as connection:
                connection.settimeout(TIMEOUT_S)
                # A server may answer, and close, before it has read what it does not want.
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(request)
                if half_close:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                while time.monotonic() < end and len(received) < BODY_LIMIT:
                    if (reply := _parsed(asked, bytes(received))) is not None:
                        return reply
                    chunk = connection.recv(65536)
                    if not chunk:
                        break
                    received += chunk
        except TimeoutError:
            raise Failed(f"{asked}: no answer within {TIMEOUT_S:.0f} s") from None
        except OSError as error:
            if not received:
                raise Failed(f"{asked}: the connection broke: {error}") from None
        if time.monotonic() >= end:
            raise Failed(f"{asked}: not answered whole within {TIMEOUT_S:.0f} s")
        reply = _parsed(asked, bytes(received), ended=True)
        if reply is None:
            raise Failed(f"{asked}: no HTTP reply, but {bytes(received[:80])!r}")
        return reply

    def head_of(self, method: str, path: str, *lines: str) -> bytes:
        """Request line, Host and the lines given, for `raw`."""
        pieces = urlsplit(self.base)
        sent = [f"{method} {pieces.path}{path} HTTP/1.1", f"Host: {pieces.netloc}"]
        sent += [f"{name}: {value}" for name, value in self._headers]
        return "\r\n".join([*sent, *lines, "", ""]).encode("latin-1")


def _client() -> httpx.Client:
    """One that adds no headers of its own."""
    made = httpx.Client(timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S), trust_env=False)
    made.headers.clear()
    return made


def _parsed(asked: str, received: bytes, *, ended: bool = False) -> Reply | None:
    """The first final reply in what was received, None while it is not whole."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return None
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ", 2)
    if not words[0].startswith(b"HTTP/") or len(words) < 2 or not words[1].isdigit():
        return None
    headers = httpx.Headers(
        [(name.strip(), value.strip()) for name, _, value in (r.partition(b":") for r in lines[1:])]
    )
    status = int(words[1])
    if 100 <= status < 200:
        return _parsed(asked, body, ended=ended)
    length = headers.get("content-length")
    if length is not None and length.isdigit():
        body = body[: int(length)]
        whole = len(body) == int(length) or asked.startswith("HEAD")
    elif "chunked" in headers.get("transfer-encoding", ""):
        whole = body.endswith(b"0\r\n\r\n")
    else:
        whole = status in (204, 304)
    return Reply(asked, status, headers, body) if whole or ended else None
