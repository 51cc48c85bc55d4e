"""Orders: made over REST, read as a worklist, performed by MPPS, completed."""

import json
import re
import sqlite3
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.dsutils import encode

from dicomweb_server.archive import orders
from dicomweb_server.archive.desk import STEPS, Desk
from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dimse import commands
from dicomweb_server.dimse import worklist as worklist_service
from dicomweb_server.dimse.sop_classes import PERFORMED_STEP, WORKLIST_FIND
from dicomweb_server.dimse.status import of_error as status_of_dimse
from dicomweb_server.web.problems import problem_of
from storage.errors import Conflict, OutOfSpace
from tests.dicom.build import part10
from tests.dimse.conftest import Bridge
from tests.dimse.programs import run
from tests.dimse.wire import Wire, store_command
from tests.servers import wait_for


def wish(**changes: Any) -> dict[str, Any]:
    return {
        "patient": {"id": "P1", "name": "欧阳^小曼", "birth_date": "1980-05-01", "sex": "F"},
        "procedure": {"description": "胸部CT", "code": "CTTHX", "scheme": "L", "meaning": "CT"},
        "step": {"station_aet": "CT1", "modality": "CT", "start": "2026-11-22T10:30"},
        **changes,
    }


def asked(
    bridge: Bridge, method: str, path: str, body: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """Status and JSON of a request to the REST resource."""
    request = urllib.request.Request(
        f"{bridge.url}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def worklist(
    bridge: Bridge, *keys: str, title: str = "CT1", cwd: Path | None = None, detailed: bool = False
) -> str:
    """What dcmtk's worklist client is told."""
    return run(
        "findscu", "-W", "-aet", title, *(["-X"] if cwd else []), *(["-d"] if detailed else []),
        "-k", "PatientName", "-k", "PatientID", "-k", "AccessionNumber", "-k", "StudyInstanceUID",
        "-k", "(0040,0100)[0].Modality", "-k", "(0040,0100)[0].ScheduledProcedureStepStartDate",
        *(part for key in keys for part in ("-k", key)), "127.0.0.1", bridge.port, cwd=cwd,
    )  # fmt: skip


def test_a_device_reads_only_its_own_steps_of_the_day(bridge: Bridge) -> None:
    for station, day, accession in (("CT1", "22", "A1"), ("CT1", "23", "A2"), ("MR1", "22", "A3")):
        step = {"station_aet": station, "modality": station[:2], "start": f"2026-11-{day} 08:00"}
        status, _ = asked(bridge, "POST", "/orders", wish(step=step, accession_number=accession))
        assert status == 201

    def found(*keys: str) -> set[str]:
        return set(re.findall(r"\[(A\d)\s*\]", worklist(bridge, *keys)))

    sps = "(0040,0100)[0]."
    station = sps + "ScheduledStationAETitle=CT1"
    assert found(station) == {"A1", "A2"}
    assert found(station, sps + "ScheduledProcedureStepStartDate=20261122") == {"A1"}
    assert found(sps + "ScheduledProcedureStepStartDate=20261122-20261122") == {"A1", "A3"}
    assert found(sps + "Modality=MR") == {"A3"}
    assert found("AccessionNumber=A2") == {"A2"}
    assert found("PatientName=OUYANG*", station) == {"A1", "A2"}
    assert found("PatientName=NOBODY*") == set()


SPS = "(0040,0100)[0]."
START_DATE = SPS + "ScheduledProcedureStepStartDate="
START_TIME = SPS + "ScheduledProcedureStepStartTime="
WEEK = SPS + "ScheduledStationAETitle=WEEK1"


def found_at(bridge: Bridge, *keys: str) -> tuple[list[str], set[str]]:
    """Accession numbers that dcmtk is told, and all statuses."""
    said = worklist(bridge, *keys, detailed=True)
    numbers = re.findall(r"\(0008,0050\) SH \[(\w+) *\]", said)
    return numbers, set(re.findall(r"DIMSE Status *: 0x([0-9a-f]{4})", said))


@pytest.fixture(scope="module")
def week(bridge: Bridge) -> Bridge:
    """Orders W0 to W5 for the device WEEK1, over four days."""
    for number, start in enumerate(
        ("05T09:00", "05T11:00", "06T08:00", "07T17:00", "07T19:00", "08T08:00")
    ):
        step = {"station_aet": "WEEK1", "modality": "CT", "start": f"2026-10-{start}"}
        made = wish(step=step, accession_number=f"W{number}")
        assert asked(bridge, "POST", "/orders", made)[0] == 201
    return bridge


@pytest.mark.parametrize(
    ("dates", "times", "numbers"),
    [
        ("20261005-20261007", "100000-180000", "123"),
        ("20261007-20261008", "180000-090000", "45"),
        ("20261007-", "1800-", "45"),
        ("-20261006", "-0800", "012"),
        ("20261005", "100000-180000", "1"),
        ("20261005-20261007", "0800", "2"),
        ("20261005-20261031", "", "012345"),
        ("20260901-20260931", "", ""),
        ("2026.10.05", "", "01"),
        ("", "0800-0900", "025"),
    ],
)
def test_a_range_of_dates_and_one_of_times_are_one_period(
    week: Bridge, dates: str, times: str, numbers: str
) -> None:
    """PS3.4 Table K.6-1."""
    found, _ = found_at(week, WEEK, START_DATE + dates, START_TIME + times)
    assert found == [f"W{number}" for number in numbers]


@pytest.mark.parametrize(
    "key",
    [
        *(START_DATE + each for each in ("2026-10-05", "202610*", "today", "20261007-20261005")),
        *(START_TIME + each for each in ("25", "8:00", "1800-0900")),
        "PatientBirthDate=1980-05-01",
    ],
)
def test_a_date_or_time_that_is_none_is_refused_by_name(week: Bridge, key: str) -> None:
    assert found_at(week, key) == ([], {"a900"})


@pytest.mark.parametrize(
    "key",
    [
        "(0038,0300)=WARD",
        "EthnicGroup=X",
        "QueryRetrieveLevel=STUDY",
        "0009,1001=foo",
        SPS + "(0040,4005)=2026",
    ],
)
def test_a_key_that_no_order_has_is_ignored_and_said_to_be(week: Bridge, key: str) -> None:
    """PS3.4 §C.2.2.1.3 and §K.4.1.1.4: pending responses are FF01."""
    found, statuses = found_at(week, WEEK, START_DATE + "20261005", key)
    assert (found, statuses) == (["W0", "W1"], {"ff01", "0000"})


@pytest.mark.parametrize(
    "key",
    [
        "ReferringPhysicianName=X*",
        "PregnancyStatus=4",
        "(0032,1064)[0].CodeValue=NONE",
        SPS + "(0040,0011)=ROOM 1",
    ],
)
def test_a_key_that_an_order_lacks_matches_nothing(week: Bridge, key: str) -> None:
    assert found_at(week, WEEK, key) == ([], {"0000"})


@pytest.mark.parametrize(
    ("title", "encoding"), [("GBK_VIEWER", "gbk"), ("GB_VIEWER", "gb18030"), ("OTHER", "utf-8")]
)
def test_chinese_names_arrive_in_the_devices_character_set_with_a_pinyin_group(
    bridge: Bridge, tmp_path: Path, title: str, encoding: str
) -> None:
    accession = f"N{encoding[:5].upper()}"
    assert asked(bridge, "POST", "/orders", wish(accession_number=accession))[0] == 201
    worklist(bridge, f"AccessionNumber={accession}", title=title, cwd=tmp_path)
    raw = (tmp_path / "rsp0001.dcm").read_bytes()
    assert "OUYANG^XIAOMAN=欧阳^小曼".encode(encoding) in raw


def test_an_order_is_changed_and_cancelled_and_then_gone_from_the_worklist(bridge: Bridge) -> None:
    status, order = asked(bridge, "POST", "/orders", wish(accession_number="C1"))
    assert status == 201
    assert order["status"] == "scheduled"
    path = f"/orders/{order['id']}"
    changed = asked(bridge, "PATCH", path, {"patient": {"name": "Doe^Jane"}})[1]
    assert changed["patient"] == {**order["patient"], "name": {"alphabetic": "Doe^Jane"}}
    assert "Doe^Jane" in worklist(bridge, "AccessionNumber=C1")
    assert asked(bridge, "DELETE", path)[1]["status"] == "cancelled"
    assert "[C1" not in worklist(bridge, "AccessionNumber=C1")
    assert asked(bridge, "PATCH", path, {"priority": "urgent"})[0] == 409
    assert asked(bridge, "GET", "/orders?accession_number=C1")[1][0]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"patient": {"name": "A^B"}}, "patient.id"),
        ({"step": {"station_aet": "CT1", "modality": "CT"}}, "step.start"),
        ({"step": {"station_aet": "CT1", "modality": "CT", "start": "now"}}, "step.start"),
        ({"priority": "soon"}, "priority"),
        ({"colour": "red"}, "colour"),
        ({"study_uid": "1.2.x"}, "study_uid"),
        ({"accession_number": "12345678901234567"}, "accession_number"),
        ({"patient": "P1"}, "patient"),
        *(
            ({"step": wish()["step"] | {field: value}}, f"step.{field}")
            for field, value in (
                ("start", "2026-13-45T99:99"),
                ("start", "2026-02-29T10:00"),
                ("start", "2026-11-22T24:00"),
                ("start", "２０２６-11-22T10:00"),
                ("station_aet", "ŪS"),
                ("station_aet", "A_STATION_TOO_LONG"),
                ("modality", "us"),
                ("modality", "磁共振"),
                ("location", "a room with a name"),
                ("performing_physician", "A=B=C=D"),
            )
        ),
        *(
            ({"patient": wish()["patient"] | {field: value}}, f"patient.{field}")
            for field, value in (
                ("birth_date", "1980-02-30"),
                ("birth_date", "1980-02-03T10:00"),
                ("weight_kg", "abc"),
                ("size_m", "1,80"),
                ("sex", "m"),
                ("pregnancy_status", "4"),
                ("name", "A=B=C=D"),
            )
        ),
        ({"patient": {"id": "1", "name": {"alphabetic": "A=B"}}}, "patient.name.alphabetic"),
        ({"patient": {"id": "1", "name": "A^B^C^D^E^F"}}, "patient.name.alphabetic"),
        ({"patient": {"id": "1", "name": "庄" * 20}}, "patient.name.alphabetic"),
        ({"requesting_physician": "X" * 65}, "requesting_physician.alphabetic"),
    ],
)
def test_an_order_that_is_wrong_is_refused_by_field(
    bridge: Bridge, change: dict[str, Any], field: str
) -> None:
    status, problem = asked(bridge, "POST", "/orders", wish(**change))
    assert (status, problem["field"]) == (400, field)


