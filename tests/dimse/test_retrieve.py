"""C-GET and C-MOVE that are cancelled or succeed in part (PS3.4 §C.4.2, §C.4.3).

The peer is pynetdicom, which answers each sub-operation as the test says.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pydicom
import pytest
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicomweb_server.dimse import commands
from dicomweb_server.dimse.association import Message
from dicomweb_server.dimse.retrieve import Operation
from dicomweb_server.dimse.session import Session
from storage.model import Instance
from tests.dicom.build import part10
from tests.dimse.conftest import Bridge
from tests.dimse.wire import EXPLICIT, Wire

STUDY = "2.25.9001"
PATIENT = "P-9001"
COUNT = 12
UIDS = [f"{STUDY}.1.{number}" for number in range(1, COUNT + 1)]

Answer = Callable[[Any], int]
"""What the peer answers to a C-STORE of ours."""


@pytest.fixture(scope="module")
def study(bridge: Bridge) -> str:
    """A study of eight CT and four MR images."""
    wire = Wire.to(bridge.port)
    wire.associate((CTImageStorage, CTImageStorage, MRImageStorage))
    for number, uid in enumerate(UIDS):
        sop_class = CTImageStorage if number < 8 else MRImageStorage
        raw = part10(
            study_uid=STUDY,
            series_uid=f"{STUDY}.{1 if number < 8 else 2}",
            instance_uid=uid,
            sop_class_uid=sop_class,
            meta=False,
            preamble=False,
            PatientID=PATIENT,
        )
        context_id = 3 if number < 8 else 5
        assert wire.store(uid, raw, sop_class_uid=sop_class, context_id=context_id) == 0
    return STUDY


def identifier(study_uid: str) -> pydicom.Dataset:
    wanted = pydicom.Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = study_uid
    return wanted


def last_of(
    responses: Iterator[tuple[pydicom.Dataset, pydicom.Dataset | None]],
) -> tuple[pydicom.Dataset, list[str], list[int]]:
    """The final response, its Failed SOP Instance UID List, and what remained at each pending."""
    remained: list[int] = []
    for status, listed in responses:
        if status.Status == 0xFF00:
            remained.append(status.NumberOfRemainingSuboperations)
            continue
        failed = listed.get("FailedSOPInstanceUIDList") if listed else None
        uids = [failed] if isinstance(failed, str) else list(failed or ())
        return status, list(map(str, uids)), remained
    raise AssertionError("no final response")


def counts(status: pydicom.Dataset) -> tuple[int, int, int]:
    """Completed, failed, with a warning."""
    return (
        status.NumberOfCompletedSuboperations,
        status.NumberOfFailedSuboperations,
        status.NumberOfWarningSuboperations,
    )


@contextmanager
def getting(
    bridge: Bridge, answer: Answer, *, classes: tuple[str, ...] = (CTImageStorage, MRImageStorage)
) -> Iterator[Association]:
    entity = AE(ae_title="GETTER")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    entity.add_requested_context(PatientRootQueryRetrieveInformationModelGet)
    for uid in classes:
        entity.add_requested_context(uid, EXPLICIT)
    association = entity.associate(
        "127.0.0.1",
        bridge.port,
        ext_neg=[build_role(uid, scp_role=True) for uid in classes],
        evt_handlers=[(evt.EVT_C_STORE, answer)],
    )
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


@contextmanager
def sink(bridge: Bridge, answer: Answer) -> Iterator[None]:
    """The peer SINK listens."""
    entity = AE(ae_title="SINK")
    for uid in (CTImageStorage, MRImageStorage):
        entity.add_supported_context(uid, EXPLICIT)
    listening = entity.start_server(
        ("127.0.0.1", bridge.sink), block=False, evt_handlers=[(evt.EVT_C_STORE, answer)]
    )
    try:
        yield
    finally:
        assert listening is not None
        listening.shutdown()


@contextmanager
def moving(bridge: Bridge, syntax: str | None = None) -> Iterator[Association]:
    entity = AE(ae_title="MOVER")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelMove, syntax)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def test_ps3_4_c_4_3_3_c_get_counts_down(bridge: Bridge, study: str) -> None:
    with getting(bridge, lambda _: 0x0000) as association:
        status, failed, remained = last_of(
            association.send_c_get(identifier(study), StudyRootQueryRetrieveInformationModelGet)
        )
    assert (status.Status, counts(status), failed) == (0x0000, (COUNT, 0, 0), [])
    assert remained == list(range(COUNT - 1, 0, -1))
    assert "NumberOfRemainingSuboperations" not in status


def test_c_get_can_be_cancelled(bridge: Bridge, study: str) -> None:
    received: list[str] = []

    def answer(event: Any) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        if len(received) == 3:
            event.assoc.send_c_cancel(1, query_model=StudyRootQueryRetrieveInformationModelGet)
        return 0x0000

    with getting(bridge, answer) as association:
        status, _, _ = last_of(
            association.send_c_get(
                identifier(study), StudyRootQueryRetrieveInformationModelGet, msg_id=1
            )
        )
        # PS3.4 §C.4.3.1.4: FE00, "Sub-operations terminated due to Cancel Indication".
        assert status.Status == 0xFE00
        assert 3 <= len(received) < COUNT
        assert counts(status) == (len(received), 0, 0)
        assert status.NumberOfRemainingSuboperations == COUNT - len(received)
        # The association goes on.
        status, _, _ = last_of(
            association.send_c_get(
                identifier(study), StudyRootQueryRetrieveInformationModelGet, msg_id=2
            )
        )
    assert status.Status == 0x0000


def test_c_get_of_a_class_that_was_not_negotiated_is_a_partial_failure(
    bridge: Bridge, study: str
) -> None:
    with getting(bridge, lambda _: 0x0000, classes=(CTImageStorage,)) as association:
        status, failed, _ = last_of(
            association.send_c_get(identifier(study), StudyRootQueryRetrieveInformationModelGet)
        )
    assert (status.Status, counts(status)) == (0xB000, (8, 4, 0))
    assert sorted(failed) == sorted(UIDS[8:])


def test_warnings_of_the_peer_are_counted_and_are_no_failures(bridge: Bridge, study: str) -> None:
    def answer(event: Any) -> int:
        return 0xB007 if event.request.AffectedSOPInstanceUID in UIDS[:5] else 0x0000

    with getting(bridge, answer) as association:
        status, failed, _ = last_of(
            association.send_c_get(identifier(study), StudyRootQueryRetrieveInformationModelGet)
        )
    assert (status.Status, counts(status), failed) == (0xB000, (COUNT - 5, 0, 5), [])


def test_c_move_of_which_the_destination_refuses_some_is_a_partial_failure(
    bridge: Bridge, study: str
) -> None:
    originators: set[tuple[str, int]] = set()

    def answer(event: Any) -> int:
        request = event.request
        originators.add(
            (
                request.MoveOriginatorApplicationEntityTitle.strip(),
                request.MoveOriginatorMessageID,
            )
        )
        return 0xA700 if request.AffectedSOPInstanceUID in UIDS[2:5] else 0x0000

    with sink(bridge, answer), moving(bridge) as association:
        status, failed, remained = last_of(
            association.send_c_move(
                identifier(study), "SINK", StudyRootQueryRetrieveInformationModelMove, msg_id=7
            )
        )
    assert (status.Status, counts(status)) == (0xB000, (COUNT - 3, 3, 0))
    assert sorted(failed) == UIDS[2:5]
    assert remained == list(range(COUNT - 1, 0, -1))
    # PS3.7 §9.1.1.1: who asked for the move, and in which message.
    assert originators == {("MOVER", 7)}


def test_c_move_of_which_the_destination_refuses_all_is_a_failure(
    bridge: Bridge, study: str
) -> None:
    with sink(bridge, lambda _: 0xA700), moving(bridge) as association:
        status, failed, _ = last_of(
            association.send_c_move(
                identifier(study), "SINK", StudyRootQueryRetrieveInformationModelMove
            )
        )
    assert (status.Status, counts(status)) == (0xA702, (0, COUNT, 0))
    assert sorted(failed) == sorted(UIDS)


def test_a_list_of_failures_longer_than_16_bits_say_is_there(bridge: Bridge) -> None:
    study_uid = f"{STUDY}.65536"
    uids = [f"{study_uid}.{10**40 + number}" for number in range(1200)]
    assert len("\\".join(uids)) > 0xFFFF
    wire = Wire.to(bridge.port)
    wire.associate((CTImageStorage,))
    said = {"study_uid": study_uid, "series_uid": f"{study_uid}.1"}
    for uid in uids:
        raw = part10(**said, instance_uid=uid, meta=False, preamble=False)  # type: ignore[arg-type]
        assert wire.store(uid, raw, context_id=1) == 0
    with moving(bridge, EXPLICIT) as association:
        ((status, listed),) = association.send_c_move(
            identifier(study_uid), "SINK", StudyRootQueryRetrieveInformationModelMove
        )
    assert (status.Status, counts(status)) == (0xA702, (0, len(uids), 0))
    assert listed is not None
    # PS3.5 §6.2.2: so long a value is UN in Explicit VR, which pydicom leaves as bytes.
    failed = listed["FailedSOPInstanceUIDList"].value.rstrip(b"\0").decode().split("\\")
    assert sorted(failed) == sorted(uids)


def test_counts_end_at_what_their_16_bits_hold() -> None:
    one = cast(Instance, SimpleNamespace(instance_uid="1.2.3"))
    operation = Operation(cast(Session, None), cast(Message, None), [one] * 70_000)
    assert operation._counts()[commands.REMAINING] == 0xFFFF
    operation.fail(operation.instances, "nobody is there")
    counted = operation._counts()
    assert (counted[commands.REMAINING], counted[commands.FAILED]) == (0, 0xFFFF)
    commands.encode({commands.COMMAND_FIELD: commands.C_MOVE, **counted}, with_data_set=False)


def test_c_move_to_a_destination_that_aborts_fails_the_rest(bridge: Bridge, study: str) -> None:
    received: list[str] = []

    def answer(event: Any) -> int:
        received.append(event.request.AffectedSOPInstanceUID)
        if len(received) == 4:
            event.assoc.abort()
        return 0x0000

    with sink(bridge, answer), moving(bridge) as association:
        status, failed, _ = last_of(
            association.send_c_move(
                identifier(study), "SINK", StudyRootQueryRetrieveInformationModelMove
            )
        )
    assert (status.Status, counts(status)) == (0xB000, (3, COUNT - 3, 0))
    assert set(failed) == set(UIDS) - set(received[:3])


def test_c_move_is_cancelled_between_two_sub_operations(bridge: Bridge, study: str) -> None:
    received: list[str] = []
    with moving(bridge) as association:

        def answer(event: Any) -> int:
            received.append(event.request.AffectedSOPInstanceUID)
            if len(received) == 3:
                association.send_c_cancel(5, query_model=StudyRootQueryRetrieveInformationModelMove)
            return 0x0000

        with sink(bridge, answer):
            status, _, _ = last_of(
                association.send_c_move(
                    identifier(study), "SINK", StudyRootQueryRetrieveInformationModelMove, msg_id=5
                )
            )
    assert status.Status == 0xFE00
    assert 3 <= len(received) < COUNT
    assert counts(status) == (len(received), 0, 0)
    assert status.NumberOfRemainingSuboperations == COUNT - len(received)


# ---------------------------------------------------------------------------- unique keys

PATIENT_ROOT = PatientRootQueryRetrieveInformationModelGet
STUDY_ROOT = StudyRootQueryRetrieveInformationModelGet
STUDY_KEY = {"StudyInstanceUID": STUDY}
SERIES_KEY = {"SeriesInstanceUID": f"{STUDY}.1"}
IMAGE_KEY = {"SOPInstanceUID": UIDS[:2]}


def received(
    bridge: Bridge, level: str, keys: dict[str, str | list[str]], *, model: str = PATIENT_ROOT
) -> list[str]:
    """The SOP Instance UIDs that a C-GET is answered with, sorted."""
    wanted = pydicom.Dataset()
    wanted.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(wanted, keyword, value)
    found: list[str] = []

    def answer(event: Any) -> int:
        found.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    with getting(bridge, answer) as association:
        status, _, _ = last_of(association.send_c_get(wanted, model))
    assert (status.Status, counts(status)) == (0x0000, (len(found), 0, 0))
    return sorted(found)


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("STUDY", {"PatientID": "NOBODY", **STUDY_KEY}),
        ("SERIES", {"PatientID": "NOBODY", **STUDY_KEY, **SERIES_KEY}),
        ("SERIES", {"PatientID": PATIENT, "StudyInstanceUID": "1.2.3", **SERIES_KEY}),
        ("IMAGE", {"PatientID": "NOBODY", **STUDY_KEY, **SERIES_KEY, **IMAGE_KEY}),
        ("IMAGE", {"StudyInstanceUID": "1.2.3", **IMAGE_KEY}),
        ("IMAGE", {**STUDY_KEY, "SeriesInstanceUID": f"{STUDY}.2", **IMAGE_KEY}),
    ],
)
def test_ps3_4_c_4_2_1_4_what_a_key_above_the_level_excludes_is_not_sent(
    bridge: Bridge, study: str, level: str, keys: dict[str, str | list[str]]
) -> None:
    assert received(bridge, level, keys) == []


@pytest.mark.parametrize(
    ("level", "keys", "sent"),
    [
        ("PATIENT", {"PatientID": PATIENT}, UIDS),
        ("STUDY", {"PatientID": PATIENT, **STUDY_KEY}, UIDS),
        ("STUDY", {"PatientID": "", **STUDY_KEY}, UIDS),
        ("SERIES", SERIES_KEY, UIDS[:8]),
        ("SERIES", {"PatientID": PATIENT, "StudyInstanceUID": "", **SERIES_KEY}, UIDS[:8]),
        ("IMAGE", IMAGE_KEY, UIDS[:2]),
        ("IMAGE", {"PatientID": PATIENT, **STUDY_KEY, **SERIES_KEY, **IMAGE_KEY}, UIDS[:2]),
    ],
)
def test_a_key_above_the_level_that_agrees_or_has_no_value_excludes_nothing(
    bridge: Bridge, study: str, level: str, keys: dict[str, str | list[str]], sent: list[str]
) -> None:
    assert received(bridge, level, keys) == sorted(sent)


def test_keys_below_the_level_or_not_of_the_model_exclude_nothing(
    bridge: Bridge, study: str
) -> None:
    """Study Root has no level of patients: there Patient ID is no unique key."""
    keys: dict[str, str | list[str]] = {"PatientID": "NOBODY", **STUDY_KEY}
    assert received(bridge, "STUDY", keys, model=STUDY_ROOT) == sorted(UIDS)
    assert received(bridge, "STUDY", {**STUDY_KEY, "SeriesInstanceUID": "1.2.3"}) == sorted(UIDS)


@pytest.mark.parametrize(
    ("level", "keys", "sent"),
    [
        ("STUDY", {"StudyInstanceUID": [STUDY, STUDY]}, UIDS),
        ("SERIES", {"SeriesInstanceUID": [f"{STUDY}.1", f"{STUDY}.1"]}, UIDS[:8]),
        ("SERIES", {"StudyInstanceUID": [STUDY, STUDY], **SERIES_KEY}, UIDS[:8]),
        ("IMAGE", {"SOPInstanceUID": [UIDS[0], UIDS[1], UIDS[0]]}, UIDS[:2]),
    ],
)
def test_what_is_named_twice_is_sent_once(
    bridge: Bridge, study: str, level: str, keys: dict[str, str | list[str]], sent: list[str]
) -> None:
    assert received(bridge, level, keys, model=STUDY_ROOT) == sorted(sent)
