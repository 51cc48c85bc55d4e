"""A morning of a department, through public interfaces only: studies by C-STORE and STOW-RS, a
trainee, an attending, an associate chief and a chief at four clients; one report returned, one
corrected, one recalled, the server killed with -9 in the middle. In the end every document and
every event of the audit is accounted for."""

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pydicom
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from tests.dimse.programs import free_port, wait_for_port
from tests.reading.department import TEXT
from tests.reading.hospital import ROOT_UID, SIGNED, study
from tests.reading.people import PASSWORD, first_account
from tests.servers import Process, answers, command, ended, kill_session, wait_for

CONFIG = """
second_factor = "optional"
dimse_complete_after_s = 1.0

[[peers]]
aet = "CT1"
any_address = true
"""

PEOPLE = {
    "office": ("吴医务", 2, ["administrator"]),
    "trainee": ("周实习", 0, ["trainee"]),
    "attending": ("孙主治", 2, ["radiologist"]),
    "associate": ("钱副主任", 3, ["radiologist"]),
}
"""Beside the chief, whose account is the first."""


@dataclass
class Morning:
    """events counts what was asked for and answered: (report, action, outcome)."""

    data: Path
    port: int
    url: str = ""
    process: Process | None = None
    people: dict[str, httpx.Client] = field(default_factory=dict)
    events: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    # ------------------------------------------------------------------ the server

    def start(self) -> None:
        self.process = command(
            *("serve", "--port", 0, "--config", self.data.parent / "config.toml"),
            *("--data", self.data, "--dimse-port", self.port),
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://[^/]+", line)
        assert found is not None, (line, self.process.communicate(timeout=10))
        self.url = found[0]
        wait_for(lambda: answers(self.url))
        wait_for_port(self.port)

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        process = self.process
        wait_for(lambda: ended(process))
        process.communicate(timeout=30)

    def sign_in(self, login: str) -> None:
        client = httpx.Client(base_url=f"{self.url}/api/v1", timeout=60, trust_env=False)
        answer = client.post("/session", json={"login": login, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        if login in self.people:
            self.people.pop(login).close()
        self.people[login] = client

    def ask(self, login: str, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = self.people[login].request(method, path, **more)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    # ------------------------------------------------------------------ people

    def hire(self) -> None:
        """The chief hires; what one has enrolled the other approves."""
        for login, (name, rank, roles) in PEOPLE.items():
            licence = f"L-{login}" if rank else ""
            person = self.ask(
                "chief", "POST", "/persons", json={"name": name, "rank": rank, "licence": licence}
            )
            account = {
                "login": login,
                "person_id": person["person_id"],
                "roles": roles,
                "password": PASSWORD,
            }
            self.ask("chief", "POST", "/accounts", json=account)
            self.sign_in(login)
        for person in self.ask("chief", "GET", "/persons")["persons"]:
            if person["rank"] and person["name"] != PEOPLE["office"][0]:
                said = {"person_id": person["person_id"]}
                made = self.ask("chief", "POST", "/signing-identities", json=said)
                approve = f"/signing-identities/{made['id']}/actions/approve"
                self.ask("office", "POST", approve, json={})

    # ------------------------------------------------------------------ reports

    def state(self, report_id: str) -> dict[str, Any]:
        return self.ask("chief", "GET", f"/reports/{report_id}")

    def act(
        self, login: str, report_id: str, action: str, *, refused: str = "", **said: Any
    ) -> dict[str, Any]:
        state = self.state(report_id)
        if action in SIGNED:
            said.setdefault("content_hash", state["content_hash"])
        answer = self.people[login].post(
            f"/reports/{report_id}/actions/{action}", json=said, headers={"if-match": state["etag"]}
        )
        found: dict[str, Any] = answer.json()
        if refused:
            assert found["type"] == f"/problems/{refused}", found
            self.events[report_id, f"report.{action}", "failure"] += 1
        else:
            assert answer.status_code == 200, answer.text
            self.events[report_id, f"report.{action}", "success"] += 1
        return found

    def write(self, login: str, report_id: str, **changes: Any) -> None:
        etag = self.state(report_id)["etag"]
        document = TEXT | changes
        self.ask(
            login, "PUT", f"/reports/{report_id}/working", json=document, headers={"if-match": etag}
        )
        self.events[report_id, "report.save", "success"] += 1

    def begin(self, login: str, number: int) -> str:
        """The report of a study, once it is on the worklist and complete."""
        found: list[dict[str, Any]] = []

        def complete() -> bool:
            page = self.ask(login, "GET", "/worklists/unread", params={"q": f"a{number}"})
            found[:] = [
                e for e in page["items"] if e["complete"] and e["accession"] == f"A{number}"
            ]
            return bool(found)

        wait_for(complete)
        report = self.ask(login, "POST", "/reports", json={"exams": [found[0]["exam_id"]]})
        self.events[report["report_id"], "report.create", "success"] += 1
        return str(report["report_id"])


@contextmanager
def morning(directory: Path) -> Iterator[Morning]:
    (directory / "config.toml").write_text(CONFIG)
    made = Morning(directory / "archive", free_port())
    first_account(made.data)
    try:
        made.start()
        yield made
    finally:
        for each in made.people.values():
            each.close()
        if made.process is not None:
            kill_session(made.process)


def c_store(port: int, file: bytes) -> None:
    entity = AE(ae_title="CT1")
    entity.add_requested_context(CTImageStorage)
    # The process that takes associations may still be starting.
    entity.acse_timeout = 120
    association = entity.associate("127.0.0.1", port)
    assert association.is_established
    try:
        status = association.send_c_store(pydicom.dcmread(BytesIO(file)))
        assert status.Status == 0x0000
    finally:
        association.release()


def test_a_morning_ends_with_every_document_and_every_event_accounted_for(
    tmp_path: Path,
) -> None:
    with morning(tmp_path) as place:
        place.sign_in("chief")
        place.hire()
        for number in (1, 2):
            c_store(place.port, study(number))
        for number in (3, 4):
            place.people["chief"].post(
                f"{place.url}/dicom-web/studies",
                content=study(number),
                headers={"content-type": "application/dicom"},
            ).raise_for_status()

        returned = place.begin("trainee", 1)
        place.act("trainee", returned, "claim")
        place.write("trainee", returned)
        place.act("trainee", returned, "submit")
        place.act("attending", returned, "take")
        place.act("attending", returned, "sign-initial")
        place.act("attending", returned, "claim-review", refused="same-person")
        place.act("associate", returned, "claim-review")
        place.act("associate", returned, "return", reason="请描述右下肺 㛃䶮𠮷")
        place.write(
            "attending",
            returned,
            sections={"findings": "右下肺 㛃䶮𠮷。", "impression": "未见异常。"},
        )
        place.act("attending", returned, "sign-initial")

        corrected = place.begin("attending", 2)
        place.act("attending", corrected, "claim")
        place.write("attending", corrected)
        place.act("attending", corrected, "sign-initial")
        place.act("associate", corrected, "claim-review")
        place.act("associate", corrected, "issue")

        killed = place.begin("attending", 3)
        place.act("attending", killed, "claim")
        acknowledged = saves_until_killed(place, killed)
        place.start()
        for login in list(place.people):
            place.sign_in(login)
        state = place.state(killed)
        # Beside what was answered, the save that was being answered may have been made.
        assert state["rev"] - 2 - acknowledged in (0, 1)
        place.events[killed, "report.save", "success"] = state["rev"] - 2
        place.write("attending", killed, sections={"findings": "后。", "impression": "未见异常。"})
        place.act("attending", killed, "sign-initial")
        place.act("associate", killed, "claim-review")
        place.act("associate", killed, "issue")

        place.act("associate", returned, "claim-review")
        place.act("associate", returned, "issue")

        request = place.ask(
            "attending",
            "POST",
            f"/reports/{corrected}/amendment-requests",
            json={"class": "content", "text": "左右"},
        )
        place.events[corrected, "report.request-amendment", "success"] += 1
        requests = f"/reports/{corrected}/amendment-requests/{request['request_id']}"
        place.ask("chief", "POST", f"{requests}/actions/accept", json={"reason": "属实"})
        place.events[corrected, "report.accept-amendment", "success"] += 1
        said = {"reason": "左右写反", "request_id": request["request_id"]}
        place.act(
            "attending", corrected, "open-correction", refused="not-original-reviewer", **said
        )
        place.act("associate", corrected, "open-correction", **said)
        place.write(
            "associate", corrected, sections={"findings": "左肺。", "impression": "未见异常。"}
        )
        place.act("associate", corrected, "sign-correction", refused="images-not-opened")
        open_images(place, "associate", 2)
        place.act("associate", corrected, "sign-correction")
        place.act("attending", corrected, "confirm", refused="rank-too-low")
        place.act("chief", corrected, "confirm")

        recalled = place.begin("attending", 4)
        place.act("attending", recalled, "claim")
        place.write("attending", recalled)
        place.act("attending", recalled, "sign-initial")
        place.act("associate", recalled, "claim-review")
        place.act("associate", recalled, "issue")
        archived(place, recalled)
        place.act("attending", recalled, "request-recall", reason="wrong patient")
        place.act("attending", recalled, "recall", refused="same-person")
        place.act("chief", recalled, "recall")

        issued = {returned: 1, corrected: 2, killed: 1, recalled: 1}
        documents_are_there(place, issued)
        events_are_there(place, set(issued))


def saves_until_killed(place: Morning, report_id: str) -> int:
    """Saves one text after the other until the server is killed; how many were answered."""
    done = 0
    resident = place.people["attending"]
    etag = place.state(report_id)["etag"]

    def kill() -> None:
        time.sleep(0.7)
        place.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with suppress(httpx.TransportError):
        while True:
            answer = resident.put(
                f"/reports/{report_id}/working",
                json=TEXT | {"sections": {"findings": f"{done}", "impression": "x"}},
                headers={"if-match": etag},
            )
            assert answer.status_code == 200, answer.text
            etag = answer.json()["etag"]
            done += 1
    killer.join()
    return done


def open_images(place: Morning, login: str, number: int) -> None:
    """As the viewer does; the audit has it a moment later."""
    uid = f"{ROOT_UID}.{number}"
    answer = place.people[login].get(
        f"{place.url}/dicom-web/studies/{uid}/series/{uid}.1/instances/{uid}.1.1/frames/1"
    )
    assert answer.status_code == 200
    wait_for(
        lambda: bool(
            place.ask("chief", "GET", "/audit", params={"action": "study.view", "subject": uid})[
                "events"
            ]
        )
    )


def archived(place: Morning, report_id: str) -> dict[str, Any]:
    """The newest version, once its documents are in the archive."""
    wait_for(lambda: bool(place.state(report_id)["versions"][-1]["archived"]), seconds=120)
    newest: dict[str, Any] = place.state(report_id)["versions"][-1]
    return newest


def documents_are_there(place: Morning, issued: dict[str, int]) -> None:
    """Every version has its SR and its PDF in the archive, and there is no other."""
    for report_id, count in issued.items():
        state = place.state(report_id)
        assert len(state["versions"]) == count
        archived(place, report_id)
        (study_uid,) = state["exams"][0]["study_uids"]
        found = place.people["chief"].get(
            f"{place.url}/dicom-web/studies/{study_uid}/instances",
            params={"includefield": "SOPClassUID"},
        )
        uids = {item["00080018"]["Value"][0] for item in found.json()}
        ours = {
            uid for version in state["versions"] for uid in (version["sr_uid"], version["pdf_uid"])
        }
        assert ours <= uids and len(ours) == 2 * count
        others = uids - ours - {f"{study_uid}.1.1"}
        # The recalled one's documents are rejected by a Key Object Selection note.
        assert len(others) == (1 if state["status"] == "entered-in-error" else 0), others
        proved = place.ask("chief", "POST", f"/reports/{report_id}/verify")
        assert proved["ok"], proved


def events_are_there(place: Morning, report_ids: set[str]) -> None:
    """The audit has one event for everything that was done and refused, and nothing else."""
    found: Counter[tuple[str, str, str]] = Counter()
    for report_id in report_ids:
        before: int | None = None
        while True:
            params: dict[str, Any] = {"subject": report_id, "limit": 100}
            if before is not None:
                params["before"] = before
            page = place.ask("chief", "GET", "/audit", params=params)
            for event in page["events"]:
                if event["action"].startswith("report."):
                    found[report_id, event["action"], event["outcome"]] += 1
            before = page["next"]
            if before is None:
                break
    asked = Counter({key: n for key, n in place.events.items() if key[0] in report_ids})
    mine = Counter({key: n for key, n in found.items() if key[1] in {k[1] for k in asked}})
    assert mine == asked
    assert place.ask("chief", "POST", "/audit/verify")["ok"]