def test_pregnancy_status_reaches_the_modality(bridge: Bridge, tmp_path: Path) -> None:
    """PS3.4 Table K.6-1; regulation ING-27: pregnancy is asked before X-ray."""
    patient = {"id": "P1", "name": "A^B", "pregnancy_status": "possibly_pregnant"}
    ordered = wish(accession_number="PREG1", patient=patient)
    status, order = asked(bridge, "POST", "/orders", ordered)
    assert (status, order["patient"]["pregnancy_status"]) == (201, "possibly_pregnant")
    keys = ("PregnancyStatus", "AccessionNumber=PREG1")
    worklist(bridge, *keys, cwd=tmp_path)
    assert dcmread(tmp_path / "rsp0001.dcm").PregnancyStatus == 2
    assert "PREG1" in found_at(bridge, "PregnancyStatus=2")[0]
    # What is not known any more is sent empty, as what never was said.
    asked(bridge, "PATCH", f"/orders/{order['id']}", {"patient": {"pregnancy_status": ""}})
    worklist(bridge, *keys, cwd=tmp_path)
    assert dcmread(tmp_path / "rsp0001.dcm").PregnancyStatus is None


def test_what_an_order_is_sent_with_is_never_empty_where_it_must_not_be() -> None:
    """PS3.4 Table K.6-1: Requested Procedure ID, Scheduled Procedure Step ID, codes' schemes."""
    kept = orders.checked(
        wish(accession_number="", procedure={"id": "", "code": "C", "scheme": ""})
    )
    item = orders.worklist_item(orders.Order("1", "scheduled", kept, 0, 0, None, None, None))
    assert item["00080050"] == {"vr": "SH"}
    assert item["00401001"]["Value"] == item["00400100"]["Value"][0]["00400009"]["Value"]
    assert item["00321064"]["Value"][0]["00080102"]["Value"] == ["L"]


