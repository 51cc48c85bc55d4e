"""Frames that are asked for as another one was: found at once, and the same as by the long way."""

import httpx
import orjson
import pytest
import sqlalchemy as sa
from starlette.types import Message

from dicomweb_server.access.tables import AuditRow
from dicomweb_server.archive.upkeep import settle
from dicomweb_server.web import heard
from dicomweb_server.web.http import Request
from dicomweb_server.web.remembered import Ready
from tests.dicom.build import EXPLICIT_VR_BIG_ENDIAN, STUDY_UID
from tests.web.conftest import Client, Server, Socket
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, put

ANY = {"Accept": ANY_SYNTAX}
LONG_WAY = {"If-None-Match": '"of another frame"'}
"""Makes each request one that cannot be answered as another was."""


def frame(number: int, series: str = SERIES, uid: str = "1.5") -> str:
    return f"{series}/instances/{uid}.{number}/frames/1"


def told(response: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [each for each in response.headers.raw if each[0].lower() != b"date"]
    return response.status_code, headers, response.content


def asked(server: Server, path: str, **headers: str) -> bytes:
    given = {"Host": "h", "Accept": ANY_SYNTAX, **headers}
    lines = [f"{name}: {value}" for name, value in given.items()]
    head = [f"GET {server.archive.config.prefix}{path} HTTP/1.1", *lines, "", ""]
    return "\r\n".join(head).encode()


def ready(server: Server, listening: Socket, request: bytes) -> Ready | None:
    """What the server has at once for a request whose headers it has heard."""
    said = heard.recall(request)
    assert said is not None, "the headers have not been heard"
    client = {"client": ("127.0.0.1", 1), "server": (server.host, server.port), "scheme": "http"}
    return listening.ready({**said, **client})


async def never() -> Message:
    raise AssertionError("a GET has no body to be read")


def ask(client: Client, *requests: bytes) -> list[tuple[int, bytes]]:
    said = []
    for request in requests:
        client.send(request)
        said.append(client.reply())
    return said


@pytest.fixture
def three(http: httpx.Client) -> None:
    """Of pixels that settling compresses, and one of another format."""
    smooth = [image(n, pixel_data=bytes(range(n, n + 128)) * 4) for n in (1, 2, 3)]
    put(http, *smooth, image(4, rows=8, columns=8, pixel_data=bytes(range(128))))


@pytest.mark.parametrize("accept", [ANY_SYNTAX, "application/octet-stream; transfer-syntax=*"])
@pytest.mark.parametrize("settled", [False, True])
def test_it_is_the_reply_of_the_long_way(
    http: httpx.Client, server: Server, three: None, accept: str, settled: bool
) -> None:
    if settled:
        settle(server.archive, quiet_s=0)
    headers = {"Accept": accept}
    at_once = [told(http.get(frame(n), headers=headers)) for n in (1, 2, 3, 4, 2, 1)]
    anew = [told(http.get(frame(n), headers=headers | LONG_WAY)) for n in (1, 2, 3, 4, 2, 1)]
    assert at_once == anew
    assert {status for status, _, _ in at_once} == {200}
    assert len({body for _, _, body in at_once}) == 4


def test_it_is_at_hand_before_it_has_been_asked_for(
    server: Server, listening: Socket, client: Client, three: None
) -> None:
    one, two, three_, nowhere, other = (
        asked(server, path)
        for path in (frame(1), frame(2), frame(3), frame(9), f"{SERIES}/metadata")
    )
    # The first is found the long way, the second as the first was; its headers are known then.
    assert [status for status, _ in ask(client, one, two)] == [200, 200]
    found = ready(server, listening, three_)
    assert found is not None and found.status == 200
    assert b"".join(found.body) == ask(client, three_)[0][1]
    assert b"/instances/1.5.3/frames/1" in found.body[0]
    for request in (nowhere, other, asked(server, frame(3) + "/thumbnail")):
        assert ready(server, listening, request) is None
    assert ask(client, nowhere)[0][0] == 404


@pytest.mark.parametrize(
    "path",
    [
        frame(2).replace("/frames/1", "/frames/2"),
        frame(2).replace("/frames/1", "/frames/0"),
        frame(2).replace("/frames/1", "/frames/01"),
        frame(2).replace("/frames/1", "/frames/1,1"),
        frame(2, series=f"/studies/{STUDY_UID}/series/1.6"),
        frame(2, series="/studies/1.2.3/series/1.5"),
        frame(2) + "/",
    ],
)
def test_what_is_another_question_goes_the_long_way(
    http: httpx.Client,
    server: Server,
    listening: Socket,
    client: Client,
    three: None,
    path: str,
) -> None:
    ask(client, asked(server, frame(1)), asked(server, frame(3)))
    assert ready(server, listening, asked(server, path)) is None
    assert told(http.get(path, headers=ANY)) == told(http.get(path, headers=ANY | LONG_WAY))


@pytest.mark.parametrize("name", ["Range", "If-None-Match"])
def test_what_depends_on_the_frame_goes_the_long_way(
    http: httpx.Client, three: None, name: str
) -> None:
    """Of three frames the tag of one, and a part that one of them does not have."""
    tags = [http.get(frame(n), headers=ANY).headers["etag"] for n in (1, 2, 3)]
    value = tags[1] if name == "If-None-Match" else "bytes=600-700"
    got = [http.get(frame(n), headers=ANY | {name: value}).status_code for n in (1, 2, 4, 2, 1)]
    assert got == (
        [200, 304, 200, 304, 200] if name == "If-None-Match" else [206, 206, 416, 206, 206]
    )


def test_other_hosts_and_origins_are_other_ways_of_asking(http: httpx.Client, three: None) -> None:
    for host in ("a.example", "b.example"):
        for n in (1, 2, 3):
            said = http.get(frame(n), headers=ANY | {"Host": host})
            assert f"http://{host}/".encode() in said.content


def test_a_frame_kept_in_another_form_or_format_is_negotiated_itself(
    http: httpx.Client, server: Server, three: None
) -> None:
    jpeg_ls = {"Accept": "multipart/related; type=image/jphc, multipart/related; type=image/jls"}
    native = [told(http.get(frame(n), headers=ANY)) for n in (1, 2)]
    settle(server.archive, quiet_s=0)
    put(http, image(5, transfer_syntax_uid=EXPLICIT_VR_BIG_ENDIAN))
    for n in (1, 2, 5, 3):
        for headers in (ANY, jpeg_ls):
            said = http.get(frame(n), headers=headers)
            assert told(said) == told(http.get(frame(n), headers=headers | LONG_WAY))
            assert said.status_code in (200, 406)
    assert [told(http.get(frame(n), headers=ANY)) for n in (1, 2)] != native


def test_what_is_deleted_or_stored_anew_is_so_at_once(http: httpx.Client, three: None) -> None:
    for n in (1, 2):
        assert http.get(frame(n), headers=ANY).status_code == 200
    assert http.delete(f"{SERIES}/instances/1.5.3").status_code == 204
    assert http.get(frame(3), headers=ANY).status_code == 404
    put(http, image(3, pixel_data=bytes(512)))
    for _ in range(2):
        assert bytes(512) in http.get(frame(3), headers=ANY).content


def test_what_no_handler_reads_makes_no_other_question(
    server: Server, listening: Socket, client: Client, three: None
) -> None:
    """As proxies and traces number requests; but what may make another reply does."""
    request = asked(server, frame(1))
    first = ask(client, request, request)[0]
    said = heard.recall(request)
    assert said is not None
    for name, value, same in (
        (b"x-request-id", b"1", True),
        (b"traceparent", b"00-1-1-00", True),
        (b"range", b"x", False),
        (b"origin", b"http://elsewhere", False),
    ):
        numbered = {**said, "headers": [*said["headers"], (name, value)]}
        assert Request(numbered, never, {}).header(name) == (None if same else value.decode())
        found = listening.ready({**numbered, "client": ("127.0.0.1", 1), "scheme": "http"})
        assert (found is not None) is same
        assert found is None or b"".join(found.body) == first[1]


def test_each_view_is_counted_once(
    server: Server, listening: Socket, client: Client, three: None
) -> None:
    """The first of a session by itself, the others when it ends."""
    asked_for = [asked(server, frame(n)) for n in (1, 2, 3, 4, 3)]
    assert {status for status, _ in ask(client, *asked_for)} == {200}
    program = listening.program
    assert program is not None
    journal = program.service.doors.journal
    for caller in {entry.visit.service.caller for entry in program.identities._entries.values()}:
        journal.ended(caller.session_id)
    journal.flush()
    with program.service.records.read() as session:
        rows = session.scalars(sa.select(AuditRow).where(AuditRow.action == "study.view")).all()
    assert {row.subject for row in rows} == {STUDY_UID}
    details = [orjson.loads(row.detail or "{}") for row in rows]
    assert [each.get("more") for each in details] == [None, 4]
