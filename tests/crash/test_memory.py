"""Large instances pass through in a few megabytes: every process of a server is watched.

LARGE_MB says how large the instance is; 256 unless it is set.
"""

import hashlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.dicom.build import INSTANCE_UID, SERIES_UID, STUDY_UID, element, part10
from tests.servers import run_json, serving, session_of, wait_for

LARGE_MB = int(os.environ.get("LARGE_MB", "256"))
LIMIT_MB = 200
"""Of any process, however large the instance; 94 MB were measured with 2 GB."""

FRAME = 1024 * 1024 * 2


def large_file() -> Iterator[bytes]:
    """A multi-frame instance of LARGE_MB, a frame at a time; no two frames are equal."""
    count = LARGE_MB * 2**20 // FRAME
    head = part10(rows=1024, columns=1024, frames=count, bits_stored=16, pixel_data=b"")
    at = head.index(element(0x7FE00010, "OW", b""))
    yield head[:at] + element(0x7FE00010, "OW", b"", length=count * FRAME)
    picture = np.add.outer(np.arange(1024), np.arange(1024)).astype("<u2")
    for n in range(count):
        noise = np.random.default_rng(n).integers(0, 64, (1024, 1024), dtype="<u2")
        yield (picture + noise).tobytes()


def peak_mb(pid: int) -> float:
    """The most memory a process ever had resident."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return next(
        (int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")),
        0.0,
    )


def connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=600)


def test_a_large_instance_is_stored_settled_and_retrieved_in_bounded_memory(
    tmp_path: Path,
) -> None:
    sent = hashlib.sha256()

    def body() -> Iterator[bytes]:
        yield b"--sep\r\nContent-Type: application/dicom\r\n\r\n"
        for piece in large_file():
            sent.update(piece)
            yield piece
        yield b"\r\n--sep--\r\n"

    data = tmp_path / "archive"
    instance = f"/dicom-web/studies/{STUDY_UID}/series/{SERIES_UID}/instances/{INSTANCE_UID}"
    with serving(data, "--settle-after-s", 0) as (process, url):
        connection = connect(url)
        connection.request(
            "POST",
            "/dicom-web/studies",
            body(),
            {"Content-Type": 'multipart/related; type="application/dicom"; boundary=sep'},
            encode_chunked=True,
        )
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        assert response.status == 200, answer[:1000]

        def retrieved(accept: str, path: str = instance) -> tuple[str, int]:
            connection = connect(url)
            connection.request("GET", path, headers={"Accept": accept})
            response = connection.getresponse()
            digest, length = hashlib.sha256(), 0
            while piece := response.read(2**20):
                digest.update(piece)
                length += len(piece)
            connection.close()
            assert response.status == 200
            return digest.hexdigest(), length

        as_received = "application/dicom; transfer-syntax=*"
        assert retrieved(as_received)[0] == sent.hexdigest()
        wait_for(lambda: run_json("stats", "--data", data)["landing_bytes"] == 0, seconds=600)
        assert retrieved(as_received)[0] == sent.hexdigest()
        explicit = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
        assert retrieved(explicit)[1] >= LARGE_MB * 2**20
        retrieved("multipart/related; type=application/octet-stream", f"{instance}/frames/1")
        peaks = {pid: peak_mb(pid) for pid in session_of(process)}
    assert len(peaks) >= 2
    assert max(peaks.values()) < LIMIT_MB, peaks
    print(f"peak of each process, MB: {sorted(map(round, peaks.values()))}")