def test_a_performed_step_completes_its_order(bridge: Bridge) -> None:
    order = asked(bridge, "POST", "/orders", wish(accession_number="MPPS1"))[1]
    step_uid = generate_uid()
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    entity.add_requested_context(WORKLIST_FIND)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    assert association.send_n_create(in_progress(order), PERFORMED_STEP, step_uid)[0].Status == 0
    assert asked(bridge, "GET", f"/orders/{order['id']}")[1]["status"] == "in_progress"
    again = association.send_n_create(in_progress(order), PERFORMED_STEP, step_uid)[0]
    assert again.Status == 0x0111
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(done, PERFORMED_STEP, "1.2.3.4")[0].Status == 0x0112
    assert association.send_n_set(done, PERFORMED_STEP, step_uid)[0].Status == 0
    ended = association.send_n_set(done, PERFORMED_STEP, step_uid)[0]
    assert (ended.Status, ended.ErrorID) == (0x0110, 0xA710)
    association.release()
    found = asked(bridge, "GET", f"/orders/{order['id']}")[1]
    assert (found["status"], found["completed_by"]) == ("completed", "mpps")
    assert found["completed"] >= found["started"] >= order["created"]
    assert "MPPS1" not in worklist(bridge, "AccessionNumber=MPPS1").split("Find Response")[-1]


