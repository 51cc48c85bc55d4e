"""How soon does a reader see a 500-slice CT, and how fast does it scroll? Our reading page and
OHIF 3.13.2, on one server, in headless Chromium.

Both are watched by the same script (probe.js), which reads the pixels of the largest canvas at each
screen refresh; a picture counts once it is drawn, whatever the page believes. Per opening:

    first_image_s  until a picture stands in the pane (`rate` is its inverse)
    full_image_s   until the one that stays does: a preview is no full picture
    scrollable_s   until every slice can be shown, at an eighth of its sides or better
    complete_s     until all slices have arrived and the processor is at rest: all are decoded
    slices_per_s   different pictures drawn a second while the wheel turns once a refresh
    mb             down the line, all together, when complete
    js_kb          of the page's scripts, compressed as they came; not what workers load

Every opening is a browser of its own with nothing in its cache, or, as `next study`, one that has
had the viewer open before. It has come to rest: for some seconds after its start Chromium prepares
pages of its own, with as much of the processor as the page takes that is measured. The phone has a
screen of 390 x 844 at 2, and the whole browser gets a quarter of the processor. Chromium draws
without a GPU here: a workstation is faster at all of it.

The line is `relay`: rate, round trip, handshake and TCP's slow start, without loss. Cases without
"slow start" in their name were measured before it had that; a first image, for which little is sent
over connections that have just begun, came sooner than it would over a real line.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, at_rest
from benchmarks.data import Series
from benchmarks.measure import Sample, Summary, cpu_seconds, process_tree
from benchmarks.ohif_site import TwoViewers
from benchmarks.peers import Missing
from benchmarks.relay import Profile, Relay, relay
from tests.clients.ohif import VERSION
from tests.web.browser import CHROMIUM, Browser

PROBE = (Path(__file__).parent / "probe.js").read_text()
TIMEOUT_S = 120.0
TICK_S = 0.05
QUIET_S = 1.5
"""So long nothing arrives and nothing is decoded when a series is complete."""
BUSY = 0.5
"""Of one processor, in the browser, that counts as decoding."""
SCROLL_S = 3.0


@dataclass(frozen=True, slots=True)
class Device:
    """A screen, and which part of the processor's time the browser gets."""

    width: int = 1280
    height: int = 800
    ratio: int = 1
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    link: Profile
    device: Device = Device()
    visited: bool = False
    long: bool = False
    """Only asked in the long round."""


PHONE = Device(390, 844, 2, 0.25)
PHONE_LINK = Profile(bytes_per_s=9e6 / 8, round_trip_s=0.17)
LINK = Profile(bytes_per_s=200e6 / 8, round_trip_s=0.03)
CASES = (
    Case("500-slice CT, loopback", Profile(), long=True),
    Case("500-slice CT, 200 Mbit/s, 30 ms and slow start", LINK),
    Case(
        "500-slice CT, 200 Mbit/s, 30 ms and slow start, next study", LINK, visited=True, long=True
    ),
    Case("500-slice CT, phone, 9 Mbit/s, 170 ms and slow start", PHONE_LINK, PHONE),
)


@dataclass(frozen=True, slots=True)
class Viewer:
    """address  of a study, below the origin"""

    name: str
    address: str
    unvisited: str
    progress: str | None = None
    """An expression: whether every slice can be shown somehow. None: it shows only whole ones."""


def viewers(series: Series) -> tuple[Viewer, Viewer]:
    return (
        Viewer(
            "ours",
            f"/read.html?lang=en&study={series.study_uid}",
            "/read.html?lang=en",
            "(() => { const s = window.reading?.session; const f = s?.stacks.value[0]?.frames;"
            " return Boolean(f) && s.store.progress(f).seen === f.length; })()",
        ),
        Viewer("OHIF", f"/viewer?StudyInstanceUIDs={series.study_uid}", "/"),
    )


# OHIF shows its tour to who has not seen it, on top of the picture.
SEEN_TOUR = "try { localStorage.setItem('shownTours', '[\"basicViewerTour\"]') } catch {}"


# A script that comes again from the cache, for another worker, weighs nothing more.
SCRIPTS = """[...new Map(performance.getEntriesByType("resource")
    .filter((entry) => new URL(entry.name).pathname.endsWith(".js"))
    .map((entry) => [entry.name, entry.encodedBodySize])).values()]
    .reduce((sum, bytes) => sum + bytes, 0)"""


