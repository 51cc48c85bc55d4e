"""What a process that stores or answers is set to."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
if sys.argv[1] == "kept":
    from dicomweb_server.archive.processes import keep_memory
    keep_memory()
for turn in range(12):
    if turn == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    slices = [bytearray(b"x") * 600_000 for _ in range(30)]
    del slices
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Prints how many pages were asked of the system for 300 slices, when as many have been freed."""

PAGES = 300 * 600_000 // 4096


def faults(how: str) -> int:
    command = [sys.executable, "-c", FAULTS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_what_was_freed_is_used_again() -> None:
    assert faults("as it comes") > PAGES / 2
    assert faults("kept") < PAGES / 20


INTERRUPTED = """
import os, signal, threading
from dicomweb_server.archive.processes import set_at

flag = threading.Event()
set_at(flag, signal.SIGTERM)
with flag._cond:
    # As a signal that comes while another one, or whoever waits, is at work on the flag.
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
assert flag.wait(10)
print("heard")
"""


def test_a_signal_is_heard_whatever_it_interrupts() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.stdout, ended.returncode) == ("heard\n", 0), ended.stderr