def test_ps3_4_f_7_2_2_a_performed_step_has_any_number_of_series_and_images(
    bridge: Bridge,
) -> None:
    order = asked(bridge, "POST", "/orders", wish(accession_number="MPPS2"))[1]
    step_uid = generate_uid()
    image = Dataset()
    image.ReferencedSOPInstanceUID = "1.2.3"
    series = Dataset()
    series.ReferencedImageSequence = Sequence([image] * 300)
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    assert association.send_n_create(in_progress(order), PERFORMED_STEP, step_uid)[0].Status == 0
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    done.PerformedSeriesSequence = Sequence([series] * 65)
    assert association.send_n_set(done, PERFORMED_STEP, step_uid)[0].Status == 0
    status, step = association.send_n_get([], PERFORMED_STEP, step_uid)
    association.release()
    assert status.Status == 0 and step is not None
    counts = [len(each.ReferencedImageSequence) for each in step.PerformedSeriesSequence]
    assert counts == [300] * 65


def performed(bridge: Bridge, order: dict[str, Any], *acts: tuple[str, str]) -> list[str]:
    """The order's status after each act of a modality: a step's letter and its new status."""
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    steps: dict[str, str] = {}
    found = []
    for step, status in acts:
        if status == "IN PROGRESS":
            steps[step] = generate_uid()
            begun = in_progress(order)
            answer = association.send_n_create(begun, PERFORMED_STEP, steps[step])[0]
        else:
            ended = Dataset()
            ended.PerformedProcedureStepStatus = status
            answer = association.send_n_set(ended, PERFORMED_STEP, steps[step])[0]
        assert answer.Status == 0
        found.append(asked(bridge, "GET", f"/orders/{order['id']}")[1]["status"])
    association.release()
    return found


BEGIN, DONE, BROKEN_OFF = "IN PROGRESS", "COMPLETED", "DISCONTINUED"


@pytest.mark.parametrize(
    ("accession", "acts", "states"),
    [
        (
            "STEPS1",
            [("a", BEGIN), ("b", BEGIN), ("a", DONE), ("b", BROKEN_OFF)],
            ["in_progress", "in_progress", "in_progress", "completed"],
        ),
        (
            "STEPS2",
            [("a", BEGIN), ("a", BROKEN_OFF), ("b", BEGIN), ("b", DONE)],
            ["in_progress", "discontinued", "in_progress", "completed"],
        ),
        (
            "STEPS3",
            [("a", BEGIN), ("b", BEGIN), ("a", BROKEN_OFF), ("b", BROKEN_OFF)],
            ["in_progress", "in_progress", "in_progress", "discontinued"],
        ),
        (
            "STEPS4",
            [("a", BEGIN), ("a", DONE), ("b", BEGIN), ("b", BROKEN_OFF)],
            ["in_progress", "completed", "in_progress", "completed"],
        ),
    ],
)
@pytest.mark.parametrize("known_by", ["study", "accession"])
def test_an_order_follows_all_its_performed_steps(
    bridge: Bridge, accession: str, acts: list[tuple[str, str]], states: list[str], known_by: str
) -> None:
    accession += known_by[0].upper()
    order = asked(bridge, "POST", "/orders", wish(accession_number=accession))[1]
    # A modality that makes a Study Instance UID of its own for each step is known by the number.
    said = order if known_by == "study" else {**order, "study_uid": generate_uid()}
    assert performed(bridge, said, *acts) == states
    (found,) = asked(bridge, "GET", f"/orders?accession_number={accession}")[1]
    assert found["completed_by"] == "mpps"


def test_an_order_whose_second_step_goes_on_is_in_the_worklist(bridge: Bridge) -> None:
    order = asked(bridge, "POST", "/orders", wish(accession_number="GOESON1"))[1]
    performed(bridge, order, ("a", BEGIN), ("b", BEGIN), ("a", DONE))
    assert "[GOESON1" in worklist(bridge, "AccessionNumber=GOESON1").split("Find Response")[-1]
    found = asked(bridge, "GET", f"/orders/{order['id']}")[1]
    assert found["completed"] is None and found["completed_by"] is None


