"""How fast is the archive as a DIMSE peer, beside Orthanc and dcmtk's dcmqrscp?

C-STORE of 500 CT slices and of 5,000 small MR images over 1 and 8 associations (dcmtk's dcmsend
sends), C-GET (getscu) and C-MOVE (movescu, to a storescp) of the 500 slices, as they came and once
they have settled, which these clients have decoded for them, and C-FIND among many studies over an
association that is open, whose answers a client counts without reading them. A fresh archive for
every sample of C-STORE. Orthanc is Debian 13's where that can be had. dcmqrscp's index has a fixed
number of studies, is rewritten with each image and does not stand eight writers, so it is asked
among 500 studies and stored to by one. dcmtk's storescp writes each image to a file and does
nothing else, not even wait for the disk: what these senders reach at best on this machine.

Both peers are loaded with 100,000 studies once, which takes Orthanc half an hour; the short round
asks among 10,000 until the long one has done so.

Debian's dcmtk, and Orthanc with it, leave Nagle's algorithm on and write a response in two pieces,
so that every C-STORE waits 40 ms for an acknowledgement. TCP_NODELAY=1 in their environment, as set
here, spares them that: they are measured at their best, not as they come.
"""

import os
import shutil
import socket
import struct
import subprocess
import time
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar

import pydicom

from benchmarks.bench import Bench
from benchmarks.data import studies
from benchmarks.ingest import wait_until_quiet
from benchmarks.measure import Sample, Summary
from benchmarks.peers import START_TIMEOUT_S, Missing, Orthanc, Orthanc112, Ours, Peer
from dicomweb_server.dimse import commands, identifiers, pdu
from dicomweb_server.dimse.negotiation import IMPLEMENTATION_UID, UNCOMPRESSED
from dicomweb_server.dimse.sop_classes import STUDY_FIND

SINK_PORT = 18299

DCMQRSCP_STUDIES = 500

FEW, MANY = 10_000, 100_000


class OursByDimse(Ours):
    """`dicomweb-server dimse` of this checkout, one process: its associations share commits."""

    def __init__(self, directory: Path, *, port: int) -> None:
        super().__init__(directory, port=port)

    def start(self) -> None:
        started(self, self.port)

    def command(self) -> Sequence[str]:
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "archive.toml"
        config.write_text(f'[[peers]]\naet = "SINK"\nhost = "127.0.0.1"\nport = {SINK_PORT}\n')
        return self._cli(
            "dimse", "--config", str(config), "--data", str(self.directory / "archive"),
            "--dimse-port", str(self.port), "--log-level", "error",
        )  # fmt: skip

    def load(self, files: Iterable[Path]) -> None:
        data = str(self.directory / "archive")
        folders = sorted({str(path.parent) for path in files})
        subprocess.run(
            self._cli("import", *folders, "--data", data), check=True, capture_output=True
        )


class SettledByDimse(OursByDimse):
    """Ours as it is once a series has settled: whoever takes uncompressed slices alone, as getscu
    and movescu do, has them decoded."""

    def __init__(self, directory: Path, *, port: int) -> None:
        super().__init__(directory, port=port)
        self.name = "ours, settled"

    def settle(self) -> None:
        data = str(self.directory / "archive")
        subprocess.run(self._cli("settle", "--data", data), check=True, capture_output=True)


class OrthancByDimse(Orthanc):
    """Debian's Orthanc as a DICOM server."""

    settings: ClassVar[dict[str, object]] = {
        **Orthanc.settings,
        "DicomServerEnabled": True,
        "DicomAet": "DICOMWEB",
        "DicomModalities": {"sink": ["SINK", "127.0.0.1", SINK_PORT]},
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "LimitFindResults": 0,
        "DicomThreadsCount": 8,
    }

    def __init__(self, directory: Path, *, port: int) -> None:
        self.settings = {**self.settings, "DicomPort": port}  # type: ignore[misc]
        super().__init__(directory, port=port + 1000)
        self.dicom_port = port

    def start(self) -> None:
        super().start()
        assert self._process is not None
        wait_for_echo(self.dicom_port, self._process, self.log)


class Orthanc112ByDimse(OrthancByDimse, Orthanc112):
    """The same of Debian 13, in its chroot."""

    name = Orthanc112.name

    def __init__(self, directory: Path, *, port: int, chroot: Path) -> None:
        self.settings = {**self.settings, "DicomPort": port}  # type: ignore[misc]
        name = f"{directory.parent.name}-{directory.name}"
        Orthanc112.__init__(self, Path(name), port=port + 1000, chroot=chroot)
        self.dicom_port = port


