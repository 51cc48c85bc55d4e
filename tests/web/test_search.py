"""QIDO-RS: the six resources, what they return and what they refuse (PS3.18 §10.6)."""

from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.dicom.build import part10
from tests.web.bodies import CONTENT_TYPE, related, taken_apart
from tests.web.conftest import Server


@pytest.fixture
def stored(http: httpx.Client) -> httpx.Client:
    """Two studies: 1.1 with two series of two and one instance, 1.2 with one of one."""
    parts = [
        part10(
            study_uid=study,
            series_uid=series,
            instance_uid=instance,
            rows=2,
            columns=2,
            pixel_data=instance.encode().ljust(8),
            PatientName=name,
            PatientID=identifier,
            StudyDate=date,
            Modality=modality,
            InstanceNumber=instance[-1],
            SeriesNumber=series[-1],
        )
        for study, series, instance, name, identifier, date, modality in (
            ("1.1", "1.1.1", "1.1.1.1", "Müller^Jürgen", "007", "20240131", "CT"),
            ("1.1", "1.1.1", "1.1.1.2", "Müller^Jürgen", "007", "20240131", "CT"),
            ("1.1", "1.1.2", "1.1.2.1", "Müller^Jürgen", "007", "20240131", "SR"),
            ("1.2", "1.2.1", "1.2.1.1", "Zhang^Wei=张^伟", "008", "20250615", "MR"),
        )
    ]
    response = http.post(
        "/studies", content=related(*parts), headers={"Content-Type": CONTENT_TYPE}
    )
    assert response.status_code == 200
    return http


def found(http: httpx.Client, path: str, tag: str = "0020000D") -> list[Any]:
    response = http.get(path)
    if response.status_code == 204:
        assert response.content == b""
        return []
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/dicom+json"
    return [item[tag]["Value"][0] for item in response.json()]


def test_ps3_18_10_6_1_1_each_of_the_six_resources_finds_its_rows(stored: httpx.Client) -> None:
    assert found(stored, "/studies") == ["1.2", "1.1"]
    assert sorted(found(stored, "/series", "0020000E")) == ["1.1.1", "1.1.2", "1.2.1"]
    assert len(found(stored, "/instances", "00080018")) == 4
    assert found(stored, "/studies/1.1/series", "0020000E") == ["1.1.1", "1.1.2"]
    assert len(found(stored, "/studies/1.1/instances", "00080018")) == 3
    series = "/studies/1.1/series/1.1.1/instances"
    assert found(stored, series, "00080018") == ["1.1.1.1", "1.1.1.2"]


def test_ps3_18_table_10_6_3_3_a_study_has_its_url_counts_and_modalities(
    stored: httpx.Client,
) -> None:
    study = stored.get("/studies?StudyInstanceUID=1.1").json()[0]
    base = str(stored.base_url).rstrip("/")
    assert study["00081190"] == {"vr": "UR", "Value": [f"{base}/studies/1.1"]}
    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [3]
    assert sorted(study["00080061"]["Value"]) == ["CT", "SR"]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Müller^Jürgen"}]
    assert list(study) == sorted(study)


def test_urls_of_series_and_instances_can_be_followed(stored: httpx.Client) -> None:
    for path in ("/studies/1.1/series", "/instances"):
        for item in stored.get(path).json():
            url = item["00081190"]["Value"][0]
            assert stored.get(f"{url}/metadata").status_code == 200


@pytest.mark.parametrize(
    ("query", "studies"),
    [
        ("PatientID=007", ["1.1"]),
        ("00100020=008", ["1.2"]),
        ("PatientName=muller*", ["1.1"]),
        ("PatientName=*伟*", ["1.2"]),
        ("StudyDate=20240101-20241231", ["1.1"]),
        ("StudyDate=-20250101", ["1.1"]),
        ("ModalitiesInStudy=MR", ["1.2"]),
        ("ModalitiesInStudy=CT%2CMR", ["1.2", "1.1"]),
        ("StudyInstanceUID=1.1,1.2", ["1.2", "1.1"]),
        ("StudyInstanceUID=1.1%5C1.2", ["1.2", "1.1"]),
        ("PatientName=", ["1.2", "1.1"]),
        ("PatientID=nobody", []),
        ("limit=1", ["1.2"]),
        ("limit=1&offset=1", ["1.1"]),
        ("offset=2", []),
        ("limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060", ["1.2", "1.1"]),
    ],
)
def test_a_query_finds_what_it_asks_for(
    stored: httpx.Client, query: str, studies: list[str]
) -> None:
    assert found(stored, f"/studies?{query}") == studies


