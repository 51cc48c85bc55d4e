"""How many instances a second are stored, durable when acknowledged?

STOW-RS with 1, 4 and 16 clients, one instance a request and 50 a request, of CT slices, of small MR
images and of tiny instances, each of a study and mostly of a patient of its own; a fresh archive
for every sample, because both servers recognise what they hold already. Then tiny instances that
were never sent before into archives of 10 thousand studies, 100 thousand and a million; folders by
`dicomweb-server import`, from its start to its end; and how many slices settle a second of CPU.

"Durable" is ours: an answer waits until payload and index are on the disk. Orthanc syncs the file
(one fdatasync an instance) and not its index, as SQLite's `synchronous=NORMAL` has it. On the other
hand ours compresses what it has stored later, when nobody waits: what that takes of a processor has
the line "settling", and is not in the CPU of storing.
"""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import product
from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from benchmarks.bench import Bench
from benchmarks.data import tiny_studies
from benchmarks.load import bodies_in_turn
from benchmarks.measure import Sample, Summary, cpu_seconds
from benchmarks.peers import START_TIMEOUT_S, Orthanc, Orthanc112, Ours, Peer
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.archive.importer import import_files
from dicomweb_server.archive.upkeep import settle
from dicomweb_server.config import Config

BOUNDARY = "dicomweb-benchmark"


def body_of(instances: Sequence[bytes]) -> bytes:
    """A STOW-RS body with a part for each instance."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + each + b"\r\n" for each in instances) + f"--{BOUNDARY}--".encode()


def wait_until_quiet(peer: Peer) -> None:
    """Returns when the peer's processes do nothing: what a start leaves them to do, importing
    modules in processes beside the server for one, would be counted with the first instances."""
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        before = cpu_seconds(peer.pids)
        time.sleep(0.5)
        if cpu_seconds(peer.pids) - before < 0.02:
            return


def post(peer: Peer, instances: Sequence[bytes], *, clients: int, batch: int) -> Sample:
    """Stores all instances, shared out among the clients. Raises RuntimeError for any refusal."""
    bodies = [body_of(instances[n : n + batch]) for n in range(0, len(instances), batch)]
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    headers = [f"Content-Type: {kind}", "Accept: application/dicom+json"]
    pids = peer.pids
    cpu, started = cpu_seconds(pids), time.perf_counter()
    waits = bodies_in_turn(
        peer.port, peer.root + "/studies", bodies, headers=headers, clients=clients
    )
    elapsed = time.perf_counter() - started
    return Sample(
        rate=len(instances) / elapsed,
        cpu_us=(cpu_seconds(pids) - cpu) / len(instances) * 1e6,
        values={
            "mb_per_s": sum(map(len, instances)) / elapsed / 1e6,
            "p50_ms": waits[len(waits) // 2] * 1e3,
            "p95_ms": waits[int(len(waits) * 0.95)] * 1e3,
        },
    )


def grown(bench: Bench) -> Iterator[Summary]:
    """Archives that hold much already. The short round takes the larger ones that are there."""
    sizes = [
        size
        for size in (10_000, 100_000, 1_000_000)
        if bench.full or size == 10_000 or bench.is_made(size)
    ]
    peers = [
        bench.synthetic(size, port=18210 + number, own="ingest")
        for number, size in enumerate(sizes)
    ]
    with bench.running(*peers):
        for peer in peers:
            wait_until_quiet(peer)
        yield from bench.compare(
            "ingest",
            "tiny studies, into a grown archive",
            "instances",
            [
                (
                    peer.name,
                    lambda p=peer: post(p, list(never_sent(500)), clients=4, batch=1),  # type: ignore[misc]
                )
                for peer in peers
            ],
            rounds=bench.rounds + 2,
        )


def never_sent(count: int) -> Iterator[bytes]:
    """Tiny instances whose UIDs were drawn at random, each of a study of its own."""
    for content in tiny_studies(count):
        dataset = pydicom.dcmread(BytesIO(content))
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, generate_uid())
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.AccessionNumber = dataset.StudyInstanceUID[-16:]
        buffer = BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        yield buffer.getvalue()


def imported(bench: Bench) -> Iterator[Summary]:
    """Folders into a fresh archive, by the command as it comes."""
    place = bench.cache / "ingest" / "import"

    def importing(files: Sequence[Path]) -> Callable[[], Sample]:
        size = sum(path.stat().st_size for path in files)

        def measure() -> Sample:
            shutil.rmtree(place, ignore_errors=True)
            folder = str(files[0].parent)
            cpu, started = children_cpu_seconds(), time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "dicomweb_server", "import", folder, "--data", str(place)],
                check=True,
                capture_output=True,
            )
            elapsed = time.perf_counter() - started
            return Sample(
                rate=len(files) / elapsed,
                cpu_us=(children_cpu_seconds() - cpu) / len(files) * 1e6,
                values={"mb_per_s": size / elapsed / 1e6},
            )

        return measure

    for what, files in (("500 CT", bench.ct500.files), ("10,000 tiny studies", bench.tiny(10_000))):
        target = ("ours", importing(files))
        yield from bench.compare("ingest", f"import of {what}", "instances", [target])


def children_cpu_seconds() -> float:
    """CPU time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def settled(bench: Bench) -> Iterator[Summary]:
    """Encoding, comparing and writing anew of the CT; its rate is by CPU time, so a core's."""

    def measure() -> Sample:
        place = bench.cache / "ingest" / "settling"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        config = Config(data=str(place / "archive"), settle_threads=1)
        archive = open_archive(config)
        try:
            paths = [bench.ct500.files[0].parent]
            import_files(archive, paths, processes=1)
            cpu, started = time.process_time(), time.perf_counter()
            report = settle(archive)
            cpu, elapsed = time.process_time() - cpu, time.perf_counter() - started
        finally:
            archive.close()
        slices = len(bench.ct500.files)
        if report.problems or report.series != 1:
            raise RuntimeError(f"{report.series} series settled, 1 was to be: {report.problems}")
        return Sample(
            rate=slices / cpu,
            cpu_us=cpu / slices * 1e6,
            values={
                "wall_per_s": slices / elapsed,
                "size_ratio": report.bytes_before / report.bytes_after,
            },
        )

    yield from bench.compare("ingest", "settling", "slices", [("ours", measure)])


