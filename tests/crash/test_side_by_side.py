"""Processes that store, settle and compact the same archive side by side, killed one after another
while the others go on: nothing acknowledged is lost, and nobody is refused because another died.

CRASH_SECONDS says for how long; unless it is set 20 s in CI and 5 elsewhere.
"""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx

from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from tests.crash.test_crash import STUDY, check, made, stow
from tests.servers import Process, command, serving, session_of

SECONDS = float(os.environ.get("CRASH_SECONDS", "20" if os.environ.get("CI") else "5"))
SENDERS = 3
AT_ONCE = 20


def test_processes_that_die_beside_others_lose_nothing_and_stop_nobody(tmp_path: Path) -> None:
    data = tmp_path / "archive"
    sent: dict[str, bytes] = {}
    acknowledged: set[str] = set()
    over = threading.Event()

    def send(url: str, first: int) -> None:
        """Every third study is deleted again, so that compaction has something to do."""
        for number in count(first, SENDERS):
            if over.is_set():
                return
            files = made(number, 3 * AT_ONCE)
            sent.update(files)
            stored: set[str] = set()
            for at in range(0, len(files), AT_ONCE):
                # Fails when it is answered and with anything but 200.
                stored |= stow(url, list(files.values())[at : at + AT_ONCE])
            if number // SENDERS % 3:
                acknowledged.update(stored)
            elif stored:
                delete(url, number)

    def compact() -> None:
        while not over.is_set():
            process = command("compact", "--data", data)
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err

    with serving(data, "--workers", 2, "--settle-after-s", 0) as (process, url):
        with ThreadPoolExecutor() as pool:
            working = [pool.submit(send, url, number) for number in range(SENDERS)]
            working.append(pool.submit(compact))
            try:
                killed = kill_beside(process)
            finally:
                over.set()
        for each in working:
            each.result()
        # Nobody is left who cannot store: any of them may answer a request.
        for number in range(9_900, 9_920):
            files = made(number, 1)
            sent |= files
            assert stow(url, list(files.values())) == set(files)
            acknowledged |= set(files)
    assert killed > 0
    assert acknowledged
    archive = open_archive(Config(data=str(data)))
    try:
        check(archive, sent, acknowledged)
    finally:
        archive.close()


def kill_beside(server: Process) -> int:
    """Kills one process after another beside the server, for SECONDS; how many."""
    killed, chance, end = 0, random.Random(1), time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.2, 2))
        if beside := [pid for pid in session_of(server) if pid != server.pid]:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(beside), signal.SIGKILL)
                killed += 1
    return killed


def delete(url: str, study: int) -> None:
    # Whoever was answering may have been killed.
    with suppress(httpx.TransportError):
        address = f"{url}/dicom-web/studies/{STUDY.format(study)}"
        assert httpx.delete(address, timeout=60, trust_env=False).status_code in (204, 404)
