"""Bodies of requests, cut anywhere on their way: what the parser is not shown is still counted; and
connections that end, that ask for something else, or for nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.spool import MEMORY_BYTES
from dicomweb_server.config import Config
from dicomweb_server.web.app import application
from dicomweb_server.web.connection import HEAD_BYTES
from tests.dicom.build import part10
from tests.web.bodies import CONTENT_TYPE, related
from tests.web.conftest import Client, Server, Socket, listened

LARGE = part10(rows=512, columns=512, instance_uid="1.2.1")
SMALL = part10(rows=8, columns=8, instance_uid="1.2.2")


def head(server: Server, *lines: str, content_type: str = CONTENT_TYPE) -> bytes:
    path = f"{server.archive.config.prefix}/studies"
    said = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Type: {content_type}", *lines]
    return "\r\n".join([*said, "", ""]).encode()


def storing(server: Server, body: bytes) -> bytes:
    return head(server, f"Content-Length: {len(body)}") + body


def count(server: Server) -> bytes:
    path = f"{server.archive.config.prefix}/instances"
    return f"GET {path} HTTP/1.1\r\nHost: h\r\nAccept: application/dicom+json\r\n\r\n".encode()


def instances(http: httpx.Client) -> list[str]:
    found = http.get("/instances", headers={"Accept": "application/dicom+json"}).json()
    return sorted(each["00080018"]["Value"][0] for each in found)


@pytest.mark.parametrize("cut", ["in the head", "behind the head", "in the body", "at its end"])
def test_a_body_is_whole_wherever_it_is_cut_and_the_next_request_is_read_behind_it(
    server: Server, http: httpx.Client, client: Client, cut: str
) -> None:
    body = related(LARGE)
    request = storing(server, body)
    begins = len(request) - len(body)
    at = {
        "in the head": 30,
        "behind the head": begins,
        "in the body": begins + 300_001,
        "at its end": len(request) - 1,
    }[cut]

    client.send(request[:at], request[at:] + count(server))

    assert client.reply()[0] == 200
    status, found = client.reply()
    assert status == 200
    assert b"1.2.1" in found
    assert instances(http) == ["1.2.1"]


def test_a_body_whose_end_comes_with_the_beginning_of_the_next_is_not_longer(
    server: Server, http: httpx.Client, client: Client
) -> None:
    first, second = storing(server, related(LARGE)), storing(server, related(SMALL))
    both = first + second
    middle = len(first) + 40

    client.send(both[: len(first) - 9], both[len(first) - 9 : middle], both[middle:])

    assert [client.reply()[0], client.reply()[0]] == [200, 200]
    assert instances(http) == ["1.2.1", "1.2.2"]


def test_a_body_that_is_refused_before_its_end_is_read_past(
    server: Server, http: httpx.Client, client: Client
) -> None:
    body = related(LARGE)
    refused = head(server, f"Content-Length: {len(body)}", content_type="text/plain")

    client.send(refused + body[:1000], body[1000:] + storing(server, related(SMALL)))

    assert [client.reply()[0], client.reply()[0]] == [415, 200]
    assert instances(http) == ["1.2.2"]


def test_rfc9112_7_1_a_body_in_chunks_is_the_parsers(
    server: Server, http: httpx.Client, client: Client
) -> None:
    body = related(LARGE)
    pieces = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    client.send(
        head(server, "Transfer-Encoding: chunked") + chunked[:200_000],
        chunked[200_000:] + storing(server, related(SMALL)),
    )

    assert [client.reply()[0], client.reply()[0]] == [200, 200]
    assert instances(http) == ["1.2.1", "1.2.2"]


@pytest.mark.parametrize("lengths", [("5", "600"), ("5", "chunked")])
def test_rfc9112_6_3_a_body_of_two_lengths_is_refused(
    server: Server, client: Client, lengths: tuple[str, str]
) -> None:
    other = "Transfer-Encoding" if lengths[1] == "chunked" else "Content-Length"

    client.send(head(server, f"Content-Length: {lengths[0]}", f"{other}: {lengths[1]}") + b"12345")

    assert client.reply()[0] == 400


# --- connections that end, and requests that are none ---------------------------------------------

WAITING = b"GET /api/v1/changes?after=99999999&wait=1 HTTP/1.1\r\nHost: h\r\n\r\n"
HEALTH = b"GET /health/live HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize("behind", [HEALTH, HEALTH * 3, HEALTH + b"\0no request\r\n\r\n"])
def test_an_answer_to_who_has_gone_is_nobody_elses(server: Server, behind: bytes) -> None:
    """A descriptor's number is given to the next who connects, or to the next file."""
    address = (server.host, server.port)
    with socket.create_connection(address) as gone:
        gone.sendall(WAITING + behind)
        time.sleep(0.2)
    time.sleep(0.1)
    with ExitStack() as stack:
        others = [stack.enter_context(socket.create_connection(address)) for _ in range(8)]
        time.sleep(1.5)
        for other in others:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(100)


