"""The report module over HTTP, on a real server with people who have signed in."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.reading.hospital import Hospital, hospital
from tests.reading.people import PASSWORD, signed_in
from tests.records.databases import new_database
from tests.servers import ROOT, command, wait_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(tmp_path_factory.mktemp("hospital") / "data") as made:
        yield made


def problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The RFC 9457 document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"/problems/{name}", found
    assert found["status"] == status and found["title"] and found["detail"]
    return found


def test_a_study_that_arrives_is_read_signed_by_two_and_found_again(place: Hospital) -> None:
    exam = place.arrive(1)
    assert exam["completed_by"] == "quiet" and exam["report"] is None
    unread = place.people["resident"].get("/worklists/unread").json()
    assert "A1" in [item["accession"] for item in unread["items"]]
    made = place.people["resident"].post("/reports", json={"exams": [exam["exam_id"]]})
    assert made.status_code == 201
    report_id = made.json()["report_id"]
    assert made.headers["location"] == f"/api/v1/reports/{report_id}"
    assert made.headers["etag"] == made.json()["etag"]
    again = place.people["attending"].post("/reports", json={"exams": [exam["exam_id"]]})
    assert (again.status_code, again.json()["report_id"]) == (200, report_id)
    place.done("resident", report_id, "claim")
    saved = place.write("resident", report_id)
    assert saved.headers["etag"] == saved.json()["etag"]
    place.done("resident", report_id, "sign-initial")
    place.done("attending", report_id, "claim-review")
    state = place.done("attending", report_id, "issue")
    assert state["status"] == "final"
    version = place.people["trainee"].get(f"/reports/{report_id}/versions/1").json()
    assert version["content"]["sections"]["findings"] == "双肺未见异常。\n"
    found = place.people["trainee"].get(
        "/reports", params={"study": exam["study_uids"][0], "status": "final", "q": "未见异常"}
    )
    assert [item["report_id"] for item in found.json()["items"]] == [report_id]
    assert place.people["chief"].post(f"/reports/{report_id}/verify").json() == {
        "ok": True,
        "versions": 1,
        "signatures": 2,
        "faults": [],
    }
    timeline = place.people["chief"].get(f"/reports/{report_id}/timeline").json()["timeline"]
    assert [event["action"] for event in timeline] == [
        "report.create",
        "report.claim",
        "report.save",
        "report.sign-initial",
        "report.claim-review",
        "report.issue",
    ]


def test_what_is_issued_cannot_be_deleted(place: Hospital) -> None:
    report_id = place.begin(2)
    answer = place.people["chief"].delete(f"/reports/{report_id}")
    assert answer.status_code == 405 and "DELETE" not in answer.headers["allow"]
    assert place.people["chief"].delete(f"/reports/{report_id}/versions/1").status_code == 405


def test_refusals_are_problems_with_stable_types(place: Hospital) -> None:
    report_id = place.begin(3)
    resident = place.people["resident"]
    claim = f"/reports/{report_id}/actions/claim"
    problem(resident.post(claim, json={}), 428, "if-match-required")
    stale = resident.post(claim, json={}, headers={"if-match": '"9-00000000"'})
    assert problem(stale, 412, "stale-revision")["current_etag"] == place.state(report_id)["etag"]
    problem(place.act("resident", report_id, "issue"), 409, "wrong-state")
    problem(place.act("resident", report_id, "dance"), 400, "malformed")
    problem(place.act("resident", report_id, "cancel", reason="x"), 403, "rank-too-low")
    place.done("resident", report_id, "claim")
    held = problem(place.act("attending", report_id, "takeover"), 409, "lease-held")
    assert held["holder"]["name"] == "李住院" and held["until"]
    problem(place.act("resident", report_id, "sign-initial"), 422, "missing-field")
    problem(place.act("trainee", report_id, "take"), 403, "denied")
    problem(resident.get("/reports/none"), 404, "not-found")
    problem(resident.get(f"/reports/{report_id}/versions/1"), 404, "not-found")
    refused = httpx.get(f"{place.url}/api/v1/reports/{report_id}", trust_env=False)
    problem(refused, 401, "login-required")
    assert "www-authenticate" in refused.headers


def test_a_text_that_comes_too_late_is_linked_from_the_412_and_settled_by_its_author(
    place: Hospital,
) -> None:
    report_id = place.begin(4)
    place.done("resident", report_id, "claim")
    old = place.state(report_id)["etag"]
    place.write("resident", report_id)
    resident = place.people["resident"]
    late = resident.put(
        f"/reports/{report_id}/working",
        json={"sections": {"findings": "㛃䶮𠮷"}},
        headers={"if-match": old},
    )
    found = problem(late, 412, "stale-revision")
    kept = resident.get(f"{place.url}{found['conflict']}").json()
    assert kept["content"]["sections"]["findings"] == "㛃䶮𠮷"
    assert len(resident.get(f"/reports/{report_id}/conflicts").json()["conflicts"]) == 1
    assert resident.delete(f"{place.url}{found['conflict']}").status_code == 204
    assert resident.get(f"/reports/{report_id}/conflicts").json()["conflicts"] == []


def test_the_same_idempotency_key_does_it_once_and_another_body_is_refused(
    place: Hospital,
) -> None:
    exam_id = place.arrive(5)["exam_id"]
    resident = place.people["resident"]
    key = {"idempotency-key": "one"}
    first = resident.post("/reports", json={"exams": [exam_id]}, headers=key)
    again = resident.post("/reports", json={"exams": [exam_id]}, headers=key)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert first.status_code == 201
    other = resident.post("/reports", json={"exams": [exam_id, "x"]}, headers=key)
    problem(other, 422, "idempotency-key-reused")


def test_the_lease_is_renewed_and_given_up(place: Hospital) -> None:
    report_id = place.begin(6)
    lease = f"/reports/{report_id}/lease"
    problem(place.people["resident"].post(lease), 409, "wrong-state")
    place.done("resident", report_id, "claim")
    first = place.people["resident"].put(lease).json()["until"]
    assert place.people["resident"].put(lease).json()["until"] > first
    problem(place.people["attending"].post(lease), 409, "lease-held")
    assert place.people["resident"].delete(lease).status_code == 200
    place.done("attending", report_id, "takeover")


def test_bodies_that_are_none_get_a_400_and_change_nothing(place: Hospital) -> None:
    report_id = place.begin(7)
    etag = place.state(report_id)["etag"]
    for body in (b"{", b"[]", b'"x"', b"\xff", b'{"sections": {"findings": "\\ud800"}}'):
        answer = place.people["resident"].put(
            f"/reports/{report_id}/working",
            content=body,
            headers={"if-match": etag, "content-type": "application/json"},
        )
        assert answer.status_code == 400, (body, answer.text)
    long = {"sections": {"findings": "x" * 5_000_000}}
    answer = place.people["resident"].put(
        f"/reports/{report_id}/working", json=long, headers={"if-match": etag}
    )
    assert answer.status_code == 413
    assert place.state(report_id)["etag"] == etag


def test_50_concurrent_editors_lose_no_text(place: Hospital) -> None:
    """Fifty windows of one physician save at once, each again on top of what the others saved until
    it is in: every text that was sent is in the report's revisions or kept as a conflict."""
    report_id = place.begin(8)
    place.done("resident", report_id, "claim")
    etag = place.state(report_id)["etag"]
    cookies = dict(place.people["resident"].cookies)
    sent: list[str] = []
    lock = threading.Lock()
    barrier = threading.Barrier(50)
    accepted: list[str] = []

    def edit(number: int) -> None:
        with httpx.Client(
            base_url=f"{place.url}/api/v1",
            cookies=cookies,
            timeout=120,
            trust_env=False,
        ) as client:
            current = etag
            barrier.wait()
            for attempt in range(3):
                text = f"editor {number} attempt {attempt}"
                with lock:
                    sent.append(text)
                answer = client.put(
                    f"/reports/{report_id}/working",
                    json={"sections": {"findings": text}},
                    headers={"if-match": current},
                )
                assert answer.status_code in (200, 412), answer.text
                if answer.status_code == 200:
                    with lock:
                        accepted.append(text)
                    return
                current = answer.json()["current_etag"]

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(50)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    resident = place.people["resident"]
    kept = {
        conflict["content"]["sections"]["findings"]
        for conflict in resident.get(f"/reports/{report_id}/conflicts").json()["conflicts"]
    }
    in_report = set()
    for revision in resident.get(f"/reports/{report_id}/revisions").json()["revisions"]:
        if revision["branch"] == "main":
            text = resident.get(f"/reports/{report_id}/revisions/{revision['rev']}").json()
            in_report.add(text["sections"].get("findings", ""))
    assert len(sent) >= 50 + 49 and accepted
    assert set(accepted) <= in_report
    assert set(sent) <= in_report | kept
    assert not in_report & kept


