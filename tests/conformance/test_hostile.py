"""Hostile requests: never a 5xx, never a hang, and the server lives.

Each property says what is random in it. Requests go over sockets as they are drawn; nothing puts
them right on the way. What a server may answer to nonsense is its choice below 500; 501 and 505 are
not failures of it but of the request (RFC 9110 §15.6.2, §15.6.6), and 507 is of the disk.
"""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.checks.store import body_of, content_type_of
from tests.conformance.material import Material
from tests.conformance.reading import JSON
from tests.conformance.rules import Failed
from tests.conformance.run import set_up
from tests.conformance.site import Reply, Site
from tests.servers import serving

NOT_OF_THE_SERVER = frozenset({501, 505, 507})

hostile = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Target:
    """The server with something stored in it."""

    def __init__(self, site: Site, stored: Material) -> None:
        self.site = site
        self.stored = stored
        sample = stored["multi"]
        self.paths = [
            "/studies",
            "/series",
            "/instances",
            sample.study,
            sample.series,
            sample.path,
            sample.study + "/metadata",
            sample.path + "/metadata",
            sample.path + "/frames/1",
            sample.path + "/frames/1,2,4",
            sample.path + "/rendered",
            sample.path + "/frames/2/rendered",
            sample.path + "/thumbnail",
            sample.path + "/bulkdata/7FE00010",
            sample.path + "/pixeldata",
            stored["values"].path + "/bulkdata/00091002",
            stored["sr"].path + "/rendered",
            stored["ct1"].study + "/series",
        ]

    def fares(self, request: bytes, *, may_break_off: bool = False) -> None:
        """Sends the bytes. Raises AssertionError at a 5xx, and when there is no answer in time.

        may_break_off  the connection may end without an answer: the request had no end
        """
        asked = repr(request[:300])
        try:
            reply = self.site.raw(request, asked=asked, half_close=may_break_off)
        except Failed as error:
            assert may_break_off and "no answer within" not in str(error), str(error)
            return
        sound(reply)

    def head(self, method: str, path: str, *lines: str) -> bytes:
        return self.site.head_of(method, path, "Connection: close", *lines)


LONG = b"A" * 70000
"""Stands for `@LONG@` in what is drawn, so that a failure can be read."""


def sound(reply: Reply) -> None:
    fine = reply.status < 500 or reply.status in NOT_OF_THE_SERVER
    assert fine, f"{reply.asked}: {reply.said()}"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with serving(tmp_path_factory.mktemp("hostile")) as (process, url):
        # Nonsense is logged; a pipe that nobody reads would fill and hold the server up.
        threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
        site = Site(url + "/dicom-web")
        stored = set_up(site)
        try:
            yield Target(site, stored)
            assert process.poll() is None, "the server is gone"
            alive = site.get("/studies", accept=JSON, query={"StudyInstanceUID": "1.2.3"})
            assert alive.status == 204
        finally:
            site.close()


# Text that may stand in a header field: no line ends, no NUL; latin-1 as on the wire.
FIELD = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=80
)
PLACES = st.integers(0, 17)

_PIECES = st.sampled_from(
    [
        *("application/dicom+json", "application/dicom", "multipart/related", "image/jpeg", "*/*"),
        *("application/*", "*", "/", ";", ",", "q=", "q=1", "q=0", "q=0.5", "q=2", "q=NaN", "="),
        *("type=", 'type="application/dicom"', '"', "\\", 'type="', "transfer-syntax=", "*"),
        *("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "charset=utf-8", " ", "\t", "boundary="),
        *("application/octet-stream", "image/png", "text/html", "application/zip", "((", "é"),
    ]
)
ACCEPTS = st.one_of(FIELD, st.lists(_PIECES, max_size=14).map("".join))


@hostile
@given(place=PLACES, accept=ACCEPTS)
def test_any_accept_header_is_answered(target: Target, place: int, accept: str) -> None:
    target.fares(target.head("GET", target.paths[place], f"Accept: {accept}"))


@hostile
@given(place=PLACES, accept=ACCEPTS)
def test_any_accept_parameter_is_answered(target: Target, place: int, accept: str) -> None:
    path = f"{target.paths[place]}?accept={quote(accept, safe='')}"
    target.fares(target.head("GET", path, "Accept: */*"))


_NUMBERS = st.one_of(
    st.integers(-3, 2000).map(str),
    st.sampled_from(["", "0", "-0", "9" * 30, "9" * 5000, "1e9", "0x10", "٣", "²", "+1", " 1"]),
)
RANGES = st.one_of(
    FIELD,
    st.builds("bytes={}-{}".format, _NUMBERS, _NUMBERS),
    st.lists(st.builds("{}-{}".format, _NUMBERS, _NUMBERS), max_size=60).map(
        lambda some: "bytes=" + ",".join(some)
    ),
)


@hostile
@given(place=PLACES, text=RANGES, single=st.booleans(), if_range=st.none() | FIELD)
def test_any_range_is_answered(
    target: Target, place: int, text: str, single: bool, if_range: str | None
) -> None:
    accept = "application/octet-stream, application/dicom, */*;q=0.1" if single else "*/*"
    lines = [f"Accept: {accept}", f"Range: {text}".encode("latin-1", "replace").decode("latin-1")]
    if if_range is not None:
        lines.append(f"If-Range: {if_range}")
    target.fares(target.head("GET", target.paths[place], *lines))


FIELDS = st.sampled_from(
    [
        *("If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"),
        *(
            "Accept-Encoding",
            "Accept-Charset",
            "Accept-Language",
            "Content-Type",
            "Content-Encoding",
        ),
        *("Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Origin"),
        *("X-Forwarded-For", "Access-Control-Request-Method", "Access-Control-Request-Headers"),
        *("Authorization", "Cookie", "Expect", "Upgrade", "TE", "Via", "X-HTTP-Method-Override"),
    ]
)
METHODS = st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "TRACE", "BREW"])


