"""What does the metadata of a series of 500 cost: plain, compressed, when nothing changed?

Asked for again and again, as by the readers of one reading room; each server has its cache warm.
Then a study of 7,000 instances: what a server that has just come up takes for it, and again.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.load import header_of, one_request, requests_in_turn
from benchmarks.measure import Sample, Summary, cpu_seconds
from benchmarks.peers import Orthanc, Orthanc112, Ours, Peer

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
    yield from _large(bench)


def _large(bench: Bench) -> Iterator[Summary]:
    study, files = bench.large_study
    path = f"/studies/{study}/metadata"
    ours = Ours(bench.cache / "ours-large", port=18007)
    bench.loaded(ours, files)
    peers: list[Peer] = [ours]
    if isinstance(bench.orthanc, Orthanc112):
        chroot = bench.cache / "trixie"
        orthanc: Orthanc = Orthanc112(Path("orthanc-large"), port=18044, chroot=chroot)
    else:
        orthanc = Orthanc(bench.cache / "orthanc-large", port=18044)
    bench.loaded(orthanc, files)
    peers.append(orthanc)

    def asked(peer: Peer) -> Sample:
        pids = peer.pids
        cpu = cpu_seconds(pids)
        answer = one_request(peer.port, peer.root + path, [JSON])
        if answer.status != 200:
            raise RuntimeError(f"{peer.name} answered {answer.status} to {path}")
        return Sample(
            rate=1 / answer.total_s,
            cpu_us=(cpu_seconds(pids) - cpu) * 1e6,
            values={
                "total_ms": answer.total_s * 1e3,
                "first_byte_ms": answer.first_byte_s * 1e3,
                "mb": answer.body_bytes / 1e6,
            },
        )

    def first(peer: Peer) -> Sample:
        with bench.running(peer):
            return asked(peer)

    unit = "documents"
    yield from bench.compare(
        "metadata",
        "study of 7,000, first time",
        unit,
        [(peer.name, lambda p=peer: first(p)) for peer in peers],  # type: ignore[misc]
        warm=False,
    )
    with bench.running(*peers):
        yield from bench.compare(
            "metadata",
            "study of 7,000, again",
            unit,
            [(peer.name, lambda p=peer: asked(p)) for peer in peers],  # type: ignore[misc]
        )
