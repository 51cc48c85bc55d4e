"""QIDO-RS: the six resources, what they return and what they refuse (PS3.18 §10.6)."""

import re
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from tests.dicom.build import element, part10
from tests.web.bodies import CONTENT_TYPE, related, taken_apart
from tests.web.conftest import Client, Server


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


def test_a_study_that_was_shown_is_shown_as_it_has_become(stored: httpx.Client) -> None:
    before = stored.get("/studies?PatientID=007").json()[0]
    more = part10(
        study_uid="1.1",
        series_uid="1.1.3",
        instance_uid="1.1.3.1",
        rows=2,
        columns=2,
        pixel_data=bytes(8),
        PatientName="Müller^Jürgen",
        PatientID="007",
        StudyDate="20240131",
        Modality="MR",
    )
    stored.post("/studies", content=related(more), headers={"Content-Type": CONTENT_TYPE})
    after = stored.get("/studies?PatientID=007").json()[0]
    assert [each["00201208"]["Value"] for each in (before, after)] == [[3], [4]]
    assert sorted(after["00080061"]["Value"]) == ["CT", "MR", "SR"]
    asked_more = stored.get("/studies?PatientID=007&includefield=SOPClassesInStudy").json()[0]
    assert set(asked_more) - set(after) == {"00080062"}


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
    both = stored.get("/studies?accept=text/csv", headers={"Accept": "text/plain"})
    assert both.status_code == 406
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


