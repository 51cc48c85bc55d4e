"""How many instances a second are stored, durable when acknowledged?

STOW-RS with 1 and 4 clients, one instance a request and 50 a request, of CT slices and of small
ones; a fresh archive for every sample, because both servers recognise what they hold already.
Then the rate of small instances as the archive grows.
"""

import http.client
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.data import tiny_studies
from benchmarks.measure import Sample, Summary, cpu_seconds
from benchmarks.peers import Orthanc, Orthanc112, Ours, Peer

BOUNDARY = "dicomweb-benchmark"


def body_of(instances: Sequence[bytes]) -> bytes:
    """A STOW-RS body with a part for each instance."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + each + b"\r\n" for each in instances) + f"--{BOUNDARY}--".encode()


def post(peer: Peer, instances: Sequence[bytes], *, clients: int, batch: int) -> Sample:
    """Stores all instances, shared out among the clients. Raises RuntimeError for any refusal."""
    bodies = [body_of(instances[n : n + batch]) for n in range(0, len(instances), batch)]
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    waits: list[float] = []
    failures: list[str] = []

    def client(mine: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=120)
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        for body in mine:
            started = time.perf_counter()
            connection.request("POST", peer.root + "/studies", body=body, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
            waits.append(time.perf_counter() - started)
            if answer.status != 200:
                failures.append(f"{answer.status}: {text[:200]!r}")
        connection.close()

    pids = peer.pids
    cpu = cpu_seconds(pids)
    threads = [threading.Thread(target=client, args=(bodies[n::clients],)) for n in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    if failures:
        raise RuntimeError(f"{peer.name} refused {len(failures)} requests: {failures[0]}")
    waits.sort()
    return Sample(
        rate=len(instances) / elapsed,
        cpu_us=(cpu_seconds(pids) - cpu) / len(instances) * 1e6,
        values={
            "mb_per_s": sum(map(len, instances)) / elapsed / 1e6,
            "p50_ms": waits[len(waits) // 2] * 1e3,
            "p95_ms": waits[int(len(waits) * 0.95)] * 1e3,
        },
    )


def run(bench: Bench) -> Iterator[Summary]:
    slices = [path.read_bytes() for path in bench.ct500.files]
    small = list(tiny_studies(2000 if bench.full else 500))
    chroot = bench.orthanc.chroot if isinstance(bench.orthanc, Orthanc112) else None

    def fresh(make: Callable[[Path], Peer], name: str) -> Peer:
        peer = make(bench.cache / "ingest" / name)
        shutil.rmtree(peer.directory, ignore_errors=True)
        peer.start()
        return peer

    def ours(place: Path) -> Peer:
        return Ours(place, port=18200)

    def orthanc(place: Path) -> Peer:
        if chroot is not None:
            return Orthanc112(place, port=18242, chroot=chroot)
        return Orthanc(place, port=18242)

    def storing(
        make: Callable[[Path], Peer],
        name: str,
        instances: Sequence[bytes],
        clients: int,
        batch: int,
    ) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            peer = fresh(make, name)
            try:
                return post(peer, instances, clients=clients, batch=batch)
            finally:
                peer.stop()

        return ("ours" if make is ours else bench.orthanc.name), measure

    cases = [("CT", slices, 1, 1), ("CT", slices, 4, 1), ("CT", slices, 1, 50)]
    cases += [("small", small, 1, 1), ("small", small, 4, 1), ("small", small, 1, 50)]
    for what, instances, clients, batch in cases:
        yield from bench.compare(
            "ingest",
            f"{what}, {clients} clients, {batch} a request",
            "instances",
            [
                storing(ours, "ours", instances, clients, batch),
                storing(orthanc, "orthanc", instances, clients, batch),
            ],
        )
