"""What a reading page needs first, in one answer."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import orjson
import pytest

from dicomweb_server.archive.upkeep import settle
from dicomweb_server.web.multipart import Parser, PartBegin, PartData
from dicomweb_server.web.negotiate import parse_media_type
from tests.dicom.build import STUDY_UID
from tests.web.conftest import Server
from tests.web.test_retrieve import ANY_SYNTAX, SERIES, image, parts_of, put

ROOT = "/dicom-web"
STUDY = f"{ROOT}/studies/{STUDY_UID}"
OPENING = f"/api/v1/studies/{STUDY_UID}/opening"
JSON = {"Accept": "application/dicom+json"}


@pytest.fixture
def site(server: Server) -> Iterator[httpx.Client]:
    """At the root of the server, where `http` is at that of DICOMweb."""
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as opened:
        yield opened


def taken_apart(response: httpx.Response) -> list[tuple[str, str, bytes]]:
    """Path of the Content-Location, Content-Type and content of each part."""
    assert response.status_code == 200, response.text
    media_type = parse_media_type(response.headers["content-type"])
    assert media_type.essence == "multipart/mixed"
    parser = Parser(media_type.parameters["boundary"])
    parts: list[tuple[Mapping[str, str], bytes]] = []
    for event in parser.feed(response.content):
        if isinstance(event, PartBegin):
            parts.append((event.headers, b""))
        elif isinstance(event, PartData):
            parts[-1] = (parts[-1][0], parts[-1][1] + event.chunk)
    parser.close()
    return [
        (httpx.URL(each["content-location"]).path, each["content-type"], content)
        for each, content in parts
    ]


def test_series_first_image_and_metadata_come_in_the_order_they_are_used(
    server: Server, http: httpx.Client, site: httpx.Client
) -> None:
    put(http, *(image(number) for number in range(1, 8)))
    settle(server.archive, quiet_s=0)
    parts = taken_apart(site.get(OPENING))
    middle = f"{ROOT}{SERIES}/instances/1.5.4"
    assert [path for path, _, _ in parts] == [
        f"{STUDY}/series",
        f"{middle}/metadata",
        f"{middle}/frames/1",
        f"{ROOT}{SERIES}/metadata",
    ]


def test_each_part_is_what_its_location_gives(
    server: Server, http: httpx.Client, site: httpx.Client
) -> None:
    put(http, *(image(number) for number in range(1, 6)))
    settle(server.archive, quiet_s=0)
    series, own, frame, whole = taken_apart(site.get(OPENING))
    shown = "includefield=0008103E,00080021,00080031,00200011,00180015"
    assert series[2] == site.get(f"{series[0]}?{shown}", headers=JSON).content
    assert own[1:] == ("application/dicom+json", site.get(own[0], headers=JSON).content)
    assert whole[1] == "application/json"
    text = site.get(whole[0], headers=JSON).text
    for number in range(1, 6):
        instance = f"{http.base_url}{SERIES[1:]}/instances/1.5.{number}/"
        text = text.replace(f'"BulkDataURI":"{instance}', '"BulkDataURI":"')
    steps = orjson.loads(whole[2])
    assert put_together(steps) == orjson.loads(text)
    assert len(steps) == 5
    assert steps[0]["7FE00010"]["BulkDataURI"] == "bulkdata/7FE00010"
    assert steps[0]["0020000D"] == {"vr": "UI", "Value": [STUDY_UID]}
    assert all(step.keys() == {"00080018", "00200013"} for step in steps[1:])
    ((headers, payload),) = parts_of(site.get(frame[0], headers={"Accept": ANY_SYNTAX}))
    assert frame[1:] == (headers["content-type"], payload)


def put_together(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Data sets of what is other in each than in the one before."""
    made: list[dict[str, Any]] = []
    for step in steps:
        both = (made[-1] if made else {}) | step
        made.append({tag: element for tag, element in both.items() if element is not None})
    return made


def test_what_one_instance_lacks_is_not_taken_from_the_one_before(
    http: httpx.Client, site: httpx.Client
) -> None:
    put(
        http,
        image(1, ImageComments="first", ProtocolName="head"),
        image(2, ProtocolName="head"),
        image(3, ImageComments="first"),
    )
    path, _, whole = taken_apart(site.get(OPENING))[-1]
    steps = orjson.loads(whole)
    assert (steps[1]["00204000"], steps[2]["00181030"]) == (None, None)
    assert "00181030" not in steps[1]
    text = site.get(path, headers=JSON).text
    for number in range(1, 4):
        text = text.replace(f"{http.base_url}{SERIES[1:]}/instances/1.5.{number}/", "")
    assert put_together(steps) == orjson.loads(text)


