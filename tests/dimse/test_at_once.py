"""What DICOMweb sees DIMSE sees, at once, and the other way round: stored, edited, deleted."""

import re
import urllib.request
from pathlib import Path

from tests.dicom.build import part10
from tests.dimse.conftest import Bridge
from tests.dimse.programs import run
from tests.dimse.test_dcmtk import data_set, qido
from tests.dimse.test_worklist import asked

STUDY = "2.25.9901"


def found(bridge: Bridge, study: str) -> str:
    return run(
        "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        "-k", "PatientID", "-k", "NumberOfStudyRelatedInstances", "127.0.0.1", bridge.port,
    )  # fmt: skip


def made(study: str) -> bytes:
    return part10(
        study_uid=study, series_uid=f"{study}.1", instance_uid=f"{study}.1.1", PatientID="WEB-1"
    )


def over_the_web(bridge: Bridge, method: str, path: str, body: bytes | None = None) -> int:
    request = urllib.request.Request(
        f"{bridge.url}/dicom-web/{path}",
        method=method,
        data=body,
        headers={"Content-Type": "application/dicom"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        status: int = response.status
        return status


def test_what_stow_rs_has_stored_is_found_and_had_over_dimse_and_gone_once_deleted(
    bridge: Bridge, tmp_path: Path
) -> None:
    study = f"{STUDY}.1"
    assert over_the_web(bridge, "POST", "studies", made(study)) == 200
    assert "WEB-1" in found(bridge, study)
    run(
        "getscu", "-S", "-B", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        "-od", tmp_path, "127.0.0.1", bridge.port,
    )  # fmt: skip
    (got,) = tmp_path.iterdir()
    assert data_set(got.read_bytes()) == data_set(made(study))
    assert over_the_web(bridge, "DELETE", f"studies/{study}") == 204
    assert "WEB-1" not in found(bridge, study)


def test_what_has_been_corrected_is_answered_corrected_over_both(
    bridge: Bridge, tmp_path: Path
) -> None:
    study = f"{STUDY}.2"
    file = tmp_path / "sent.dcm"
    file.write_bytes(made(study))
    run("dcmsend", "127.0.0.1", bridge.port, file)
    assert qido(bridge, f"studies?StudyInstanceUID={study}")[0]["00100020"]["Value"] == ["WEB-1"]
    status, answer = asked(
        bridge, "POST", "/edits",
        {"kind": "correct", "study": study, "attributes": {"PatientID": "WEB-2"}},
    )  # fmt: skip
    assert status == 201, answer
    assert re.search(r"\[WEB-2\s*\]", found(bridge, study))
    assert qido(bridge, f"studies?StudyInstanceUID={study}")[0]["00100020"]["Value"] == ["WEB-2"]
    got = tmp_path / "got"
    got.mkdir()
    run(
        "getscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        "-od", got, "127.0.0.1", bridge.port,
    )  # fmt: skip
    assert b"WEB-2" in next(got.iterdir()).read_bytes()