def test_what_a_person_has_confirmed_stays_completed(bridge: Bridge) -> None:
    order = asked(bridge, "POST", "/orders", wish(accession_number="STAYS1"))[1]
    performed(bridge, order, ("a", BEGIN))
    asked(bridge, "POST", f"/orders/{order['id']}/complete")
    states = performed(bridge, order, ("b", BEGIN), ("b", BROKEN_OFF))
    assert states == ["completed", "completed"]


def test_a_performed_step_has_a_uid_and_an_id(bridge: Bridge) -> None:
    """PS3.7 §10.1.5.1.6: 0117 invalid object instance, 0120 missing attribute, 0121 its value."""
    order = asked(bridge, "POST", "/orders", wish(accession_number="NOID1"))[1]
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = entity.associate("127.0.0.1", bridge.port)

    def created(uid: str, begun: Dataset) -> int:
        return int(association.send_n_create(begun, PERFORMED_STEP, uid)[0].Status)

    without, empty = in_progress(order), in_progress(order)
    del without.PerformedProcedureStepID
    empty.PerformedProcedureStepID = ""
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        assert created("abc", in_progress(order)) == 0x0117
    assert created(generate_uid(), without) == 0x0120
    assert created(generate_uid(), empty) == 0x0121
    assert asked(bridge, "GET", f"/orders/{order['id']}")[1]["status"] == "scheduled"
    association.release()


def test_ps3_4_f_7_2_1_a_performed_step_begins_with_every_attribute_of_type_1(
    bridge: Bridge,
) -> None:
    """0120 lists those that are missing, else 0121 those that are empty."""
    order = asked(bridge, "POST", "/orders", wish(accession_number="TYPE1"))[1]
    wire = Wire.to(bridge.port)
    wire.associate((PERFORMED_STEP,))

    def created(begun: Dataset) -> tuple[int, list[str]]:
        command = {
            **store_command(generate_uid(), PERFORMED_STEP),
            commands.COMMAND_FIELD: commands.N_CREATE,
        }
        del command[commands.PRIORITY]
        wire.command(1, command, with_data_set=True)
        wire.data(1, encode(begun, is_implicit_vr=False, is_little_endian=True) or b"")
        answer = commands.decode(wire.read()[1][6:])
        listed = commands.text(answer, commands.ATTRIBUTE_LIST)
        return commands.number(answer, commands.STATUS), listed.split("\\")

    type_1 = {
        "00080060": "Modality",
        "00400241": "PerformedStationAETitle",
        "00400244": "PerformedProcedureStepStartDate",
        "00400245": "PerformedProcedureStepStartTime",
        "00400252": "PerformedProcedureStepStatus",
        "00400253": "PerformedProcedureStepID",
        "00400270": "ScheduledStepAttributesSequence",
    }
    for key, keyword in type_1.items():
        without, empty = in_progress(order), in_progress(order)
        delattr(without, keyword)
        empty[keyword].value = [] if empty[keyword].VR == "SQ" else None
        assert created(without) == (0x0120, [key])
        assert created(empty) == (0x0121, [key])
    studyless = in_progress(order)
    del studyless.ScheduledStepAttributesSequence[0].StudyInstanceUID
    assert created(studyless) == (0x0120, ["0020000D"])
    bare = Dataset()
    bare.PerformedProcedureStepID = ""
    assert created(bare) == (0x0120, [key for key in type_1 if key != "00400253"])
    assert asked(bridge, "GET", f"/orders/{order['id']}")[1]["status"] == "scheduled"


def test_ps3_7_10_1_2_of_a_performed_step_the_attributes_asked_for_are_answered(
    bridge: Bridge,
) -> None:
    order = asked(bridge, "POST", "/orders", wish(accession_number="NGET1"))[1]
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = entity.associate("127.0.0.1", bridge.port)
    uid = generate_uid()
    assert association.send_n_create(in_progress(order), PERFORMED_STEP, uid)[0].Status == 0
    status, whole = association.send_n_get([], PERFORMED_STEP, uid)
    assert status.Status == 0
    assert whole is not None and len(whole) == 7
    status, some = association.send_n_get([Tag(0x00400252), Tag(0x00080060)], PERFORMED_STEP, uid)
    assert status.Status == 0
    assert some is not None and sorted(some.keys()) == [0x00080060, 0x00400252]
    status, known = association.send_n_get([Tag(0x00400252), Tag(0x00400250)], PERFORMED_STEP, uid)
    assert (status.Status, status.AttributeIdentifierList) == (0x0107, 0x00400250)
    assert known is not None and list(known.keys()) == [0x00400252]
    association.release()