class OfDcmtk(Peer):
    """A program of dcmtk's that keeps what it is sent in a directory."""

    program: str

    def __init__(self, directory: Path, *, port: int) -> None:
        super().__init__(directory)
        self.port = port

    def version(self) -> str:
        command = [self.program, "--version"]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        return run.stdout.partition(f"{self.program} ")[2].partition(" ")[0]

    def start(self) -> None:
        started(self, self.port)

    def store(self) -> Path:
        """The directory."""
        store = self.directory / "store"
        store.mkdir(parents=True, exist_ok=True)
        return store


class Dcmqrscp(OfDcmtk):
    """dcmtk's archive: one file an image, one index for all."""

    name = program = "dcmqrscp"

    def command(self) -> Sequence[str]:
        if shutil.which("dcmqrscp") is None:
            raise Missing("dcmqrscp (Debian: dcmtk)")
        store = self.store()
        config = self.directory / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 131072\nMaxAssociations = 32\n"
            f"HostTable BEGIN\nsink = (SINK, 127.0.0.1, {SINK_PORT})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\nAETable BEGIN\n"
            f"DICOMWEB {store} RW ({DCMQRSCP_STUDIES}, 100000mb) ANY\nAETable END\n"
        )
        return ["dcmqrscp", "-c", str(config)]

    def load(self, files: Iterable[Path]) -> None:
        self.start()
        send(self.port, list(files), associations=1)
        self.stop()


class Storescp(OfDcmtk):
    """dcmtk's receiver: a file an image, a process an association."""

    name = "storescp, files alone"
    program = "storescp"

    def command(self) -> Sequence[str]:
        given = ["--fork", "--aetitle", "DICOMWEB", "--max-pdu", "131072"]
        return [self.program, *given, "-od", str(self.store()), str(self.port)]

    def load(self, files: Iterable[Path]) -> None:
        raise NotImplementedError("what it has stored it does not give back")


def started(peer: OursByDimse | OfDcmtk, port: int) -> None:
    """Starts what answers DIMSE only."""
    peer.directory.mkdir(parents=True, exist_ok=True)
    with peer.log.open("ab") as log:
        peer._process = subprocess.Popen(
            peer.command(), stdout=log, stderr=log, start_new_session=True
        )
    wait_for_echo(port, peer._process, peer.log)


def listen(peer: Peer) -> int:
    """Starts a peer; the port it speaks DIMSE on."""
    peer.start()
    wait_until_quiet(peer)
    return peer.dicom_port if isinstance(peer, OrthancByDimse) else peer.port


