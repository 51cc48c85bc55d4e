"""Replies that are remembered: the same bytes again, and never stale ones."""

import os
import socket
import time

import httpx
import pytest
import sqlalchemy as sa

from dicomweb_server.access.tables import AuditRow
from dicomweb_server.archive.upkeep import settle
from tests.dicom.build import STUDY_UID
from tests.web.bodies import next_reply
from tests.web.conftest import Server, Socket
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, put

FRAME = f"{SERIES}/instances/1.5.1/frames/1"
ANY = {"Accept": ANY_SYNTAX}


def test_a_frame_asked_for_again_is_the_same_reply(http: httpx.Client) -> None:
    put(http, image(1))
    first, again = (http.get(FRAME, headers=ANY) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert [h for h in first.headers.raw if h[0] != b"date"] == [
        h for h in again.headers.raw if h[0] != b"date"
    ]


def test_another_accept_header_is_another_question(http: httpx.Client) -> None:
    put(http, image(1))
    for _ in range(2):
        assert http.get(FRAME, headers=ANY).headers["content-type"].startswith("multipart/related")
        single = http.get(FRAME, headers={"Accept": "application/octet-stream"})
        assert single.headers["content-type"].startswith("application/octet-stream")
        assert http.get(FRAME, headers={"Accept": "text/html"}).status_code == 406


def test_head_of_a_remembered_frame_has_no_body(http: httpx.Client) -> None:
    put(http, image(1))
    got = [http.get(FRAME, headers=ANY) for _ in range(2)][1]
    head = http.head(FRAME, headers=ANY)
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


def test_a_remembered_frame_is_404_once_it_is_deleted(http: httpx.Client) -> None:
    put(http, image(1), image(2))
    for _ in range(2):
        assert http.get(FRAME, headers=ANY).status_code == 200
    assert http.delete(f"{SERIES}/instances/1.5.1").status_code == 204
    assert http.get(FRAME, headers=ANY).status_code == 404


def test_a_remembered_frame_is_the_new_one_once_it_is_stored_anew(http: httpx.Client) -> None:
    put(http, image(1), image(2))
    before = [http.get(FRAME, headers=ANY).content for _ in range(2)][1]
    assert http.delete(f"{SERIES}/instances/1.5.1").status_code == 204
    put(http, image(1, pixel_data=bytes(512)))
    after = http.get(FRAME, headers=ANY)
    assert after.status_code == 200
    assert after.content != before
    assert bytes(512) in after.content


def test_a_remembered_frame_is_found_where_settling_has_put_it(
    server: Server, http: httpx.Client
) -> None:
    put(http, image(1, pixel_data=bytes(range(256)) * 2))
    for _ in range(2):
        assert b"transfer-syntax=1.2.840.10008.1.2.1" in http.get(FRAME, headers=ANY).content
    settle(server.archive, quiet_s=0)
    for _ in range(2):
        settled = http.get(FRAME, headers=ANY)
        assert settled.status_code == 200
        assert b"transfer-syntax=1.2.840.10008.1.2.4.202" in settled.content


def test_a_remembered_thumbnail_is_drawn_anew_once_its_frame_is_kept_in_another_form(
    server: Server, http: httpx.Client
) -> None:
    put(http, image(1, rows=64, columns=64, pixel_data=bytes(range(128)) * 64))
    path = f"{SERIES}/instances/1.5.1/thumbnail"
    tags = [http.get(path).headers["etag"] for _ in range(3)]
    known = {"If-None-Match": tags[0]}
    assert [http.get(path, headers=known).status_code for _ in range(3)] == [304] * 3
    settle(server.archive, quiet_s=0)
    again, anew = http.get(path), http.get(path, headers={"Range": "x"})
    assert (again.headers["etag"], again.content) == (anew.headers["etag"], anew.content)
    assert again.headers["etag"] not in tags
    assert http.get(path, headers=known).status_code == 200


@pytest.mark.parametrize("level", [f"/studies/{STUDY_UID}", SERIES])
@pytest.mark.parametrize("end", ["/metadata", "/thumbnail"])
def test_what_comes_to_a_study_or_series_is_in_the_next_reply(
    http: httpx.Client, level: str, end: str
) -> None:
    put(http, image(5))
    before = [http.get(level + end) for _ in range(3)][2]
    assert before.status_code == 200
    put(http, image(6), image(7))
    grown = [http.get(level + end).headers["etag"] for _ in range(3)]
    assert grown[0] not in (before.headers["etag"], "")
    assert len(set(grown)) == 1
    if level != SERIES:
        put(http, image(1, series_uid="1.4", instance_uid="1.4.1", SeriesNumber="-1"))
        assert http.get(level + end).headers["etag"] != grown[0]


def test_not_modified_is_remembered_until_it_is(http: httpx.Client) -> None:
    put(http, image(1))
    tag = {"If-None-Match": http.get(f"{SERIES}/metadata").headers["etag"]}
    for _ in range(3):
        unchanged = http.get(f"{SERIES}/metadata", headers=tag)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    put(http, image(2))
    assert http.get(f"{SERIES}/metadata", headers=tag).status_code == 200


def test_a_decoded_frame_is_the_same_when_asked_for_again(
    server: Server, http: httpx.Client
) -> None:
    files = [
        image(n, rows=64, columns=64, pixel_data=bytes(range(n, n + 128)) * 64) for n in (1, 2)
    ]
    put(http, *files)
    settle(server.archive, quiet_s=0)
    explicit = {"Accept": "multipart/related; type=application/octet-stream"}
    jls = {"Accept": "multipart/related; type=image/jls"}
    for headers in (explicit, jls):
        replies = {http.get(FRAME, headers=headers).content for _ in range(3)}
        assert len(replies) == 1
        other = http.get(FRAME.replace("1.5.1/", "1.5.2/"), headers=headers).content
        assert other not in replies


def test_who_reads_slowly_gets_all_of_it(server: Server, http: httpx.Client) -> None:
    """Frames of half a MiB, asked for ahead over one connection and read after a while."""
    big = os.urandom(2**19)
    put(http, image(1, rows=512, columns=512, pixel_data=big))
    expected = [http.get(FRAME, headers=ANY).content for _ in range(2)][1]
    path = server.archive.config.prefix + FRAME
    asked = f"GET {path} HTTP/1.1\r\nHost: h\r\nAccept: {ANY_SYNTAX}\r\n\r\n"
    with socket.create_connection((server.host, server.port)) as connection:
        connection.settimeout(20)
        for _ in range(24):
            connection.sendall(asked.encode())
        time.sleep(0.3)
        with connection.makefile("rb") as stream:
            for _ in range(24):
                status, answer = next_reply(stream)
                assert status == 200
                assert answer == expected.replace(server.dicomweb.encode(), b"http://h/dicom-web")


@pytest.mark.parametrize("query", ["?limit=25", "?PatientName=*a*&limit=2", "?PatientID=nobody"])
def test_a_search_asked_for_again_is_the_same_reply_until_something_is_stored_or_deleted(
    http: httpx.Client, server: Server, query: str
) -> None:
    put(http, image(1))
    index = server.archive.storage.index
    for change in (lambda: put(http, image(2)), lambda: http.delete(f"{SERIES}/instances/1.5.2")):
        first, again = (http.get(f"/studies{query}") for _ in range(2))
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert first.headers.get("x-total-count") == again.headers.get("x-total-count")
        change()
        anew = http.get(f"/studies{query}")
        assert (anew.content != first.content) is bool(first.content)
        if anew.content:
            said = anew.json()[0]["00201208"]["Value"][0]
            assert said == index.counts().instances


def test_each_time_a_search_is_asked_the_audit_is_told(
    http: httpx.Client, listening: Socket
) -> None:
    put(http, image(1))
    for _ in range(4):
        assert http.get("/studies?PatientID=1&limit=5").status_code in (200, 204)
    program = listening.program
    assert program is not None
    program.service.doors.journal.flush()
    with program.service.records.read() as session:
        asked = session.scalars(sa.select(AuditRow).where(AuditRow.action == "query")).all()
    assert [row.subject for row in asked] == ["study"] * 4
    assert {row.detail for row in asked} == {'{"for":"PatientID=1"}'}
