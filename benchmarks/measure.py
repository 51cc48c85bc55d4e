"""What is measured and how it is summed up: wall time, server CPU, medians over shuffled rounds.

The machine is assumed shared and noisy. So targets take turns in a shuffled order, round by round;
figures are medians with min and max; and beside wall time stands the CPU the server itself used,
from the scheduler's own account of every thread, which other people's load does not touch.
"""

import os
import platform
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one target.

    rate      of what the question counts, per second of wall time
    cpu_us    of the server's processes for one of what is counted
    values    anything else, by name with its unit last (p50_ms, mb_per_s ...)
    """

    rate: float
    cpu_us: float
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """The samples of one case and target."""

    question: str
    case: str
    target: str
    unit: str
    samples: tuple[Sample, ...]

    def median(self, name: str) -> float:
        return statistics.median(self._all(name))

    def spread(self, name: str) -> tuple[float, float]:
        values = self._all(name)
        return min(values), max(values)

    def names(self) -> list[str]:
        return ["rate", "cpu_us", *self.samples[0].values]

    def _all(self, name: str) -> list[float]:
        if name in ("rate", "cpu_us"):
            return [getattr(sample, name) for sample in self.samples]
        return [sample.values[name] for sample in self.samples]


def process_tree(root: int) -> list[int]:
    """`root` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time used so far by all threads of the processes."""
    total = 0
    for pid in pids:
        try:
            threads = list(Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            try:
                total += int((thread / "schedstat").read_text().split()[0])
            except (OSError, IndexError):
                continue
    return total / 1e9


def resident_mib(pids: Iterable[int]) -> float:
    """Anonymous memory resident in the processes together, in MiB (files mapped not counted)."""
    return _memory_mib(pids, "RssAnon:")


def reset_peak(pids: Iterable[int]) -> None:
    """From now on `peak_mib` counts anew (proc(5), clear_refs)."""
    for pid in pids:
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pids: Iterable[int]) -> float:
    """The most memory that was ever resident in each of the processes, mapped files included, all
    of them together, in MiB."""
    return _memory_mib(pids, "VmHWM:")


def _memory_mib(pids: Iterable[int], kind: str) -> float:
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(kind):
                    total += int(line.split()[1])
    return total / 1024


def in_turns(
    targets: Sequence[T], measure: Callable[[T], Sample], *, rounds: int
) -> dict[int, list[Sample]]:
    """`rounds` samples of each target, by its number, in an order shuffled anew each round and in
    each run: one that is always the same may put the same target behind the same other."""
    order = random.Random()
    samples: dict[int, list[Sample]] = {number: [] for number in range(len(targets))}
    for _ in range(rounds):
        for number in order.sample(range(len(targets)), len(targets)):
            samples[number].append(measure(targets[number]))
    return samples


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }
