"""From the outbox into the archive, on both databases: each document once, whole, and found."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset

from dicomweb_server.archive import edit
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.edit import Why
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.archive.store import Received, store
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.reading import delivery, issuance, outbox
from dicomweb_server.reading.content import ImageReference, IssuedVersion
from dicomweb_server.reading.delivery import deliver_due, deliver_until, stored_file
from dicomweb_server.reading.emission_tables import EmittedRow, IssuanceRow, OutboxRow
from dicomweb_server.reading.emitted import verify_documents
from dicomweb_server.reading.encapsulated import pdf_in
from dicomweb_server.records.database import Database
from tests.dicom.build import part10
from tests.reading.examples import EXAM, REPORT_ID, STUDY_UID, content, issued
from tests.servers import wait_for

CT = "1.2.840.10008.5.1.4.1.1.2"
KEY_IMAGE = ImageReference(STUDY_UID, f"{STUDY_UID}.1", f"{STUDY_UID}.1.1", CT, 1, "结节㛃䶮𠮷")


@pytest.fixture
def archive() -> Iterator[Archive]:
    opened = open_archive(Config(data="memory:"))
    image = part10(
        study_uid=STUDY_UID,
        series_uid=KEY_IMAGE.series_uid,
        instance_uid=KEY_IMAGE.instance_uid,
        StudyDate="20260101",
        StudyTime="093000",
        StudyID="S1",
        rows=64,
        columns=64,
        pixel_data=bytes(range(256)) * 32,
    )
    (outcome,) = store(opened, [Received(BytesSource(image), "a test")])
    assert outcome.stored is not None, outcome
    yield opened
    opened.close()


def issue(database: Database, version: IssuedVersion) -> None:
    with database.write() as session:
        outbox.enqueue(session, version)


def deliver_all(archive: Archive, database: Database) -> None:
    while deliver_due(archive, database):
        pass
    with database.read() as session:
        failures = session.scalars(sa.select(OutboxRow.failure)).all()
    assert set(failures) <= {""}


def documents(archive: Archive, study_uid: str = STUDY_UID) -> dict[str, Dataset]:
    """What the archive has in the study, without the image, by SOP Instance UID."""
    found: dict[str, Dataset] = {}
    for key in archive.storage.index.series_of(study_uid):
        for instance in archive.storage.index.manifest(key).instances:
            if instance.instance_uid != KEY_IMAGE.instance_uid:
                file = InstanceFile(archive, instance)
                found[instance.instance_uid] = pydicom.dcmread(
                    io.BytesIO(file.read_at(0, file.length))
                )
    return found


def test_an_issued_report_is_a_structured_report_and_a_pdf_in_series_of_their_own(
    archive: Archive, database: Database
) -> None:
    issue(database, issued(content=content(key_images=(KEY_IMAGE,))))
    deliver_all(archive, database)
    with database.read() as session:
        known = outbox.documents(session, REPORT_ID, 1)
        rows = {row.kind: row for row in session.scalars(sa.select(EmittedRow))}
    assert known.archived
    found = documents(archive)
    assert set(found) == {known.sr_uid, known.pdf_uid}
    sr, pdf = found[known.sr_uid], found[known.pdf_uid]
    assert (sr.Modality, pdf.Modality) == ("SR", "DOC")
    assert sr.SeriesInstanceUID != pdf.SeriesInstanceUID
    for each in (sr, pdf):
        assert (each.StudyDate, each.StudyTime, each.StudyID) == ("20260101", "093000", "S1")
        assert each.PatientName == "Zhang^Wei=张^伟"
        assert (each.PatientID, each.AccessionNumber) == ("P0001", EXAM.accession)
    printed = pdf_in(stored_file(archive, known.pdf_uid) or b"")
    assert printed.startswith(b"%PDF") and b"/Image" in printed
    assert hashlib.sha256(printed).hexdigest() == rows["pdf"].sha256
    report = stored_file(archive, known.sr_uid) or b""
    assert hashlib.sha256(report).hexdigest() == rows["sr"].sha256


def test_what_is_delivered_again_is_there_once(
    archive: Archive, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(database, issued())

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(delivery, "_note", interrupted)
        deliver_due(archive, database)
    assert len(documents(archive)) == 1, "stored, and not noted"
    deliver_all(archive, database)
    assert len(documents(archive)) == 2
    with database.read() as session:
        assert len(session.scalars(sa.select(EmittedRow)).all()) == 2


def test_a_stored_document_is_taken_as_it_is_even_if_it_would_be_made_otherwise_now(
    archive: Archive, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer typst sets other bytes; what left has left."""
    issue(database, issued())
    with database.read() as session:
        uid = outbox.documents(session, REPORT_ID, 1).sr_uid
        task = delivery._task(session, uid)
    before = delivery._made(archive, task)
    store(archive, [Received(BytesSource(before), "an earlier try")])
    monkeypatch.setattr(delivery, "structured_report", None)
    deliver_all(archive, database)
    assert stored_file(archive, uid) == before


