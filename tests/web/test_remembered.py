"""Replies of stored frames that are remembered: the same bytes again, and never stale ones."""

import httpx

from dicomweb_server.archive.upkeep import settle
from tests.web.conftest import Server
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
