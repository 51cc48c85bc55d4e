"""/api/v1/edits, from a wish to the answer."""

from collections.abc import Iterator

import httpx
import pytest

from tests.dicom.build import SERIES_UID, STUDY_UID, part10
from tests.web.conftest import Server


@pytest.fixture
def api(server: Server, http: httpx.Client) -> Iterator[httpx.Client]:
    file = part10(PatientName="Doe^Jon", PatientID="17")
    http.post("/studies", content=file, headers={"Content-Type": "application/dicom"})
    with httpx.Client(base_url=server.url + "/api/v1", timeout=20, trust_env=False) as opened:
        yield opened


def test_a_study_is_corrected_and_that_is_undone(api: httpx.Client, http: httpx.Client) -> None:
    wish = {"kind": "correct", "study": STUDY_UID, "attributes": {"PatientName": "张^伟"}}
    response = api.post("/edits", json={**wish, "by": "dr.wang", "comment": "typo"})
    assert response.status_code == 201, response.text
    (done,) = response.json()["edits"]
    assert (done["kind"], done["by"], done["instances"]) == ("correct", "dr.wang", 1)
    assert api.post("/edits", json=wish).json() == {"edits": []}
    (study,) = http.get("/studies?PatientName=张*").json()
    assert study["00100010"]["Value"] == [{"Alphabetic": "ZHANG^WEI", "Ideographic": "张^伟"}]
    (metadata,) = http.get(f"/studies/{STUDY_UID}/metadata").json()
    assert metadata["04000561"]["Value"][0]["04000565"]["Value"] == ["CORRECT"]
    assert api.get("/edits").json()["edits"] == [done]
    assert api.get(f"/edits/{done['id']}").json() == done
    assert api.get("/edits/nothing").status_code == 404
    # In chunks: nothing says beforehand that there is a body.
    response = api.post(f"/edits/{done['id']}/undo", content=iter([b'{"by":"dr', b'.li"}']))
    assert response.status_code == 201
    assert response.json()["edits"][0]["by"] == "dr.li"
    assert response.json()["edits"][0]["undoes"] == done["id"]
    assert http.get("/studies?PatientName=doe^jon").status_code == 200
    assert api.post(f"/edits/{done['id']}/undo").status_code == 409


def test_every_version_can_be_had(api: httpx.Client) -> None:
    api.post(
        "/edits", json={"kind": "correct", "study": STUDY_UID, "attributes": {"PatientID": "18"}}
    )
    path = f"/instances/{SERIES_UID}.1/versions"
    first, second = api.get(path).json()["versions"]
    assert (first["version"], first["edit"]) == (1, None)
    assert second["edit"]
    file = api.get(f"{path}/1")
    assert file.headers["content-type"] == "application/dicom"
    assert file.content == part10(PatientName="Doe^Jon", PatientID="17")
    assert len(api.get(f"{path}/2").content) == second["bytes"]
    assert api.get(f"{path}/3").status_code == 404
    assert api.get("/instances/9.9/versions").status_code == 404


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "kind"),
        ({"kind": "correct"}, ("study", "attributes")),
        ({"kind": "correct", "study": "x", "attributes": {}}, "study"),
        ({"kind": "correct", "study": STUDY_UID, "attributes": []}, "attributes"),
        ({"kind": "correct", "study": STUDY_UID, "attributes": {"KVP": 1}}, "KVP"),
        ({"kind": "merge", "from": "17", "into": "17"}, "into"),
        ({"kind": "merge", "from": "17", "into": "P", "study": "1"}, "study"),
        ({"kind": "split", "study": STUDY_UID, "series": "1", "into": STUDY_UID}, "into"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(
    api: httpx.Client, wish: dict[str, object], field: object
) -> None:
    response = api.post("/edits", json=wish)
    assert response.status_code == 400, response.text
    assert response.json()["field"] in (field if isinstance(field, tuple) else (field,))
