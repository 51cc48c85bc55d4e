"""A lease whose holder has died is free at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from storage.holders import is_gone, this_holder
from tests.storage.index_worker import open_index

ROOT = Path(__file__).parents[2]

HOLDER = """
import sys, time
from pathlib import Path
from storage.holders import this_holder
from tests.storage.index_worker import open_index
index = open_index(Path(sys.argv[1]))
assert index.lease("settle", this_holder(), ttl_s=3600)
print(this_holder(), flush=True)
time.sleep(600)
"""


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout is not None
    holder = process.stdout.readline().strip()
    index = open_index(tmp_path)
    try:
        assert not is_gone(holder)
        assert not index.lease("settle", this_holder(), ttl_s=60)
        os.kill(process.pid, signal.SIGKILL)
        until = time.monotonic() + 10
        # It counts as gone although nobody has waited for it yet.
        while not is_gone(holder):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert index.lease("settle", this_holder(), ttl_s=60)
    finally:
        process.kill()
        process.communicate()
        index.close()


def test_a_process_that_was_given_the_same_number_is_another() -> None:
    boot, namespace, pid, started, thread = this_holder().split()
    assert not is_gone(f"{boot} {namespace} {pid} {started} {thread}")
    assert is_gone(f"{boot} {namespace} {pid} {int(started) - 1} {thread}")


def test_of_another_boot_or_container_nobody_can_tell() -> None:
    boot, namespace, _, _, thread = this_holder().split()
    assert not is_gone(f"another {namespace} 4000000 1 {thread}")
    assert not is_gone(f"{boot} pid:[1] 4000000 1 {thread}")
    assert is_gone(f"{boot} {namespace} 4000000 1 {thread}")
    assert not is_gone("somebody")