def test_the_series_that_is_wanted_is_opened_else_the_one_of_the_lowest_number(
    http: httpx.Client, site: httpx.Client
) -> None:
    put(
        http,
        image(1, SeriesNumber="7"),
        image(2, series_uid="1.6", SeriesNumber="3"),
        image(3, series_uid="1.7"),
    )

    def opened(query: str) -> str:
        return taken_apart(site.get(OPENING + query))[-1][0]

    assert opened("") == f"{STUDY}/series/1.6/metadata"
    assert opened("?series=1.7") == f"{STUDY}/series/1.7/metadata"
    assert opened("?series=1.9") == f"{STUDY}/series/1.6/metadata"


@pytest.mark.parametrize(("count", "first"), [(1, 1), (3, 1), (4, 3), (9, 5)])
def test_of_a_block_the_middle_comes_and_of_a_few_the_first(
    http: httpx.Client, site: httpx.Client, count: int, first: int
) -> None:
    put(http, *(image(number) for number in range(1, count + 1)))
    assert taken_apart(site.get(OPENING))[2][0].endswith(f"/instances/1.5.{first}/frames/1")


def test_of_a_film_the_first_frame_comes(http: httpx.Client, site: httpx.Client) -> None:
    put(http, image(1, frames=6, pixel_data=bytes(6 * 512)))
    assert taken_apart(site.get(OPENING))[2][0].endswith("/instances/1.5.1/frames/1")


def test_a_series_without_pictures_has_no_first_image(
    http: httpx.Client, site: httpx.Client
) -> None:
    put(http, image(1, pixel_data=None, rows=0, columns=0))
    assert [path for path, _, _ in taken_apart(site.get(OPENING))] == [
        f"{STUDY}/series",
        f"{ROOT}{SERIES}/metadata",
    ]


def test_a_frame_that_is_long_by_itself_is_left_out(http: httpx.Client, site: httpx.Client) -> None:
    put(http, image(1, rows=800, columns=800, pixel_data=os.urandom(800 * 800 * 2)))
    assert [path for path, _, _ in taken_apart(site.get(OPENING))] == [
        f"{STUDY}/series",
        f"{ROOT}{SERIES}/metadata",
    ]


def test_it_is_compressed_as_one_and_is_not_sent_again(
    http: httpx.Client, site: httpx.Client
) -> None:
    put(http, *(image(number) for number in range(1, 40)))
    plain = site.get(OPENING, headers={"Accept-Encoding": "identity"})
    packed = site.get(OPENING, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert taken_apart(packed) == taken_apart(plain)
    for reply in (plain, packed):
        again = {
            "Accept-Encoding": reply.headers.get("content-encoding", "identity"),
            "If-None-Match": reply.headers["etag"],
        }
        assert site.get(OPENING, headers=again).status_code == 304
    put(http, image(40))
    assert site.get(OPENING, headers=again).status_code == 200


def test_an_unknown_study_and_a_series_that_is_no_uid_are_refused(
    http: httpx.Client, site: httpx.Client
) -> None:
    put(http, image(1))
    assert site.get("/api/v1/studies/1.9.9/opening").status_code == 404
    assert site.get("/api/v1/studies/x/opening").status_code == 400
    refused = site.get(f"{OPENING}?series=1.5%22")
    assert refused.status_code == 400
    assert "is no UID" in refused.json()["detail"]


def test_the_page_names_what_its_address_does_and_nothing_that_is_no_uid(
    site: httpx.Client,
) -> None:
    def named(query: str) -> list[str]:
        text = site.get(f"/read.html?{query}").text
        return [line.split('"')[0] for line in text.split('as="fetch" crossorigin href="')[1:]]

    opening = "./api/v1/studies/1.2.3/opening"
    assert opening in named("study=1.2.3")
    assert f"{opening}?series=1.4" in named("study=1.2.3&series=1.4")
    assert {opening, "./api/v1/studies/1.2.4/opening"} <= set(named("study=1.2.3&study=1.2.4"))
    for query in ("", "study=%22%3E%3Cscript%3E", "study=1.2.x", f"study={'1' * 65}"):
        assert not any("opening" in each for each in named(query))
