"""WADO-RS: instances, frames, metadata, bulk data, pictures; and DELETE (PS3.18 §10.4)."""

import io
import os
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom import dcmread

from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.archive.upkeep import settle
from tests.dicom.build import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STUDY_UID,
    element,
    part10,
)
from tests.web.bodies import CONTENT_TYPE, related, taken_apart
from tests.web.conftest import Server

ANY_SYNTAX = "multipart/related; type=application/octet-stream; transfer-syntax=*"
SERIES = f"/studies/{STUDY_UID}/series/1.5"


def put(http: httpx.Client, *parts: bytes) -> None:
    response = http.post(
        "/studies", content=related(*parts), headers={"Content-Type": CONTENT_TYPE}
    )
    assert response.status_code == 200, response.text


def parts_of(response: httpx.Response) -> list[tuple[Any, bytes]]:
    assert response.status_code == 200, response.text
    return taken_apart(response.headers["content-type"], response.content)


def image(number: int, **more: Any) -> bytes:
    given = {
        "series_uid": "1.5",
        "instance_uid": f"1.5.{number}",
        "rows": 16,
        "columns": 16,
        "InstanceNumber": str(number),
        "pixel_data": np.random.default_rng(number).integers(0, 4096, 256, "u2").tobytes(),
    }
    return part10(**{**given, **more})


# --- instances ------------------------------------------------------------------------------------


def test_a_series_comes_in_order_each_instance_as_it_was_received(http: httpx.Client) -> None:
    files = {n: image(n) for n in (3, 1, 2)}
    put(http, *files.values())
    response = http.get(SERIES)
    assert int(response.headers["content-length"]) == len(response.content)
    parts = parts_of(response)
    assert [content for _, content in parts] == [files[1], files[2], files[3]]
    headers = parts[0][0]
    assert (
        headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"
    )
    assert (
        headers["content-location"] == f"{str(http.base_url).rstrip('/')}{SERIES}/instances/1.5.1"
    )
    assert [content for _, content in parts_of(http.get(f"/studies/{STUDY_UID}"))] == [
        content for _, content in parts
    ]


def test_one_instance_comes_alone_when_asked_for_alone(http: httpx.Client) -> None:
    put(http, image(1))
    response = http.get(f"{SERIES}/instances/1.5.1", headers={"Accept": "application/dicom"})
    assert response.content == image(1)
    assert response.headers["content-type"].startswith("application/dicom; transfer-syntax=")
    assert [c for _, c in parts_of(http.get(f"{SERIES}/instances/1.5.1"))] == [image(1)]


def test_a_series_larger_than_one_message_is_streamed_whole(http: httpx.Client) -> None:
    files = [image(n, rows=512, columns=512, pixel_data=os.urandom(2**19)) for n in range(1, 9)]
    put(http, *files)
    assert [content for _, content in parts_of(http.get(SERIES))] == files


@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
@pytest.mark.parametrize("accept", ["application/dicom", "application/dicom; transfer-syntax=*"])
def test_ps3_18_8_7_3_implicit_and_big_endian_go_out_as_explicit_little_endian(
    http: httpx.Client, syntax: str, accept: str
) -> None:
    pixels = np.arange(256, dtype=">u2" if syntax == EXPLICIT_VR_BIG_ENDIAN else "<u2")
    file = image(1, transfer_syntax_uid=syntax, pixel_data=pixels.tobytes())
    put(http, file)
    response = http.get(f"{SERIES}/instances/1.5.1", headers={"Accept": accept})
    assert response.status_code == 200, response.text
    read = dcmread(io.BytesIO(response.content))
    assert read.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN
    assert read.pixel_array.tobytes() == np.arange(256, dtype="<u2").tobytes()


def test_a_transfer_syntax_nobody_can_make_is_406(http: httpx.Client) -> None:
    put(http, image(1))
    accept = "application/dicom; transfer-syntax=1.2.840.10008.1.2"
    response = http.get(f"{SERIES}/instances/1.5.1", headers={"Accept": accept})
    assert response.status_code == 406
    assert any(EXPLICIT_VR_LITTLE_ENDIAN in each for each in response.json()["available"])


@pytest.mark.parametrize(
    "path",
    [
        "/studies/9.9",
        "/studies/9.9/metadata",
        "/studies/9.9/series/1.1",
        "/studies/9.9/series/1.1/metadata",
        f"{SERIES}/instances/9.9",
        f"{SERIES}/instances/9.9/metadata",
        f"{SERIES}/instances/9.9/frames/1",
        f"{SERIES}/instances/1.5.1/frames/2",
        f"{SERIES}/instances/1.5.1/frames/2/rendered",
        f"{SERIES}/instances/1.5.1/bulkdata/00420011",
        f"/studies/{STUDY_UID}/series/9.9/thumbnail",
    ],
)
def test_what_is_not_stored_is_404_with_its_name(http: httpx.Client, path: str) -> None:
    put(http, image(1))
    response = http.get(path)
    assert response.status_code == 404, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


