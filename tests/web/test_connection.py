"""Bodies of requests, cut anywhere on their way: what the parser is not shown is still counted."""

import httpx
import pytest

from tests.dicom.build import part10
from tests.web.bodies import CONTENT_TYPE, related
from tests.web.conftest import Client, Server

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
