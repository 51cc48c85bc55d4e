"""What the questions share: the peers, loaded once, the rounds, and how long each takes."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.data import Series, ct500, head_ct, large_study, small_mr, tiny_files
from benchmarks.measure import Sample, Summary, cpu_seconds, in_turns
from benchmarks.peers import Missing, Nginx, Orthanc, Orthanc112, Ours, Peer, checkout
from benchmarks.studies import make

QUIET_WITHIN_S = 60


def at_rest(pids: Sequence[int]) -> None:
    """Returns when the processes use less than a tenth of a processor, as they do once they have
    come up; or after a while, because some never rest."""
    for _ in range(QUIET_WITHIN_S):
        before = cpu_seconds(pids)
        time.sleep(1)
        if cpu_seconds(pids) - before < 0.1:
            return


def chroot_of(cache: Path) -> Path:
    """Where Debian 13 with Orthanc is kept."""
    return cache / "trixie"


@dataclass
class Bench:
    """What one question is asked with. `cache` keeps what is loaded for the next one; `full` is the
    long round; `versions` and `notes` go into the history with its figures."""

    cache: Path
    full: bool
    versions: dict[str, str] = field(default_factory=lambda: {"ours": checkout()})
    notes: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        return 7 if self.full else 3

    @property
    def seconds(self) -> int:
        return 3 if self.full else 1

    @property
    def connections(self) -> tuple[int, ...]:
        return (1, 6, 16) if self.full else (6,)

    @property
    def scratch(self) -> Path:
        return self.cache / "scratch"

    @cached_property
    def ct500(self) -> Series:
        series = ct500(self.cache / "ct500")
        self.notes.append(f"ct500: {len(series.files)} slices made from {series.origin}")
        return series

    @cached_property
    def ours(self) -> Ours:
        peer = Ours(self.cache / "ours", port=18000)
        self.loaded(peer)
        return peer

    @cached_property
    def ours_two_workers(self) -> Ours:
        peer = Ours(self.cache / "ours-two", port=18001, workers=2)
        self.loaded(peer)
        return peer

    @cached_property
    def orthanc(self) -> Orthanc:
        """Debian 13's where it can be had, else Debian's own; `notes` says which."""
        chroot = chroot_of(self.cache)
        try:
            Orthanc112.install(chroot)
            peer: Orthanc = Orthanc112(Path("orthanc112"), port=18042, chroot=chroot)
        except Missing as missing:
            self.notes.append(f"{missing}; this machine's own Orthanc stands in")
            peer = Orthanc(self.cache / "orthanc", port=18042)
        self.loaded(peer)
        return peer

    @cached_property
    def ours_10k(self) -> Ours:
        """Ours with the CT and 10,000 small studies, imported and settled like any others."""
        peer = Ours(self.cache / "ours-10k", port=18002)
        peer.name = "ours, 10,000 studies"
        self.loaded(peer, [*self.tiny(10_000), *self.ct500.files])
        return peer

    @cached_property
    def orthanc_10k(self) -> Orthanc:
        """Orthanc with the same."""
        if isinstance(self.orthanc, Orthanc112):
            peer: Orthanc = Orthanc112(
                Path("orthanc-10k"), port=18043, chroot=chroot_of(self.cache)
            )
        else:
            peer = Orthanc(self.cache / "orthanc-10k", port=18043)
        peer.name = f"{self.orthanc.name}, 10,000 studies"
        self.loaded(peer, [*self.tiny(10_000), *self.ct500.files])
        return peer

    @cached_property
    def large_study(self) -> tuple[str, list[Path]]:
        """A study of 7,000 instances: its UID and its files."""
        return large_study(self.cache / "large-study", self.ct500)

    @cached_property
    def small_mr(self) -> list[Path]:
        """Files of 5,000 small MR images."""
        files, origin = small_mr(self.cache / "small-mr", 5000)
        self.notes.append(f"small MR: {len(files):,} images of 80x80 made from {origin}")
        return files

    def tiny(self, count: int) -> list[Path]:
        """Files of `count` small studies."""
        return tiny_files(self.cache / f"tiny-{count}", count)

    def is_made(self, count: int) -> bool:
        """Whether `synthetic` has that archive already."""
        return (self.cache / f"studies-{count}" / f"archive.{count}.made").is_file()

    def synthetic(self, count: int, *, port: int, own: str = "") -> Ours:
        """Ours with `count` studies of one instance each, made and not received (`studies.make`).

        own  names a copy of the archive for whoever stores something in it, made anew each time
        """
        archive = self.cache / f"studies-{count}" / "archive"
        make(archive, count)
        if own:
            copy = self.cache / f"studies-{count}-{own}" / "archive"
            print(f"· copying an archive of {count:,} studies for {own}", flush=True)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(archive, copy)
            archive = copy
        # Its instances have no frames to settle.
        peer = Ours(archive.parent, port=port, flags=("--no-settle",))
        peer.name = f"ours, {count:,} studies"
        peer.taken_as_read()
        return peer

    @cached_property
    def head(self) -> tuple[Ours, Series] | None:
        """Ours with the real head CT, and that series; None where it is not at hand."""
        series = head_ct()
        if series is None:
            self.notes.append("the head CT is not at hand")
            return None
        peer = Ours(self.cache / "ours-head", port=18003)
        self.loaded(peer, series.files)
        return peer, series

    @cached_property
    def nginx(self) -> Nginx:
        peer = Nginx(self.cache / "nginx", port=18080)
        self.versions[peer.name] = peer.version()
        return peer

    def loaded(self, peer: Peer, files: Sequence[Path] | None = None) -> None:
        """Loads the peer with the CT, or with `files`, unless that has been done."""
        done = peer.directory / "loaded"
        if not done.is_file():
            print(f"· loading {peer.name}", flush=True)
            shutil.rmtree(peer.directory, ignore_errors=True)
            peer.directory.mkdir(parents=True)
            peer.load(self.ct500.files if files is None else files)
            done.touch()
        if isinstance(peer, Ours):
            peer.taken_as_read()
        self.versions[peer.name] = peer.version()

    @contextmanager
    def running(self, *peers: Peer) -> Iterator[None]:
        """The peers serve inside the block and are stopped after it, whatever happens."""
        with ExitStack() as stack:
            for peer in peers:
                peer.start()
                stack.callback(peer.stop)
            at_rest([pid for peer in peers for pid in peer.pids])
            yield

    def compare(
        self,
        question: str,
        case: str,
        unit: str,
        targets: Sequence[tuple[str, Callable[[], Sample]]],
        *,
        rounds: int | None = None,
        warm: bool = True,
    ) -> Iterator[Summary]:
        """Measures the targets in turns; one summary each, the first target's first.

        rounds  for a case that needs more or fewer than others
        warm    whether each is measured once before it counts: pages are touched for the first
                time then, and caches filled
        """
        print(f"· {question}: {case}", flush=True)
        if warm:
            for _, measure in targets:
                measure()
        samples = in_turns(targets, lambda target: target[1](), rounds=rounds or self.rounds)
        for number, (name, _) in enumerate(targets):
            yield Summary(question, case, name, unit, tuple(samples[number]))
