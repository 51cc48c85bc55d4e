"""What holds for every answer: ranges, validators, codings, other origins, proxies."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from pydicom import dcmread

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.upkeep import settle
from dicomweb_server.config import Config
from dicomweb_server.dicom.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from dicomweb_server.web.forwarded import applied, networks
from tests.dicom.build import STUDY_UID, element, part10
from tests.web.bodies import taken_apart
from tests.web.conftest import Server
from tests.web.test_retrieve import SERIES, image, parts_of, put

INSTANCE = f"{SERIES}/instances/1.5.1"
TABLE = bytes(range(256)) * 400


@pytest.fixture
def archive() -> Iterator[Archive]:
    opened = open_archive(Config(data="memory:", cors_origins="https://viewer.example"))
    yield opened
    opened.close()


@pytest.fixture
def stored(http: httpx.Client) -> httpx.Client:
    put(http, image(1, extra={0x00091010: element(0x00091010, "OB", TABLE)}), image(2))
    return http


RANGED = {
    "a frame": (f"{INSTANCE}/frames/1", "application/octet-stream"),
    "a frame in multipart": (f"{INSTANCE}/frames/1", "*/*"),
    "bulk data": (f"{INSTANCE}/bulkdata/00091010", "application/octet-stream"),
    "an instance": (INSTANCE, "application/dicom"),
    "a series": (SERIES, "*/*"),
    "metadata": (f"{INSTANCE}/metadata", "application/dicom+json"),
    "a transcoded instance": (INSTANCE, "application/dicom; transfer-syntax=1.2.840.10008.1.2.5"),
}


# --- RFC 9110 §14 -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", RANGED)
def test_rfc9110_14_parts_of_a_body_are_the_bytes_of_the_whole(
    stored: httpx.Client, name: str
) -> None:
    path, accept = RANGED[name]
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    whole = stored.get(path, headers=headers)
    size = len(whole.content)
    if "content-length" not in whole.headers:
        assert "accept-ranges" not in whole.headers
        return
    assert whole.headers["accept-ranges"] == "bytes"
    for text, first, last in (
        ("bytes=0-0", 0, 0),
        ("bytes=7-130", 7, 130),
        (f"bytes={size - 9}-", size - 9, size - 1),
        ("bytes=-100", size - 100, size - 1),
        (f"bytes=5-{size + 7}", 5, size - 1),
    ):
        part = stored.get(path, headers={**headers, "Range": text})
        assert part.status_code == 206
        assert part.content == whole.content[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    beyond = stored.get(path, headers={**headers, "Range": f"bytes={size}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"


def test_rfc9110_13_1_5_if_range_with_another_tag_gets_the_whole(stored: httpx.Client) -> None:
    path, accept = RANGED["bulk data"]
    headers = {"Accept": accept, "Range": "bytes=1-2"}
    tag = stored.head(path, headers={"Accept": accept}).headers["etag"]
    assert stored.get(path, headers={**headers, "If-Range": tag}).content == TABLE[1:3]
    assert stored.get(path, headers={**headers, "If-Range": '"other"'}).content == TABLE
    dated = {**headers, "If-Range": "Sat, 29 Oct 1994 19:43:31 GMT"}
    assert stored.get(path, headers=dated).status_code == 200


@pytest.mark.parametrize("text", ["bytes=1-2,4-5", "lines=1-2", "bytes=5-2", "bytes=-", "1-2"])
def test_rfc9110_14_2_ranges_nobody_can_serve_are_ignored(stored: httpx.Client, text: str) -> None:
    path, accept = RANGED["bulk data"]
    assert stored.get(path, headers={"Accept": accept, "Range": text}).content == TABLE


def test_a_part_of_big_endian_words_is_a_part_of_the_little_endian_value(
    http: httpx.Client,
) -> None:
    words = np.arange(90_000, dtype=">u2")
    big = "1.2.840.10008.1.2.2"
    lut = element(0x00281201, "OW", words.tobytes(), transfer_syntax_uid=big)
    put(
        http,
        part10(
            series_uid="1.5", instance_uid="1.5.1", transfer_syntax_uid=big, extra={0x00281201: lut}
        ),
    )
    path = f"{INSTANCE}/bulkdata/00281201"
    headers = {"Accept": "application/octet-stream"}
    value = words.astype("<u2").tobytes()
    assert http.get(path, headers=headers).content == value
    for first, last in ((1, 1), (3, 8), (100_001, 170_000)):
        part = http.get(path, headers={**headers, "Range": f"bytes={first}-{last}"})
        assert part.content == value[first : last + 1]


# --- validators and Vary ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        *RANGED.values(),
        (f"/studies/{STUDY_UID}", "application/zip"),
        (f"{SERIES}/bulkdata", "*/*"),
        (f"{SERIES}/pixeldata", "*/*"),
        (f"{INSTANCE}/rendered", "image/png"),
    ],
)
def test_rfc9110_13_1_2_every_retrieve_validates_and_changes_with_a_member(
    stored: httpx.Client, path: str, accept: str
) -> None:
    first = stored.get(path, headers={"Accept": accept})
    tag = first.headers["etag"]
    asked = {"Accept": accept, "If-None-Match": f'"x", {tag}'}
    same = stored.get(path, headers=asked)
    assert same.status_code == 304 and same.headers["etag"] == tag and not same.content
    for answer in (first, same, stored.get(path, headers={"Accept": "audio/basic"})):
        assert "Accept" in answer.headers["vary"]
    if "/instances/" not in path:
        put(stored, image(3))
        assert stored.get(path, headers=asked).status_code == 200


def test_rfc9110_8_8_3_frames_have_another_tag_once_they_leave_in_another_form(
    stored: httpx.Client,
) -> None:
    tags = {
        stored.get(f"{INSTANCE}/frames/1", headers={"Accept": accept}).headers["etag"]
        for accept in (
            "application/octet-stream",
            "*/*",
            "multipart/related; type=image/jls",
            "multipart/related; type=image/jp2",
        )
    }
    assert len(tags) == 4


# --- codings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("path", [f"{SERIES}/metadata", "/instances", "/openapi.json"])
def test_rfc9110_8_4_texts_are_encoded_when_asked(
    stored: httpx.Client, coding: str, path: str
) -> None:
    for n in range(10, 20):
        put(stored, image(n))
    if path == "/openapi.json":
        path = str(stored.base_url.copy_with(path=path))
    plain = stored.get(path, headers={"Accept-Encoding": "identity"})
    for _ in range(2):
        encoded = stored.get(path, headers={"Accept-Encoding": coding})
        if "etag" in plain.headers and path.startswith("http"):
            continue
        assert encoded.headers["content-encoding"] == coding
        assert encoded.content == plain.content
        assert int(encoded.headers["content-length"]) < len(plain.content) / 2
        assert (
            encoded.headers.get("etag") != plain.headers.get("etag") or "etag" not in plain.headers
        )


@pytest.mark.parametrize(
    "text", ["", "identity", "br", "gzip;q=0", "*;q=0", "identity, gzip;q=0.5"]
)
def test_rfc9110_12_5_3_what_is_not_accepted_is_not_used(stored: httpx.Client, text: str) -> None:
    answer = stored.get(f"{SERIES}/metadata", headers={"Accept-Encoding": text})
    assert "content-encoding" not in answer.headers


# --- origins ------------------------------------------------------------------------------------


def test_fetch_3_2_pages_of_a_named_origin_may_read_answers_and_errors(
    stored: httpx.Client,
) -> None:
    origin = {"Origin": "https://viewer.example"}
    for path in (f"{INSTANCE}/frames/1", "/studies", "/studies/9.9/metadata", "/nowhere"):
        answer = stored.get(path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == origin["Origin"]
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "Origin" in answer.headers["vary"]
    other = stored.get("/studies", headers={"Origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in other.headers


def test_fetch_3_2_2_a_preflight_is_answered_with_what_is_allowed(stored: httpx.Client) -> None:
    answer = stored.options(
        "/studies",
        headers={
            "Origin": "https://viewer.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"


# --- proxies ------------------------------------------------------------------------------------


def scope(client: str, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {
        "type": "http",
        "scheme": "http",
        "client": (client, 1),
        "headers": [(b"host", b"inside"), *named],
    }


def test_rfc7239_4_a_trusted_proxy_says_scheme_host_and_client() -> None:
    said = 'for="[2001:db8::1]:9";proto=https;host="pacs.example:8443", for=10.0.0.9'
    found = applied(scope("127.0.0.1", forwarded=said), networks("127.0.0.1,10.0.0.0/8"))
    assert found["scheme"] == "https"
    assert found["headers"][0] == (b"host", b"pacs.example:8443")
    assert found["client"][0] == "2001:db8::1"


def test_a_stranger_says_nothing() -> None:
    asked = scope("192.0.2.1", forwarded="proto=https;host=evil.example")
    assert applied(asked, networks("127.0.0.1")) is asked


@pytest.mark.parametrize("host", ['a"b', "a b", "a/b", "user@host", ""])
def test_a_host_that_is_none_is_not_taken_over(host: str) -> None:
    found = applied(scope("127.0.0.1", x_forwarded_host=host), None)
    assert found["headers"][0] == (b"host", b"inside")


def test_urls_have_the_prefix_of_a_proxy_whether_it_strips_it_or_not(stored: httpx.Client) -> None:
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "pacs.example",
        "X-Forwarded-Prefix": "/archive",
    }
    for path in (f"{INSTANCE}/metadata", "/archive/dicom-web" + f"{INSTANCE}/metadata"):
        if path.startswith("/archive"):
            path = str(stored.base_url.copy_with(path=path))
        (found,) = orjson.loads(stored.get(path, headers=headers).content)
        uri = found["00091010"]["BulkDataURI"]
        assert uri == f"https://pacs.example/archive/dicom-web{INSTANCE}/bulkdata/00091010"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/studies", f"{SERIES}/metadata", "/studies/1.9", INSTANCE])
def test_rfc9112_9_6_who_closes_the_connection_gets_the_same_answer(
    stored: httpx.Client, method: str, path: str
) -> None:
    """Whichever way it is written."""
    kept = stored.request(method, path)
    closed = stored.request(method, path, headers={"Connection": "close"})
    assert closed.headers.pop("connection") == "close"
    for each in (kept, closed):
        each.headers.pop("date", None)
    assert (closed.status_code, closed.headers) == (kept.status_code, kept.headers)
    if "multipart" not in kept.headers.get("content-type", ""):
        assert closed.content == kept.content


def test_rfc9112_3_2_a_request_without_host_is_400(stored: httpx.Client) -> None:
    import socket

    url = stored.base_url
    assert url.port is not None
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")


# --- capabilities, zip, the resources of all ----------------------------------------------------


def test_ps3_18_8_9_the_root_describes_itself_as_wadl_and_openapi(stored: httpx.Client) -> None:
    wadl = stored.options("/")
    assert wadl.headers["content-type"] == "application/vnd.sun.wadl+xml"
    for path in ("studies", "{study}", "metadata", "rendered", "frames", "bulkdata"):
        assert f'path="{path}"'.encode() in wadl.content
    described = stored.options("/", headers={"Accept": "application/json"}).json()
    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": str(stored.base_url).rstrip("/")}]
    assert {"get", "post"} <= set(described["paths"]["/studies"])
    assert stored.options("/", headers={"Accept": "audio/basic"}).status_code == 406
    same = httpx.get(stored.base_url.copy_with(path="/openapi.json"), trust_env=False).json()
    assert same["paths"] == described["paths"]


def test_ps3_18_8_6_1_3_a_study_comes_as_zip_with_a_dicomdir(stored: httpx.Client) -> None:
    rle = "1.2.840.10008.1.2.5"
    for accept, syntax in (
        ("application/zip", None),
        (f"application/zip; transfer-syntax={rle}", rle),
    ):
        answer = stored.get(f"/studies/{STUDY_UID}", headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archived:
            assert archived.testzip() is None
            names = archived.namelist()
            assert names[-1] == "DICOMDIR" and len(names) == 3
            first = dcmread(io.BytesIO(archived.read(names[0])))
            assert syntax is None or first.file_meta.TransferSyntaxUID == syntax
            directory = dcmread(io.BytesIO(archived.read("DICOMDIR")))
        referred = [
            "/".join(r.ReferencedFileID)
            for r in directory.DirectoryRecordSequence
            if "ReferencedFileID" in r
        ]
        assert referred == names[:-1]


def test_ps3_18_10_4_1_1_5_the_bulk_data_of_all_comes_in_order(stored: httpx.Client) -> None:
    base = str(stored.base_url).rstrip("/")
    answer = stored.get(f"{SERIES}/bulkdata")
    parts = taken_apart(answer.headers["content-type"], answer.content)
    assert [headers["content-location"].removeprefix(base + SERIES) for headers, _ in parts] == [
        "/instances/1.5.1/bulkdata/00091010",
        "/instances/1.5.1/bulkdata/7FE00010",
        "/instances/1.5.2/bulkdata/7FE00010",
    ]
    assert parts[0][1] == TABLE
    pixels = stored.get(f"/studies/{STUDY_UID}/pixeldata")
    assert [p for _, p in taken_apart(pixels.headers["content-type"], pixels.content)] == [
        content for _, content in parts[1:]
    ]
    octets = stored.get(
        SERIES, headers={"Accept": "multipart/related; type=application/octet-stream"}
    )
    assert octets.content == answer.content


def test_ps3_18_8_7_3_3_an_encapsulated_document_comes_as_what_it_is(http: httpx.Client) -> None:
    pdf = b"%PDF-1.4" + bytes(70_000)
    put(
        http,
        part10(
            series_uid="1.5",
            instance_uid="1.5.1",
            EncapsulatedDocument=pdf,
            MIMETypeOfEncapsulatedDocument="application/pdf",
        ),
    )
    path = f"{INSTANCE}/bulkdata/00420011"
    types = ("application/pdf", "application/octet-stream")
    accept = ", ".join(f'multipart/related; type="{each}"' for each in types)
    answer = http.get(path, headers={"Accept": accept})
    ((headers, content),) = taken_apart(answer.headers["content-type"], answer.content)
    assert headers["content-type"] == "application/pdf" and content == pdf
    alone = http.get(path, headers={"Accept": "application/pdf"})
    assert alone.headers["content-type"] == "application/pdf" and alone.content == pdf


# --- transcoding --------------------------------------------------------------------------------

SYNTAXES = {
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_ps3_18_8_7_3_a_series_comes_in_the_transfer_syntax_asked_for(
    stored: httpx.Client, syntax: str
) -> None:
    accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
    answer = stored.get(SERIES, headers={"Accept": accept})
    parts = taken_apart(answer.headers["content-type"], answer.content)
    assert len(parts) == 2
    for number, (headers, content) in enumerate(parts, 1):
        assert headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
        read = dcmread(io.BytesIO(content))
        assert read.file_meta.TransferSyntaxUID == syntax
        expected = np.random.default_rng(number).integers(0, 4096, 256, "u2").reshape(16, 16)
        assert (read.pixel_array == expected).all()
    frame = stored.get(
        f"{INSTANCE}/frames/1",
        headers={"Accept": f"multipart/related; type={SYNTAXES[syntax]}; transfer-syntax={syntax}"},
    )
    ((headers, content),) = taken_apart(frame.headers["content-type"], frame.content)
    assert headers["content-type"] == f"{SYNTAXES[syntax]}; transfer-syntax={syntax}"
    assert content in parts[0][1]


def test_ps3_3_c_7_6_1_1_5_jpeg_baseline_says_that_it_is_lossy(http: httpx.Client) -> None:
    ramp = np.add.outer(np.arange(16), np.arange(16)).astype("u1") * 8
    put(http, image(1, bits_allocated=8, pixel_data=ramp.tobytes()))
    syntax = "1.2.840.10008.1.2.4.50"
    answer = http.get(INSTANCE, headers={"Accept": f"application/dicom; transfer-syntax={syntax}"})
    read = dcmread(io.BytesIO(answer.content))
    assert read.LossyImageCompression == "01"
    assert read.LossyImageCompressionMethod == "ISO_10918_1"
    assert abs(read.pixel_array.astype(int) - ramp).max() <= 6


def test_a_report_among_images_comes_uncompressed_with_them(stored: httpx.Client) -> None:
    put(stored, part10(series_uid="1.6", instance_uid="1.6.1", Modality="SR"))
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.202'
    answer = stored.get(f"/studies/{STUDY_UID}", headers={"Accept": accept})
    parts = taken_apart(answer.headers["content-type"], answer.content)
    assert [headers["content-type"][-3:] for headers, _ in parts] == ["202", "202", "2.1"]
    alone = stored.get(
        f"/studies/{STUDY_UID}/series/1.6/instances/1.6.1", headers={"Accept": accept}
    )
    assert alone.status_code == 406


def test_a_settled_series_in_htj2k_is_what_is_kept_and_no_codec_runs(
    server: Server, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype("<u2")
    for n in (1, 2, 3):
        put(http, image(n, rows=64, columns=64, pixel_data=(ramp + n).tobytes()))
    settle(server.archive, quiet_s=0)

    def never(*given: object, **named: object) -> None:
        raise AssertionError("a codec ran")

    for codec in ("decode.native_frame", "encode.encoded_frame"):
        monkeypatch.setattr(f"dicomweb_server.archive.retrieve.{codec}", never)
    for syntax in ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202"):
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
        for _ in range(2):
            answer = http.get(SERIES, headers={"Accept": accept})
            assert int(answer.headers["content-length"]) == len(answer.content)
            parts = taken_apart(answer.headers["content-type"], answer.content)
            for number, (_, content) in enumerate(parts, 1):
                read = dcmread(io.BytesIO(content))
                assert read.file_meta.TransferSyntaxUID == syntax
                assert (read.pixel_array == ramp + number).all()


def test_a_page_stored_as_a_document_runs_no_script_in_our_name(http: httpx.Client) -> None:
    page = b"<script>alert(1)</script> "
    kind: dict[str, Any] = {"EncapsulatedDocument": page}
    kind["MIMETypeOfEncapsulatedDocument"] = "text/html"
    put(http, part10(series_uid="1.5", instance_uid="1.5.1", **kind))
    for path in ("bulkdata/00420011", "rendered"):
        answer = http.get(f"{INSTANCE}/{path}", headers={"Accept": "text/html"})
        assert answer.headers["content-type"] == "text/html"
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_files_of_the_pages_are_compressed_and_kept(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = b"export const grey = (v) => v;\n" * 200
    made = {"assets/main-1.js": ("text/javascript; charset=utf-8", script)}
    monkeypatch.setattr("dicomweb_server.web.pages._pages", lambda: made)
    url = f"{http.base_url.scheme}://{http.base_url.netloc.decode()}/assets/main-1.js"
    for coding in ("gzip", "identity"):
        reply = http.get(url, headers={"Accept-Encoding": coding})
        assert reply.content == script
        assert reply.headers.get("content-encoding", "identity") == coding
        assert "immutable" in reply.headers["cache-control"]
        again = {"Accept-Encoding": coding, "If-None-Match": reply.headers["etag"]}
        assert http.get(url, headers=again).status_code == 304
    assert int(http.get(url, headers={"Accept-Encoding": "gzip"}).headers["content-length"]) < 500


@pytest.mark.parametrize("accepted", ["*", HTJ2K_LOSSLESS_RPCL])
def test_a_settled_series_is_sent_as_kept_to_who_takes_any_syntax(
    server: Server, http: httpx.Client, monkeypatch: pytest.MonkeyPatch, accepted: str
) -> None:
    ramp = np.add.outer(np.arange(96), np.arange(96))
    files = {}
    for n in range(1, 41):
        pixels = ((ramp * n) % 4096).astype("<u2")
        files[n] = image(n, rows=96, columns=96, pixel_data=pixels.tobytes())
    put(http, *files.values())
    any_syntax = {
        "Accept": f"multipart/related; type=application/dicom; transfer-syntax={accepted}"
    }
    received = {"Accept": "multipart/related; type=application/dicom"}
    if accepted == "*":
        assert [body for _, body in parts_of(http.get(SERIES, headers=any_syntax))] == [
            *files.values()
        ]
    settle(server.archive, quiet_s=0)
    with monkeypatch.context() as patched:
        patched.setattr("imagecodecs.htj2k_decode", lambda *_, **__: pytest.fail("a codec runs"))
        first, again = (http.get(SERIES, headers=any_syntax) for _ in range(2))
        assert int(again.headers["content-length"]) == len(again.content)
        assert again.content == first.content
        middle = http.get(SERIES, headers={**any_syntax, "Range": "bytes=70000-90000"})
        assert middle.status_code == 206
        assert middle.content == again.content[70_000:90_001]
    for n, (headers, body) in enumerate(parts_of(again), start=1):
        assert (
            headers["content-type"] == f"application/dicom; transfer-syntax={HTJ2K_LOSSLESS_RPCL}"
        )
        assert dcmread(io.BytesIO(body)).pixel_array.tolist() == ((ramp * n) % 4096).tolist()
    assert [body for _, body in parts_of(http.get(SERIES, headers=received))] == [*files.values()]
    assert http.delete(f"{SERIES}/instances/1.5.3").status_code == 204
    assert len(parts_of(http.get(SERIES, headers=any_syntax))) == 39
