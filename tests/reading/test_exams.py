"""Exams from what arrives, when they are complete, and the worklists they are on."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dicomweb_server.access.caller import Caller
from dicomweb_server.access.errors import Denied
from dicomweb_server.archive import edit, orders
from dicomweb_server.archive.changes import changes
from dicomweb_server.archive.delete import delete
from dicomweb_server.archive.edit import Why
from dicomweb_server.archive.store import Received, store
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.reading import exams, intake, opening, worklists
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.tables import ExamRow, FeedMarkRow
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now
from storage.model import Scope
from tests.dicom.build import part10
from tests.reading.department import Department, department


def all_exams(staffed: Department) -> list[dict[str, Any]]:
    return exams.find(staffed.as_("chief"))


def test_an_accession_number_is_one_exam_however_many_studies_it_has(staffed: Department) -> None:
    first = staffed.arrive(1, AccessionNumber="A", PatientID="P")
    second = staffed.arrive(2, AccessionNumber="A", PatientID="P", Modality="MR")
    assert first == second
    (exam,) = all_exams(staffed)
    assert exam["study_uids"] == ["1.2.826.0.1.3680043.8.1", "1.2.826.0.1.3680043.8.2"]
    assert exam["modality"] == "CT,MR"
    assert exam["patient"]["ideographic"] == "王^小东" and exam["performed"] == "20261125081500"


def test_studies_of_one_page_of_changes_are_one_exam_and_leave_it_one_by_one(
    staffed: Department,
) -> None:
    """What comes to an exam in the page in which all others leave it is not lost."""
    studies = [f"1.2.826.0.1.3680043.8.{n}" for n in (1, 2, 3)]
    for study_uid, number in zip(studies, "AAB", strict=True):
        file = part10(
            study_uid=study_uid,
            series_uid=f"{study_uid}.1",
            instance_uid=f"{study_uid}.1.1",
            AccessionNumber=number,
            PatientID="P",
        )
        store(staffed.reading.archive, [Received(BytesSource(file), "a test")])
    intake.read_changes(staffed.reading)
    one, other = all_exams(staffed)
    assert one["study_uids"] == studies[:2] and other["study_uids"] == studies[2:]
    for study_uid, number in zip(studies, "CDA", strict=True):
        edit.correct(staffed.reading.archive, study_uid, {"AccessionNumber": number}, Why())
    intake.read_changes(staffed.reading)
    assert sorted((exam["accession"], *exam["study_uids"]) for exam in all_exams(staffed)) == [
        ("A", studies[2]),
        ("C", studies[0]),
        ("D", studies[1]),
    ]


def test_the_same_number_of_another_patient_is_another_exam(staffed: Department) -> None:
    """Numbers of issuers that nobody names collide, and two patients must never be one exam."""
    assert staffed.arrive(1, AccessionNumber="A") != staffed.arrive(2, AccessionNumber="A")


def test_studies_without_an_accession_number_are_an_exam_each(staffed: Department) -> None:
    first = staffed.arrive(1, AccessionNumber="", PatientID="P")
    assert first != staffed.arrive(2, AccessionNumber="", PatientID="P")


def test_a_study_of_documents_only_is_no_exam(staffed: Department) -> None:
    file = part10(study_uid="1.2.3", series_uid="1.2.3.1", instance_uid="1.2.3.1.1", Modality="SR")
    store(staffed.reading.archive, [Received(BytesSource(file), "a test")])
    intake.read_changes(staffed.reading)
    assert all_exams(staffed) == []


def test_each_change_is_taken_once_however_often_and_by_however_many_it_is_read(
    staffed: Department,
) -> None:
    staffed.arrive(1)
    before = all_exams(staffed)
    with staffed.reading.records.read() as session:
        mark = session.scalars(sa.select(FeedMarkRow)).one().sequence
    page = changes(staffed.reading.archive)
    intake.take(staffed.reading, page)  # another process that had read the same
    intake.read_changes(staffed.reading)
    assert all_exams(staffed) == before
    with staffed.reading.records.read() as session:
        assert session.scalars(sa.select(FeedMarkRow)).one().sequence == mark


def test_a_corrected_patient_is_corrected_in_the_exam_and_a_deleted_study_takes_it_away(
    staffed: Department,
) -> None:
    staffed.arrive(1)
    archive = staffed.reading.archive
    edit.correct(archive, "1.2.826.0.1.3680043.8.1", {"PatientID": "Q"}, Why())
    intake.read_changes(staffed.reading)
    (exam,) = all_exams(staffed)
    assert exam["patient"]["patient_id"] == "Q"
    delete(archive, Scope("1.2.826.0.1.3680043.8.1"))
    intake.read_changes(staffed.reading)
    assert all_exams(staffed) == []


def test_an_exam_with_a_report_stays_when_its_study_is_deleted(staffed: Department) -> None:
    report_id = staffed.issued()
    delete(staffed.reading.archive, Scope("1.2.826.0.1.3680043.8.1"))
    intake.read_changes(staffed.reading)
    assert staffed.state(report_id)["exams"][0]["patient"]["patient_id"] == "P1"


# ---------------------------------------------------------------------------- complete


@pytest.fixture
def quick(database: Database) -> Iterator[Department]:
    """Where exams are quiet at once."""
    with department(database, dimse_complete_after_s=0.0) as made:
        yield made


def test_quiet_completes_an_exam_and_the_clock_of_its_report_runs(quick: Department) -> None:
    quick.arrive(1)
    (exam,) = all_exams(quick)
    assert not exam["complete"] and exam["due_at"] is None
    intake.complete(quick.reading)
    (exam,) = all_exams(quick)
    assert exam["complete"] and exam["completed_by"] == "quiet"
    assert exam["priority"] == "routine" and not exam["overdue"]


def test_an_exam_that_still_arrives_is_not_complete(staffed: Department) -> None:
    staffed.arrive(1)
    intake.complete(staffed.reading)
    assert not all_exams(staffed)[0]["complete"]


def order(desk: Any, *, priority: str) -> orders.Order:
    return orders.create(
        desk,
        {
            "accession_number": "A1",
            "study_uid": "1.2.826.0.1.3680043.8.1",
            "priority": priority,
            "requesting_service": "急诊科",
            "patient": {"id": "P1", "name": "王^小东"},
            "step": {"station_aet": "CT1", "modality": "CT", "start": "2026-11-25T08:00"},
        },
    )


def test_the_order_gives_the_priority_and_its_end_ends_the_exam(staffed: Department) -> None:
    made = order(staffed.reading.desk, priority="stat")
    staffed.arrive(1)
    (exam,) = all_exams(staffed)
    assert exam["priority"] == "urgent" and exam["requesting_service"] == "急诊科"
    orders.confirm(staffed.reading.desk, made.id)
    intake.complete(staffed.reading)
    (exam,) = all_exams(staffed)
    assert exam["complete"] and exam["completed_by"] == "confirmed"


def test_while_a_modality_says_that_it_performs_quiet_ends_nothing(quick: Department) -> None:
    quick.arrive(1)
    step = {
        "00400252": {"vr": "CS", "Value": ["IN PROGRESS"]},
        "00400270": {
            "vr": "SQ",
            "Value": [{"0020000D": {"vr": "UI", "Value": ["1.2.826.0.1.3680043.8.1"]}}],
        },
    }
    orders.begin_step(quick.reading.desk, "1.2.9", step, sender="CT1")
    intake.complete(quick.reading)
    assert not all_exams(quick)[0]["complete"]
    ended = {"00400252": {"vr": "CS", "Value": ["COMPLETED"]}}
    orders.change_step(quick.reading.desk, "1.2.9", ended)
    intake.complete(quick.reading)
    assert all_exams(quick)[0]["complete"]


def test_by_hand_an_exam_is_complete_with_a_reason_only(staffed: Department) -> None:
    exam_id = staffed.arrive(1)
    with pytest.raises(Refused, match="say why"):
        exams.change(staffed.as_("chief"), exam_id, complete=True)
    exam = exams.change(staffed.as_("chief"), exam_id, complete=True, reason="the scanner broke")
    assert exam["complete"] and exam["completed_by"] == "person-chief"


def test_an_urgent_exam_is_wanted_in_30_minutes_and_overdue_after_60(staffed: Department) -> None:
    staffed.complete(staffed.arrive(1), urgent=True)
    with staffed.reading.records.write() as session:
        row = session.scalars(sa.select(ExamRow)).one()
        assert row.completed_at is not None
        assert row.due_at - row.completed_at == timedelta(minutes=30)
        assert row.breach_at - row.completed_at == timedelta(minutes=60)
        row.breach_at = now() - timedelta(seconds=1)
    (late,) = worklists.page(staffed.as_("resident"), "overdue")["items"]
    assert late["overdue"]


# ---------------------------------------------------------------------------- worklists


def on(staffed: Department, name: str, login: str = "resident", **asked: Any) -> list[str]:
    page = worklists.page(staffed.as_(login), name, **asked)
    return [exam["accession"] for exam in page["items"]]


def test_an_exam_walks_from_list_to_list(staffed: Department) -> None:
    report_id = staffed.report()
    assert on(staffed, "unread") == ["A1"]
    staffed.act("resident", report_id, "claim")
    assert on(staffed, "unread") == [] and on(staffed, "mine") == ["A1"]
    assert on(staffed, "mine", "attending") == []
    staffed.write("resident", report_id)
    staffed.act("resident", report_id, "sign-initial")
    assert on(staffed, "mine") == [] and on(staffed, "review") == ["A1"]
    staffed.act("attending", report_id, "claim-review")
    assert on(staffed, "review") == [] and on(staffed, "mine", "attending") == ["A1"]
    staffed.act("attending", report_id, "issue")
    assert on(staffed, "issued") == ["A1"] and on(staffed, "mine", "attending") == []
    staffed.act("resident", report_id, "request-recall", reason="x")
    staffed.act("chief", report_id, "recall")
    assert on(staffed, "issued") == [] and on(staffed, "unread") == ["A1"]


def test_urgent_comes_first_then_what_is_due_first_and_filters_hold(staffed: Department) -> None:
    for number in (1, 2, 3):
        staffed.complete(staffed.arrive(number, Modality="MR" if number == 2 else "CT"))
    staffed.complete(staffed.arrive(4), urgent=True)
    assert on(staffed, "unread") == ["A4", "A1", "A2", "A3"]
    assert on(staffed, "unread", modality="MR") == ["A2"]
    assert on(staffed, "unread", priority="urgent") == ["A4"]
    for q in ("a3", "王小东 a3", "wang a3", "P3", "v3"):
        assert on(staffed, "unread", q=q) == ["A3"], q
    assert on(staffed, "unread", q="%") == []
    with pytest.raises(Refused, match="no cursor"):
        on(staffed, "unread", after="nonsense")


def filled(database: Database, count: int) -> None:
    """So many exams that wait to be read."""
    at = now()
    rows = [
        {
            "exam_id": f"{number:036d}",
            "key": f"{number:064d}",
            "accession": f"A{number}",
            "issuer": "",
            "patient_id": f"P{number}",
            "patient_issuer": "",
            "name": f"Name^{number}",
            "ideographic": "",
            "birth_date": "19800101",
            "sex": "M",
            "age": "046Y",
            "visit": "",
            "modality": ("CT", "MR", "DX")[number % 3],
            "body_part": "CHEST",
            "description": "Thorax",
            "performed": "20261125",
            "institution": "",
            "requesting_service": "",
            "requesting_physician": "",
            "reason": "",
            "searched": f"name {number} p{number} a{number}",
            "first_at": at,
            "last_at": at,
            "complete": True,
            "completed_at": at,
            "completed_by": "quiet",
            "completed_reason": "",
            "urgency": int(number % 50 > 0),
            "due_at": at + timedelta(seconds=number % 1000),
            "breach_at": at + timedelta(seconds=number - count // 2),
            "lane": "unread",
            "waits": True,
            "holder": "",
            "issued_at": None,
        }
        for number in range(count)
    ]
    with database.write() as session:
        session.execute(sa.insert(ExamRow), rows)


def test_pages_follow_one_another_and_hold_every_exam_once(staffed: Department) -> None:
    filled(staffed.reading.records, 500)
    for name in ("unread", "overdue"):
        seen: list[str] = []
        after = ""
        while True:
            page = worklists.page(staffed.as_("resident"), name, limit=37, after=after)
            seen += [exam["exam_id"] for exam in page["items"]]
            if page["next"] is None:
                break
            after = page["next"]
        assert len(seen) == len(set(seen)) >= 249
        assert name == "overdue" or len(seen) == page["total"] == 500


def test_a_page_of_100_000_exams_takes_milliseconds(staffed: Department) -> None:
    """CPU, not time on the wall: other programs work on this machine."""
    filled(staffed.reading.records, 100_000)
    with staffed.reading.records.engine.connect() as connection:
        if not staffed.reading.records.is_sqlite:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    reader = staffed.as_("resident")
    first = worklists.page(reader, "unread")
    assert first["total"] == 100_000
    took: list[float] = []
    after = first["next"]
    for _ in range(10):
        begun = time.thread_time()
        page = worklists.page(reader, "unread", after=after)
        took.append(time.thread_time() - begun)
        after = page["next"]
        assert len(page["items"]) == 50
    print(f"a page of 50 of 100,000: {1000 * sorted(took)[5]:.1f} ms of CPU")
    assert sorted(took)[5] < 0.05


def test_opening_a_report_for_nobody_in_particular_needs_the_right(staffed: Department) -> None:
    exam_id = staffed.arrive(1)
    nobody = staffed.reading.seen_by(Caller("clinic", frozenset()))
    with pytest.raises(Denied):
        opening.create(nobody, [exam_id])
