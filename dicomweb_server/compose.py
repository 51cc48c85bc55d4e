"""Where the parts meet: configuration -> storage -> archive -> ASGI application -> processes.

`serve` listens, starts the process that keeps the archive up (settles, compacts), the report
module's and those of the DIMSE bridge, and lets uvicorn answer, in this process or in several.
"""

import errno
import logging
import multiprocessing
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomweb_server.access.addresses import is_loopback
from dicomweb_server.access.doors import open_doors
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.processes import (
    collect_seldom,
    context_with,
    end_with_parent,
    keep_memory,
    leave_interrupts_to_parent,
    set_at,
    take_short_turns,
    told_to,
)
from dicomweb_server.archive.upkeep import give_back, keep_up, warm
from dicomweb_server.config import Config, ConfigError
from dicomweb_server.dimse.process import run_bridge
from dicomweb_server.dimse.session import terms_of
from dicomweb_server.dimse.tls import CIPHERS, client_context, server_context
from dicomweb_server.logs import set_up_logging
from dicomweb_server.reading import intake
from dicomweb_server.reading.delivery import deliver_until
from dicomweb_server.reading.reading import Reading, open_reading
from dicomweb_server.reading.templates import load_starting_set
from dicomweb_server.web.app import Application, application
from dicomweb_server.web.connection import Connection
from dicomweb_server.web.remembered import Ready

logger = logging.getLogger(__name__)

STOP_WITHIN_S = 15
"""Requests that are being answered when the server is told to stop have this long to end."""


class CannotListen(Exception):
    """The address or port cannot be had; the message says why and what to do."""


def app(config: Config) -> ASGIApp:
    """The application of one server process."""
    set_up_logging(config.log_level)
    if multiprocessing.parent_process() is not None:
        end_with_parent()
    archive = open_archive(config)
    threading.Thread(target=_give_back, args=(archive,), name="give-back", daemon=True).start()
    made = application(archive, config)
    if config.data.startswith("memory:"):
        # No other process sees this archive, so none can work for the report module.
        work = (made.service.reading, archive.closed)
        threading.Thread(target=_read, args=work, name="reading", daemon=True).start()
    collect_seldom()
    keep_memory()
    take_short_turns()
    _tell_when_stopped(archive.stopping)
    return Closing(made, archive)


def _tell_when_stopped(stopping: threading.Event) -> None:
    """Sets `stopping` at SIGTERM and SIGINT, besides what uvicorn does with them: it waits for the
    answers under way, and one that goes on for ever is told by nobody else."""

    told = told_to(stopping.set)

    def tell(number: int, then: Callable[[int, FrameType | None], object]) -> None:
        def on_signal(received: int, frame: FrameType | None) -> None:
            told()
            then(received, frame)

        signal.signal(number, on_signal)

    for number in (signal.SIGTERM, signal.SIGINT):
        if callable(then := signal.getsignal(number)):
            tell(number, then)


GIVE_BACK_EVERY_S = 30.0


def _give_back(archive: Archive) -> None:
    while not archive.closed.wait(GIVE_BACK_EVERY_S):
        try:
            give_back(archive)
        except Exception:
            logger.exception("a landing pack could not be given back")


@dataclass(frozen=True)
class Closing:
    """`inner`, and the archive closed once it has shut down."""

    inner: Application
    archive: Archive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                self.archive.close()
            await send(message)

        await self.inner(scope, receive, send_closing if scope["type"] == "lifespan" else send)

    def again(self, data: bytes, whence: str) -> Ready | None:
        return self.inner.again(data, whence)

    def ready(self, scope: Scope, *, data: bytes = b"", whence: str = "") -> Ready | None:
        return self.inner.ready(scope, data=data, whence=whence)