def test_the_openapi_document_describes_every_resource_and_its_actions(place: Hospital) -> None:
    document = httpx.get(f"{place.url}/openapi.json", trust_env=False).json()
    path = document["paths"]["/api/v1/reports/{report}/actions/{action}"]
    assert path["servers"] == [{"url": place.url}]
    (action,) = (p for p in path["post"]["parameters"] if p["name"] == "action")
    assert {"sign-initial", "confirm", "recall"} <= set(action["schema"]["enum"])
    assert {p["name"] for p in path["post"]["parameters"]} == {
        "report",
        "action",
        "If-Match",
        "Idempotency-Key",
    }
    assert "/api/v1/worklists/{worklist}" in document["paths"]


def test_the_example_client_writes_and_reviews(place: Hospital) -> None:
    place.arrive(9)
    script = ROOT / "docs" / "report_client.py"
    environment = os.environ | {"DICOMWEB_PASSWORD": PASSWORD}

    def run(login: str, *said: str) -> str:
        done = subprocess.run(
            [sys.executable, script, place.url, "--login", login, *said],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "is await_review, none" in run("resident", "write", "双肺未见异常。", "未见异常。")
    assert "is idle, final" in run("attending", "review")


def test_reports_verify_proves_what_was_issued_beside_the_server(
    place: Hospital, tmp_path: Path
) -> None:
    report_id = place.signed(10)
    place.done("attending", report_id, "claim-review")
    place.done("attending", report_id, "issue")
    arguments = place.process.args
    assert isinstance(arguments, list)
    data = arguments[arguments.index("--data") + 1]
    process = command("reports", "verify", report_id, "--data", data)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (
        0,
        "1 versions with 2 signatures: all are as signed\n",
    ), err
    missing = command("reports", "verify", "none", "--data", data)
    _, err = missing.communicate(timeout=60)
    assert missing.returncode == 1 and "there is no report none" in err


def test_what_two_people_signed_is_printed_archived_and_can_be_verified_by_anybody(
    place: Hospital,
) -> None:
    report_id = place.signed(31)
    place.done("attending", report_id, "claim-review")
    version = place.done("attending", report_id, "issue")["versions"][-1]
    chief = place.people["chief"]
    path = f"/reports/{report_id}/versions/1"
    wait_for(lambda: chief.get(f"{path}/pdf").status_code == 200, seconds=120)
    assert chief.get(f"{path}/pdf").content.startswith(b"%PDF")
    assert chief.get(f"{path}/sr").headers["content-type"] == "application/dicom"
    assert chief.get(path).json()["archived"]
    with closing(httpx.Client(base_url=str(chief.base_url), trust_env=False)) as nobody:
        found = nobody.get(f"/verify/{version['verification_code']}")
        assert (found.status_code, found.json()["status"]) == (200, "current")
        assert found.json()["report_id"] == report_id
        problem(nobody.get(f"{path}/pdf"), 401, "login-required")
    assert chief.get("/templates", params={"modality": "CT"}).json()["templates"]


def test_two_accounts_of_one_person_cannot_sign_the_same_report(place: Hospital) -> None:
    chief = place.people["chief"]
    made = chief.post(
        "/accounts",
        json={
            "login": "resident-two",
            "person_id": place.person_ids["resident"],
            "roles": ["radiologist"],
            "password": PASSWORD,
        },
    )
    assert made.status_code in (200, 201), made.text
    report_id = place.signed(11)
    changed = chief.patch(f"/persons/{place.person_ids['resident']}", json={"rank": 2})
    assert changed.status_code == 200, changed.text
    with closing(signed_in(place.url, "resident-two")) as other:
        state = place.state(report_id)
        answer = other.post(
            f"/reports/{report_id}/actions/claim-review",
            json={},
            headers={"if-match": state["etag"]},
        )
    problem(answer, 403, "same-person")
    chief.patch(f"/persons/{place.person_ids['resident']}", json={"rank": 1})


def test_a_clinician_sees_how_a_report_stands_and_reads_it_once_it_is_issued(
    place: Hospital,
) -> None:
    chief = place.people["chief"]
    person = chief.post("/persons", json={"name": "郑临床", "rank": 0})
    assert person.status_code == 201, person.text
    account = {
        "login": "clinician",
        "person_id": person.json()["person_id"],
        "roles": ["clinician"],
        "password": PASSWORD,
    }
    assert chief.post("/accounts", json=account).status_code == 201
    report_id = place.signed(12)
    path = f"/reports/{report_id}"
    unissued = ("working", "revisions", "revisions/1", "diff?from=1&to=2", "conflicts")
    with closing(signed_in(place.url, "clinician")) as clinician:
        for name in unissued:
            problem(clinician.get(f"{path}/{name}"), 403, "not-issued")
        problem(clinician.get(f"{path}/versions/1"), 404, "not-found")
        problem(clinician.get(f"{path}/pdf"), 404, "not-found")
        problem(clinician.post(f"{path}/checks", json={}), 403, "denied")
        listed = clinician.get("/worklists/review").json()["items"]
        assert [item["report"]["stage"] for item in listed if item["accession"] == "A12"] == [
            "await_review"
        ]
        place.done("attending", report_id, "claim-review")
        place.done("attending", report_id, "issue")
        issued = clinician.get(f"{path}/versions/1").json()
        assert issued["content"]["sections"]["findings"] == "双肺未见异常。\n"
        problem(clinician.get(f"{path}/working"), 403, "not-issued")
        # SEC-01: who was given the text is in the audit; that is nothing done to the report.
        params = {"action": "report.view", "subject": report_id}
        seen = chief.get("/audit", params=params).json()["events"]
        assert [event["actor"] for event in seen] == ["clinician"]
        timeline = chief.get(f"{path}/timeline").json()["timeline"]
        assert "report.view" not in [event["action"] for event in timeline]


def test_a_server_on_postgresql_issues_and_proves(tmp_path: Path, postgresql: str) -> None:
    url = new_database(postgresql)
    with hospital(tmp_path / "data", records_url=url) as place:
        report_id = place.signed(1)
        place.done("attending", report_id, "claim-review")
        assert place.done("attending", report_id, "issue")["status"] == "final"
        assert place.people["chief"].post(f"/reports/{report_id}/verify").json()["ok"]
