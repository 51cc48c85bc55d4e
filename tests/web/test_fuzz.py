"""Hostile requests. Invariant: whatever comes, the answer has a status below 500 and, when it is an
error, a problem that says what is wrong; nothing waits for ever."""

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomweb_server.archive.archive import open_archive
from dicomweb_server.archive.store import Received, store
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.web.app import Application, application
from tests.dicom.build import INSTANCE_UID, SERIES_UID, STUDY_UID, part10
from tests.web.bodies import BOUNDARY, CONTENT_TYPE, related


@pytest.fixture(scope="module")
def program() -> Iterator[Application]:
    """An application with one instance of two frames."""
    archive = open_archive(Config(data="memory:"))
    store(archive, [Received(BytesSource(part10(rows=4, columns=4, frames=2)), "test")])
    made = application(archive, archive.config)
    yield made
    made.close()
    archive.close()


def answer(
    program: Application,
    method: str,
    path: str,
    query: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    body: bytes = b"",
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer to one request, in process."""
    sent: list[Any] = []
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)] or [b""]

    async def receive() -> dict[str, Any]:
        if not pieces:
            await asyncio.sleep(3600)
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": headers or [],
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    asyncio.run(asyncio.wait_for(program(scope, receive, send), 20))
    start = sent[0]
    return start["status"], dict(start["headers"]), b"".join(bytes(m["body"]) for m in sent[1:])


def check(status: int, headers: dict[bytes, bytes], body: bytes) -> None:
    assert status < 500
    if status >= 400 and b"problem" in headers[b"content-type"]:
        problem = orjson.loads(body)
        assert problem["status"] == status
        assert problem["detail"]


SEGMENTS = st.one_of(
    st.sampled_from(
        [
            "",
            "dicom-web",
            "studies",
            "series",
            "instances",
            "metadata",
            "frames",
            "bulkdata",
            "rendered",
            "thumbnail",
            "1",
            "1,2",
            "7FE00010",
            "..",
            "static",
            "health",
            STUDY_UID,
            SERIES_UID,
            INSTANCE_UID,
        ]
    ),
    st.text(max_size=8),
)
GOOD_PATHS = st.sampled_from(
    [
        f"/dicom-web/studies/{STUDY_UID}{rest}"
        for series in [f"/series/{SERIES_UID}"]
        for instance in [f"{series}/instances/{INSTANCE_UID}"]
        for rest in [
            *("", "/metadata", "/rendered", "/series", "/instances", series, f"{series}/metadata"),
            *(f"{instance}{end}" for end in ("", "/frames/1", "/frames/1,2", "/rendered")),
            *(f"{instance}{end}" for end in ("/bulkdata/7FE00010", "/metadata", "/thumbnail")),
        ]
    ]
    + ["/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances"]
)
PATHS = st.one_of(
    GOOD_PATHS,
    st.lists(SEGMENTS, max_size=9).map(lambda segments: "/" + "/".join(segments)),
    st.tuples(GOOD_PATHS, SEGMENTS).map("/".join),
)
TEXTS = st.one_of(
    st.sampled_from([b"1", b"*", b"all", b"20240101-", b"a\\b", b"1,2", b"image/png", b"", b"%ff"]),
    st.binary(max_size=12),
)
NAMES = st.sampled_from(
    [
        b"limit",
        b"offset",
        b"includefield",
        b"fuzzymatching",
        b"accept",
        b"viewport",
        b"window",
        b"quality",
        b"PatientName",
        b"StudyDate",
        b"StudyTime",
        b"00100020",
        b"StudyInstanceUID",
        b"RequestAttributesSequence.ScheduledProcedureStepID",
        b"x",
        b"",
    ]
)
QUERIES = st.lists(st.tuples(NAMES, TEXTS).map(b"=".join), max_size=3).map(b"&".join)
ACCEPTS = st.one_of(
    st.sampled_from(
        [
            b"*/*",
            b"application/dicom",
            b"multipart/related",
            b"image/jpeg;q=0",
            b"image/*",
            b"multipart/related; type=application/octet-stream; transfer-syntax=*",
            b"application/dicom+xml",
            b'multipart/related; type="application/dicom+xml"',
        ]
    ),
    st.binary(max_size=20),
)
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just(b"accept"), ACCEPTS),
        st.tuples(st.sampled_from([b"host", b"if-none-match", b"range", b"x"]), TEXTS),
    ),
    max_size=3,
)
patient = settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@patient
@given(st.sampled_from(["GET", "HEAD", "OPTIONS", "PUT"]), PATHS, QUERIES, HEADERS)
def test_any_request_gets_an_answer_that_is_no_fault_of_the_server(
    program: Application, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    status, sent, body = answer(program, method, path, query, headers)
    if method != "HEAD":
        check(status, sent, body)
    assert status < 500


BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.one_of(
            st.sampled_from(
                [b"\r\n", f"--{BOUNDARY}".encode(), b"--", b"Content-Type: x/y", b"DICM"]
            ),
            st.binary(max_size=8),
        ),
        max_size=20,
    ).map(b"".join),
    st.tuples(st.integers(0, 800), st.binary(min_size=1, max_size=4)).map(
        lambda change: (
            (whole := related(part10(rows=2, columns=2, instance_uid="1.9")))[: change[0]]
            + change[1]
            + whole[change[0] + len(change[1]) :]
        )
    ),
)
CONTENT_TYPES = st.one_of(
    st.just(CONTENT_TYPE.encode()),
    st.sampled_from([b"application/dicom", b"multipart/related", b"text/plain"]),
    st.binary(max_size=30),
)


@patient
@given(CONTENT_TYPES, BODIES)
def test_any_body_gets_an_answer_that_is_no_fault_of_the_server(
    program: Application, content_type: bytes, body: bytes
) -> None:
    headers = [(b"content-type", content_type)]
    check(*answer(program, "POST", "/dicom-web/studies", b"", headers, body))