@hostile
@given(method=METHODS, place=PLACES, fields=st.lists(st.tuples(FIELDS, FIELD), max_size=6))
def test_any_other_headers_are_answered(
    target: Target, method: str, place: int, fields: list[tuple[str, str]]
) -> None:
    lines = [f"{name}: {value}" for name, value in fields]
    if method in ("POST", "PUT", "PATCH"):
        lines.append("Content-Length: 0")
    target.fares(target.head(method, target.paths[place], "Accept: */*", *lines))


NAMES = st.one_of(
    st.sampled_from(
        [
            *("PatientName", "PatientID", "StudyDate", "StudyTime", "StudyInstanceUID", "Modality"),
            *(
                "ModalitiesInStudy",
                "SOPClassUID",
                "InstanceNumber",
                "00100010",
                "0010001",
                "includefield",
            ),
            *("limit", "offset", "fuzzymatching", "emptyvaluematching", "multiplevaluematching"),
            *("RequestAttributesSequence.ScheduledProcedureStepID", "PatientName.PatientID", "."),
            *("viewport", "window", "quality", "annotation", "iccprofile", "charset", "accept"),
            *("00091001", "PixelData", "PatientWeight", "TimezoneOffsetFromUTC", "", "a.b.c.d.e"),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            *(
                "*" * 400,
                "?" * 300,
                "*a" * 200,
                "all",
                "true",
                "-1",
                "9" * 400,
                "20240101-20230101",
            ),
            *("99999999", "-", "--", "20240230", "240000-250000", "1,2," * 300, "\\" * 50, '""'),
            *(
                "NaN,NaN,linear",
                "inf,inf",
                "1e308,1e308,sigmoid",
                "0,0",
                "1000000,1000000",
                "8192,8192",
            ),
            *("0,0,0,0,0,0", "10,10,-5,-5,1e9,1e9", "1.2.3" * 100, "%00", "\x00", "(((((((", "张*"),
        ]
    ),
)


@hostile
@given(place=PLACES, pairs=st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_any_query_is_answered(target: Target, place: int, pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='*,')}" for name, value in pairs)
    target.fares(target.head("GET", f"{target.paths[place]}?{query}", "Accept: */*"))


@hostile
@given(place=PLACES, query=st.binary(max_size=120))
def test_any_bytes_of_a_query_are_answered(target: Target, place: int, query: bytes) -> None:
    # What cannot stand in a request line at all is the next test's.
    plain = bytes(byte for byte in query if 0x21 <= byte <= 0x7E)
    path = f"{target.paths[place]}?{plain.decode('ascii')}"
    target.fares(target.head("GET", path, "Accept: */*"))


SEGMENTS = st.one_of(
    st.sampled_from(
        [
            *(
                "studies",
                "series",
                "instances",
                "metadata",
                "frames",
                "bulkdata",
                "pixeldata",
                "..",
            ),
            *(
                "rendered",
                "thumbnail",
                "1.2.3",
                "1",
                "0",
                "-1",
                "%2e%2e",
                "%00",
                "%",
                "%zz",
                "%ff",
                ".",
            ),
            *(
                "1," * 2000,
                "9" * 400,
                "7FE00010",
                "00091006/0/00091002",
                "00091006/-1/00091002",
                "%2F",
            ),
            *(
                "studies/1.2/series/1.3/instances/1.4",
                "{study}",
                "*",
                "~",
                "%E5%BC%A0",
                "",
                "1-3",
                "a" * 3000,
            ),
        ]
    ),
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#"), max_size=12
    ),
)


@hostile
@given(
    method=METHODS,
    place=st.none() | PLACES,
    segments=st.lists(SEGMENTS, min_size=1, max_size=6),
)
def test_any_path_is_answered(
    target: Target, method: str, place: int | None, segments: list[str]
) -> None:
    start = "" if place is None else target.paths[place]
    lines = ["Content-Length: 0"] if method in ("POST", "PUT", "PATCH") else []
    path = start + "/" + "/".join(segments)
    target.fares(target.head(method, path, "Accept: */*", *lines))


