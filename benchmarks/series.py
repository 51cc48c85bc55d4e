"""How fast is a series in one request, when is its first byte there, what memory does it take?

The client reads a MiB at a time and keeps nothing. Slices/s are of the series as each server keeps
it, for who takes any transfer syntax; nginx sends one file of the same payloads. In Explicit VR
Little Endian ours decodes every slice, Orthanc sends its files. Beside it an eighth of the rows and
columns of every slice, which only ours has. Archives of 10,000 studies have the same series.

growth_mib is what of memory a server has more when the series has been sent than before, peak_mib
what it had more at any moment meanwhile, mapped files included.
"""

from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.frames import STORED, part_of
from benchmarks.load import one_request
from benchmarks.measure import Sample, Summary, cpu_seconds, peak_mib, reset_peak, resident_mib
from benchmarks.peers import Peer

ACCEPT = 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = ACCEPT.replace("*", "1.2.840.10008.1.2.1")
PREFIXES = 'Accept: multipart/related; type="image/jphc"'


def run(bench: Bench) -> Iterator[Summary]:
    series = bench.ct500
    ours, orthanc, nginx = bench.ours, bench.orthanc, bench.nginx
    ours_10k, orthanc_10k = bench.ours_10k, bench.orthanc_10k
    with bench.running(ours):
        parts = [part_of(ours, path, STORED) for path in series.frame_paths()]
    nginx.load_frames(series, [payload for _, payload in parts], part_type=parts[0][0])

    def whole(peer: Peer, path: str, accept: str = ACCEPT) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            pids = peer.pids
            reset_peak(pids)
            cpu, memory, peak = cpu_seconds(pids), resident_mib(pids), peak_mib(pids)
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
                    "peak_mib": peak_mib(pids) - peak,
                },
            )

        return peer.name, measure

    kept = [whole(peer, series.path) for peer in (ours, orthanc)]
    kept.append(whole(nginx, series.path + "/whole"))
    kept += [whole(peer, series.path) for peer in (ours_10k, orthanc_10k)]
    everybody = (ours, orthanc, ours_10k, orthanc_10k)
    cases = {
        "as stored": kept,
        "Explicit VR LE": [whole(peer, series.path, EXPLICIT) for peer in everybody],
        "an eighth of rows and columns": [
            whole(peer, series.path + "/pixeldata?resolution=8", PREFIXES)
            for peer in (ours, ours_10k)
        ],
    }
    with bench.running(*everybody, nginx):
        for case, targets in cases.items():
            yield from bench.compare(
                "series",
                f"500 slices, one request, {case}",
                "slices",
                targets,
                # A sample is one request, some of them of 40 ms.
                rounds=bench.rounds + 2,
            )