class TestPages:
    """§8.3.4.4, and what the standard leaves to servers: totals and cursors."""

    def test_ps3_18_8_3_4_4_a_warning_says_how_many_remain(self, stored: httpx.Client) -> None:
        response = stored.get("/studies?limit=1")
        base = str(stored.base_url).rstrip("/")
        text = f"299 {base}: There are 1 additional results that can be requested"
        assert response.headers["warning"] == text
        assert response.headers["x-total-count"] == "2"
        whole = stored.get("/studies?limit=2")
        assert "warning" not in whole.headers and "link" not in whole.headers

    def test_the_total_is_there_when_it_is_known_or_asked_for(self, stored: httpx.Client) -> None:
        name = "PatientName=*e*"
        assert stored.get(f"/studies?{name}").headers["x-total-count"] == "2"
        one = stored.get(f"/studies?{name}&limit=1")
        assert "There are 1 additional results" in one.headers["warning"]
        one = stored.get("/instances?Modality=*C*&limit=1")
        assert "x-total-count" not in one.headers
        assert "There are additional results" in one.headers["warning"]
        counted = stored.get(f"/studies?{name}&limit=1&count=true")
        assert counted.headers["x-total-count"] == "2"
        assert stored.get("/studies?PatientID=nobody").headers["x-total-count"] == "0"

    @pytest.mark.parametrize("page", [1, 500])
    @pytest.mark.parametrize("limit", [1, 3])
    def test_links_lead_through_all_pages_while_others_are_stored(
        self, stored: httpx.Client, monkeypatch: pytest.MonkeyPatch, page: int, limit: int
    ) -> None:
        monkeypatch.setattr("dicomweb_server.web.search.PAGE", page)
        seen: list[str] = []
        url = f"/instances?limit={limit}"
        for number in range(9):
            response = stored.get(url)
            if response.status_code == 204:
                break
            seen += [item["00080018"]["Value"][0] for item in response.json()]
            newer = part10(
                study_uid=f"7.{number}",
                series_uid=f"7.{number}.1",
                instance_uid=f"7.{number}.1.1",
                StudyDate="20260101",
            )
            stored.post("/studies", content=newer, headers={"Content-Type": "application/dicom"})
            if "next" not in response.links:
                break
            url = str(response.url.join(response.links["next"]["url"]))
        assert seen == ["1.2.1.1", "1.1.1.1", "1.1.1.2", "1.1.2.1"]

    @pytest.mark.parametrize(
        "query",
        [
            "PatientName=*e*&limit=1",
            "PatientName=%2Ae%2A&limit=1&x-note=%3E%20+a&x-note=",
            "PatientName=*e*&limit=1&x-note=a>;b",
            "offset=0&limit=1&PatientName=*e*",
        ],
    )
    def test_a_link_asks_what_was_asked(
        self, server: Server, stored: httpx.Client, query: str
    ) -> None:
        client = Client(server.host, server.port)
        path = f"{server.archive.config.prefix}/studies"
        client.send(f"GET {path}?{query} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        head = b"".join(iter(client.stream.readline, b"\r\n")).decode("ascii")
        client.close()
        link = re.search(r'^link: <\?([^<> ]*)>; rel="next"', head, re.MULTILINE)
        assert link is not None
        *rest, (name, _) = parse_qsl(link[1], keep_blank_values=True)
        asked = parse_qsl(query, keep_blank_values=True)
        assert (rest, name) == ([each for each in asked if each[0] != "offset"], "cursor")
        following = stored.get(f"/studies?{link[1]}")
        assert following.status_code == 200
        assert following.json() == stored.get("/studies?PatientName=*e*&offset=1&limit=1").json()

    def test_what_is_no_cursor_is_refused(self, stored: httpx.Client) -> None:
        response = stored.get("/studies?cursor=nonsense")
        assert response.status_code == 400
        assert response.json()["field"] == "cursor"


def test_a_text_stored_where_a_sequence_belongs_matches_nothing(http: httpx.Client) -> None:
    sequence = 0x00400275
    file = part10(extra={sequence: element(sequence, "LO", b'{"00400009":["X"]}')})
    http.post("/studies", content=file, headers={"Content-Type": "application/dicom"})
    assert found(http, "/series?00400275.00400009=X") == []
    assert len(found(http, "/series")) == 1


def test_ps3_18_8_3_what_is_no_parameter_is_passed_over_and_said(stored: httpx.Client) -> None:
    response = stored.get("/studies?x-nothing=1&PatientID=007")
    assert [item["0020000D"]["Value"] for item in response.json()] == [["1.1"]]
    assert response.headers["warning"].endswith("The x-nothing parameter is not supported.")
    assert stored.get("/studies?PatientNme=x").status_code == 400


def test_ps3_18_table_10_6_3_3_required_attributes_are_returned_empty(http: httpx.Client) -> None:
    file = part10(Modality=None)
    http.post("/studies", content=file, headers={"Content-Type": "application/dicom"})
    (study,) = http.get("/studies").json()
    for tag, vr in (("00080020", "DA"), ("00100010", "PN"), ("00200010", "SH"), ("00080061", "CS")):
        assert study[tag] == {"vr": vr}
    assert "00080201" not in study


class TestMatching:
    """§8.3.4.1 and PS3.4 §C.2.2.2, from parameters to answers."""

    @pytest.fixture
    def various(self, http: httpx.Client) -> httpx.Client:
        def study(number: int, **facts: Any) -> bytes:
            return part10(
                study_uid=f"3.{number}",
                series_uid=f"3.{number}.1",
                instance_uid=f"3.{number}.1.1",
                **facts,
            )

        parts = [
            study(
                1,
                PatientName="Zhang^Wei",
                StudyDate="20240101",
                StudyTime="230000",
                TimezoneOffsetFromUTC="+0800",
                RequestAttributesSequence=[
                    {"ScheduledProcedureStepID": "A", "RequestedProcedureID": "P1"},
                    {"ScheduledProcedureStepID": "B", "RequestedProcedureID": "P2"},
                ],
            ),
            study(
                2,
                SpecificCharacterSet="ISO_IR 192",
                PatientName="张^伟",
                StudyDate="20240102",
                StudyTime="010000",
                TimezoneOffsetFromUTC="+0800",
                AccessionNumber="A2",
                RequestAttributesSequence=[{"ScheduledProcedureStepID": "A"}],
            ),
            study(3, PatientName="Mayer^Hans", StudyDate="20240102", StudyTime="230000"),
            study(4, PatientName="Smith^Jane", StudyDate="20240103"),
            part10(study_uid="3.4", series_uid="3.4.2", instance_uid="3.4.2.1", Modality="MR"),
        ]
        response = http.post(
            "/studies", content=related(*parts), headers={"Content-Type": CONTENT_TYPE}
        )
        assert response.status_code == 200, response.text
        return http

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            ("fuzzymatching=true&PatientName=zhang wei", "12"),
            ("fuzzymatching=true&PatientName=wei^zhang", "12"),
            ("fuzzymatching=true&PatientName=*meier*", "3"),
            ("fuzzymatching=true&PatientName=schmidt", "4"),
            ("fuzzymatching=true&PatientName=zh*", "12"),
            ("fuzzymatching=false&PatientName=meier*", ""),
            ("PatientName=zhang*", "1"),
            ("ModalitiesInStudy=CT\\MR&multiplevaluematching=true", "4"),
            ("ModalitiesInStudy=CT,MR", "1234"),
            ('emptyvaluematching=true&AccessionNumber=""', "134"),
            ('AccessionNumber=""', ""),
            ("AccessionNumber=", "1234"),
            ("StudyDate=20240101-20240102&StudyTime=2200-0200", "12"),
            ("StudyDate=20240101-20240103&StudyTime=2200-", "1234"),
            ("StudyDate=20240102-&StudyTime=02-", "34"),
            # 23:00 at +0800 is 15:00 UTC; what says no zone is taken as it is.
            ("StudyDate=20240101&TimezoneOffsetFromUTC=%2B0000", "12"),
            ("StudyDate=20240102&TimezoneOffsetFromUTC=%2B0000", "3"),
            ("StudyTime=15-16&TimezoneOffsetFromUTC=%2B0000", "1"),
            ("StudyDate=20240101&StudyTime=15-18&TimezoneOffsetFromUTC=-0000", "12"),
        ],
    )
    def test_ps3_18_8_3_4_1_studies_that_match(
        self, various: httpx.Client, query: str, numbers: str
    ) -> None:
        assert sorted(uid[-1] for uid in found(various, f"/studies?{query}")) == list(numbers)

    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            ("00400275.00400009=A", "12"),
            ("RequestAttributesSequence.ScheduledProcedureStepID=B", "1"),
            ("00400275.00400009=A&00400275.00401001=P1", "1"),
            ("00400275.00400009=A&00400275.00401001=P2", ""),
            ('00400275.00401001=""&emptyvaluematching=true', "2344"),
        ],
    )
    def test_ps3_4_c_2_2_2_6_sequences_match_within_one_item(
        self, various: httpx.Client, query: str, numbers: str
    ) -> None:
        assert sorted(uid[2] for uid in found(various, f"/series?{query}", "0020000E")) == list(
            numbers
        )

    def test_ps3_18_8_3_4_3_includefield_all_of_an_instance_is_all_it_says(
        self, http: httpx.Client
    ) -> None:
        creator = element(0x00090010, "LO", b"ACME")
        private = element(0x00091001, "SH", b"secret")
        http.post(
            "/studies",
            content=part10(KVP="120", extra={0x00090010: creator, 0x00091001: private}),
            headers={"Content-Type": "application/dicom"},
        )
        (item,) = http.get("/instances?includefield=all").json()
        assert item["00180060"]["Value"] == [120]
        assert item["00091001"]["Value"] == ["secret"]
        (item,) = http.get("/instances?includefield=00091001&includefield=KVP").json()
        assert item["00180060"]["Value"] == [120]
        assert item["00091001"]["Value"] == ["secret"]
        assert item["00090010"]["Value"] == ["ACME"]
        (item,) = http.get("/instances").json()
        assert "00180060" not in item and "00091001" not in item
