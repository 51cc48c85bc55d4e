"""Storage commitment: on the same association, on a new one, and over a restart."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_role, evt

from dicomweb_server.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from tests.dicom.build import CT_IMAGE_STORAGE, part10
from tests.dimse.conftest import Bridge, bridged, stop
from tests.dimse.programs import free_port, run
from tests.dimse.test_worklist import asked, wish

STUDY = "2.25.7001"


def sent(
    bridge: Bridge, directory: Path, *numbers: int, study: str = STUDY, accession: str = ""
) -> list[str]:
    uids = []
    for number in numbers:
        uids.append(f"{study}.1.{number}")
        (directory / f"{number}.dcm").write_bytes(
            part10(
                study_uid=study,
                series_uid=f"{study}.1",
                instance_uid=uids[-1],
                AccessionNumber=accession,
            )
        )
    run("dcmsend", "127.0.0.1", bridge.port, *sorted(directory.glob("*.dcm")))
    return uids


def action(*uids: str) -> Dataset:
    asked_for = Dataset()
    asked_for.TransactionUID = generate_uid()
    items = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID = CT_IMAGE_STORAGE
        item.ReferencedSOPInstanceUID = uid
        items.append(item)
    asked_for.ReferencedSOPSequence = Sequence(items)
    return asked_for


def handler(reports: "queue.Queue[tuple[int, Dataset]]") -> Any:
    def take(event: Any) -> tuple[int, None]:
        reports.put((event.request.EventTypeID, event.event_information))
        return 0, None

    return (evt.EVT_N_EVENT_REPORT, take)


def ask(
    bridge: Bridge,
    wanted: Dataset,
    *,
    title: str,
    reports: Any = None,
    syntax: str | None = None,
    expected: int = 0,
) -> Any:
    """The association over which N-ACTION was answered with the expected status."""
    entity = AE(title)
    entity.add_requested_context(STORAGE_COMMITMENT, syntax)
    handlers = [handler(reports)] if reports is not None else []
    association = entity.associate("127.0.0.1", bridge.port, evt_handlers=handlers)
    assert association.is_established
    status, _ = association.send_n_action(
        wanted, 1, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
    )
    assert status.Status == expected
    return association


def test_a_peer_without_address_is_told_over_its_own_association(
    bridge: Bridge, tmp_path: Path
) -> None:
    (kept,) = sent(bridge, tmp_path, 1)
    reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
    wanted = action(kept, f"{STUDY}.1.99")
    association = ask(bridge, wanted, title="NOWHERE", reports=reports)
    event, report = reports.get(timeout=10)
    association.release()
    assert event == 2  # complete, failures exist
    assert report.TransactionUID == wanted.TransactionUID
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [kept]
    (failed,) = report.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == (f"{STUDY}.1.99", 0x0112)


def test_ps3_4_j_3_5_another_instance_than_the_well_known_is_0112(bridge: Bridge) -> None:
    entity = AE("NOWHERE")
    entity.add_requested_context(STORAGE_COMMITMENT)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    status, _ = association.send_n_action(action("1.2.3"), 1, STORAGE_COMMITMENT, "1.2.3.4")
    association.release()
    assert status.Status == 0x0112


@contextmanager
def listening(port: int, reports: Any) -> Iterator[None]:
    """The modality's own port, where it is told."""
    entity = AE("SINK")
    entity.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[handler(reports)])
    try:
        yield
    finally:
        assert server is not None
        server.shutdown()


def test_a_peer_with_address_is_told_over_a_new_association(bridge: Bridge, tmp_path: Path) -> None:
    (kept,) = sent(bridge, tmp_path, 2)
    reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
    with listening(bridge.sink, reports):
        ask(bridge, action(kept), title="SINK").release()
        event, report = reports.get(timeout=15)
    assert event == 1
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [kept]


def test_a_report_that_could_not_be_sent_is_sent_after_a_restart(tmp_path: Path) -> None:
    sink = free_port()
    config = f"""
        [[peers]]
        aet = "SINK"
        host = "127.0.0.1"
        port = {sink}
    """
    with bridged(tmp_path, config=config, sink=sink) as bridge:
        files = tmp_path / "files"
        files.mkdir()
        (kept,) = sent(bridge, files, 3)
        wanted = action(kept)
        ask(bridge, wanted, title="SINK").release()
        stop(bridge)
    reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
    with listening(sink, reports), bridged(tmp_path, config=config, sink=sink):
        event, report = reports.get(timeout=30)
    assert event == 1
    assert report.TransactionUID == wanted.TransactionUID


@pytest.mark.parametrize("known_by", ["study", "accession"])
def test_storage_commitment_completes_an_exam(
    bridge: Bridge, tmp_path: Path, known_by: str
) -> None:
    accession = f"COMMIT{known_by[0].upper()}"
    order = asked(bridge, "POST", "/orders", wish(accession_number=accession))[1]
    if known_by == "study":
        uids = sent(bridge, tmp_path, 1, study=order["study_uid"])
    else:
        uids = sent(bridge, tmp_path, 1, study="2.25.7002", accession=accession)
    reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
    association = ask(bridge, action(*uids), title="NOWHERE", reports=reports)
    assert reports.get(timeout=10)[0] == 1
    association.release()
    found = asked(bridge, "GET", f"/orders/{order['id']}")[1]
    assert found["status"] == "completed"
    assert found["completed_by"] == "commitment"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_ps3_4_j_3_2_a_request_names_any_number_of_instances(
    bridge: Bridge, tmp_path: Path, syntax: str
) -> None:
    (kept,) = sent(bridge, tmp_path, 4)
    lost = [f"{STUDY}.99.{number}" for number in range(2000)]
    reports: queue.Queue[tuple[int, Dataset]] = queue.Queue()
    association = ask(bridge, action(kept, *lost), title="NOWHERE", reports=reports, syntax=syntax)
    event, report = reports.get(timeout=20)
    association.release()
    assert event == 2
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == [kept]
    assert [item.ReferencedSOPInstanceUID for item in report.FailedSOPSequence] == lost


def test_ps3_4_j_3_3_a_report_of_any_number_of_instances_is_taken(bridge: Bridge) -> None:
    report = action(*(f"{STUDY}.98.{number}" for number in range(80)))
    report.FailedSOPSequence = report.ReferencedSOPSequence
    entity = AE("SINK")
    entity.add_requested_context(STORAGE_COMMITMENT)
    association = entity.associate(
        "127.0.0.1", bridge.port, ext_neg=[build_role(STORAGE_COMMITMENT, scp_role=True)]
    )
    assert association.is_established
    status, _ = association.send_n_event_report(
        report, 2, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
    )
    association.release()
    assert status.Status == 0


def test_a_request_whose_references_are_no_sequence_is_refused(bridge: Bridge) -> None:
    wanted = action()
    del wanted.ReferencedSOPSequence
    wanted.add_new("ReferencedSOPSequence", "LO", "1.2.3")
    association = ask(bridge, wanted, title="NOWHERE", expected=0x0106)
    association.release()