BODIES = st.one_of(
    st.binary(max_size=400),
    st.lists(
        st.sampled_from(
            [
                *(b"--b\r\n", b"--b--\r\n", b"\r\n", b"--", b"\r\n--b", b"\n--b\n", b"--b \t\r\n"),
                *(b"Content-Type: application/dicom\r\n\r\n", b"Content-Type: x\r\n", b": \r\n"),
                *(
                    b"Content-Type: application/dicom+json\r\n\r\n",
                    b"[{}]",
                    b"[",
                    b'[{"00080018":1}]',
                ),
                *(
                    b"\0" * 128 + b"DICM",
                    b"\x02\0\0\0UL\4\0\xff\xff\xff\xff",
                    b"DICM",
                    b"\xff" * 64,
                ),
                *(b"@LONG@", b"Content-Location: bulk\r\n", b'[{"7FE00010":{"vr":"OW"}}]'),
            ]
        ),
        max_size=9,
    ).map(b"".join),
)
BODY_TYPES = st.sampled_from(
    [
        'multipart/related; type="application/dicom"; boundary=b',
        'multipart/related; type="application/dicom+json"; boundary=b',
        'multipart/related; type="application/dicom+xml"; boundary="b"',
        "multipart/related; boundary=b",
        "multipart/related; boundary=",
        'multipart/related; boundary="',
        "multipart/related; boundary=" + "x" * 300,
        "application/dicom",
        "application/json",
        "multipart/form-data; boundary=b",
        ";;;",
        "",
    ]
)


@hostile
@given(kind=BODY_TYPES, body=BODIES, study=st.booleans(), more=st.integers(-5, 5))
def test_any_body_is_answered(
    target: Target, kind: str, body: bytes, study: bool, more: int
) -> None:
    path = "/studies/1.2.3" if study else "/studies"
    body = body.replace(b"@LONG@", LONG)
    length = max(0, len(body) + more)
    head = target.head(
        "POST", path, f"Accept: {JSON}", f"Content-Type: {kind}", f"Content-Length: {length}"
    )
    # A body shorter than it says has no end: then there need not be an answer.
    target.fares(head + body[:length], may_break_off=length > len(body))


@hostile
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_answered(target: Target, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["multi", "values", "jpeg-2000", "deflated", "sr", "float"]))
    file = bytearray(target.stored[name].file)
    for _ in range(data.draw(st.integers(1, 6))):
        # Most of what is fragile lies in front.
        at = data.draw(st.integers(128, min(len(file), 1500) - 1))
        file[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del file[data.draw(st.integers(128, len(file) - 1)) :]
    body = body_of(bytes(file))
    head = target.head(
        "POST",
        "/studies",
        f"Accept: {JSON}",
        f"Content-Type: {content_type_of()}",
        f"Content-Length: {len(body)}",
    )
    target.fares(head + body)


@hostile
@given(request=st.binary(min_size=1, max_size=300))
def test_any_bytes_at_all_do_no_harm(target: Target, request: bytes) -> None:
    target.fares(request + b"\r\n\r\n", may_break_off=True)


@hostile
@given(
    lines=st.lists(
        st.sampled_from(
            [
                *(
                    "Content-Length: 5",
                    "Content-Length: 0",
                    "Content-Length: -1",
                    "Content-Length: x",
                ),
                *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Host: other", "Host:"),
                *(
                    "Host: a b",
                    "Host: x:99999999",
                    "Host: [::1",
                    "Connection: close",
                    "Expect: 100-continue",
                ),
                *(
                    " folded",
                    "NoColon",
                    "X" * 9000 + ": 1",
                    "A: @LONG@",
                    ": empty",
                    "A : b",
                ),
            ]
        ),
        max_size=5,
    ),
    body=st.sampled_from(
        [b"", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"FFFFFFFFFF\r\nx"]
    ),
    method=METHODS,
)
def test_any_framing_does_no_harm(
    target: Target, lines: list[str], body: bytes, method: str
) -> None:
    root = target.site.root_path
    request = "\r\n".join([f"{method} {root}/studies?limit=1 HTTP/1.1", *lines, "", ""])
    sent = request.encode("latin-1").replace(b"@LONG@", LONG)
    target.fares(sent + body, may_break_off=True)


def test_a_client_that_goes_away_does_no_harm(target: Target) -> None:
    """Requests left in their middle: of the head, of the body, before the answer is read."""
    file = target.stored["values"].file
    body = body_of(file)
    head = target.head(
        "POST", "/studies", f"Content-Type: {content_type_of()}", f"Content-Length: {len(body)}"
    )
    whole = head + body
    pieces = urlsplit(target.site.base)
    address = (str(pieces.hostname), int(str(pieces.port)))
    for cut in (5, len(head) - 2, len(head), len(head) + 300, len(whole) // 2, len(whole)):
        with suppress(OSError), socket.create_connection(address, 5) as connection:
            connection.sendall(whole[:cut])
    reply = target.site.get("/studies", accept=JSON, query={"StudyInstanceUID": "1.2.3"})
    assert reply.status == 204