def test_an_etag_spares_what_has_not_changed(http: httpx.Client) -> None:
    put(http, image(1))
    paths = [
        f"{SERIES}/metadata",
        f"/studies/{STUDY_UID}/metadata",
        f"{SERIES}/instances/1.5.1",
        f"{SERIES}/instances/1.5.1/frames/1",
        f"{SERIES}/instances/1.5.1/rendered",
    ]
    first = {path: http.get(path) for path in paths}
    for path, response in first.items():
        again = http.get(path, headers={"If-None-Match": f'"x", W/{response.headers["etag"]}'})
        assert again.status_code == 304, path
        assert again.content == b""
        assert again.headers["etag"] == response.headers["etag"]
        assert http.get(path).content == response.content
    put(http, image(2))
    for path in paths[:2]:
        changed = http.get(path, headers={"If-None-Match": first[path].headers["etag"]})
        assert changed.status_code == 200


# --- metadata -------------------------------------------------------------------------------------


def test_ps3_18_10_4_1_1_2_metadata_is_there_on_three_levels_in_order(http: httpx.Client) -> None:
    put(http, image(2), image(1))
    for path in (f"/studies/{STUDY_UID}", SERIES):
        items = http.get(f"{path}/metadata").json()
        assert [item["00080018"]["Value"][0] for item in items] == ["1.5.1", "1.5.2"]
    one = http.get(f"{SERIES}/instances/1.5.2/metadata").json()
    assert one == items[1:]


def test_bulk_data_uris_can_be_followed_and_give_the_value(http: httpx.Client) -> None:
    table = os.urandom(100_000)
    extra = {
        0x00091010: element(0x00091010, "OB", table),
        0x00090010: element(0x00090010, "LO", b"X "),
    }
    put(http, image(1, extra=extra), image(2))
    for path in (f"/studies/{STUDY_UID}", SERIES, f"{SERIES}/instances/1.5.1"):
        uri = http.get(f"{path}/metadata").json()[0]["00091010"]["BulkDataURI"]
        assert uri.startswith(f"{str(http.base_url).rstrip('/')}{SERIES}/instances/1.5.1/bulkdata/")
        assert parts_of(http.get(uri))[0][1] == table
    single = http.get(uri, headers={"Accept": "application/octet-stream"})
    assert single.content == table
    assert int(single.headers["content-length"]) == len(table)
    etag = {"If-None-Match": single.headers["etag"], "Accept": "application/octet-stream"}
    assert http.get(uri, headers=etag).status_code == 304


def test_a_bulk_data_uri_is_on_the_host_the_client_called(http: httpx.Client) -> None:
    put(http, image(1, extra={0x00091010: element(0x00091010, "OB", bytes(100_000))}))
    item = http.get(f"{SERIES}/metadata", headers={"Host": "pacs.example:8443"}).json()[0]
    assert item["00091010"]["BulkDataURI"].startswith("http://pacs.example:8443/dicom-web/studies/")


def test_metadata_is_xml_when_xml_is_asked_for(http: httpx.Client) -> None:
    put(http, image(1), image(2))
    response = http.get(
        f"{SERIES}/metadata", headers={"Accept": 'multipart/related; type="application/dicom+xml"'}
    )
    parts = parts_of(response)
    assert len(parts) == 2
    assert b"NativeDicomModel" in parts[0][1]