def serve(config: Config, *, announce: Callable[[str], None]) -> int:
    """Serves until it is told to stop (SIGINT, SIGTERM); returns the exit code.

    announce  is told where the server listens

    Raises CannotListen, ConfigError, and what `open_archive` raises.
    """
    in_memory = config.data.startswith("memory:")
    if in_memory and config.workers > 1:
        reason = "each process would have an archive in memory of its own: use 1, or a directory"
        raise ConfigError("workers", reason, origin="with data in memory")
    _check_tls(config)
    ports = ["port"]
    # No process but that of the server sees an archive in memory.
    if config.dimse and not in_memory:
        ports += _dimse_ports(config)
        _check_dimse(config, ports)
    _require_identity(config)
    listening, *dimse = _listen(config, ports)
    dimse_listening = list(zip(dimse, (False, True), strict=False))
    run = _runner(config, listening)
    host, port = listening.getsockname()[:2]
    scheme = "https" if config.tls_certificate else "http"
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    announce(f"serving {config.data} on {url}/, DICOMweb root {url}{config.prefix}")
    beside: list[Beside] = []
    if not in_memory:
        beside.append(Beside("reading", run_reading, config))
        if config.settle:
            beside.append(Beside("upkeep", run_upkeep, config))
        _announce_dimse(config, dimse_listening, announce)
        beside += [
            Beside("dimse", run_dimse, config, dimse_listening, number == 0)
            for number in range(config.dimse_processes if dimse_listening else 0)
        ]
    with listening, _running(beside):
        return run()


def _runner(config: Config, listening: socket.socket) -> Callable[[], int]:
    """What serves until SIGTERM or SIGINT, which are waited for from now on, and gives the exit
    code. Nothing is raised where a signal happens to come: in the middle of an import in another
    thread, or of what the interpreter calls back, that is lost, or leaves a lock behind."""
    if config.workers > 1:
        return _several(config, listening)
    return _single(config, listening)


LOOK_FOR_SIGNALS_EVERY_S = 0.5


def _several(config: Config, listening: socket.socket) -> Callable[[], int]:
    stopped = threading.Event()
    set_at(stopped, signal.SIGTERM, signal.SIGINT)
    # They finish what they are answering, and close the archive then.
    answering = [
        Beside("web", run_web, config, listening, again_after_s=1, within_s=2 * STOP_WITHIN_S)
        for _ in range(config.workers)
    ]

    def run() -> int:
        with _running(answering):
            # A signal that comes after Python has last looked for one, and before this thread
            # sleeps, wakes nobody: it is seen when the sleep ends, so it has to end.
            while not stopped.wait(LOOK_FOR_SIGNALS_EVERY_S):
                pass
        return 0

    return run


def run_web(config: Config, listening: socket.socket) -> None:
    """The main function of one process of several that answer, until SIGTERM."""
    _single(config, listening)()


