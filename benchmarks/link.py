"""How many slices a second cross a real line: 1 Gbit/s, and 200 Mbit/s with 30 ms of round trip?

Each frame of a series once over 6 connections, as viewers ask, and the whole series in one request;
the 500-slice CT from all, and the head CT of 140 slices from ours, as the archive keeps them. The
line is laid by `line`; the share of it is what of its capacity for payload was used, connecting and
slow start included. `rate` is slices: ours are compressed without loss, Orthanc's are raw.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.data import Series
from benchmarks.fetch import fetched
from benchmarks.frames import STORED, part_of
from benchmarks.line import NEAR, Line
from benchmarks.measure import Sample, Summary, cpu_seconds
from benchmarks.peers import Ours, Peer

CONNECTIONS = 6
INSTANCES = 'Accept: multipart/related; type="application/dicom"; transfer-syntax='
HTJ2K = "1.2.840.10008.1.2.4.202"
"""What our frames are kept in."""
EVERYWHERE = ("--host", "0.0.0.0", "--open-to-network")


@dataclass(frozen=True, slots=True)
class Kind:
    """A line's name, its rate, and its round trip beyond that of the machine."""

    name: str
    mbit: int
    round_trip_ms: float


LINES = (Kind("1,000 Mbit/s", 1000, 0), Kind("200 Mbit/s, 30 ms", 200, 30))
LONG_ROUND = (*LINES, Kind("1,000 Mbit/s, 30 ms", 1000, 30))


def across(
    line: Line, peer: Peer, paths: Sequence[str], *, slices: int, accept: str, connections: int
) -> Sample:
    """One fetch of all paths from the far end."""
    asked = {
        "paths": [peer.root + path for path in paths],
        "headers": [accept],
        "connections": connections,
    }
    pids = peer.pids
    cpu = cpu_seconds(pids)
    run = subprocess.run(
        line.far([sys.executable, "-m", "benchmarks.fetch", NEAR, str(peer.port)]),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    used = cpu_seconds(pids) - cpu
    if run.returncode:
        raise RuntimeError(f"{peer.name}: {run.stderr.strip().splitlines()[-1]}")
    came = json.loads(run.stdout)
    rate = came["bytes"] / came["seconds"]
    return Sample(
        rate=slices / came["seconds"],
        cpu_us=used / slices * 1e6,
        values={
            "share_of_line": rate / line.payload_bytes_per_s,
            "mb_per_s": rate / 1e6,
            **{name: came[name] for name in ("first_byte_ms", "p50_ms", "p95_ms")},
        },
    )


def run(bench: Bench) -> Iterator[Summary]:
    ct = bench.ct500
    # As bench.ours, but reached from the far end.
    ours = Ours(bench.ours.directory, port=18300, flags=EVERYWHERE)
    everybody: list[Peer] = [ours, bench.orthanc, bench.nginx]
    with bench.running(ours):
        parts = [part_of(ours, path, STORED) for path in ct.frame_paths()]
    bench.nginx.load_frames(ct, [payload for _, payload in parts], part_type=parts[0][0])
    of_head = head_ct = None
    if bench.head:
        loaded, head_ct = bench.head
        of_head = Ours(loaded.directory, port=18301, flags=EVERYWHERE)
    peers = [*everybody, of_head] if of_head else everybody
    with bench.running(*peers):
        for kind in LONG_ROUND if bench.full else LINES:
            with Line(mbit=kind.mbit, round_trip_ms=kind.round_trip_ms) as line:
                yield from _series(bench, kind, line, "CT 500", ct, everybody)
                if of_head and head_ct:
                    yield from _series(bench, kind, line, "head CT", head_ct, [of_head])


def _series(
    bench: Bench, kind: Kind, line: Line, what: str, series: Series, peers: Sequence[Peer]
) -> Iterator[Summary]:
    slices = len(series.instance_uids)

    def fetching(
        peer: Peer, paths: Sequence[str], accept: str, connections: int
    ) -> tuple[str, Callable[[], Sample]]:
        # Caches are filled over loopback: the line would take ten times as long to do it.
        whole = [peer.root + path for path in paths]
        fetched("127.0.0.1", peer.port, paths=whole, headers=[accept], connections=connections)
        return peer.name, lambda: across(
            line, peer, paths, slices=slices, accept=accept, connections=connections
        )

    def asked_at_once(peer: Peer) -> tuple[str, Callable[[], Sample]]:
        path = series.path + ("/whole" if peer is bench.nginx else "")
        syntax = HTJ2K if isinstance(peer, Ours) else "*"
        return fetching(peer, [path], INSTANCES + syntax, 1)

    for how, targets in (
        (
            f"{CONNECTIONS} connections",
            [fetching(peer, series.frame_paths(), STORED, CONNECTIONS) for peer in peers],
        ),
        ("one request", [asked_at_once(peer) for peer in peers]),
    ):
        yield from bench.compare(
            "link",
            f"{kind.name}, {what}, {how}",
            "slices",
            targets,
            # A line is slower than a processor, and steadier, but for a wait of the machine's.
            rounds=3,
            warm=False,
        )