def test_a_performed_step_keeps_its_patient_and_order(bridge: Bridge) -> None:
    """PS3.4 Table F.7.2-1: not allowed in N-SET. What else is said counts."""
    order = asked(bridge, "POST", "/orders", wish(accession_number="KEEPS1"))[1]
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = entity.associate("127.0.0.1", bridge.port)
    step_uid = generate_uid()
    begun = in_progress(order)
    begun.PatientName, begun.PatientID = "Doe^Jane", "P1"
    assert association.send_n_create(begun, PERFORMED_STEP, step_uid)[0].Status == 0
    same = Dataset()
    same.PatientName, same.PatientID, same.PatientSex = "Doe^Jane", "P1", ""
    same.PerformedProcedureStepDescription = "CT"
    assert association.send_n_set(same, PERFORMED_STEP, step_uid)[0].Status == 0
    other = Dataset()
    other.PatientName, other.PatientID = "Other^Man", "P2"
    other.PerformedProcedureStepStatus = "COMPLETED"
    answer = association.send_n_set(other, PERFORMED_STEP, step_uid)[0]
    assert answer.Status == 0x0107
    assert answer.ErrorComment == "not changed: (0010,0010), (0010,0020)"
    now = association.send_n_get([], PERFORMED_STEP, step_uid)[1]
    assert now is not None
    assert (now.PatientName, now.PatientID) == ("Doe^Jane", "P1")
    assert now.PerformedProcedureStepDescription == "CT"
    association.release()
    assert asked(bridge, "GET", f"/orders/{order['id']}")[1]["status"] == "completed"


def scheduled_step(order: dict[str, Any]) -> Dataset:
    scheduled = Dataset()
    scheduled.StudyInstanceUID = order["study_uid"]
    scheduled.AccessionNumber = order["accession_number"]
    return scheduled


def in_progress(*performed_orders: dict[str, Any]) -> Dataset:
    begun = Dataset()
    begun.PerformedProcedureStepStatus = "IN PROGRESS"
    begun.PerformedProcedureStepID = "PPS1"
    begun.PerformedStationAETitle = "CT1"
    begun.PerformedProcedureStepStartDate = "20261122"
    begun.PerformedProcedureStepStartTime = "1031"
    begun.ScheduledStepAttributesSequence = Sequence(map(scheduled_step, performed_orders))
    begun.Modality = "CT"
    return begun


def test_ps3_4_f_7_2_a_performed_step_may_be_of_several_orders(bridge: Bridge) -> None:
    """The group case: one or more items in Scheduled Step Attributes Sequence."""
    made = [
        asked(bridge, "POST", "/orders", wish(accession_number=f"GROUP{number}"))[1]
        for number in range(3)
    ]
    # The modality knows one of them by its number only, and of one it says two scheduled steps.
    said = [made[0], made[0], {**made[1], "study_uid": generate_uid()}, made[2]]

    def statuses() -> list[str]:
        return [asked(bridge, "GET", f"/orders/{each['id']}")[1]["status"] for each in made]

    step_uid = generate_uid()
    entity = AE("CT1")
    entity.add_requested_context(PERFORMED_STEP)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    assert association.send_n_create(in_progress(*said), PERFORMED_STEP, step_uid)[0].Status == 0
    assert statuses() == ["in_progress"] * 3
    done = Dataset()
    done.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(done, PERFORMED_STEP, step_uid)[0].Status == 0
    association.release()
    assert statuses() == ["completed"] * 3