def run(bench: Bench) -> Iterator[Summary]:
    slices = [path.read_bytes() for path in bench.ct500.files]
    many = 2000 if bench.full else 1000
    small_mr = [path.read_bytes() for path in bench.small_mr[:many]]
    tiny = list(tiny_studies(many // 2))
    chroot = bench.orthanc.chroot if isinstance(bench.orthanc, Orthanc112) else None

    def fresh(make: Callable[[Path], Peer]) -> Peer:
        place = bench.cache / "ingest"
        peer = make(place / make(place).name.replace(" ", "-"))
        shutil.rmtree(peer.directory, ignore_errors=True)
        peer.start()
        wait_until_quiet(peer)
        return peer

    def ours(place: Path) -> Peer:
        return Ours(place, port=18200)

    def ours_two_workers(place: Path) -> Peer:
        return Ours(place, port=18200, workers=2)

    def orthanc(place: Path) -> Peer:
        if chroot is not None:
            return Orthanc112(place, port=18242, chroot=chroot)
        return Orthanc(place, port=18242)

    def storing(
        make: Callable[[Path], Peer], instances: Sequence[bytes], clients: int, batch: int
    ) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            peer = fresh(make)
            try:
                return post(peer, instances, clients=clients, batch=batch)
            finally:
                peer.stop()

        return make(bench.cache).name, measure

    yield from settled(bench)
    yield from grown(bench)
    yield from imported(bench)
    ways = ((1, 1), (4, 1), (16, 1), (1, 50))
    kinds = (("CT", slices), ("small MR", small_mr), ("tiny studies", tiny))
    for (what, instances), (clients, batch) in product(kinds, ways):
        # A second process has nothing to do for one client.
        makers = [ours, orthanc] if clients == 1 else [ours, ours_two_workers, orthanc]
        yield from bench.compare(
            "ingest",
            f"{what}, {clients} clients, {batch} a request",
            "instances",
            [storing(make, instances, clients, batch) for make in makers],
        )
