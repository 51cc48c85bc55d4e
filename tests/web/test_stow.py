"""STOW-RS: what is stored, what is refused, and what is said about it (PS3.18 §10.5)."""

import http.client
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from dicomweb_server.archive.store import Refusal
from dicomweb_server.web import storing, stow
from storage.errors import Unavailable
from tests.dicom.build import SERIES_UID, STUDY_UID, element, part10
from tests.web.bodies import BOUNDARY, CONTENT_TYPE, related
from tests.web.conftest import Server

ONE = part10(rows=4, columns=4, instance_uid="1.2.3.1")
TWO = part10(rows=4, columns=4, instance_uid="1.2.3.2", pixel_data=b"\1" * 32)
OTHER = part10(rows=4, columns=4, instance_uid="1.2.3.1", pixel_data=b"\2" * 32)


def post(
    http: httpx.Client,
    body: bytes,
    *,
    content_type: str | None = CONTENT_TYPE,
    path: str = "",
    **headers: str,
) -> httpx.Response:
    given = {"Content-Type": content_type} if content_type is not None else {}
    return http.post(f"/studies{path}", content=body, headers={**given, **headers})


def items(response: httpx.Response, tag: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = response.json().get(tag, {}).get("Value", [])
    return found


def reasons(response: httpx.Response, tag: str) -> list[int]:
    return [item["00081197"]["Value"][0] for item in items(response, tag)]


def comments(response: httpx.Response, tag: str) -> str:
    return " ".join(
        item["00091001"]["Value"][0] for item in items(response, tag) if "00091001" in item
    )


def count(http: httpx.Client) -> int:
    response = http.get("/instances")
    return len(response.json()) if response.status_code == 200 else 0


# --- what is stored -------------------------------------------------------------------------------


def test_ps3_18_10_5_3_all_parts_stored_is_200_with_a_url_for_each(http: httpx.Client) -> None:
    response = post(http, related(ONE, TWO))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    base = str(http.base_url).rstrip("/")
    study = f"{base}/studies/{STUDY_UID}"
    assert response.json()["00081190"]["Value"] == [study]
    stored = items(response, "00081199")
    assert [item["00081155"]["Value"][0] for item in stored] == ["1.2.3.1", "1.2.3.2"]
    url = stored[1]["00081190"]["Value"][0]
    assert url == f"{study}/series/{SERIES_UID}/instances/1.2.3.2"
    sent_back = http.get(url, headers={"Accept": "application/dicom"})
    assert sent_back.content == TWO


def test_the_response_is_xml_when_xml_is_asked_for(http: httpx.Client) -> None:
    response = post(http, related(ONE), Accept="application/dicom+xml")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+xml"
    assert b"NativeDicomModel" in response.content


def test_a_response_nobody_can_make_is_refused_before_anything_is_stored(
    http: httpx.Client,
) -> None:
    response = post(http, related(ONE), Accept="text/html")
    assert response.status_code == 406
    assert "application/dicom+json" in response.json()["available"]
    assert count(http) == 0


def test_the_same_instance_again_is_200_and_stored_once(http: httpx.Client) -> None:
    assert post(http, related(ONE, ONE)).status_code == 200
    assert post(http, related(ONE)).status_code == 200
    assert count(http) == 1


def test_other_content_under_a_stored_uid_is_409_and_says_so(http: httpx.Client) -> None:
    post(http, related(ONE))
    response = post(http, related(OTHER))
    assert response.status_code == 409
    assert reasons(response, "00081198") == [0x0111]
    assert "1.2.3.1 is stored with other content" in comments(response, "00081198")


def test_ps3_18_10_5_one_refused_instance_does_not_refuse_its_neighbours(
    http: httpx.Client,
) -> None:
    response = post(http, related(ONE, b"not dicom at all", TWO))
    assert response.status_code == 202
    assert len(items(response, "00081199")) == 2
    assert reasons(response, "0008119A") == [0xC000]
    assert "not a DICOM file" in comments(response, "0008119A")
    assert count(http) == 2


def test_ps3_4_gg_a_non_patient_object_is_refused_as_of_a_class_not_supported(
    http: httpx.Client,
) -> None:
    protocol = part10(
        sop_class_uid="1.2.840.10008.5.1.4.38.1",
        instance_uid="1.2.3.9",
        without=["StudyInstanceUID", "SeriesInstanceUID"],
    )
    response = post(http, related(protocol))
    assert response.status_code == 409
    assert reasons(response, "00081198") == [0x0122]
    (item,) = items(response, "00081198")
    assert item["00081155"]["Value"] == ["1.2.3.9"]
    assert "1.2.840.10008.5.1.4.38.1 are of no patient" in comments(response, "00081198")


def test_a_part_of_another_media_type_is_refused_by_name(http: httpx.Client) -> None:
    body = related(ONE).replace(b"Content-Type: application/dicom", b"Content-Type: image/jpeg")
    response = post(http, body)
    assert response.status_code == 409
    assert "Content-Type is image/jpeg" in comments(response, "0008119A")


def test_ps3_18_10_5_a_study_takes_only_its_own_instances(http: httpx.Client) -> None:
    assert post(http, related(ONE), path=f"/{STUDY_UID}").status_code == 200
    response = post(http, related(TWO), path="/1.2.3.4")
    assert response.status_code == 409
    assert reasons(response, "00081198") == [0xA901]
    assert "1.2.3.4" in comments(response, "00081198")


def test_one_instance_may_come_without_multipart_as_curl_sends_it(http: httpx.Client) -> None:
    response = post(http, ONE, content_type="application/dicom")
    assert response.status_code == 200
    assert count(http) == 1


def test_a_body_in_chunks_and_odd_pieces_is_stored_whole(
    server: Server, http: httpx.Client
) -> None:
    body = b"\r\n" + related(
        *(part10(rows=64, columns=64, instance_uid=f"1.2.{n}") for n in range(50))
    )
    connection = http_connection(server)
    pieces = [body[at : at + 7919] for at in range(0, len(body), 7919)]
    connection.request(
        "POST",
        "/dicom-web/studies",
        iter(pieces),
        {"Content-Type": CONTENT_TYPE, "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    response = connection.getresponse()
    stored = json.load(response)["00081199"]["Value"]
    connection.close()
    assert response.status == 200
    assert [item["00081155"]["Value"][0] for item in stored] == [f"1.2.{n}" for n in range(50)]


def test_rfc9112_9_3_2_bodies_that_follow_at_once_are_each_stored_and_answered_in_order(
    server: Server, http: httpx.Client
) -> None:
    sent = b""
    for number in range(4):
        body = related(part10(rows=400, columns=400, instance_uid=f"1.2.{number}"))
        sent += (
            "POST /dicom-web/studies HTTP/1.1\r\nHost: archive\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'close' if number == 3 else 'keep-alive'}\r\n\r\n"
        ).encode() + body
    with socket.create_connection((server.host, server.port), timeout=30) as connection:
        writing = threading.Thread(target=connection.sendall, args=(sent,))
        writing.start()
        answers = b"".join(iter(lambda: connection.recv(65_536), b""))
        writing.join()
    assert answers.count(b"HTTP/1.1 200") == 4
    places = [answers.index(f"/instances/1.2.{number}".encode()) for number in range(4)]
    assert places == sorted(places)
    assert count(http) == 4


def test_a_part_larger_than_memory_goes_through_a_file_and_comes_back(http: httpx.Client) -> None:
    large = part10(
        rows=2048, columns=2048, frames=2, instance_uid="1.2.3.9", pixel_data=os.urandom(2**24)
    )
    assert len(large) > 4 * 2**20
    assert post(http, related(large)).status_code == 200
    sent_back = http.get(
        f"/studies/{STUDY_UID}/series/{SERIES_UID}/instances/1.2.3.9",
        headers={"Accept": "application/dicom"},
    )
    assert sent_back.content == large


# --- what is refused: each fault with its status and a sentence that names it ---------------------

DEEP = b""
for _ in range(200):
    DEEP = element(0x00081140, "SQ", b"\xfe\xff\x00\xe0" + len(DEEP).to_bytes(4, "little") + DEEP)

# 50 MB in values too small to be cut out of the header.
FAT = part10(
    extra={
        tag: element(tag, "UT", b"y" * 60_000)
        for group in range(0x0009, 0x0011, 2)
        for tag in range((group << 16) + 0x1000, (group << 16) + 0x10D8)
    }
)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "sentence"),
    [
        ('multipart/related; type="application/dicom"', b"", 400, "names no boundary"),
        (None, related(ONE), 415, "has no Content-Type"),
        ("text/plain", b"hello", 415, "text/plain is not stored"),
        ("multipart/form-data; boundary=x", b"", 415, "multipart/form-data is not stored"),
        (CONTENT_TYPE.replace("/dicom", "/text"), b"", 415, "application/text"),
        ("nonsense", b"", 400, "no type/subtype"),
        (CONTENT_TYPE, b"", 400, f"boundary '{BOUNDARY}' does not occur"),
        (CONTENT_TYPE, b"x" * 100_000, 400, "no boundary in the first 65536 bytes"),
        (CONTENT_TYPE, related(), 400, "has no parts"),
        ("application/dicom", b"", 400, "has no parts"),
        (CONTENT_TYPE, related(ONE)[:-200], 400, "part 1: ends without a closing boundary"),
        (
            CONTENT_TYPE,
            f"--{BOUNDARY}\r\nContent-Ty".encode(),
            400,
            "part 1: ends within its headers",
        ),
        (f"{CONTENT_TYPE}{'x' * 200}", related(ONE), 400, "is not 1 to 200 visible characters"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_name(
    http: httpx.Client, content_type: str | None, body: bytes, status: int, sentence: str
) -> None:
    response = post(http, body, content_type=content_type)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert sentence in problem["detail"]
    assert http.get("/studies").status_code == 204


@pytest.mark.parametrize(
    ("part", "status", "sentence"),
    [
        (b"", 409, "not a DICOM file"),
        (b"x" * 1000, 409, "not a DICOM file"),
        (ONE[:-10], 409, "(7FE0,0010)"),
        (part10(without=["StudyInstanceUID"]), 409, "(0020,000D)"),
        (part10(without=["SOPInstanceUID"]), 409, "(0008,0018)"),
        (part10(study_uid="1.2.x"), 409, "is '1.2.x', a UID is digits and dots"),
        (part10(series_uid="../../../etc/passwd"), 409, "'../../../etc/passwd'"),
        (part10(instance_uid="1." * 40 + "1"), 409, "has 81 characters"),
        (
            part10(extra={0x00104000: element(0x00104000, "LT", b"ab", length=60_000)}),
            409,
            "(0010,4000)",
        ),
        (part10(extra={0x00081140: DEEP}), 413, "the limit is 64"),
        (FAT, 413, "the limit is 33554432"),
    ],
    ids=[
        "empty",
        "text",
        "cut",
        "no-study",
        "no-instance",
        "letters",
        "path",
        "long",
        "beyond",
        "deep",
        "header",
    ],
)
def test_a_part_that_cannot_be_stored_is_refused_by_name(
    http: httpx.Client, part: bytes, status: int, sentence: str
) -> None:
    response = post(http, related(part))
    assert response.status_code == status, response.text
    said = comments(response, "0008119A") + comments(response, "00081198")
    assert sentence in said
    assert count(http) == 0
    assert post(http, related(ONE)).status_code == 200


def test_a_bomb_of_deflated_zeros_is_refused_and_the_server_lives_on(
    server: Server, http: httpx.Client
) -> None:
    bomb = part10(
        transfer_syntax_uid="1.2.840.10008.1.2.1.99",
        extra={0x7FE00010: element(0x7FE00010, "OB", bytes(300 * 2**20))},
    )
    assert len(bomb) < 2**20
    response = post(http, related(bomb))
    assert response.status_code == 413
    assert "deflated" in comments(response, "0008119A")
    assert post(http, related(ONE)).status_code == 200


def test_what_came_whole_before_the_body_broke_off_is_stored_and_answered_for(
    http: httpx.Client,
) -> None:
    response = post(http, related(ONE, TWO)[:-300])
    assert response.status_code == 202
    assert [i["00081155"]["Value"][0] for i in items(response, "00081199")] == ["1.2.3.1"]
    assert "part 2: ends without a closing boundary" in comments(response, "0008119A")


def test_a_compressed_body_is_refused_by_name(http: httpx.Client) -> None:
    response = post(http, related(ONE), **{"Content-Encoding": "br"})
    assert response.status_code == 415
    assert response.json()["field"] == "Content-Encoding"


def test_a_path_that_holds_no_uid_is_400(http: httpx.Client) -> None:
    response = http.post(
        "/studies/..%5Cetc", content=related(ONE), headers={"Content-Type": CONTENT_TYPE}
    )
    assert response.status_code == 400
    assert "is no study UID" in response.json()["detail"]


def test_an_archive_that_is_unavailable_is_503_with_a_time_to_wait(
    server: Server, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Unavailable("the index is being repaired", retry_after_s=2.5)

    monkeypatch.setattr(storing, "store_all", refuse)
    response = post(http, related(ONE))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "3"
    assert "being repaired" in response.json()["detail"]


def test_a_failure_nobody_foresaw_is_500_without_details_and_the_server_lives_on(
    server: Server, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    with monkeypatch.context() as patched:
        patched.setattr(storing, "store_all", fail)
        response = post(http, related(ONE))
    assert response.status_code == 500
    assert "the server failed on this part" in comments(response, "0008119A")
    assert "secret" not in response.text
    assert post(http, related(ONE)).status_code == 200


# --- clients that go away -------------------------------------------------------------------------


def http_connection(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.host, server.port, timeout=20)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_client_that_goes_away_leaves_nothing_behind(server: Server, http: httpx.Client) -> None:
    http.get("/studies")
    before = open_files()
    large = part10(rows=2048, columns=2048, instance_uid="1.2.3.9", pixel_data=os.urandom(2**23))
    for _ in range(3):
        connection = socket.create_connection((server.host, server.port))
        body = related(ONE, large)
        head = (
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[: len(body) - 1000])
        time.sleep(0.3)
        connection.close()
    until = time.monotonic() + 10
    while open_files() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert open_files() <= before
    assert list(server.archive.storage.incoming.iterdir()) == []
    assert post(http, related(ONE, large)).status_code == 200


def test_other_requests_are_answered_while_a_body_trickles_in(
    server: Server, http: httpx.Client
) -> None:
    body = related(ONE)
    with socket.create_connection((server.host, server.port)) as connection:
        head = (
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:100])
        assert post(http, related(TWO)).status_code == 200
        connection.sendall(body[100:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert count(http) == 2


def test_every_refusal_has_a_failure_reason() -> None:
    assert set(stow._FAILURE_REASONS) == set(Refusal)
