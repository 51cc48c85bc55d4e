"""How fast is a series in one request, when is its first byte there, what memory does it take?

The client reads a MiB at a time and keeps nothing. Slices/s are of the series as each server keeps
it, for who takes any transfer syntax; nginx sends one file of the same payloads. In Explicit VR
Little Endian ours decodes every slice, Orthanc sends its files. Beside it an eighth of the rows and
columns of every slice, which only ours has.
"""

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.frames import STORED, part_of
from benchmarks.load import one_request
from benchmarks.measure import Sample, Summary, cpu_seconds, resident_mib
from benchmarks.peers import Peer

ACCEPT = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = ACCEPT.replace("*", "1.2.840.10008.1.2.1")
PREFIXES = 'Accept: multipart/related; type="image/jphc"'


def run(bench: Bench) -> Iterator[Summary]:
    series = bench.ct500
    ours, orthanc, nginx = bench.ours, bench.orthanc, bench.nginx
    with bench.running(ours):
        parts = [part_of(ours, path, STORED) for path in series.frame_paths()]
    nginx.load_frames(series, [payload for _, payload in parts], part_type=parts[0][0])

    def whole(peer: Peer, path: str, accept: str = ACCEPT) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            pids = peer.pids
            cpu, memory = cpu_seconds(pids), resident_mib(pids)
            answer = one_request(peer.port, peer.root + path, [accept])
            used = cpu_seconds(pids) - cpu
            if answer.status != 200:
                raise RuntimeError(f"{peer.name} answered {answer.status} to {path}")
            count = len(series.files)
            return Sample(
                rate=count / answer.total_s,
                cpu_us=used / count * 1e6,
                values={
                    "first_byte_ms": answer.first_byte_s * 1e3,
                    "mb_per_s": answer.body_bytes / answer.total_s / 1e6,
                    "growth_mib": max(0.0, resident_mib(pids) - memory),
                },
            )

        return peer.name, measure

    with bench.running(ours, orthanc, nginx):
        yield from bench.compare(
            "series",
            "500 slices, one request, as stored",
            "slices",
            [
                whole(ours, series.path),
                whole(orthanc, series.path),
                whole(nginx, series.path + "/whole"),
            ],
        )
        yield from bench.compare(
            "series",
            "500 slices, one request, Explicit VR LE",
            "slices",
            [whole(ours, series.path, EXPLICIT), whole(orthanc, series.path, EXPLICIT)],
        )
        yield from bench.compare(
            "series",
            "500 slices, one request, an eighth of rows and columns",
            "slices",
            [whole(ours, series.path + "/pixeldata?resolution=8", PREFIXES)],
        )
