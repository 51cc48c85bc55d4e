"""GDCM's gdcmscu against the running bridge.

Debian's (3.0.21) throws "ProtocolStream as nullptr is invalid" when it reads the release response,
from any peer, dcmtk's too; what was exchanged before that is what counts here. Its C-MOVE waits
for ever in its own event loop, which is why only storing and finding are tried.
"""

from pathlib import Path

from tests.dicom.build import part10
from tests.dimse.conftest import Bridge
from tests.dimse.programs import tried
from tests.dimse.test_dcmtk import qido

STUDY = "2.25.9501"


def test_gdcmscu_stores_and_finds(bridge: Bridge, tmp_path: Path) -> None:
    where = ("127.0.0.1", bridge.port, "--call", "DICOMWEB")
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            study_uid=STUDY,
            series_uid=f"{STUDY}.1",
            instance_uid=f"{STUDY}.1.1",
            rows=8,
            columns=8,
            PatientName="GDCM^Test",
            PatientID="GDCM-1",
        )
    )
    code, said = tried("gdcmscu", "--store", *where, file)
    assert code == 0 or KNOWN_FAULT in said
    assert len(qido(bridge, "studies?PatientID=GDCM-1")) == 1
    code, said = tried(
        "gdcmscu", "--find", *where, "--patientroot", "--patient", "--key", "10,20,GDCM-1",
        "--key", "10,10", "--debug",
    )  # fmt: skip
    assert "C-Find was successful" in said


KNOWN_FAULT = "ProtocolStream as nullptr"