def _single(config: Config, listening: socket.socket) -> Callable[[], int]:
    server = uvicorn.Server(
        uvicorn.Config(
            partial(app, config),
            factory=True,
            # Requests are not logged line by line: that costs 40 us each (ARCHITECTURE, decision
            # 7).
            access_log=False,
            http=Connection,
            ssl_certfile=config.tls_certificate,
            ssl_keyfile=config.tls_key,
            ssl_ciphers=CIPHERS,
            log_config=None,
            lifespan="on",
            server_header=False,
            # Which proxies are believed is said by `trusted_proxies`, which knows Forwarded too.
            proxy_headers=False,
            # Longer than a proxy in front keeps a connection, or it sends into one that is closing.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )

    def stop(number: int, stack: FrameType | None) -> None:
        server.should_exit = True

    # Before uvicorn's own handlers are there, and when it raises once more, at its end, what it was
    # stopped by.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def run() -> int:
        server.run(sockets=[listening])
        return 0 if server.started else 1

    return run


def _require_identity(config: Config) -> None:
    """Opens what will be served, once. Raises ConfigError when that would be an archive for anybody
    in the network, and nobody said so."""
    archive = open_archive(config)
    try:
        doors = open_doors(config, archive.directory)
        try:
            served = config.open_to_network or is_loopback(config.host)
            if not served and doors.is_without_accounts:
                raise ConfigError(
                    "host",
                    f"there is no account yet, so everybody who reaches {config.host} could do"
                    " everything: make one (dicomweb-server users add), listen on 127.0.0.1, or"
                    " say --open-to-network",
                    origin=config.host,
                )
        finally:
            doors.close()
    finally:
        archive.close()


def _check_tls(config: Config) -> None:
    """Raises ConfigError for files that are no certificate and key."""
    if config.tls_key and not config.tls_certificate:
        raise ConfigError("tls_key", "needs tls_certificate", origin="configuration")
    if config.tls_certificate:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(config.tls_certificate, config.tls_key)
        except OSError as error:
            raise ConfigError("tls_certificate", str(error), origin="configuration") from error


def _dimse_ports(config: Config) -> list[str]:
    """The settings of the ports that the bridge listens on, that for TLS second."""
    return ["dimse_port", "dimse_tls_port"] if config.dimse_tls_port else ["dimse_port"]


def _check_dimse(config: Config, ports: Sequence[str]) -> None:
    """Raises ConfigError for what each process of the bridge would end of, one after another.

    ports  settings of ports, each of which must be one of its own
    """
    terms = terms_of(config)
    taken: dict[int, str] = {}
    for name in ports:
        port = getattr(config, name)
        if port and port in taken:
            raise ConfigError(name, f"{port} is {taken[port]} too", origin="configuration")
        taken[port] = name
    if config.dimse_tls_port:
        server_context(config)
    if any(peer.tls for peer in terms.peers.by_title.values()):
        client_context(config)


def _announce_dimse(
    config: Config, listening: list[tuple[socket.socket, bool]], announce: Callable[[str], None]
) -> None:
    for each, secure in listening:
        host, port = each.getsockname()[:2]
        announce(f"DIMSE{' over TLS' if secure else ''}: {config.aet} at {host} port {port}")


def serve_dimse(config: Config, *, announce: Callable[[str], None]) -> int:
    """The bridge alone, until SIGINT or SIGTERM; returns the exit code.

    Raises CannotListen, config.ConfigError, and what `open_archive` raises.
    """
    ports = _dimse_ports(config)
    _check_dimse(config, ports)
    listening = list(zip(_listen(config, ports), (False, True), strict=False))
    _announce_dimse(config, listening, announce)
    others = [
        Beside("dimse", run_dimse, config, listening, False)
        for _ in range(config.dimse_processes - 1)
    ]
    with _running(others):
        run_dimse(config, listening, True)
    return 0


def run_dimse(config: Config, listening: list[tuple[socket.socket, bool]], jobs: bool) -> None:
    """The main function of a process of the bridge, until SIGTERM.

    jobs  whether it also does what is queued: one process does
    """
    set_up_logging(config.log_level)
    stopped = threading.Event()
    set_at(stopped, signal.SIGTERM, signal.SIGINT)
    if multiprocessing.parent_process() is not None:
        leave_interrupts_to_parent()
        end_with_parent()
    archive = open_archive(config)
    collect_seldom()
    keep_memory()
    try:
        run_bridge(archive, listening, jobs=jobs, stop=stopped)
    finally:
        archive.close()


def _listen(config: Config, ports: Sequence[str]) -> list[socket.socket]:
    """Sockets that listen on the ports of these settings. Raises CannotListen, and then none."""
    with ExitStack() as unless_all:
        listening = [unless_all.enter_context(_listen_on(config, name)) for name in ports]
        unless_all.pop_all()
        return listening


def _listen_on(config: Config, name: str) -> socket.socket:
    port, flag = getattr(config, name), f"--{name.replace('_', '-')}"
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    where = f"port {port} of {config.host}"
    try:
        listening = socket.create_server((config.host, port), family=family, backlog=2048)
    except OSError as error:
        reason = {
            errno.EADDRINUSE: f"is taken by another program: choose another with {flag}",
            errno.EACCES: f"may not be used by this user: choose one above 1023 with {flag}",
        }.get(error.errno or 0, f"cannot be listened on: {error.strerror}")
        raise CannotListen(f"{where} {reason}") from error
    listening.set_inheritable(True)
    return listening


class Beside:
    """A process beside the server, or one of several that are it; started again when it dies.

    run            its main function, to be found by name in another process; ends on SIGTERM
    again_after_s  for which it stays away: when the whole group of processes is told to stop, as
                   `timeout` does, it ends before it is known here that it was to
    within_s       for which it may go on when it is told to stop
    """

    def __init__(
        self,
        name: str,
        run: Callable[..., None],
        *arguments: object,
        again_after_s: float = 10,
        within_s: float = STOP_WITHIN_S,
    ) -> None:
        self._name = name
        self._run_it = run
        self._arguments = arguments
        self._again_after_s = again_after_s
        self._within_s = within_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Has it end, and does not wait for that."""
        self._stopping.set()

    def join(self) -> None:
        """Returns once it has ended."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        context = context_with(__name__)
        while not self._stopping.is_set():
            process = context.Process(target=self._run_it, args=self._arguments, name=self._name)
            try:
                process.start()
            except (EOFError, OSError) as error:
                # What they are forked from is gone too when all are told to stop, as systemd does.
                if not self._stopping.wait(1):
                    logger.error("%s could not be started: %r; once more", self._name, error)
                continue
            while process.is_alive() and not self._stopping.wait(0.2):
                pass
            if not self._stopping.is_set():
                if not self._stopping.wait(self._again_after_s):
                    logger.error(
                        "%s ended with code %s; it starts again", self._name, process.exitcode
                    )
                continue
            process.terminate()
            process.join(self._within_s)
            process.kill()
            process.join()


@contextmanager
def _running(processes: Sequence[Beside]) -> Iterator[None]:
    """They run as long as the `with` does. All are told to end before one of them is waited for."""
    for each in processes:
        each.start()
    try:
        yield
    finally:
        for each in processes:
            each.stop()
        for each in processes:
            each.join()


def _read(reading: Reading, stop: threading.Event) -> None:
    load_starting_set(reading.records)
    exams = threading.Thread(target=intake.run, args=(reading, stop), name="exams", daemon=True)
    exams.start()
    deliver_until(reading.archive, reading.records, stop=stop.is_set)
    exams.join(STOP_WITHIN_S)


def run_reading(config: Config) -> None:
    """The main function of the report module's process, until SIGTERM: exams of what arrives, and
    the documents of what is issued."""
    set_up_logging(config.log_level)
    # Exams and documents may be a moment late, what is sent and asked for may not: an exam of every
    # study that arrives took as much of the machine as storing a small one.
    os.nice(5)
    stopped = threading.Event()
    set_at(stopped, signal.SIGTERM)
    leave_interrupts_to_parent()
    end_with_parent()
    archive = open_archive(config)
    try:
        # Here, because this is the one process beside the server that is always there.
        warming = partial(warm, archive, stop=stopped.is_set)
        threading.Thread(target=warming, name="warming", daemon=True).start()
        _read(open_reading(archive), stopped)
    finally:
        archive.close()


def run_upkeep(config: Config) -> None:
    """The main function of the upkeep process: works when nobody else does, until SIGTERM."""
    set_up_logging(config.log_level)
    # Schedulers that know I/O priorities derive them from niceness.
    os.nice(10)
    stopped = threading.Event()
    set_at(stopped, signal.SIGTERM)
    leave_interrupts_to_parent()
    end_with_parent()
    archive = open_archive(config)
    try:
        keep_up(archive, stop=stopped.is_set)
    finally:
        archive.close()
