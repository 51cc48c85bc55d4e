"""What does the metadata of a series of 500 cost: plain, compressed, when nothing changed?

Asked for again and again, as by the readers of one reading room; each server has its cache warm,
and so have those with 10,000 studies. Ours remembers its answers; "asked for the first time" is
what one costs where it is told not to (`remembered_cache_mib`). Orthanc is not set to compress,
which it would do for every answer anew: it sends the plain document to who takes gzip.
Then a study of 7,000 instances: what a server that has just come up takes for it, its files being
in the kernel's memory, and again.
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
    ours, ours_10k = bench.ours, bench.ours_10k
    everybody: list[Peer] = [ours, bench.orthanc, ours_10k, bench.orthanc_10k]

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

    def unmodified(peer: Ours) -> tuple[str, Callable[[], Sample]]:
        tag = header_of(peer.port, peer.root + path, "ETag", [JSON])
        return asking(peer, f"If-None-Match: {tag}")

    with bench.running(*everybody):
        for peer in everybody:
            # Orthanc's first time takes longer than a short round, and it is its cache that counts.
            one_request(peer.port, peer.root + path, [JSON])
        gzip = "Accept-Encoding: gzip"
        cases = {
            "plain": [asking(peer) for peer in everybody],
            "gzip": [asking(peer, gzip) for peer in everybody],
            "not modified": [unmodified(peer) for peer in (ours, ours_10k)],
        }
        for case, targets in cases.items():
            yield from bench.compare("metadata", f"series of 500, {case}", "documents", targets)
    forgetful = ours.forgetful(port=18008), ours_10k.forgetful(port=18009)
    with bench.running(*forgetful):
        yield from bench.compare(
            "metadata",
            "series of 500, gzip, asked for the first time",
            "documents",
            [asking(peer, gzip) for peer in forgetful],
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
