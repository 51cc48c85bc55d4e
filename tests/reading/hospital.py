"""A real server with everybody signed in, and studies that arrive over STOW-RS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.dicom.build import part10
from tests.reading.department import TEXT
from tests.reading.people import everybody, hired
from tests.servers import Process, serving, wait_for

ROOT_UID = "1.2.826.0.1.3680043.8.77"
SIGNED = ("sign-initial", "issue", "sign-correction", "confirm", "annotate")
SETTINGS = ("--second-factor", "optional", "--dimse-complete-after-s", "1")


def study(number: int, **attributes: Any) -> bytes:
    """One CT slice of a study of its own."""
    uid = f"{ROOT_UID}.{number}"
    said = {
        "PatientID": f"P{number}",
        "PatientName": "Wang^Xiaodong=王^小东",
        "PatientBirthDate": "19800501",
        "PatientSex": "M",
        "StudyDate": "20261125",
        "StudyTime": "081500",
        "AccessionNumber": f"A{number}",
        "InstitutionName": "County Hospital",
        "BodyPartExamined": "CHEST",
        "AdmissionID": f"V{number}",
    } | attributes
    return part10(
        study_uid=uid,
        series_uid=f"{uid}.1",
        instance_uid=f"{uid}.1.1",
        rows=16,
        columns=16,
        **said,
    )


@dataclass
class Hospital:
    process: Process
    url: str
    people: dict[str, httpx.Client]
    person_ids: dict[str, str] = field(default_factory=dict)

    def arrive(self, number: int, **attributes: Any) -> dict[str, Any]:
        """A study is stored over STOW-RS by the chief, and has become a complete exam."""
        answer = self.people["chief"].post(
            f"{self.url}/dicom-web/studies",
            content=study(number, **attributes),
            headers={"content-type": "application/dicom"},
        )
        assert answer.status_code == 200, answer.text
        return self.exam(number)

    def exam(self, number: int) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def complete() -> bool:
            answer = self.people["chief"].get("/exams", params={"accession": f"A{number}"})
            assert answer.status_code == 200, answer.text
            found[:] = answer.json()["exams"]
            return bool(found) and found[0]["complete"]

        wait_for(complete)
        return found[0]

    def begin(self, number: int, **attributes: Any) -> str:
        """The report of a study that has arrived."""
        exam_id = self.arrive(number, **attributes)["exam_id"]
        answer = self.people["resident"].post("/reports", json={"exams": [exam_id]})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["report_id"])

    def state(self, report_id: str, login: str = "chief") -> dict[str, Any]:
        answer = self.people[login].get(f"/reports/{report_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def act(self, login: str, report_id: str, action: str, **said: Any) -> httpx.Response:
        """Does it with the current ETag, and signs what is there."""
        state = self.state(report_id)
        if action in SIGNED:
            said.setdefault("content_hash", state["content_hash"])
        return self.people[login].post(
            f"/reports/{report_id}/actions/{action}", json=said, headers={"if-match": state["etag"]}
        )

    def done(self, login: str, report_id: str, action: str, **said: Any) -> dict[str, Any]:
        answer = self.act(login, report_id, action, **said)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def write(self, login: str, report_id: str, **changes: Any) -> httpx.Response:
        etag = self.state(report_id)["etag"]
        return self.people[login].put(
            f"/reports/{report_id}/working", json=TEXT | changes, headers={"if-match": etag}
        )

    def signed(self, number: int) -> str:
        report_id = self.begin(number)
        self.done("resident", report_id, "claim")
        assert self.write("resident", report_id).status_code == 200
        self.done("resident", report_id, "sign-initial")
        return report_id


@contextmanager
def hospital(data: Path, *settings: object, records_url: str = "") -> Iterator[Hospital]:
    """records_url  of the database of the records; that of the directory when empty"""
    person_ids = hired(data, records_url)
    if records_url:
        settings = (*settings, "--records", records_url)
    with serving(data, *SETTINGS, *settings) as (process, url), everybody(url) as people:
        yield Hospital(process, url, people, person_ids)
