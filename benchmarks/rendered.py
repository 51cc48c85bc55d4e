"""What does a picture drawn by the server cost: a JPEG of a slice, and a thumbnail?"""

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.load import requests_in_turn
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Peer

JPEG = "Accept: image/jpeg"


def run(bench: Bench) -> Iterator[Summary]:
    series = bench.ct500
    slices = [series.instance_path(uid) for uid in series.instance_uids]
    ours, orthanc = bench.ours, bench.orthanc

    def asking(peer: Peer, end: str) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            return requests_in_turn(
                peer,
                [path + end for path in slices],
                scratch=bench.scratch,
                connections=1,
                seconds=bench.seconds,
                headers=[JPEG],
            )

        return peer.name, measure

    with bench.running(ours, orthanc):
        for case, end in (
            ("slice as JPEG, 512x512", "/rendered"),
            ("slice as JPEG, 128x128", "/rendered?viewport=128,128"),
        ):
            yield from bench.compare(
                "rendered", case, "pictures", [asking(ours, end), asking(orthanc, end)]
            )
