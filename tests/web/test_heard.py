"""Requests whose bytes came before: answered as ever, and never taken for what they are not."""

import time
from typing import Any

import httptools
import httpx
import pytest

from dicomweb_server.web import heard
from tests.web.conftest import Client, Server, Socket, listened
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, put


def get(server: Server, number: int, *lines: str) -> bytes:
    path = f"{server.archive.config.prefix}{SERIES}/instances/1.5.{number}/frames/1"
    head = [f"GET {path} HTTP/1.1", "Host: h", f"Accept: {ANY_SYNTAX}", *lines]
    return "\r\n".join([*head, "", ""]).encode()


@pytest.fixture
def known(
    server: Server, http: httpx.Client, client: Client
) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """Requests for two frames that the server has heard, and what it says to them."""
    put(http, image(1), image(2))
    asked = [get(server, 1), get(server, 2)]
    said = []
    for request in asked:
        for _ in range(3):
            client.send(request)
            reply = client.reply()
        said.append(reply)
        assert heard.recall(request) is not None
    assert [status for status, _ in said] == [200, 200]
    assert said[0] != said[1]
    return asked, said


def test_it_is_known_on_every_connection(
    server: Server, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    asked, said = known
    other = Client(server.host, server.port)
    other.send(asked[1])
    assert other.reply() == said[1]
    other.close()


def test_the_same_bytes_are_the_same_question_from_the_same_place_alone(
    listening: Socket, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    (one, two), _ = known
    program = listening.program
    assert program is not None
    ready = [program.again(each, "http 127.0.0.1") for each in (one, two)]
    assert None not in ready
    assert ready[0] != ready[1]
    for whence in ("https 127.0.0.1", "http 192.0.2.1"):
        assert program.again(one, whence) is None
    assert program.again(one[:-2], "http 127.0.0.1") is None


def test_the_same_bytes_in_pieces_or_many_at_once_are_the_same_requests(
    client: Client, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    (one, two), said = known
    client.send(one[:40], one[40:], two, one[:-1], one[-1:] + two + one, two)
    assert [client.reply() for _ in range(6)] == [said[n] for n in (0, 1, 0, 1, 0, 1)]


def test_behind_a_request_that_is_not_answered_yet_it_waits_its_turn(
    server: Server, client: Client, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    (one, two), said = known
    slow = get(server, 3, "X-Never: asked")
    client.send(slow + one)
    client.send(two)
    assert client.reply()[0] == 404
    assert [client.reply() for _ in range(2)] == said


def test_a_body_of_the_same_bytes_is_a_body(
    server: Server, client: Client, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    (one, two), said = known
    prefix = server.archive.config.prefix
    head = f"POST {prefix}/studies HTTP/1.1\r\nHost: h\r\nContent-Length: {len(one)}\r\n\r\n"
    client.send(head.encode(), one)
    assert client.reply()[0] == 415
    client.send(two)
    assert client.reply() == said[1]


def test_in_the_middle_of_headers_it_is_a_header(
    server: Server, client: Client, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    (one, _), _ = known
    client.send(b"GET /nowhere HTTP/1.1\r\nHost: h\r\nX-Odd: ", one)
    status, said = client.reply()
    # Its Host is a second one of the request that began before.
    assert status == 400
    assert b"more than one" in said


def test_one_with_a_body_is_not_learned(
    server: Server, client: Client, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    _, said = known
    request = get(server, 1, "Content-Length: 5")
    for _ in range(3):
        client.send(request, b"hello")
        assert client.reply() == said[0]
    assert heard.recall(request) is None
    client.send(request + b"hello")
    assert client.reply() == said[0]


def test_one_that_closes_the_connection_is_not_learned(
    server: Server, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    _, said = known
    request = get(server, 1, "Connection: close")
    for _ in range(3):
        once = Client(server.host, server.port)
        once.send(request)
        assert once.reply() == said[0]
        assert once.stream.read() == b""
        once.close()
    assert heard.recall(request) is None


def test_what_is_deleted_is_gone(
    http: httpx.Client, client: Client, known: tuple[list[bytes], list[tuple[int, bytes]]]
) -> None:
    (one, two), said = known
    assert http.delete(f"{SERIES}/instances/1.5.1").status_code == 204
    client.send(one)
    assert client.reply()[0] == 404
    client.send(two)
    assert client.reply() == said[1]


def test_a_long_request_is_not_learned(server: Server, http: httpx.Client, client: Client) -> None:
    put(http, image(1))
    request = get(server, 1, "X-Long: " + "x" * heard.LONGEST_BYTES)
    for _ in range(3):
        client.send(request)
        assert client.reply()[0] == 200
    assert heard.recall(request) is None


HEADERS = b"Host: h\r\nAccept: */*\r\n\r\n"


@pytest.fixture
def heard_of() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "root_path": "/archive",
    }
    scope |= {"path": "/archive/a", "raw_path": b"/archive/a", "query_string": b""}
    scope |= {"headers": [(b"host", b"h"), (b"accept", b"*/*")], "client": ("1", 1)}
    heard.learn(b"GET /a HTTP/1.1\r\n" + HEADERS, scope)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a", "/archive/a", b""),
        (
            b"/b/1.2~3_4-5@6:7?limit=2&name=a%20b?/",
            "/archive/b/1.2~3_4-5@6:7",
            b"limit=2&name=a%20b?/",
        ),
        (b"/", "/archive/", b""),
        (b"/b?", "/archive/b", b""),
    ],
)
def test_the_same_headers_are_known_with_another_target(
    heard_of: None, target: bytes, path: str, query: bytes
) -> None:
    """As httptools splits it."""
    said = heard.recall(b"GET " + target + b" HTTP/1.1\r\n" + HEADERS)
    assert said is not None
    assert (said["path"], said["raw_path"], said["query_string"]) == (path, path.encode(), query)
    parsed = httptools.parse_url(target)
    assert (said["raw_path"], query) == (b"/archive" + parsed.path, parsed.query or b"")
    assert "client" not in said
    assert said["headers"] == [(b"host", b"h"), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /a%2fb HTTP/1.1\r\n",
        b"GET //elsewhere/a HTTP/1.1\r\n",
        b"GET http://h/a HTTP/1.1\r\n",
        b"GET /a#b HTTP/1.1\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET  /a HTTP/1.1\r\n",
        b"GET * HTTP/1.1\r\n",
        b"GET /a HTTP/1.0\r\n",
        b"GET /a HTTP/1.1\n",
        b"HEAD /a HTTP/1.1\r\n",
        b"POST /a HTTP/1.1\r\n",
        b"get /a HTTP/1.1\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\n",
        b"GET /a HTTP/1.1\r\nX: y\r\n",
        b"\r\nGET /a HTTP/1.1\r\n",
    ],
)
def test_what_is_no_plain_get_is_left_to_the_parser(heard_of: None, line: bytes) -> None:
    assert heard.recall(line + HEADERS) is None
    heard.learn(line + HEADERS, {"root_path": "", "odd": line})
    odd = heard.recall(b"GET /a HTTP/1.1\r\n" + HEADERS)
    assert odd is not None and "odd" not in odd


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(
    listening: Socket, server: Server, http: httpx.Client
) -> None:
    """With 2 s of patience, asked every 1.1 s."""
    put(http, image(1))
    with listened(listening, timeout_keep_alive=2) as (host, port):
        client = Client(host, port)
        for _ in range(4):
            client.send(get(server, 1))
            assert client.reply()[0] == 200
            time.sleep(1.1)
        asked = time.monotonic()
        assert client.stream.read() == b""
        assert time.monotonic() - asked < 10
        client.close()