def test_a_correction_follows_the_version_before_it_and_supersedes_nothing(
    archive: Archive, database: Database
) -> None:
    issue(database, issued(kind="preliminary", signatures=issued().signatures[:1]))
    issue(database, issued(version=2))
    issue(database, issued(version=3, kind="correction", base_version=2, reason="左右写错"))
    deliver_all(archive, database)
    found = documents(archive)
    assert len(found) == 6
    reports = sorted((d for d in found.values() if d.Modality == "SR"), key=_number)
    assert [d.PreliminaryFlag for d in reports] == ["PRELIMINARY", "FINAL", "FINAL"]
    assert [d.VerificationFlag for d in reports] == ["UNVERIFIED", "VERIFIED", "VERIFIED"]
    assert len({d.SeriesInstanceUID for d in reports}) == 1
    assert "PredecessorDocumentsSequence" not in reports[0]
    for before, after in pairwise(reports):
        series = after.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
        assert series.SeriesInstanceUID == before.SeriesInstanceUID
        assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID


def _number(dataset: Dataset) -> int:
    return int(dataset.InstanceNumber)


def test_a_report_on_two_studies_is_in_both_and_says_so(
    archive: Archive, database: Database
) -> None:
    issue(database, issued(exam=replace(EXAM, study_uids=(STUDY_UID, "1.2.77"))))
    deliver_all(archive, database)
    (here,) = (d for d in documents(archive).values() if d.Modality == "SR")
    (there,) = (d for d in documents(archive, "1.2.77").values() if d.Modality == "SR")
    series = here.IdenticalDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == there.SOPInstanceUID


def test_a_recalled_report_is_rejected_by_a_note_that_names_every_document_of_it(
    archive: Archive, database: Database
) -> None:
    issue(database, issued())
    issue(database, issued(version=2, kind="correction", base_version=1, reason="x"))
    with database.write() as session:
        outbox.enqueue_rejection(session, REPORT_ID, outbox.PATIENT_SAFETY)
    deliver_all(archive, database)
    found = documents(archive)
    (note,) = (d for d in found.values() if d.Modality == "KO")
    assert note.ConceptNameCodeSequence[0].CodeValue == "113037"
    rejected = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in note.ContentSequence
        if item.ValueType == "COMPOSITE"
    }
    assert rejected == set(found) - {note.SOPInstanceUID}


def test_what_cannot_be_made_is_tried_again_later_and_stays_visible(
    archive: Archive, database: Database
) -> None:
    issue(database, issued())
    poison = issued(report_id="01938e4e-7c00-7000-8000-000000000002")
    issue(database, poison)
    with database.write() as session:
        session.execute(
            sa.update(OutboxRow)
            .where(OutboxRow.report_id == poison.report_id, OutboxRow.kind == "sr")
            .values(kind="fax")
        )
    deliver_due(archive, database)
    with database.read() as session:
        waiting = session.scalars(sa.select(OutboxRow).where(OutboxRow.done_us.is_(None))).all()
    assert [(row.kind, row.tries) for row in waiting] == [("fax", 1)]
    assert waiting[0].failure and waiting[0].due_us > outbox.now_us()
    assert len(documents(archive)) == 3, "one that cannot be made holds up no other"


