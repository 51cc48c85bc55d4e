"""The servers that are measured, each started on loopback and loaded with the same data.

Ours            this checkout, `serve` as a user starts it, the settled archive
Orthanc 1.12    the fair opponent: Debian 13's packages, in a chroot that debootstrap makes, on the
                SQLite it comes with
Orthanc         Debian's own package of this machine, where that cannot be had
nginx           the same frames as static multipart files: the limit of "just send the bytes"

Orthanc binds every address whatever it is told and looks up the host's name in DNS, so everything
runs in a network namespace of the benchmark's own (`isolate`), where there is only loopback.
"""

import copy
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import ClassVar

from benchmarks.data import Series
from benchmarks.measure import process_tree
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import load
from dicomweb_server.reading import intake
from dicomweb_server.reading.reading import open_reading
from dicomweb_server.reading.tables import FeedMarkRow

START_TIMEOUT_S = 180


class Missing(Exception):
    """A peer cannot be run here; the sentence says what is missing."""


def is_isolated() -> bool:
    return bool(os.environ.get("DICOMWEB_BENCH_ISOLATED"))


def isolate() -> None:
    """Runs this program again inside a network namespace that has loopback and nothing else."""
    environment = {**os.environ, "DICOMWEB_BENCH_ISOLATED": "1"}
    inner = f'ip link set lo up && exec "{sys.executable}" -m benchmarks "$@"'
    flags = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    os.execvpe(
        "unshare",
        ["unshare", *flags, "--", "sh", "-c", inner, "benchmarks", *sys.argv[1:]],
        environment,
    )


