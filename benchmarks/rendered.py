"""What does a picture drawn by the server cost: a JPEG of a slice, and a thumbnail?

Of frames as ours has settled them (HTJ2K) and as they came (native), against Orthanc's native ones,
and both with 10,000 studies. Ours remembers what it drew, so every request asks for another window
of another slice, all servers for the same; what is asked for again stands in a row of its own.
Thumbnails are `rendered` with a viewport, which both have.
"""

import subprocess
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.load import requests_in_turn
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Ours, Peer

JPEG = "Accept: image/jpeg"

WINDOWS = 32
"""Each slice is asked for with so many windows in one measurement: more than it has time for."""


class Unsettled(Ours):
    """Ours with the frames as they were received."""

    def load(self, files: Iterable[Path]) -> None:
        data = str(self.directory / "archive")
        command = self._cli("import", *map(str, files), "--data", data)
        subprocess.run(command, check=True, capture_output=True)


def run(bench: Bench) -> Iterator[Summary]:
    series = bench.ct500
    slices = [series.instance_path(uid) for uid in series.instance_uids]
    native = Unsettled(bench.cache / "ours-native", port=18006, flags=("--no-settle",))
    bench.loaded(native)
    ours, orthanc = bench.ours, bench.orthanc
    many: list[Peer] = [bench.ours_10k, bench.orthanc_10k]

    def asking(peer: Peer, end: str) -> tuple[str, Callable[[], Sample]]:
        centers = count(-500)

        def measure() -> Sample:
            windows = [f"window={next(centers)},350,linear" for _ in range(WINDOWS)]
            return _measured(peer, [path + end + one for one in windows for path in slices])

        return peer.name, measure

    def again(peer: Peer, end: str) -> tuple[str, Callable[[], Sample]]:
        return peer.name, lambda: _measured(peer, [path + end for path in slices[:50]])

    def _measured(peer: Peer, paths: list[str]) -> Sample:
        return requests_in_turn(
            peer,
            paths,
            scratch=bench.scratch,
            connections=1,
            seconds=bench.seconds,
            headers=[JPEG],
        )

    with bench.running(ours, native, orthanc, *many):
        for case, peers, end in (
            ("slice as JPEG, 512x512", [ours, orthanc, *many], "/rendered?"),
            ("native slice as JPEG, 512x512", [native, orthanc], "/rendered?"),
            ("slice as JPEG, 128x128", [ours, orthanc, *many], "/rendered?viewport=128,128&"),
        ):
            targets = [asking(peer, end) for peer in peers]
            yield from bench.compare("rendered", case, "pictures", targets)
        case = "slice as JPEG, 512x512, asked for again"
        targets = [again(peer, "/rendered") for peer in (ours, orthanc, *many)]
        yield from bench.compare("rendered", case, "pictures", targets)