def test_an_edit_of_the_patient_leaves_what_was_signed_to_be_had(
    archive: Archive, database: Database
) -> None:
    issue(database, issued())
    deliver_all(archive, database)
    with database.read() as session:
        uid = outbox.documents(session, REPORT_ID, 1).sr_uid
        row = session.get_one(EmittedRow, uid)
    edit.correct(archive, STUDY_UID, {"00100020": {"vr": "LO", "Value": ["P9"]}}, Why())
    assert documents(archive)[uid].PatientID == "P9"
    assert hashlib.sha256(stored_file(archive, uid) or b"").hexdigest() == row.file_sha256


def test_issue_to_archived_report_is_fast(archive: Archive, database: Database) -> None:
    issue(database, issued(report_id="01938e4e-7c00-7000-8000-00000000000f"))
    deliver_all(archive, database)  # the font is read
    started = time.monotonic()
    issue(database, issued())
    deliver_all(archive, database)
    assert time.monotonic() - started < 2.0


def test_a_document_that_is_not_what_was_noted_is_found(
    archive: Archive, database: Database
) -> None:
    issue(database, issued())
    deliver_all(archive, database)
    faults: list[str] = []
    assert verify_documents(archive, database, report=faults.append) == 2
    assert faults == []
    other = issued(report_id="01938e4e-7c00-7000-8000-000000000002")
    with database.write() as session:
        session.add(
            EmittedRow(
                instance_uid="1.2.3",
                report_id=other.report_id,
                version=1,
                kind="pdf",
                study_uid=STUDY_UID,
                series_uid="1.2",
                sop_class_uid="1.2",
                sha256="0" * 64,
                file_sha256="0" * 64,
                length=1,
                emitted_us=1,
            )
        )
        row = IssuanceRow(
            report_id=other.report_id,
            version=1,
            kind="original",
            issued=issuance.as_json(replace(other, content=content(impression="正常"))),
            code=outbox.verification_code(other),
            patient="",
            findings_digest="",
            issued_us=1,
        )
        session.add(row)
    edit.correct(archive, STUDY_UID, {"00100020": {"vr": "LO", "Value": ["P9"]}}, Why())
    assert verify_documents(archive, database, report=faults.append) == 3
    assert [fault.split(" is ")[-1] for fault in faults] == [
        "not what was issued",
        "not in the archive any more",
    ]
    assert verify_documents(archive, database, report_id=REPORT_ID, report=faults.append) == 2
    assert len(faults) == 2


@pytest.fixture
def worker(archive: Archive, database: Database) -> Iterator[None]:
    """The outbox's worker, as it runs beside the server."""
    stop = threading.Event()
    thread = threading.Thread(
        target=deliver_until, args=(archive, database), kwargs={"stop": stop.is_set}
    )
    thread.start()
    yield
    stop.set()
    thread.join()


def all_done(database: Database) -> bool:
    with database.read() as session:
        rows = session.scalars(sa.select(OutboxRow)).all()
    return bool(rows) and all(row.done_us is not None for row in rows)


@pytest.mark.usefixtures("worker")
def test_a_worker_that_has_had_nothing_to_do_delivers_what_is_queued(
    archive: Archive, database: Database
) -> None:
    time.sleep(3 * delivery.LOOK_EVERY_S)
    issue(database, issued())
    wait_for(lambda: all_done(database))
    assert len(documents(archive)) == 2


def test_what_failed_is_tried_again_though_nobody_writes(
    archive: Archive, database: Database, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    made = delivery._made
    failing = ["disk", "network"]

    def flaky(*arguments: Any) -> bytes:
        if failing:
            raise OSError(failing.pop())
        return made(*arguments)

    monkeypatch.setattr(delivery, "_made", flaky)
    issue(database, issued())
    request.getfixturevalue("worker")
    wait_for(lambda: all_done(database))
    assert not failing
    assert len(documents(archive)) == 2
