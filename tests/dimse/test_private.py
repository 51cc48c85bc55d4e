"""Private storage SOP classes: taken when the configuration names them, sent on like any others."""

from pathlib import Path

import pydicom

from tests.dicom.build import part10
from tests.dimse.conftest import bridged
from tests.dimse.programs import free_port, run, running, tried
from tests.dimse.test_dcmtk import data_set

PRIVATE = "1.2.826.0.1.3680043.9.7433.1.1"
STUDY = "2.25.9601"


def made(directory: Path, sop_class_uid: str) -> Path:
    file = directory / f"{sop_class_uid}.dcm"
    file.write_bytes(
        part10(
            study_uid=STUDY,
            series_uid=f"{STUDY}.1",
            instance_uid=f"{STUDY}.1.1",
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