@pytest.mark.parametrize("hosts", [[], ["h", "h"], ["h", "other"], ["a b"], ["h<script>"]])
def test_rfc9112_3_2_a_request_has_one_host(
    server: Server, client: Client, hosts: list[str]
) -> None:
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    client.send(f"GET /health/live HTTP/1.1\r\n{lines}\r\n".encode())
    status, said = client.reply()
    assert status == 400
    assert b"Host" in said


UPGRADE = ("Connection: keep-alive, Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA")


@pytest.mark.parametrize("cut", [None, 30, -5000, -1])
@pytest.mark.parametrize("chunked", [False, True])
def test_rfc9110_7_8_who_offers_another_protocol_is_answered_in_this_one(
    server: Server, http: httpx.Client, client: Client, chunked: bool, cut: int | None
) -> None:
    body = related(SMALL + bytes(6000))
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    request = head(server, *UPGRADE, length) + body
    pieces = [request, count(server)] if cut is None else [request[:cut], request[cut:]]
    client.send(*pieces[:-1], pieces[-1] + (b"" if cut is None else count(server)))
    assert client.reply()[0] == 200
    status, found = client.reply()
    assert status == 200
    assert b"1.2.2" in found


def test_a_body_behind_an_offer_of_another_protocol_is_no_request(
    server: Server, client: Client
) -> None:
    inner = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    one = head(server, *UPGRADE, f"Content-Length: {len(inner)}", content_type="text/plain") + inner
    client.send(one * 50 + count(server))
    for _ in range(50):
        assert client.reply()[0] == 415
    assert client.reply()[0] in (200, 204)