def test_a_performed_step_finds_an_order_that_was_made_after_it_began(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    one = orders.create(desk, wish())
    later = {"study_uid": "1.2.3", "accession_number": "LATER"}
    items = [
        {
            "0020000D": {"vr": "UI", "Value": [study_uid]},
            "00080050": {"vr": "SH", "Value": [accession]},
        }
        for study_uid, accession in ((one.study_uid, ""), tuple(later.values()))
    ]
    begun = {
        orders.STEP_STATUS: {"vr": "CS", "Value": ["IN PROGRESS"]},
        "00400270": {"vr": "SQ", "Value": items},
    }
    orders.begin_step(desk, "1.2", begun, sender="CT1")
    other = orders.create(desk, wish(**later))
    done = {orders.STEP_STATUS: {"vr": "CS", "Value": ["COMPLETED"]}}
    orders.change_step(desk, "1.2", done)
    assert [orders.get(desk, each.id).status for each in (one, other)] == ["completed"] * 2
    desk.close()


def test_performed_steps_that_began_before_they_could_be_of_several_orders_go_on(
    tmp_path: Path,
) -> None:
    file = tmp_path / "desk.sqlite3"
    with_one_order_each = next(
        number for number, step in enumerate(STEPS) if "TABLE scheduled_steps" in step
    )
    before = sqlite3.connect(file)
    for step in STEPS[:with_one_order_each]:
        before.executescript(step)
    before.execute(f"PRAGMA user_version = {with_one_order_each}")
    begun = {
        orders.STEP_STATUS: {"vr": "CS", "Value": ["IN PROGRESS"]},
        "00400270": {
            "vr": "SQ",
            "Value": [
                {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00080050": {"vr": "SH"}},
                {
                    "0020000D": {"vr": "UI", "Value": ["1.2.4"]},
                    "00080050": {"vr": "SH", "Value": ["A4"]},
                },
            ],
        },
    }
    before.execute(
        "INSERT INTO performed_steps "
        "VALUES ('1.5', 'gone', '1.2.3', 'IN PROGRESS', 'CT1', ?, 1, 1)",
        (json.dumps(begun),),
    )
    before.commit()
    before.close()
    desk = Desk(file)
    rows = desk.read("SELECT study_uid, accession, order_id FROM scheduled_steps ORDER BY 1")
    assert [tuple(row) for row in rows] == [("1.2.3", "", "gone"), ("1.2.4", "A4", None)]
    assert orders.step(desk, "1.5") == begun
    assert orders.said_of(desk, ["1.2.3", "1.2.4"], []).performing == {"1.2.3", "1.2.4"}
    desk.close()


@pytest.mark.parametrize("known_by", ["study", "accession"])
def test_without_mpps_an_exam_begins_with_its_first_instance_and_ends_when_it_is_quiet(
    bridge: Bridge, tmp_path: Path, known_by: str
) -> None:
    accession = f"QUIET{known_by[0].upper()}"
    order = asked(bridge, "POST", "/orders", wish(accession_number=accession))[1]
    # A modality that read no worklist makes a Study Instance UID of its own.
    study_uid = order["study_uid"] if known_by == "study" else "2.25.7101"
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            study_uid=study_uid,
            series_uid=study_uid + ".1",
            instance_uid=study_uid + ".1.1",
            AccessionNumber=accession if known_by == "accession" else "",
        )
    )
    run("dcmsend", "127.0.0.1", bridge.port, file)

    def status() -> str:
        return str(asked(bridge, "GET", f"/orders/{order['id']}")[1]["status"])

    wait_for(lambda: status() in ("in_progress", "completed"), seconds=10)
    wait_for(lambda: status() == "completed", seconds=15)
    assert asked(bridge, "GET", f"/orders/{order['id']}")[1]["completed_by"] == "quiet"


def test_a_technologist_confirms_once(bridge: Bridge) -> None:
    order = asked(bridge, "POST", "/orders", wish(accession_number="QC1"))[1]
    first = asked(bridge, "POST", f"/orders/{order['id']}/complete")[1]
    time.sleep(0.01)
    second = asked(bridge, "POST", f"/orders/{order['id']}/complete")[1]
    assert first["status"] == second["status"] == "completed"
    assert first["completed"] == second["completed"]


def test_an_order_is_completed_once_whoever_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    order = orders.create(desk, wish())
    with desk.write() as connection:
        for by in ("commitment", "quiet"):
            orders.end_unless_performing(connection, study_uid=order.study_uid, accession="", by=by)
    assert orders.get(desk, order.id).completed_by == "commitment"
    desk.close()


def test_a_full_disk_refuses_orders_and_steps_and_keeps_what_there_was(tmp_path: Path) -> None:
    """507 over REST, 0213 over DIMSE; SQLite's own word for it, which a limit of pages brings
    about as a disk does."""
    desk = Desk(tmp_path / "desk.sqlite3")
    order = orders.create(desk, wish())
    with desk.write() as connection:
        connection.execute("PRAGMA max_page_count = 1")  # as few as there are
    large = wish(patient={"id": "1", "name": "A^B", "comments": "x" * 10_000})
    with pytest.raises(OutOfSpace, match=r"no space left.*desk\.sqlite3") as caught:
        for _ in range(100):
            orders.create(desk, large)
    assert problem_of(caught.value).status == 507
    assert status_of_dimse(caught.value, of_n_service=True) == 0x0213
    made = len(orders.find(desk, patient_id="1"))
    assert orders.get(desk, order.id) == order
    with desk.write() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    orders.create(desk, large)
    assert len(orders.find(desk, patient_id="1")) == made + 1
    desk.close()


