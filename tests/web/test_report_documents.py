"""Documents of issued reports, verification codes, templates and phrases over HTTP."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pydicom
import pytest
import sqlalchemy as sa

from dicomweb_server.access.tables import AuditRow
from dicomweb_server.reading import outbox
from dicomweb_server.reading.content import IssuedVersion
from dicomweb_server.reading.delivery import deliver_due
from dicomweb_server.reading.emission_tables import OutboxRow
from dicomweb_server.reading.mrrt import BYTES_LIMIT
from dicomweb_server.reading.templates import load_starting_set
from dicomweb_server.records.database import Database
from dicomweb_server.web import report_documents
from dicomweb_server.web.report_documents import Attempts
from tests.reading.examples import EXAM, REPORT_ID, STUDY_UID, issued
from tests.web.conftest import Server, Socket

API = "/api/v1"
REPORT = f"{API}/reports/{REPORT_ID}"


@pytest.fixture
def api(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as opened:
        yield opened


@pytest.fixture
def records(server: Server, listening: Socket) -> Database:
    assert listening.program is not None
    return listening.program.service.records


def issue(records: Database, version: IssuedVersion) -> str:
    """Its verification code."""
    with records.write() as session:
        outbox.enqueue(session, version)
    return outbox.verification_code(version)


def deliver(server: Server, records: Database) -> None:
    while deliver_due(server.archive, records):
        pass


def test_a_document_is_not_ready_and_then_there_for_ever(
    server: Server, api: httpx.Client, records: Database
) -> None:
    assert api.get(f"{REPORT}/versions/1/pdf").status_code == 404
    issue(records, issued())
    early = api.get(f"{REPORT}/versions/1/pdf")
    assert (early.status_code, early.headers["retry-after"]) == (409, "1")
    assert early.json()["type"] == "/problems/not-ready"
    deliver(server, records)
    pdf = api.get(f"{REPORT}/versions/1/pdf")
    assert pdf.status_code == 200 and pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF") and pdf.content.rstrip().endswith(b"%%EOF")
    assert pdf.headers["etag"] == f'"{hashlib.sha256(pdf.content).hexdigest()[:32]}"'
    assert "immutable" in pdf.headers["cache-control"]
    sr = api.get(f"{REPORT}/versions/1/sr")
    assert sr.headers["content-type"] == "application/dicom"
    assert pydicom.dcmread(io.BytesIO(sr.content)).AccessionNumber == EXAM.accession
    with records.read() as session:
        actions = session.scalars(sa.select(AuditRow.action)).all()
    assert actions.count("report.document") == 2


def test_the_current_pdf_is_the_newest_versions_and_older_ones_say_what_follows(
    server: Server, api: httpx.Client, records: Database
) -> None:
    issue(records, issued())
    issue(records, issued(version=2, kind="correction", base_version=1, reason="左右写错"))
    deliver(server, records)
    first, second = (api.get(f"{REPORT}/versions/{n}/pdf") for n in (1, 2))
    current = api.get(f"{REPORT}/pdf")
    assert current.content == second.content != first.content
    assert current.headers["cache-control"] == "no-store"
    assert first.headers["link"] == f'<{REPORT}/versions/2/pdf>; rel="successor-version"'
    assert "link" not in second.headers
    for wrong in ("3", "0", "x", "-1", "²", "9" * 30):
        assert api.get(f"{REPORT}/versions/{wrong}/pdf").status_code == 404


def test_no_version_of_a_recalled_report_is_current(
    server: Server, api: httpx.Client, records: Database
) -> None:
    issue(records, issued())
    deliver(server, records)
    assert api.get(f"{REPORT}/pdf").status_code == 200
    with records.write() as session:
        outbox.enqueue_rejection(session, REPORT_ID, outbox.PATIENT_SAFETY)
    current = api.get(f"{REPORT}/pdf")
    assert (current.status_code, current.json()["type"]) == (410, "/problems/recalled")
    # For who writes and reviews it stays on record (REP-25).
    assert api.get(f"{REPORT}/versions/1/pdf").status_code == 200


def test_a_code_tells_whether_a_paper_is_genuine_and_no_more(
    api: httpx.Client, records: Database
) -> None:
    code = issue(records, issued())
    said = api.get(f"{API}/verify/{code}").json()
    assert said["status"] == "current" and said["patient"] == "张*"
    assert said["signers"] == ["王初诊", "赵审核"]
    assert said["hash"] == issued().content.digest[:16]
    assert "Zhang" not in str(said) and "P0001" not in str(said)
    assert api.get(f"{API}/verify/{code.lower().replace('-', '')}").json() == said
    later = issued(version=2, kind="correction", base_version=1, reason="x")
    issue(records, later)
    assert api.get(f"{API}/verify/{code}").json()["status"] == "superseded"
    with records.write() as session:
        outbox.enqueue_rejection(session, REPORT_ID, outbox.PATIENT_SAFETY)
    assert api.get(f"{API}/verify/{code}").json()["status"] == "recalled"
    assert api.get(f"{API}/verify/AAAAA-BBBBB-CCCCC-DDDDD").status_code == 404


def test_codes_cannot_be_guessed_at_speed(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_documents, "_attempts", Attempts())
    answers = [api.get(f"{API}/verify/{n}") for n in range(Attempts.LIMIT + 2)]
    assert {each.status_code for each in answers[: Attempts.LIMIT]} == {404}
    assert {each.status_code for each in answers[Attempts.LIMIT :]} == {429}
    assert int(answers[-1].headers["retry-after"]) > 0


def test_addresses_that_ask_are_remembered_within_bounds() -> None:
    attempts = Attempts()
    for number in range(Attempts.ADDRESSES + 50):
        assert attempts.wait_s(str(number)) == 0
    assert len(attempts._seen) == Attempts.ADDRESSES


def test_what_could_not_leave_is_seen_and_tried_again(
    server: Server, api: httpx.Client, records: Database
) -> None:
    issue(records, issued())
    with records.write() as session:
        session.execute(sa.update(OutboxRow).where(OutboxRow.kind == "sr").values(kind="fax"))
    deliver_due(server.archive, records)
    (stuck,) = api.get(f"{API}/deliveries").json()["deliveries"]
    assert (stuck["kind"], stuck["tries"]) == ("fax", 1) and "fax" in stuck["failure"]
    with records.write() as session:
        session.execute(sa.update(OutboxRow).where(OutboxRow.kind == "fax").values(kind="sr"))
    retried = f"{API}/deliveries/{stuck['delivery_id']}/actions/retry"
    assert api.post(retried).status_code == 202
    deliver(server, records)
    assert api.get(f"{API}/deliveries").json() == {"deliveries": []}
    assert api.post(retried).status_code == 404


def test_search_and_viewer_have_the_reports_series(
    server: Server, api: httpx.Client, records: Database
) -> None:
    issue(records, issued())
    deliver(server, records)
    study = f"/dicom-web/studies/{STUDY_UID}"
    series = {each["00080060"]["Value"][0]: each for each in api.get(f"{study}/series").json()}
    assert set(series) == {"SR", "DOC"}
    (row,) = api.get("/dicom-web/studies", params={"PatientID": "P0001"}).json()
    assert sorted(row["00080061"]["Value"]) == ["DOC", "SR"]

    def shown(modality: str, media_type: str) -> httpx.Response:
        uid = series[modality]["0020000E"]["Value"][0]
        (instance,) = api.get(f"{study}/series/{uid}/instances").json()
        path = f"{study}/series/{uid}/instances/{instance['00080018']['Value'][0]}/rendered"
        return api.get(path, headers={"accept": media_type})

    text = shown("SR", "text/html").text
    assert "右肺上叶见一实性结节" in text and "CT Chest Report" in text
    assert shown("DOC", "application/pdf").content.startswith(b"%PDF")


# --- templates and phrases

CHEST: dict[str, Any] = {
    "title": "胸部",
    "language": "zh-CN",
    "status": "ACTIVE",
    "modality": "CT",
    "body_part": "CHEST",
    "sections": {"findings": "双肺清晰。", "impression": "未见明显异常。"},
}


def test_a_template_is_made_changed_proposed_and_exported(api: httpx.Client) -> None:
    made = api.post(f"{API}/templates", json=CHEST)
    assert made.status_code == 201 and made.json()["version"] == 1
    path = made.headers["location"]
    changed = api.put(path, json=CHEST | {"title": "胸部2"})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert api.get(path).json()["title"] == "胸部2"
    assert api.get(path, params={"version": "1"}).json()["title"] == "胸部"
    asked = {"modality": "CT", "body_part": "CHEST", "language": "zh-CN"}
    (proposed,) = api.get(f"{API}/templates", params=asked).json()["templates"]
    assert proposed == changed.json()
    page = api.get(path, params={"format": "mrrt"})
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    again = api.post(f"{API}/templates", params={"format": "mrrt"}, content=page.content)
    assert again.status_code == 201
    assert again.json()["sections"] == CHEST["sections"]


def test_what_is_no_template_is_a_400_that_names_the_field(api: httpx.Client) -> None:
    for body, field in (
        ({**CHEST, "status": "OPEN"}, "status"),
        ({**CHEST, "sections": {"x": ""}}, "sections"),
        ([], "body"),
    ):
        answer = api.post(f"{API}/templates", json=body)
        assert answer.status_code == 400, answer.text
        assert (answer.json()["type"], answer.json()["field"]) == ("/problems/malformed", field)
    assert api.post(f"{API}/templates", content=b"{").status_code == 400
    assert api.get(f"{API}/templates", params={"color": "x"}).status_code == 400
    assert api.get(f"{API}/templates", params={"status": "x"}).status_code == 400
    assert api.get(f"{API}/templates/none").status_code == 404
    assert api.put(f"{API}/templates/none", json=CHEST).status_code == 404
    mrrt = {"format": "mrrt"}
    assert api.post(f"{API}/templates", params=mrrt, content=b"<p>").status_code == 400
    long = b"<p>" * BYTES_LIMIT
    assert api.post(f"{API}/templates", params=mrrt, content=long).status_code == 400
    assert api.post(f"{API}/templates", params=mrrt, content=long * 4).status_code == 413


def test_phrases_are_made_changed_and_retired(api: httpx.Client, records: Database) -> None:
    load_starting_set(records)
    said = {"title": "p", "text": "t", "language": "en", "shortcut": "s", "section": "findings"}
    made = api.post(f"{API}/phrases", json=said)
    assert made.status_code == 201
    path = made.headers["location"]
    assert api.put(path, json=said | {"text": "u"}).json()["version"] == 2
    asked = {"language": "en", "section": "findings"}
    found = api.get(f"{API}/phrases", params=asked).json()["phrases"]
    assert "u" in [each["text"] for each in found]
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert "u" not in [
        each["text"] for each in api.get(f"{API}/phrases", params=asked).json()["phrases"]
    ]