def test_includefield_adds_an_attribute(stored: httpx.Client) -> None:
    plain = stored.get("/instances?limit=1").json()[0]
    more = stored.get("/instances?limit=1&includefield=Modality").json()[0]
    assert "00080060" in more
    assert set(plain) <= set(more)


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("Nonsense=1", "Nonsense", "Nonsense"),
        ("limit=abc", "limit", "abc"),
        ("limit=-1", "limit", "-1"),
        ("offset=1.5", "offset", "1.5"),
        ("includefield=Nonsense", "includefield", "Nonsense"),
        ("StudyDate=yesterday", "StudyDate", "yesterday"),
        ("StudyInstanceUID=../x", "StudyInstanceUID", "../x"),
        ("limit=" + "9" * 5000, "limit", ""),
        ("accept=nonsense", "query parameter accept", "no type/subtype"),
    ],
)
def test_a_query_that_cannot_be_understood_is_400_naming_the_parameter(
    stored: httpx.Client, query: str, field: str, sentence: str
) -> None:
    response = stored.get(f"/studies?{query}")
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["field"] == field
    assert sentence in problem["detail"]
    assert stored.get("/studies").status_code == 200


def test_a_query_as_long_as_a_book_is_414(server: Server) -> None:
    connection = HTTPConnection(server.host, server.port, timeout=20)
    connection.request("GET", "/dicom-web/studies?PatientID=" + "x" * 40_000)
    response = connection.getresponse()
    assert response.status == 414
    assert b"the limit is 32768" in response.read()
    connection.close()


@pytest.mark.parametrize(
    ("query", "studies"), [("", ["1.2", "1.1"]), ("?limit=1", ["1.2"]), ("?offset=1", ["1.1"])]
)
def test_more_than_a_page_is_streamed_from_where_the_page_before_ended(
    stored: httpx.Client, monkeypatch: pytest.MonkeyPatch, query: str, studies: list[str]
) -> None:
    monkeypatch.setattr("dicomweb_server.web.search.PAGE", 1)
    assert found(stored, f"/studies{query}") == studies
    accept = {"Accept": "multipart/related; type=application/dicom+xml"}
    response = stored.get(f"/studies{query}", headers=accept)
    assert len(taken_apart(response.headers["content-type"], response.content)) == len(studies)
    assert sorted(found(stored, "/instances", "00080018"))[0] == "1.1.1.1"


def test_ps3_18_10_6_4_xml_is_one_part_for_each_match(stored: httpx.Client) -> None:
    accept = 'multipart/related; type="application/dicom+xml"'
    response = stored.get("/studies", headers={"Accept": accept})
    assert response.status_code == 200
    parts = taken_apart(response.headers["content-type"], response.content)
    assert len(parts) == 2
    assert parts[0][0]["content-type"] == "application/dicom+xml"
    assert "张".encode() in parts[0][1]


def test_rfc9110_12_5_1_what_nobody_can_send_is_406_with_what_there_is(
    stored: httpx.Client,
) -> None:
    response = stored.get("/studies", headers={"Accept": "text/csv"})
    assert response.status_code == 406
    assert "application/dicom+json" in response.json()["available"]
    assert stored.get("/studies?accept=text/csv").status_code == 406
    accept = "application/dicom+json, multipart/related; type=application/octet-stream"
    assert stored.get("/studies", headers={"Accept": accept}).status_code == 200


def test_head_says_what_get_would_and_sends_nothing(stored: httpx.Client) -> None:
    got = stored.get("/studies")
    head = stored.head("/studies")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


def test_rfc9110_15_5_6_a_method_that_is_not_there_is_405_with_those_that_are(
    stored: httpx.Client,
) -> None:
    response = stored.put("/studies")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert stored.options("/studies").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert stored.delete("/studies").status_code == 405
    assert stored.get("/nothing").status_code == 404
