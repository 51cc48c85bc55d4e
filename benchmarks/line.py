"""A line of a given rate and round trip, with a network namespace of its own at the far end.

    near: where the servers run, NEAR   ==== the line ====   far: where the client runs, FAR

The two are joined by a pair of virtual Ethernet devices or, when a round trip is asked for, by two
TUN devices between which a process (`carrier`) carries every packet and holds it for half of
the round trip: the delay of `tc netem`, which many kernels are built without. `tc tbf` keeps the
rate, in both directions. TCP is the kernel's own at both ends: slow start, windows and losses are
real, and congestion control is CUBIC, what distributions come with, whatever the machine is set to.
BBR paces each answer at the rate the connection had before, so six connections that ask for a frame
at a time would use a third less of the line, from whichever server. Needs root; everything ends
with the `with`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from benchmarks.carrier import tun
from benchmarks.peers import Missing

NETWORK, NEAR, FAR = "10.77.0.0/24", "10.77.0.1", "10.77.0.2"
SEGMENT_BYTES = 1448
"""What a full TCP segment carries on an MTU of 1500, with the timestamps that Linux sends."""
HEADER_BYTES = 52
ETHERNET_BYTES = 14

CONGESTION_CONTROL = "cubic"
QUEUE_BYTES = 1 << 20
BURST_BYTES = 128 << 10
"""A packet as the kernel hands it on, before it is cut into segments, has up to 64 KiB."""


class Line:
    """`with Line(mbit=200, round_trip_ms=30) as line`: servers of this namespace that listen on
    every address are reached at NEAR by what is run with `line.far(...)`."""

    def __init__(self, *, mbit: int, round_trip_ms: float = 0) -> None:
        self.mbit = mbit
        self.round_trip_ms = round_trip_ms
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def payload_bytes_per_s(self) -> float:
        """What of HTTP the line carries in a second when it is full."""
        header = HEADER_BYTES + (0 if self.round_trip_ms else ETHERNET_BYTES)
        return self.mbit * 1e6 / 8 * SEGMENT_BYTES / (SEGMENT_BYTES + header)

    def far(self, command: Sequence[str]) -> list[str]:
        """The command as it has to be run to run at the far end."""
        return ["nsenter", f"--net=/proc/{self._processes[0].pid}/ns/net", "--", *command]

    def __enter__(self) -> Self:
        """Raises Missing when the line cannot be laid."""
        if os.geteuid() != 0 or shutil.which("tc") is None:
            raise Missing("a line of a given rate needs root and tc (Debian: iproute2)")
        try:
            self._lay()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The devices go with the namespace at the far end, or with the process that holds them.
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._processes.clear()

    def _lay(self) -> None:
        self._processes.append(subprocess.Popen(["unshare", "--net", "sleep", "86400"]))
        _wait_until(lambda: _namespace(self._processes[0].pid) != _namespace(os.getpid()))
        if self.round_trip_ms:
            near = tun("near")
            half = str(self.round_trip_ms / 2e3)
            carrier = self.far([sys.executable, "-m", "benchmarks.carrier", str(near), half])
            try:
                self._processes.append(subprocess.Popen(carrier, pass_fds=[near]))
            finally:
                os.close(near)
            _wait_until(lambda: _succeeds(self.far(["ip", "link", "show", "far"])))
        else:
            end = ["peer", "name", "far", "netns", str(self._processes[0].pid)]
            _run(["ip", "link", "add", "near", "type", "veth", *end])
        _run(self.far(["ip", "link", "set", "lo", "up"]))
        for name, address, at in (("near", NEAR, list), ("far", FAR, self.far)):
            _run(at(["ip", "address", "add", f"{address}/24", "dev", name]))
            _run(at(["ip", "link", "set", name, "up"]))
            _run(at([
                "ip", "route", "change", NETWORK, "dev", name, "scope", "link", "src", address,
                "proto", "kernel", "congctl", CONGESTION_CONTROL,
            ]))  # fmt: skip
            _run(at([
                "tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", f"{self.mbit}mbit",
                "burst", str(BURST_BYTES), "limit", str(QUEUE_BYTES),
            ]))  # fmt: skip


def _run(command: Sequence[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Missing(f"the line cannot be laid: {' '.join(command)}: {run.stderr.strip()}")


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _namespace(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        if time.monotonic() > deadline:
            raise Missing("the line cannot be laid: the far end does not come up")
        time.sleep(0.01)