@pytest.mark.parametrize(
    "long",
    [
        b"GET /health HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 3 * HEAD_BYTES,
        b"GET /health HTTP/1.1\r\nHost: h\r\n" + b"X: x\r\n" * HEAD_BYTES,
        b"GET /health?" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        WAITING + b"GET /health HTTP/1.1\r\nHost: h\r\nX: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=["a header", "many headers", "a target", "a pipelined one"],
)
def test_rfc6585_5_a_head_too_long_is_refused(server: Server, client: Client, long: bytes) -> None:
    with suppress(OSError):
        for at in range(0, len(long), 20_000):
            client.send(long[at : at + 20_000])
    if long.startswith(WAITING):
        assert client.reply()[0] == 200
    assert client.reply() == (
        431,
        b"the request line and headers are longer than %d bytes\n" % HEAD_BYTES,
    )


def test_a_long_head_that_is_not_too_long_is_read(server: Server, client: Client) -> None:
    client.send(b"GET /health/live HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 60_000, b"\r\n\r\n")
    assert client.reply()[0] == 200


@pytest.mark.parametrize("sent", ["nothing", "half a head", "a body too late", "half a next head"])
def test_who_does_not_say_what_he_wants_is_hung_up_on(server: Server, sent: str) -> None:
    program = Socket()
    program.program = application(server.archive, server.archive.config)
    with (
        listened(program, timeout_keep_alive=1) as address,
        socket.create_connection(address, timeout=10) as connection,
    ):
        if sent == "half a head":
            connection.sendall(HEALTH[:20])
        elif sent == "half a next head":
            connection.sendall(HEALTH + HEALTH[:20])
        elif sent == "a body too late":
            connection.sendall(head(server, "Content-Length: 9", content_type="text/plain"))
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 415")
            connection.sendall(b"123456789")
        while connection.recv(1 << 16):
            pass
    program.program.close()


@contextmanager
def served(archive: Archive, *, quiet_s: int = 1) -> Iterator[Client]:
    """A connection to a server that waits `quiet_s` for who says nothing."""
    program = Socket()
    program.program = application(archive, archive.config)
    with listened(program, timeout_keep_alive=quiet_s) as (host, port):
        client = Client(host, port)
        try:
            yield client
        finally:
            client.close()
    program.program.close()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("behind", [b"", HEALTH])
def test_rfc9110_15_5_9_a_body_that_stops_is_timed_out_and_nothing_of_it_is_kept(
    tmp_path: Path, chunked: bool, behind: bytes
) -> None:
    archive = open_archive(Config(data=str(tmp_path)))
    body = related(part10(rows=2048, columns=2048))
    half = len(body) // 2
    assert half > MEMORY_BYTES - 2**20
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    framed = b"%x\r\n" % len(body) if chunked else b""
    path = f"{archive.config.prefix}/studies"
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Content-Type: {CONTENT_TYPE}", length, "", ""]
    with served(archive) as client:
        client.send(behind + "\r\n".join(lines).encode() + framed + body[:half])
        if behind:
            assert client.reply()[0] == 200
        status, said = client.reply()
        assert status == 408
        assert b"1 s" in said
        assert client.stream.read() == b""
        assert archive.storage.index.last_change() == 0
    assert not any(archive.storage.incoming.iterdir())
    archive.close()


def test_a_body_that_comes_slowly_is_waited_for(archive: Archive) -> None:
    body = related(SMALL)
    lines = [
        f"POST {archive.config.prefix}/studies HTTP/1.1",
        "Host: h",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
    ]
    with served(archive) as client:
        client.send("\r\n".join([*lines, "", ""]).encode())
        for at in range(0, len(body), len(body) // 4):
            time.sleep(0.4)
            client.send(body[at : at + len(body) // 4])
        assert client.reply()[0] == 200


@pytest.mark.parametrize("request_line", ["POST /dicom-web/studies", "GET /health/live"])
def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for_for_ever(
    archive: Archive, request_line: str
) -> None:
    with served(archive) as client:
        client.send(
            f"{request_line} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: text/plain\r\n\r\n".encode()
        )
        assert client.reply()[0] in (200, 415)
        client.send(b"5\r\n12345\r\n")
        assert client.stream.read() == b""


@pytest.mark.parametrize("coding", ["gzip, chunked", "Deflate,chunked", "x", "gzip;q=1, chunked"])
@pytest.mark.parametrize("lines", ["one", "several"])
def test_rfc9112_6_1_a_transfer_coding_that_is_not_understood_is_501(
    server: Server, client: Client, coding: str, lines: str
) -> None:
    codings = [coding] if lines == "one" else coding.split(",")
    said = [f"Transfer-Encoding: {each}" for each in codings]
    client.send(count(server) + head(server, *said) + b"5\r\n12345\r\n0\r\n\r\n" + HEALTH)
    assert client.reply()[0] == 204
    # RFC 9112 §6.3: where chunked is not the last nobody knows where the body ends: 400.
    assert client.reply()[0] == (501 if coding.endswith("chunked") else 400)
    assert client.stream.read() == b""


def test_rfc9112_9_3_2_what_came_before_a_request_that_is_none_is_answered_first(
    server: Server, client: Client
) -> None:
    client.send(WAITING + HEALTH + b"\0no request\r\n\r\n" + HEALTH)
    assert client.reply()[0] == 200
    assert client.reply()[0] == 200
    assert client.reply()[0] == 400
    assert client.stream.read() == b""


@pytest.mark.parametrize("asked", ["what is remembered", "what is not", "an upload", "two"])
def test_who_has_said_all_and_closes_his_side_is_answered(
    server: Server, client: Client, asked: str
) -> None:
    request = {
        "what is remembered": HEALTH,
        "what is not": WAITING,
        "an upload": storing(server, related(SMALL)),
        "two": WAITING + count(server),
    }[asked]
    client.send(request)
    client.socket.shutdown(socket.SHUT_WR)
    for _ in range(2 if asked == "two" else 1):
        assert client.reply()[0] in (200, 204)
    assert client.stream.read() == b""


def test_who_closes_his_side_in_a_body_has_gone(server: Server, client: Client) -> None:
    client.send(storing(server, related(SMALL))[:-9])
    client.socket.shutdown(socket.SHUT_WR)
    assert client.stream.read() == b""


ENDLESS = {
    "an extension of a chunk": b"5;" + b"x" * 8 * HEAD_BYTES,
    "a trailer": b"5\r\n12345\r\n0\r\nX: " + b"x" * 8 * HEAD_BYTES,
    "trailers": b"5\r\n12345\r\n0\r\n" + b"X: x\r\n" * 2 * HEAD_BYTES,
}


@pytest.mark.parametrize("endless", ENDLESS)
def test_what_frames_a_body_is_not_endless(server: Server, client: Client, endless: str) -> None:
    client.send(head(server, "Transfer-Encoding: chunked", content_type="application/dicom"))
    with suppress(OSError):
        for at in range(0, len(ENDLESS[endless]), 50_000):
            client.send(ENDLESS[endless][at : at + 50_000])
    assert client.reply()[0] == 431


def test_small_chunks_with_extensions_and_trailers_are_read(
    server: Server, http: httpx.Client, client: Client
) -> None:
    body = related(SMALL)
    chunks = b"".join(b"1;ext=%b\r\n%c\r\n" % (b"x" * 500, byte) for byte in body)
    assert len(chunks) > 4 * HEAD_BYTES
    client.send(head(server, "Transfer-Encoding: chunked") + chunks + b"0\r\nX: y\r\n\r\n" + HEALTH)
    assert [client.reply()[0], client.reply()[0]] == [200, 200]
    assert instances(http) == ["1.2.2"]


def test_rfc9110_6_5_1_a_trailer_is_no_header(server: Server, client: Client) -> None:
    client.send(
        head(server, "Transfer-Encoding: chunked", content_type="application/dicom")
        + b"5\r\n12345",
        b"\r\n0\r\nHost: other\r\nContent-Type: text/plain\r\n\r\n" + HEALTH,
    )
    assert [client.reply()[0], client.reply()[0]] == [409, 200]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET http://other:99/health/live", 200),
        ("GET HTTP://other:99/nothing", 404),
        ("GET http://other", 200),
        ("GET http://other?x=1", 200),
        ("OPTIONS http://other", 204),
        ("OPTIONS *", 204),
        ("GET *", 404),
        ("GET http://a b/", 400),
        ("GET http://<script>/", 400),
        ("CONNECT h:80", 400),
    ],
)
def test_rfc9112_3_2_every_form_of_target_is_answered(
    server: Server, client: Client, line: str, status: int
) -> None:
    client.send(f"{line} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert client.reply()[0] == status


def test_rfc9112_3_2_2_the_authority_of_an_absolute_target_counts(
    server: Server, http: httpx.Client, client: Client
) -> None:
    client.send(storing(server, related(SMALL)))
    assert client.reply()[0] == 200
    path = f"{server.archive.config.prefix}/studies"
    client.send(
        f"GET http://archive.example{path} HTTP/1.1\r\nHost: h\r\n"
        "Accept: application/dicom+json\r\n\r\n".encode()
    )
    assert b"http://archive.example/" in client.reply()[1]