def test_a_worklist_of_more_than_a_page_is_whole_and_in_order(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    made = [
        orders.create(desk, wish(step={"station_aet": "CT1", "modality": "CT", "start": start}))
        for start in ("2026-11-22T10:30", "2026-11-22T10:30", "2026-11-22T08:00")
        for _ in range(worklist_service.PAGE // 2)
    ]
    orders.create(
        desk, wish(step={"station_aet": "CT1", "modality": "CT", "start": "2026-11-23T10:30"})
    )
    asked_for = {
        worklist_service.STEPS: {
            "vr": "SQ",
            "Value": [{"00400002": {"vr": "DA", "Value": ["20261122"]}}],
        }
    }
    found = list(worklist_service.Asked(asked_for).candidates(desk))
    assert {order.id for order in found} == {order.id for order in made}
    assert len(found) == len(made)
    starts = [order.wish["step"]["start"] for order in found]
    assert starts == sorted(starts)
    desk.close()


def test_a_study_has_one_order(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    orders.create(desk, wish(study_uid="1.2.3"))
    with pytest.raises(Conflict):
        orders.create(desk, wish(study_uid="1.2.3"))
    desk.close()


@pytest.mark.parametrize(
    ("name", "alphabetic"),
    [
        ("单^小曼", "SHAN^XIAOMAN"),
        ("欧阳娜娜", "OUYANG^NANA"),
        ("吕布", "LYU^BU"),
        ("王^小东", "WANG^XIAODONG"),
        ("吕^Victor", "LYU^Victor"),
        ("𠮷田龘", "JI^TIANDA"),
        ("金^\uf90a", "JIN^JIN"),
        ("王^小\U00020002", "WANG^XIAO"),
    ],
)
def test_chinese_names_are_read_as_passports_write_them(name: str, alphabetic: str) -> None:
    kept = orders.checked(wish(patient={"id": "1", "name": name}))["patient"]["name"]
    assert kept == {"alphabetic": alphabetic, "ideographic": name}


def test_a_chinese_name_that_has_no_reading_has_no_letters() -> None:
    name = "\U00020002^\U00020004"
    kept = orders.checked(wish(patient={"id": "1", "name": name}))["patient"]["name"]
    assert kept == {"ideographic": name}


@pytest.mark.parametrize("name", ["Müller^Änne", "Ørsted", "Vëra^Ünal", "Иванов^Иван", "홍^길동"])
def test_a_name_without_chinese_characters_stays_as_it_is_written(name: str) -> None:
    kept = orders.checked(wish(patient={"id": "1", "name": name}))["patient"]["name"]
    assert kept == {"alphabetic": name}


@pytest.mark.parametrize(("title", "encoding"), [("LATIN_CT", "latin-1"), ("OTHER", "utf-8")])
def test_european_names_arrive_as_they_are_written(
    bridge: Bridge, tmp_path: Path, title: str, encoding: str
) -> None:
    accession = f"E{encoding[:5].upper()}"
    ordered = wish(
        accession_number=accession,
        patient={"id": "P1", "name": "Müller^Änne"},
        referring_physician="Väisälä^Björn",
        requesting_physician="Wang^Li=王^丽",
    )
    assert asked(bridge, "POST", "/orders", ordered)[0] == 201
    keys = ("ReferringPhysicianName", f"AccessionNumber={accession}")
    worklist(bridge, *keys, title=title, cwd=tmp_path)
    row = dcmread(tmp_path / "rsp0001.dcm")
    assert (row.PatientName, row.ReferringPhysicianName) == ("Müller^Änne", "Väisälä^Björn")
    raw = (tmp_path / "rsp0001.dcm").read_bytes()
    assert "Müller^Änne".encode(encoding) in raw and b"MYULLER" not in raw
    worklist(bridge, "RequestingPhysician", keys[1], title=title, cwd=tmp_path)
    assert dcmread(tmp_path / "rsp0001.dcm").RequestingPhysician == "Wang^Li=王^丽"


def test_names_of_no_kind_are_refused() -> None:
    with pytest.raises(Malformed, match=r"patient\.name"):
        orders.checked(wish(patient={"id": "1", "name": 5}))