def wait_for_answer(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns once the port answers HTTP, whatever it says: a port that listens may have nobody
    behind it yet. Raises Missing with the log's end otherwise."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        probe = http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
        try:
            probe.request("GET", "/")
            probe.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            probe.close()
    raise Missing(f"nothing answers on port {port}: {log.read_text(errors='replace')[-400:]}")


@cache
def checkout() -> str:
    """The commit that is measured, "-dirty" when files are not as they are in it. What a run writes
    does not count, and the files are looked at once: what is served does not change meanwhile."""
    described = _git("describe", "--always")
    own = [f":(top,exclude)benchmarks/{name}" for name in ("history.ndjson", "README.md", "plots")]
    changed = _git("diff", "--name-only", "HEAD", "--", ":(top)", *own)
    return f"{described or 'unknown'}{'-dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return run.stdout.strip()


class Peer(ABC):
    """A server with a DICOMweb root."""

    name: str
    port: int
    scheme = "http"
    root = "/dicom-web"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{self.root}"

    @property
    def pids(self) -> list[int]:
        """Of every process of the server."""
        return process_tree(self._process.pid) if self._process else []

    @abstractmethod
    def version(self) -> str: ...

    @abstractmethod
    def command(self) -> Sequence[str]: ...

    @abstractmethod
    def load(self, files: Iterable[Path]) -> None:
        """Stores the files; the server may run or not, as the class needs it."""

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, start_new_session=True
            )
        self.wait(self._process)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Returns once the server that has been started answers. Raises Missing."""
        wait_for_answer(self.port, process, self.log)

    def stop(self) -> None:
        if self._process is None:
            return
        # The whole session: a server that ignores the polite signal is not waited for long.
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, how)
                self._process.wait(timeout=10)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        self._process = None


class Ours(Peer):
    """This checkout."""

    def __init__(
        self, directory: Path, *, port: int, workers: int = 1, flags: Sequence[str] = ()
    ) -> None:
        """`flags` are more of those of `dicomweb-server serve`."""
        super().__init__(directory)
        self.port = port
        self.workers = workers
        self.flags = flags
        self.name = "ours" if workers == 1 else f"ours, {workers} workers"

    def forgetful(self, *, port: int) -> "Ours":
        """The same archive with a server that remembers neither replies nor frames."""
        peer = copy.copy(self)
        peer.port = port
        peer.flags = [*self.flags, "--remembered-cache-mib", "0", "--stored-cache-mib", "0"]
        return peer

    def version(self) -> str:
        return checkout()

    def _cli(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "dicomweb_server", *arguments]

    def command(self) -> Sequence[str]:
        return self._cli(
            "serve",
            "--data",
            str(self.directory / "archive"),
            "--port",
            str(self.port),
            "--workers",
            str(self.workers),
            "--no-dimse",
            *self.flags,
        )

    def load(self, files: Iterable[Path]) -> None:
        data = str(self.directory / "archive")
        paths = [str(path) for path in files]
        subprocess.run(self._cli("import", *paths, "--data", data), check=True, capture_output=True)
        subprocess.run(self._cli("settle", "--data", data), check=True, capture_output=True)

    def taken_as_read(self) -> None:
        """Tells the report module that what is stored is no news. It would make an exam of every
        study in its own process, long after the loading, while something else is measured."""
        archive = open_archive(
            load(environment={}, flags={"data": str(self.directory / "archive")})
        )
        try:
            mark = FeedMarkRow(name=intake.MARK, sequence=archive.storage.index.last_change())
            open_reading(archive).records.writing(lambda session: session.merge(mark))
        finally:
            archive.close()


class Orthanc(Peer):
    """Debian's Orthanc with its DICOMweb plugin, on SQLite and everything in its memory cache."""

    settings: ClassVar[dict[str, object]] = {
        "StorageCompression": False,
        "MaximumStorageCacheSize": 1024,
        "HttpThreadsCount": 50,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "StoreMD5ForAttachments": False,
        "HttpCompressionEnabled": False,
        "OverwriteInstances": True,
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
        "DicomServerEnabled": False,
    }
    dicomweb: ClassVar[dict[str, object]] = {
        "Enable": True,
        "Root": "/dicom-web/",
        "StudiesMetadata": "Full",
        "SeriesMetadata": "Full",
        "EnableMetadataCache": True,
        "MetadataWorkerThreadsCount": 4,
    }

    name = "Orthanc"

    def __init__(self, directory: Path, *, port: int) -> None:
        super().__init__(directory)
        self.port = port

    def _inside(self, path: Path) -> str:
        """`path` as the server sees it."""
        return str(path.resolve())

    def _plugins(self) -> list[str]:
        found = Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so*")
        plugins = [str(path) for path in found]
        if not plugins or shutil.which("Orthanc") is None:
            raise Missing("Orthanc with its DICOMweb plugin (Debian: orthanc orthanc-dicomweb)")
        return plugins

    def _configuration(self) -> Path:
        store = self.directory / "store"
        store.mkdir(parents=True, exist_ok=True)
        path = self.directory / "orthanc.json"
        path.write_text(
            json.dumps(
                {
                    **self.settings,
                    "Name": "bench",
                    "HttpPort": self.port,
                    "StorageDirectory": self._inside(store),
                    "IndexDirectory": self._inside(store),
                    "Plugins": self._plugins(),
                    "DicomWeb": self.dicomweb,
                }
            )
        )
        return path

    def version(self) -> str:
        run = subprocess.run(
            [*self.command()[:-1], "--version"], capture_output=True, text=True, check=False
        )
        return run.stdout.partition("\n")[0].rpartition(" ")[2].strip()

    def command(self) -> Sequence[str]:
        return ["Orthanc", self._inside(self._configuration())]

    def load(self, files: Iterable[Path]) -> None:
        """Through its REST interface, four at a time; then restarted, because after a bulk load it
        works in the background for a long time."""
        self.start()
        paths = list(files)

        def send(some: Sequence[Path]) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            for path in some:
                connection.request("POST", "/instances", body=path.read_bytes())
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{self.name} refused {path}: {answer.status}")
            connection.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, [paths[n::4] for n in range(4)]))
        self.stop()


