"""A disk that is really full: A700, nothing lost, and the archive goes on once there is room."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.dicom.build import part10
from tests.dimse.programs import free_port, run, tried, wait_for_port
from tests.servers import ROOT, kill_session

STUDY = "2.25.9801"
DISK_MIB = 48


def unshare() -> list[str]:
    """How a program gets a mount of its own; skips where that cannot be."""
    flags = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    probe = subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False)
    if probe.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"no mount of one's own: {probe.stderr.decode()}")
        pytest.skip("this machine gives a test no mount of its own")
    return ["unshare", *flags, "--propagation", "private", "sh", "-c"]


@contextmanager
def bridge_on_a_small_disk(directory: Path) -> Iterator[int]:
    """The bridge, its archive on a disk of DISK_MIB; the port."""
    port = free_port()
    disk = directory / "disk"
    disk.mkdir()
    # Something else takes up what is not the archive's, and gives it back when the file is gone.
    inner = (
        f"mount -t tmpfs -o size={DISK_MIB}m none {disk} && "
        f"exec {sys.executable} -m dicomweb_server dimse --data {disk}/archive "
        f"--dimse-port {port}"
    )
    process = subprocess.Popen(
        [*unshare(), inner],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        wait_for_port(port)
        yield port
    finally:
        kill_session(process)


def slices(directory: Path, count: int) -> list[Path]:
    """Images of 512 kB that do not compress."""
    made = []
    for number in range(count):
        made.append(directory / f"{number:03}.dcm")
        made[-1].write_bytes(
            part10(
                study_uid=STUDY,
                series_uid=f"{STUDY}.1",
                instance_uid=f"{STUDY}.1.{number}",
                rows=512,
                columns=512,
                pixel_data=os.urandom(512 * 512 * 2),
                bits_stored=16,
            )
        )
    return made


def test_a_full_disk_is_a700_for_what_does_not_fit_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    made = slices(tmp_path / "made", 2 * DISK_MIB)
    with bridge_on_a_small_disk(tmp_path) as port:
        _, said = tried("dcmsend", "-v", "-nh", "127.0.0.1", port, *made, timeout_s=120)
        taken = said.count("Response (Success)")
        refused = len(re.findall(r"Response \(.*(?:OutOfResources|0xa700)", said))
        assert taken > 10
        assert refused == len(made) - taken
        run("echoscu", "127.0.0.1", port)
        got = tmp_path / "got"
        got.mkdir()
        run(
            "getscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}",
            "-od", got, "127.0.0.1", port,
        )  # fmt: skip
        assert len(list(got.iterdir())) == taken
