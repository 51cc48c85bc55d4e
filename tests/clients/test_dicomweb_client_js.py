"""dicomweb-client (npm), which OHIF speaks DICOMweb with, in Node against the running server."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clients.npm import package, programs
from tests.dicom.build import part10
from tests.servers import serving

VERSION = "0.10.4"
"""The one that @ohif/extension-default 3.13.2 asks for."""

SCRIPT = Path(__file__).with_name("dicomweb_client.mjs")
STUDY_UID, SERIES_UID = "2.25.4711", "2.25.4711.1"
DOCUMENT = bytes(range(256)) * 400
FRAMES = [np.full((16, 20), n, "<u2").tobytes() for n in (7, 8)]


def instance(number: int) -> bytes:
    return part10(
        study_uid=STUDY_UID,
        series_uid=SERIES_UID,
        instance_uid=f"{SERIES_UID}.{number}",
        rows=16,
        columns=20,
        frames=2,
        pixel_data=b"".join(FRAMES),
        InstanceNumber=str(number),
        PatientName="Zhang^Wei=张^伟",
        PatientID="JS-1",
        EncapsulatedDocument=DOCUMENT,
    )


FILES = [instance(number) for number in (1, 2, 3)]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the client saw, see the script's end."""
    client, xhr = package("dicomweb-client", VERSION), package("xhr2", "0.2.1")
    node, _ = programs()
    directory = tmp_path_factory.mktemp("js")
    paths = [directory / f"{number}.dcm" for number in range(len(FILES))]
    for path, file in zip(paths, FILES, strict=True):
        path.write_bytes(file)
    with serving(directory / "archive") as (_, url):
        done = subprocess.run(
            [node, SCRIPT, client, xhr, f"{url}/dicom-web", *paths],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    yield answer


def test_it_finds_what_it_stored(said: dict[str, Any]) -> None:
    assert (said["study"], said["series"]) == (STUDY_UID, SERIES_UID)
    assert said["found"] == [[f"{SERIES_UID}.{number}", 2] for number in (1, 2, 3)]
    assert said["nobody"] == 0


def test_it_retrieves_metadata(said: dict[str, Any]) -> None:
    assert said["metadata"] == [f"{SERIES_UID}.{number}" for number in (1, 2, 3)]
    assert said["inStudy"] == 3
    assert said["alone"]
    assert said["patientName"] == {"Alphabetic": "Zhang^Wei", "Ideographic": "张^伟"}


def test_it_retrieves_instances_as_they_were_stored(said: dict[str, Any]) -> None:
    stored = [digest(file) for file in FILES]
    assert said["instance"] == stored[0]
    assert said["instances"] == stored
    assert said["everything"] == stored


def test_it_retrieves_frames_in_the_order_asked_for_and_bulk_data(said: dict[str, Any]) -> None:
    asked = [digest(FRAMES[1]), digest(FRAMES[0])]
    assert said["frames"] == asked * 2
    assert said["pixels"] == [digest(frame) for frame in FRAMES]
    assert said["document"] == [digest(DOCUMENT)]


def test_it_retrieves_a_picture(said: dict[str, Any]) -> None:
    assert said["picture"] == "\x89PNG"


def test_it_is_told_that_an_instance_is_not_there(said: dict[str, Any]) -> None:
    assert said["failure"] == 404
