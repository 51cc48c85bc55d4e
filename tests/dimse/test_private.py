"""Storage SOP classes: the standard's are taken, private ones when the configuration names them;
all are sent on alike."""

from pathlib import Path
from typing import Any

import pydicom
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import _STORAGE_CLASSES

from dicomweb_server.dimse.sop_classes import STORAGE, STUDY_GET
from tests.dicom.build import part10
from tests.dimse.conftest import bridged
from tests.dimse.programs import free_port, run, running, tried
from tests.dimse.test_dcmtk import data_set
from tests.dimse.wire import EXPLICIT

PRIVATE = "1.2.826.0.1.3680043.9.7433.1.1"
STUDY = "2.25.9601"


def made(directory: Path, sop_class_uid: str) -> Path:
    file = directory / f"{sop_class_uid}.dcm"
    file.write_bytes(
        part10(
            study_uid=STUDY,
            series_uid=f"{STUDY}.1",
            instance_uid=f"{STUDY}.1.{sop_class_uid.rpartition('.')[2]}",
            sop_class_uid=sop_class_uid,
            PatientID="PRIVATE",
        )
    )
    return file


def test_a_private_class_is_refused_unless_the_configuration_names_it(tmp_path: Path) -> None:
    with bridged(tmp_path, config=f'dimse_private_sop_classes = "{PRIVATE}.7, 1.2.3.4"') as bridge:
        _, said = tried("dcmsend", "-v", "-nuc", "127.0.0.1", bridge.port, made(tmp_path, PRIVATE))
    assert "SUCCESS  : 1" not in said


def test_a_private_class_is_stored_found_and_moved_bit_for_bit(tmp_path: Path) -> None:
    sink = free_port()
    received = tmp_path / "received"
    received.mkdir()
    config = f"""
        dimse_private_sop_classes = "{PRIVATE}"
        [[peers]]
        aet = "SINK"
        host = "127.0.0.1"
        port = {sink}
    """
    with (
        running("storescp", "-B", "-pm", "-od", received, "-aet", "SINK", sink,
                port=sink, cwd=tmp_path),
        bridged(tmp_path, config=config) as bridge,
    ):  # fmt: skip
        sent = made(tmp_path, PRIVATE)
        said = run("dcmsend", "-v", "-nuc", "127.0.0.1", bridge.port, sent)
        assert "SUCCESS  : 1" in said
        found = run(
            "findscu", "-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={STUDY}",
            "-k", "SOPClassUID", "127.0.0.1", bridge.port,
        )  # fmt: skip
        assert PRIVATE in found
        run(
            "movescu", "-S", "-aem", "SINK", "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={STUDY}", "127.0.0.1", bridge.port,
        )  # fmt: skip
    (got,) = received.iterdir()
    assert data_set(got.read_bytes()) == data_set(sent.read_bytes())
    assert pydicom.dcmread(got).SOPClassUID == PRIVATE


def test_every_storage_class_of_pynetdicom_is_known_here() -> None:
    assert {*_STORAGE_CLASSES.values()} <= STORAGE


def test_ps3_6_a_1_classes_younger_than_the_libraries_are_stored_and_come_back_by_c_get(
    tmp_path: Path,
) -> None:
    younger = [f"1.2.840.10008.5.1.4.1.1.{each}" for each in ("2.3", "66.7", "66.8", "601.5")]
    got: dict[str, bytes] = {}

    def keep(event: Any) -> int:
        got[str(event.request.AffectedSOPClassUID)] = event.request.DataSet.getvalue()
        return 0

    with bridged(tmp_path) as bridge:
        ae = AE()
        ae.add_requested_context(STUDY_GET)
        for uid in younger:
            sent = made(tmp_path, uid)
            assert "SUCCESS  : 1" in run("dcmsend", "-v", "-nuc", "127.0.0.1", bridge.port, sent)
            ae.add_requested_context(uid, EXPLICIT)
        association = ae.associate(
            "127.0.0.1",
            bridge.port,
            ext_neg=[build_role(uid, scp_role=True) for uid in younger],
            evt_handlers=[(evt.EVT_C_STORE, keep)],
        )
        wanted = pydicom.Dataset()
        wanted.QueryRetrieveLevel = "STUDY"
        wanted.StudyInstanceUID = STUDY
        last = [answer for answer, _ in association.send_c_get(wanted, STUDY_GET)][-1]
        association.release()
    assert last.Status == 0, last
    assert got == {uid: data_set(made(tmp_path, uid).read_bytes()) for uid in younger}
