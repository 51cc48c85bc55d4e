"""What does the metadata of a series of 500 cost: plain, compressed, when nothing changed?

Asked for again and again, as by the readers of one reading room; each server has its cache warm.
"""

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.load import header_of, one_request, requests_in_turn
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Peer

JSON = "Accept: application/dicom+json"


def run(bench: Bench) -> Iterator[Summary]:
    path = bench.ct500.path + "/metadata"
    ours, orthanc = bench.ours, bench.orthanc

    def asking(peer: Peer, *headers: str) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            return requests_in_turn(
                peer,
                [path],
                scratch=bench.scratch,
                connections=1,
                seconds=bench.seconds,
                headers=[JSON, *headers],
            )

        return peer.name, measure

    with bench.running(ours, orthanc):
        for peer in (ours, orthanc):
            # Orthanc's first time takes longer than a short round, and it is its cache that counts.
            one_request(peer.port, peer.root + path, [JSON])
        unit = "documents"
        yield from bench.compare(
            "metadata", "series of 500, plain", unit, [asking(ours), asking(orthanc)]
        )
        gzip = "Accept-Encoding: gzip"
        yield from bench.compare(
            "metadata", "series of 500, gzip", unit, [asking(ours, gzip), asking(orthanc, gzip)]
        )
        tag = header_of(ours.port, ours.root + path, "ETag", [JSON])
        yield from bench.compare(
            "metadata", "series of 500, not modified", unit, [asking(ours, f"If-None-Match: {tag}")]
        )