def test_long_metadata_is_streamed_and_is_the_same(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {0x00091010: element(0x00091010, "OB", bytes(100_000))}
    put(http, image(1, extra=table), image(2), image(3, series_uid="1.6", instance_uid="1.6.3"))
    whole = http.get(f"/studies/{STUDY_UID}/metadata", headers={"Accept-Encoding": "identity"})
    monkeypatch.setattr("dicomweb_server.web.metadata.WHOLE_BYTES", 0)
    for coding in ("gzip", "zstd"):
        encoded = http.get(f"/studies/{STUDY_UID}/metadata", headers={"Accept-Encoding": coding})
        assert encoded.headers["content-encoding"] == coding
        assert encoded.content == whole.content
    # Another question, or it would be answered from memory.
    streamed = http.get(
        f"/studies/{STUDY_UID}/metadata", headers={"Accept-Encoding": "identity;q=1"}
    )
    assert "content-length" in whole.headers
    assert "content-length" not in streamed.headers
    assert streamed.content == whole.content
    assert len(streamed.json()) == 3


# --- frames ---------------------------------------------------------------------------------------


@pytest.fixture
def frames(http: httpx.Client) -> list[bytes]:
    """Twelve frames of instance 1.5.7."""
    cut = [os.urandom(512) for _ in range(12)]
    put(http, image(7, frames=12, bits_stored=16, pixel_data=b"".join(cut)))
    return cut


def test_a_stored_frame_is_sent_as_a_part_with_its_transfer_syntax(
    http: httpx.Client, frames: list[bytes]
) -> None:
    response = http.get(f"{SERIES}/instances/1.5.7/frames/3", headers={"Accept": ANY_SYNTAX})
    assert int(response.headers["content-length"]) == len(response.content)
    ((headers, content),) = parts_of(response)
    assert content == frames[2]
    assert (
        headers["content-type"]
        == f"application/octet-stream; transfer-syntax={EXPLICIT_VR_LITTLE_ENDIAN}"
    )
    assert headers["content-location"].endswith("/instances/1.5.7/frames/3")


def test_frames_come_in_the_order_asked(http: httpx.Client, frames: list[bytes]) -> None:
    asked = [12, 1, 7, 7, 2]
    listed = ",".join(map(str, asked))
    parts = parts_of(http.get(f"{SERIES}/instances/1.5.7/frames/{listed}"))
    assert [content for _, content in parts] == [frames[n - 1] for n in asked]


def test_a_long_list_of_frames_is_streamed(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, frames: list[bytes]
) -> None:
    monkeypatch.setattr("dicomweb_server.web.frames.WHOLE_BYTES", 1000)
    listed = ",".join(str(n) for n in range(12, 0, -1))
    response = http.get(f"{SERIES}/instances/1.5.7/frames/{listed}")
    assert "content-length" not in response.headers
    assert [content for _, content in parts_of(response)] == frames[::-1]


def test_one_frame_comes_without_multipart_when_asked_so(
    http: httpx.Client, frames: list[bytes]
) -> None:
    response = http.get(
        f"{SERIES}/instances/1.5.7/frames/2", headers={"Accept": "application/octet-stream"}
    )
    assert response.content == frames[1]


def test_pixel_data_as_bulk_data_is_its_frames(http: httpx.Client, frames: list[bytes]) -> None:
    uri = http.get(f"{SERIES}/metadata").json()[0]["7FE00010"]["BulkDataURI"]
    assert [content for _, content in parts_of(http.get(uri))] == frames


@pytest.mark.parametrize("listed", ["0", "x", "1,,2", "-1", "1.5", "9999999999", "１"])
def test_what_is_no_frame_number_is_400_naming_it(
    http: httpx.Client, frames: list[bytes], listed: str
) -> None:
    response = http.get(f"{SERIES}/instances/1.5.7/frames/{listed}")
    assert response.status_code == 400
    assert "is no frame number" in response.json()["detail"]


def test_big_endian_frames_are_turned_round(http: httpx.Client) -> None:
    pixels = np.arange(256, dtype=">u2").tobytes()
    put(http, image(1, transfer_syntax_uid=EXPLICIT_VR_BIG_ENDIAN, pixel_data=pixels))
    for accept in (ANY_SYNTAX, "multipart/related; type=application/octet-stream"):
        ((headers, content),) = parts_of(
            http.get(f"{SERIES}/instances/1.5.1/frames/1", headers={"Accept": accept})
        )
        assert content == np.arange(256, dtype="<u2").tobytes()
        assert headers["content-type"].endswith(EXPLICIT_VR_LITTLE_ENDIAN)


def test_a_settled_frame_is_sent_as_htj2k_to_who_takes_any_and_decoded_to_who_does_not(
    server: Server, http: httpx.Client
) -> None:
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype("<u2").tobytes()
    put(http, image(1, rows=64, columns=64, pixel_data=ramp))
    settle(server.archive, quiet_s=0)
    path = f"{SERIES}/instances/1.5.1/frames/1"
    ((headers, codestream),) = parts_of(http.get(path, headers={"Accept": ANY_SYNTAX}))
    assert headers["content-type"] == "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202"
    assert codestream.startswith(b"\xff\x4f\xff\x51")
    named = "multipart/related; type=image/jphc"
    assert parts_of(http.get(path, headers={"Accept": named}))[0][1] == codestream
    alone = http.get(path, headers={"Accept": "image/jphc"})
    assert alone.headers["content-type"].startswith("image/jphc; transfer-syntax=")
    assert alone.content == codestream
    ((headers, native),) = parts_of(http.get(path))
    assert headers["content-type"].endswith(EXPLICIT_VR_LITTLE_ENDIAN)
    assert native == ramp
    file = http.get(f"{SERIES}/instances/1.5.1", headers={"Accept": "application/dicom"})
    assert file.content == image(1, rows=64, columns=64, pixel_data=ramp)


def test_a_frame_kept_as_zstd_is_unpacked(server: Server, http: httpx.Client) -> None:
    cut = [bytes([n]) * 512 for n in range(4)]
    put(http, image(7, bits_allocated=32, frames=4, rows=8, pixel_data=b"".join(cut)))
    settle(server.archive, quiet_s=0)
    path = f"{SERIES}/instances/1.5.7/frames/"
    for listed, expected in (("2", cut[1:2]), ("4,1", [cut[3], cut[0]])):
        parts = parts_of(http.get(path + listed, headers={"Accept": ANY_SYNTAX}))
        assert [content for _, content in parts] == expected


def test_a_body_that_cannot_be_finished_breaks_off_and_the_server_lives_on(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [image(n, extra={0x00091010: element(0x00091010, "OB", bytes(n))}) for n in (2, 4)]
    put(http, *files)

    def failing(file: InstanceFile) -> Iterator[bytes]:
        if file.length == len(files[1]):
            raise OSError("the disk is gone")
        yield files[0]

    with monkeypatch.context() as patched:
        patched.setattr("dicomweb_server.archive.retrieve.InstanceFile.chunks", failing)
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(SERIES)
    assert http.get(SERIES).status_code == 200


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [f"/studies/{STUDY_UID}", SERIES, f"{SERIES}/instances/1.5.7"])
@pytest.mark.parametrize("kind", ["rendered", "thumbnail"])
def test_a_picture_is_drawn_on_every_level(
    http: httpx.Client, frames: list[bytes], level: str, kind: str
) -> None:
    jpeg = http.get(f"{level}/{kind}")
    assert jpeg.status_code == 200, jpeg.text
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert jpeg.content.startswith(b"\xff\xd8\xff")
    png = http.get(f"{level}/{kind}?accept=image/png&viewport=64,64")
    assert png.headers["content-type"] == "image/png"
    assert png.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "query",
    [
        "viewport=0,5",
        "viewport=x",
        "viewport=1",
        "viewport=99999,5",
        "window=1",
        "window=1,0",
        "window=nan,5",
        "window=1,5,cubic",
        "quality=0",
        "quality=x",
    ],
)
def test_a_parameter_that_cannot_be_drawn_is_400_naming_it(
    http: httpx.Client, frames: list[bytes], query: str
) -> None:
    response = http.get(f"{SERIES}/rendered?{query}")
    assert response.status_code == 400, response.text
    assert response.json()["field"] == query.split("=")[0]


