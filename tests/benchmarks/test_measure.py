"""What a server used is read from the kernel's own account."""

import subprocess
import sys

from benchmarks.measure import peak_mib, reset_peak, resident_mib

SPIKE = """
print(flush=True)
for line in iter(input, "end"):
    taken = bytearray(b"x") * (64 << 20)
    del taken
    print(flush=True)
"""


def test_memory_that_is_given_back_is_seen_at_its_peak_until_that_is_reset() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPIKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        pids = [process.pid]
        resident, peak = resident_mib(pids), peak_mib(pids)
        process.stdin.write("go\n")
        process.stdin.flush()
        process.stdout.readline()
        assert resident_mib(pids) - resident < 32
        assert 56 < peak_mib(pids) - peak < 96
        reset_peak(pids)
        assert peak_mib(pids) - peak < 32
        process.stdin.write("end\n")