@contextmanager
def share_of_processor(pid: int, share: float) -> Iterator[None]:
    """All processes below `pid` run only that part of the time, in slices of some milliseconds.

    A page can be slowed by the browser itself, but not its workers, which do most of the work here.
    """
    if share >= 1:
        yield
        return
    over = threading.Event()

    def tell(how: signal.Signals) -> None:
        for each in process_tree(pid):
            with suppress(ProcessLookupError):
                os.kill(each, how)

    def pace() -> None:
        try:
            while not over.wait(0.01):
                tell(signal.SIGSTOP)
                time.sleep(0.01 * (1 / share - 1))
                tell(signal.SIGCONT)
        finally:
            tell(signal.SIGCONT)

    thread = threading.Thread(target=pace, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def opened(server: TwoViewers, line: Relay, viewer: Viewer, case: Case, rest: bool) -> Sample:
    """One opening. `rest`: until the series is complete, and scrolled through."""
    device = case.device
    origin = f"http://127.0.0.1:{line.port}"
    with Browser(width=device.width, height=device.height) as page, ExitStack() as stack:
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=device.width,
            height=device.height,
            deviceScaleFactor=device.ratio,
            mobile=device.width < 600,
        )
        page.call("Page.addScriptToEvaluateOnNewDocument", source=SEEN_TOUR + PROBE)
        if case.visited:
            page.open(origin + viewer.unvisited)
            time.sleep(3)
        at_rest(process_tree(page.pid))
        stack.enter_context(share_of_processor(page.pid, device.share))
        cpu, bytes_before = cpu_seconds(server.pids), line.received_bytes
        page.open(origin + viewer.address)
        started = time.time()
        progress = _watch(page, line, viewer, rest)
        origin_s = page.run("performance.timeOrigin") / 1e3
        assert abs(origin_s - started) < 5
        values = progress.figures(origin_s)
        pictures = page.run("window.probe.pictures()")
        values["full_image_s"] = pictures["final"] / 1e3
        values["js_kb"] = page.run(SCRIPTS) / 1e3
        values["mb"] = (line.received_bytes - bytes_before) / 1e6
        used = cpu_seconds(server.pids) - cpu
        if rest:
            values["slices_per_s"] = _scrolled(page)
        first = pictures["first"] / 1e3
        return Sample(1 / first, used * 1e6, {"first_image_s": first, **values})


def _scrolled(page: Browser) -> float:
    """Pictures drawn a second while the wheel turns, a step a refresh and sixty at most."""
    x, y = page.run("window.probe.middle()")
    before, since = page.run("window.probe.count()")
    end = time.monotonic() + SCROLL_S
    while (now := time.monotonic()) < end:
        page.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=100)
        time.sleep(max(0.0, now + 1 / 60 - time.monotonic()))
    after, until = page.run("window.probe.count()")
    return float((after - before) * 1e3 / (until - since))


@dataclass
class _Progress:
    scrollable_at: float | None = None
    complete_at: float | None = None

    def figures(self, origin_s: float) -> dict[str, float]:
        named = {"scrollable_s": self.scrollable_at, "complete_s": self.complete_at}
        return {name: at - origin_s for name, at in named.items() if at is not None}


def _watch(page: Browser, line: Relay, viewer: Viewer, rest: bool) -> _Progress:
    """Until the first picture has stayed for a while, or all of the series is there."""
    made = _Progress()
    end = time.time() + TIMEOUT_S
    busy_at = looked_at = time.time()
    carried, cpu = line.received_bytes, cpu_seconds(process_tree(page.pid))
    while time.time() < end:
        time.sleep(TICK_S)
        now = time.time()
        pictures = page.run("window.probe?.pictures() ?? {}")
        if viewer.progress and made.scrollable_at is None and page.run(viewer.progress):
            made.scrollable_at = now
        got, used = line.received_bytes, cpu_seconds(process_tree(page.pid))
        # Drawing at rest and this watching take some of the processor, decoding most of it.
        if got - carried > 4096 or used - cpu > BUSY * (now - looked_at):
            busy_at = now
        carried, cpu, looked_at = got, used, now
        drawn = pictures.get("first") is not None
        if drawn and pictures["last"] + QUIET_S * 1e3 < page.run("performance.now()"):
            page.run("window.probe.pause()")
            if not rest:
                return made
        if rest and drawn and now - busy_at > QUIET_S:
            made.complete_at = busy_at
            if not viewer.progress:
                made.scrollable_at = busy_at
            return made
    raise RuntimeError(f"{viewer.name} has not drawn within {TIMEOUT_S:.0f} s")


def run(bench: Bench) -> Iterator[Summary]:
    if CHROMIUM is None:
        raise Missing("Chromium is missing: tests/install-tools installs it")
    # The archive that other questions load; two servers may have it open.
    server = TwoViewers(bench.ours.directory, port=18012)
    bench.versions["OHIF"] = VERSION
    with bench.running(server):
        for case in CASES:
            if case.long and not bench.full:
                continue
            # A phone's line takes a minute for such a series: its first picture is what counts.
            rest = case.device is not PHONE
            with relay(server.port, case.link) as line:
                targets: list[tuple[str, Callable[[], Sample]]] = [
                    (viewer.name, _opening(server, line, viewer, case, rest))
                    for viewer in viewers(bench.ct500)
                ]
                yield from bench.compare("browser", case.name, "first pictures", targets)


def _opening(
    server: TwoViewers, line: Relay, viewer: Viewer, case: Case, rest: bool
) -> Callable[[], Any]:
    return lambda: opened(server, line, viewer, case, rest)