def test_a_series_without_pictures_has_no_thumbnail(http: httpx.Client) -> None:
    put(http, part10(series_uid="1.5", instance_uid="1.5.1", Modality="SR"))
    assert http.get(f"{SERIES}/thumbnail").status_code == 404


# --- deleting -------------------------------------------------------------------------------------


def test_what_is_deleted_is_gone_on_its_level(http: httpx.Client) -> None:
    put(http, image(1), image(2), image(1, series_uid="1.6", instance_uid="1.6.1"))
    assert http.delete(f"{SERIES}/instances/1.5.1").status_code == 204
    assert http.get(f"{SERIES}/instances/1.5.1").status_code == 404
    assert http.delete(f"{SERIES}/instances/1.5.1").status_code == 404
    assert http.delete(SERIES).status_code == 204
    assert len(http.get(f"/studies/{STUDY_UID}/instances").json()) == 1
    assert http.delete(f"/studies/{STUDY_UID}").status_code == 204
    assert http.get("/studies").status_code == 204
    assert http.delete(f"/studies/{STUDY_UID}").status_code == 404


# --- around ---------------------------------------------------------------------------------------


def test_health_tells_life_and_what_is_there(server: Server) -> None:
    assert httpx.get(f"{server.url}/health/live").json() == {"status": "ok"}
    for path in ("/health", "/health/ready"):
        assert httpx.get(server.url + path).json()["instances"] == 0


def test_an_archive_that_cannot_be_read_is_not_ready_but_alive(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(server.archive.storage.index, "counts", fail)
    response = httpx.get(f"{server.url}/health/ready")
    assert response.status_code == 503
    assert "the disk is gone" in response.json()["reason"]
    assert httpx.get(f"{server.url}/health/live").status_code == 200