def wait_for_echo(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Returns once the port answers C-ECHO. Raises Missing with the log's end otherwise."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        echo = ["echoscu", "-aec", "DICOMWEB", "127.0.0.1", str(port)]
        if subprocess.run(echo, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise Missing(f"nothing answers on port {port}: {log.read_text(errors='replace')[-400:]}")


def send(port: int, files: Sequence[Path], *, associations: int) -> int:
    """C-STORE of the files, shared out; how many of the associations were not content."""

    def one(mine: Sequence[Path]) -> bool:
        listed = mine[0].parent / f"list-{mine[0].name}.txt"
        listed.write_text("\n".join(map(str, mine)))
        said = subprocess.run(
            ["dcmsend", "-v", "-aec", "DICOMWEB", "127.0.0.1", str(port), f"@{listed}"],
            check=False,
            capture_output=True,
            text=True,
        )
        listed.unlink()
        return f"SUCCESS  : {len(mine)}" not in said.stderr + said.stdout

    with ThreadPoolExecutor(associations) as pool:
        return sum(pool.map(one, [files[n::associations] for n in range(associations)]))


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of the processes, with that of threads and of children that have ended: associations
    are the ones or the others."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def timed(peer: Peer, count: int, work: Callable[[], object]) -> Sample:
    pids = peer.pids
    cpu = cpu_seconds(pids)
    started = time.perf_counter()
    work()
    elapsed = time.perf_counter() - started
    used = cpu_seconds(peer.pids) - cpu
    return Sample(rate=count / elapsed, cpu_us=used / count * 1e6)


def stored(bench: Bench, makers: Sequence[Callable[[Path], Peer]]) -> Iterator[Summary]:
    ct = list(bench.ct500.files)
    mr = bench.small_mr

    def storing(
        make: Callable[[Path], Peer], files: Sequence[Path], associations: int
    ) -> tuple[str, Callable[[], Sample]]:
        place = bench.cache / "dimse-store"

        def measure() -> Sample:
            peer = make(place / make(place).name.replace(" ", "-"))
            shutil.rmtree(peer.directory, ignore_errors=True)
            port = listen(peer)

            def sending() -> None:
                if refused := send(port, files, associations=associations):
                    raise RuntimeError(
                        f"{peer.name}: {refused} of {associations} associations failed"
                    )

            try:
                return timed(peer, len(files), sending)
            finally:
                peer.stop()

        return make(place).name, measure

    for what, files in (("500 CT", ct), ("small MR", mr)):
        for associations in (1, 8):
            yield from bench.compare(
                "dimse",
                f"C-STORE of {what}, {associations} associations",
                "instances",
                [
                    storing(make, files, associations)
                    for make in makers
                    if associations == 1 or not isinstance(make(Path()), Dcmqrscp)
                ],
                warm=False,
            )


def settled_ours(place: Path) -> Peer:
    return SettledByDimse(place, port=18215)


def retrieved(bench: Bench, makers: Sequence[Callable[[Path], Peer]]) -> Iterator[Summary]:
    series = bench.ct500
    keys = (
        "-S", "-aec", "DICOMWEB", "-k", "QueryRetrieveLevel=SERIES",
        "-k", f"StudyInstanceUID={series.study_uid}",
        "-k", f"SeriesInstanceUID={series.series_uid}",
    )  # fmt: skip
    with ExitStack() as stack:
        targets: list[tuple[Peer, int]] = []
        for make in (*makers, settled_ours):
            peer = make(bench.cache / "dimse-retrieve" / make(Path()).name.replace(" ", "-"))
            port = listen(peer)
            stack.callback(peer.stop)
            if not (peer.directory / "loaded").is_file():
                send(port, list(series.files), associations=1)
                (peer.directory / "loaded").touch()
                if isinstance(peer, SettledByDimse):
                    peer.settle()
            targets.append((peer, port))
        sink = subprocess.Popen(["storescp", "--ignore", "-aet", "SINK", str(SINK_PORT)])
        stack.callback(sink.wait)
        stack.callback(sink.terminate)

        def run(program: str, *arguments: str) -> None:
            subprocess.run([program, *arguments], check=True, capture_output=True)

        def getting(peer: Peer, port: int) -> Sample:
            return timed(
                peer,
                len(series.files),
                lambda: run("getscu", "--ignore", *keys, "127.0.0.1", str(port)),
            )

        def moving(peer: Peer, port: int) -> Sample:
            return timed(
                peer,
                len(series.files),
                lambda: run("movescu", "-aem", "SINK", *keys, "127.0.0.1", str(port)),
            )

        for case, how in (("C-GET", getting), ("C-MOVE", moving)):
            yield from bench.compare(
                "dimse",
                f"{case} of a series of {len(series.files)} CT",
                "instances",
                [(peer.name, lambda p=peer, q=port, h=how: h(p, q)) for peer, port in targets],  # type: ignore[misc]
            )


def found(
    bench: Bench, makers: Sequence[Callable[[Path], Peer]], *, count: int
) -> Iterator[Summary]:
    one = next(studies(count))
    days = monthrange(int(one.date[:4]), int(one.date[4:6]))[1]
    month = f"{one.date[:6]}01-{one.date[:6]}{days}"
    cases = (
        ("Patient ID", {"PatientID": one.patient_id}),
        ("a day", {"StudyDate": one.date}),
        ("a month of CT", {"StudyDate": month, "ModalitiesInStudy": "CT"}),
        ("a family name", {"PatientName": "ZHANG^WEI*"}),
    )
    with ExitStack() as stack:
        targets: list[tuple[Peer, int]] = []
        for make in makers:
            peer = make(_place(bench, make, count))
            if isinstance(peer, Dcmqrscp) and count > DCMQRSCP_STUDIES:
                continue
            if not (peer.directory / "loaded").is_file():
                print(f"· loading {peer.name} with {count:,} studies", flush=True)
                peer.directory.mkdir(parents=True, exist_ok=True)
                peer.load(bench.tiny(count))
                (peer.directory / "loaded").touch()
            targets.append((peer, listen(peer)))
            stack.callback(peer.stop)
        for name, keys in cases:
            rows = {peer.name: next(query(port, keys)) for peer, port in targets}
            bench.notes.append(f"C-FIND by {name} among {count:,} studies: rows {rows}")
            # dcmqrscp does not match Modalities in Study.
            if len({found for name, found in rows.items() if name != Dcmqrscp.name}) != 1:
                raise RuntimeError(f"C-FIND by {name} was answered differently: {rows}")
            yield from bench.compare(
                "dimse",
                f"C-FIND by {name} among {count:,} studies",
                "queries",
                [
                    (peer.name, lambda p=peer, q=port, k=keys: asking(bench, p, q, k))  # type: ignore[misc]
                    for peer, port in targets
                ],
            )


def _place(bench: Bench, make: Callable[[Path], Peer], count: int) -> Path:
    return bench.cache / f"dimse-find-{count}" / make(Path()).name.replace(" ", "-")


def asking(bench: Bench, peer: Peer, port: int, keys: dict[str, str]) -> Sample:
    """Queries one after another over one association for a second or more."""
    asked = query(port, keys)
    # The first answer begins it: by then the process is there that dcmqrscp has for an association.
    next(asked)
    count, pids = 0, peer.pids
    cpu = cpu_seconds(pids)
    started = time.perf_counter()
    for _ in asked:
        count += 1
        if time.perf_counter() - started > bench.seconds:
            break
    elapsed = time.perf_counter() - started
    return Sample(rate=count / elapsed, cpu_us=(cpu_seconds(pids) - cpu) / count * 1e6)


STATUS = struct.Struct("<HHIH")
"""An element of a command set with a value of two bytes, as Status (0000,0900) is."""
STATUS_HEADER = STATUS.pack(0, commands.STATUS, 2, 0)[:8]


def query(port: int, keys: dict[str, str]) -> Iterator[int]:
    """The same C-FIND again and again over one association; how many rows each was answered with.
    The client looks at the statuses alone, so that it is not what is measured."""
    returned = "PatientID PatientName StudyInstanceUID StudyDate StudyDescription AccessionNumber"
    identifier = {"00080052": {"vr": "CS", "Value": ["STUDY"]}}
    for keyword in [*returned.split(), *keys]:
        tag = f"{pydicom.datadict.tag_for_keyword(keyword):08X}"
        value = keys.get(keyword)
        vr = pydicom.datadict.dictionary_VR(tag)
        identifier[tag] = {"vr": vr, "Value": [value]} if value else {"vr": vr}
    syntax = UNCOMPRESSED[0]
    raw = identifiers.write(identifier, transfer_syntax_uid=syntax)
    command = commands.encode(
        {
            commands.COMMAND_FIELD: commands.C_FIND,
            commands.MESSAGE_ID: 1,
            commands.AFFECTED_CLASS: STUDY_FIND,
            commands.PRIORITY: commands.MEDIUM,
        },
        with_data_set=True,
    )
    asked = b"".join(
        pdu.pdv_header(1, len(part), command=is_command, last=True) + part
        for part, is_command in ((command, True), (raw, False))
    )
    proposal = pdu.Associate(
        called="DICOMWEB",
        calling="BENCH",
        proposed=(pdu.Proposed(1, STUDY_FIND, (syntax,)),),
        max_length=131072,
        implementation_uid=IMPLEMENTATION_UID,
    )
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as connection,
        connection.makefile("rb", buffering=2**20) as stream,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def received() -> tuple[int, bytes]:
            kind, length = pdu.HEADER.unpack(stream.read(pdu.HEADER.size))
            return kind, stream.read(length)

        connection.sendall(pdu.encode_associate(proposal, accept=False))
        kind, _ = received()
        if kind != pdu.ASSOCIATE_AC:
            raise RuntimeError(f"port {port} answered an association request with PDU {kind}")
        while True:
            connection.sendall(asked)
            rows = 0
            while True:
                kind, body = received()
                at = body.find(STATUS_HEADER)
                if kind != pdu.P_DATA_TF:
                    raise RuntimeError(f"port {port} answered a query with PDU {kind}")
                if at < 0:  # a data set
                    continue
                status = int.from_bytes(body[at + 8 : at + 10], "little")
                if status == 0:
                    break
                if status >> 8 != 0xFF:  # not pending
                    raise RuntimeError(f"port {port} answered a query with status {status:04X}")
                rows += 1
            yield rows


def run(bench: Bench) -> Iterator[Summary]:
    if shutil.which("dcmsend") is None:
        raise Missing("dcmtk (Debian: dcmtk)")
    os.environ["TCP_NODELAY"] = "1"
    chroot = bench.orthanc.chroot if isinstance(bench.orthanc, Orthanc112) else None

    def orthanc(place: Path) -> Peer:
        if chroot is not None:
            return Orthanc112ByDimse(place, port=18212, chroot=chroot)
        return OrthancByDimse(place, port=18212)

    makers: list[Callable[[Path], Peer]] = [
        lambda place: OursByDimse(place, port=18211),
        orthanc,
        lambda place: Dcmqrscp(place, port=18213),
    ]
    keepers: list[Callable[[Path], Peer]] = [*makers, lambda place: Storescp(place, port=18214)]
    for make in keepers:
        peer = make(bench.cache / "dimse-version")
        bench.versions[f"{peer.name}, DIMSE"] = peer.version()
    yield from stored(bench, keepers)
    yield from retrieved(bench, makers)
    yield from found(bench, makers, count=DCMQRSCP_STUDIES)
    many = [make for make in makers if not isinstance(make(Path()), Dcmqrscp)]
    loaded = all((make(_place(bench, make, MANY)).directory / "loaded").is_file() for make in many)
    yield from found(bench, many, count=MANY if bench.full or loaded else FEW)