class Orthanc112(Orthanc):
    """Debian 13's Orthanc in a chroot, without the GDCM plugin (which crashes it)."""

    def __init__(self, directory: Path, *, port: int, chroot: Path) -> None:
        self.chroot = chroot
        super().__init__(chroot / "bench" / directory.name, port=port)

    @staticmethod
    def install(chroot: Path) -> None:
        """Makes the chroot once. Raises Missing when it cannot."""
        if (chroot / "usr/sbin/Orthanc").is_file():
            return
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            raise Missing("Orthanc 1.12 needs root and debootstrap")
        print(f"· installing Debian 13 with Orthanc into {chroot} (a minute, once)", flush=True)
        chroot.mkdir(parents=True, exist_ok=True)
        packages = "--include=orthanc,orthanc-dicomweb"
        run = subprocess.run(
            ["debootstrap", "--variant=minbase", packages, "trixie", str(chroot)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise Missing(f"debootstrap made no Debian 13: {run.stdout[-300:]}{run.stderr[-300:]}")
        # Without the host's name there, Orthanc asks DNS, and stalls five seconds now and then.
        shutil.copy("/etc/hosts", chroot / "etc/hosts")

    def _inside(self, path: Path) -> str:
        return "/" + str(path.resolve().relative_to(self.chroot.resolve()))

    def _plugins(self) -> list[str]:
        found = sorted((self.chroot / "usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so*"))
        return [self._inside(path.parent) + "/" + path.name for path in found]

    def command(self) -> Sequence[str]:
        configuration = self._inside(self._configuration())
        return ["chroot", str(self.chroot), "/usr/sbin/Orthanc", configuration]


class Nginx(Peer):
    """Static multipart files, one for each frame and one for the whole series."""

    name = "nginx"

    def __init__(self, directory: Path, *, port: int) -> None:
        super().__init__(directory)
        self.port = port

    def version(self) -> str:
        if shutil.which("nginx") is None:
            raise Missing("nginx (Debian: nginx-light)")
        run = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False)
        return run.stderr.strip().rpartition("/")[2]

    def command(self) -> Sequence[str]:
        self.directory.mkdir(parents=True, exist_ok=True)
        place = self.directory.resolve()
        configuration = self.directory / "nginx.conf"
        temporary = "".join(
            f"{name}_temp_path {place}/tmp;" for name in ("proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration.write_text(
            f"worker_processes 1; daemon off; pid {place}/pid; error_log stderr; user root;"
            "events { worker_connections 256; }"
            f"http {{ client_body_temp_path {place}/tmp; {temporary}"
            # Filling packets first (tcp_nopush) took a sixth more CPU over loopback, and made it
            # wait 40 ms now and then.
            "access_log off; sendfile on; tcp_nopush off; tcp_nodelay on;"
            "keepalive_requests 1000000;"
            "default_type 'multipart/related; type=\"application/octet-stream\"; boundary=frame';"
            f"server {{ listen {self.port}; root {place}/www; }} }}"
        )
        return ["nginx", "-c", str(configuration.resolve()), "-p", str(place)]

    def load(self, files: Iterable[Path]) -> None:
        raise NotImplementedError("nginx is given payloads, not files: see `load_frames`")

    def load_frames(self, series: Series, payloads: Sequence[bytes], *, part_type: str) -> None:
        """One file a frame at the frame's own URL, and one of all of them at the series' URL."""
        head = f"--frame\r\nContent-Type: {part_type}\r\n\r\n".encode()
        root = self.directory / "www"
        whole = root / (self.root + series.path).lstrip("/") / "whole"
        whole.parent.mkdir(parents=True, exist_ok=True)
        with whole.open("wb") as joined:
            for path, payload in zip(series.frame_paths(), payloads, strict=True):
                part = head + payload + b"\r\n"
                joined.write(part)
                place = root / (self.root + path).lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(part + b"--frame--")
            joined.write(b"--frame--")
