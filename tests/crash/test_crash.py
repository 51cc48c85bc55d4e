"""kill -9 in the middle of everything: what was acknowledged is there and whole, and nothing is
half there.

CRASH_ROUNDS says how often each is done; unless it is set 20 times in CI and 5 elsewhere.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.archive.store import GROUP_PARTS, Received, store
from dicomweb_server.archive.upkeep import settle, verify
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from storage.model import Query, QueryLevel
from tests.dicom.build import part10
from tests.servers import ROOT, ended, kill_session, serving, wait_for

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20" if os.environ.get("CI") else "5"))

_UID = "1.2.826.0.1.3680043.8.7"
STUDY = f"{_UID}.{{:04d}}"
"""UID of the study of a number of at most four digits: a file has room for no more."""

_TEMPLATE = part10(
    study_uid=f"{_UID}.0000",
    series_uid=f"{_UID}.0000.1",
    instance_uid=f"{_UID}.0000.1.0000",
    rows=96,
    columns=96,
)


def made(study: int, count: int) -> dict[str, bytes]:
    """`count` instances of one study, by UID; each frame is a picture of its own."""
    files: dict[str, bytes] = {}
    study_uid = STUDY.format(study)
    across, down = np.meshgrid(np.arange(96), np.arange(96))
    for number in range(1000, 1000 + count):
        uid = f"{study_uid}.1.{number}"
        chance = np.random.default_rng([study, number])
        slope = chance.uniform(-4, 4, 2)
        picture = 1000 + across * slope[0] + down * slope[1] + chance.normal(0, 5, (96, 96))
        pixels = picture.astype("<u2").tobytes()
        content = (
            _TEMPLATE.replace(f"{_UID}.0000.1.0000".encode(), uid.encode())
            .replace(f"{_UID}.0000.1".encode(), f"{study_uid}.1".encode())
            .replace(f"{_UID}.0000".encode(), study_uid.encode())
        )
        files[uid] = content[: -len(pixels)] + pixels
    return files


def stow(url: str, files: list[bytes]) -> set[str]:
    """Sends files in one request; the UIDs that were acknowledged, none when it broke off."""
    body = b"".join(
        b"--sep\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files
    )
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request(
            "POST",
            "/dicom-web/studies",
            body + b"--sep--\r\n",
            {
                "Content-Type": 'multipart/related; type="application/dicom"; boundary=sep',
                "Accept": "application/dicom+json",
            },
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return {item["00081155"]["Value"][0] for item in answer["00081199"]["Value"]}
    except (OSError, http.client.HTTPException):
        return set()
    finally:
        connection.close()


def check(archive: Archive, sent: dict[str, bytes], acknowledged: set[str]) -> set[str]:
    """What must hold after a crash; returns the UIDs that are stored."""
    faults: list[str] = []
    verify(archive, full=True, sweep=True, report=faults.append)
    assert faults == []
    stored = stored_uids(archive)
    assert acknowledged <= stored
    for uid in stored:
        instance = archive.storage.index.instance(uid)
        assert instance is not None
        assert b"".join(InstanceFile(archive, instance).chunks()) == sent[uid]
    return stored


def stored_uids(archive: Archive) -> set[str]:
    page = archive.storage.index.find(Query(QueryLevel.INSTANCE))
    return {row.instance.instance_uid for row in page.rows if row.instance is not None}


def test_a_server_killed_while_it_stores_and_settles_has_all_it_acknowledged(
    tmp_path: Path,
) -> None:
    data = tmp_path / "archive"
    sent: dict[str, bytes] = {}
    acknowledged: set[str] = set()
    partly = 0
    for number in range(ROUNDS):
        small, large = made(2 * number, 500), made(2 * number + 1, 500)
        sent |= small | large
        with serving(data, "--settle-after-s", 0) as (process, url):
            done: set[str] = set()

            def send_small(url: str = url, small: dict[str, bytes] = small) -> None:
                files = list(small.values())
                for at in range(0, len(files), 20):
                    done.update(stow(url, files[at : at + 20]))  # noqa: B023 - joined below

            def send_large(url: str = url, large: dict[str, bytes] = large) -> None:
                done.update(stow(url, list(large.values())))  # noqa: B023 - joined below

            senders = [threading.Thread(target=send) for send in (send_small, send_large)]
            for sender in senders:
                sender.start()
            # About half a second into some two seconds of storing: a different place each time.
            time.sleep(random.Random(number).uniform(0.05, 1.2))
            kill_session(process)
            for sender in senders:
                sender.join()
        acknowledged |= done
        archive = open_archive(Config(data=str(data)))
        try:
            stored = check(archive, sent, acknowledged)
        finally:
            archive.close()
        partly += 0 < len(stored & (small.keys() | large.keys())) < 1000
    # Killed when all was over, or before it began, proves little.
    assert partly > 0, "no kill came in the middle of storing"


SETTLER = """
import sys
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.archive.upkeep import settle
from dicomweb_server.config import Config
archive = open_archive(Config(data=sys.argv[1]))
print("settling", flush=True)
settle(archive)
print("settled", flush=True)
"""


def test_a_settler_killed_at_any_moment_leaves_everything_whole(tmp_path: Path) -> None:
    data = tmp_path / "archive"
    sent: dict[str, bytes] = {}
    in_the_middle = 0
    for number in range(ROUNDS):
        files = made(number, 150)
        sent |= files
        archive = open_archive(Config(data=str(data)))
        parts = [Received(BytesSource(file), "a test") for file in files.values()]
        for at in range(0, len(parts), GROUP_PARTS):
            store(archive, parts[at : at + GROUP_PARTS])
        archive.close()
        process = subprocess.Popen(
            [sys.executable, "-c", SETTLER, str(data)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"settling\n"
        time.sleep(random.Random(number).uniform(0, 0.5))
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=30)
        in_the_middle += b"settled" not in out
        archive = open_archive(Config(data=str(data)))
        try:
            assert check(archive, sent, set(sent)) == set(sent)
        finally:
            archive.close()
    assert in_the_middle > 0, "no kill came in the middle of settling"
    archive = open_archive(Config(data=str(data)))
    try:
        assert settle(archive).finished
        assert check(archive, sent, set(sent)) == set(sent)
    finally:
        archive.close()


# An import begins alone; here its processes are to be there from the first file on.
IMPORTER = """
import sys
from dicomweb_server.archive import importer
from dicomweb_server.cli import main
importer.ALONE_S = 0.0
sys.exit(main(["import", *sys.argv[1:], "--json", "--import-processes", "2"]))
"""


def test_an_import_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    files = made(0, 300)
    (tmp_path / "in").mkdir()
    for uid, content in files.items():
        (tmp_path / "in" / uid).write_bytes(content)
    data = tmp_path / "archive"
    arguments = [sys.executable, "-c", IMPORTER, str(tmp_path / "in"), "--data", str(data)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for number in range(ROUNDS):
        process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, env=environment, start_new_session=True, text=True
        )
        time.sleep(random.Random(number).uniform(0.7, 2.5))
        # Only the command itself: its processes notice.
        process.kill()
        process.wait()
        wait_for(partial(ended, process))
        archive = open_archive(Config(data=str(data)))
        try:
            check(archive, files, set())
        finally:
            archive.close()
    out = subprocess.run(arguments, capture_output=True, env=environment, check=True).stdout
    summary = json.loads(out)
    assert sum(summary["stored"].values()) == 300
    archive = open_archive(Config(data=str(data)))
    try:
        assert check(archive, files, set(files)) == set(files)
    finally:
        archive.close()


@pytest.mark.parametrize("settled", [False, True])
def test_opening_an_archive_after_a_crash_needs_no_repair(tmp_path: Path, settled: bool) -> None:
    """No compensation code: what opens after a crash is what opens after a stop."""
    data = tmp_path / "archive"
    files = made(0, 20)
    script = SETTLER if settled else "import sys"
    archive = open_archive(Config(data=str(data)))
    store(archive, [Received(BytesSource(file), "a test") for file in files.values()])
    # Neither closed nor sealed: the next process finds the landing pack as a killed one leaves it.
    subprocess.run(
        [sys.executable, "-c", script, str(data)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    assert stored_uids(archive) == set(files)
    assert check(archive, files, set(files)) == set(files)
    archive.close()
