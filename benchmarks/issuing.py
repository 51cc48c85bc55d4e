"""How long after a physician issues a report is its structured report in the archive?

A real server with people who have signed in, as tests/reading has them: reports are written, signed
and issued over HTTP one after the other; from sending the issue, until the answer (two signatures,
version, audit and outbox durable) and until SR and PDF are stored.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measure import Sample, Summary, cpu_seconds, process_tree
from tests.reading.hospital import Hospital, hospital

REPORTS = 5
"""A round."""

LOOK_EVERY_S = 0.02


def run(bench: Bench) -> Iterator[Summary]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        hospital(Path(scratch) / "archive", "--no-settle") as place,
    ):
        numbers = iter(range(1, 10_000))
        yield from bench.compare(
            "issuing", "issue to archived SR and PDF", "reports", [("ours", _round(place, numbers))]
        )


def _round(place: Hospital, numbers: Iterator[int]) -> Callable[[], Sample]:
    def measure() -> Sample:
        ready = [_ready(place, next(numbers)) for _ in range(REPORTS)]
        before = cpu_seconds(process_tree(place.process.pid))
        answered, archived = [], []
        for report_id in ready:
            sent = time.monotonic()
            place.done("attending", report_id, "issue")
            answered.append(time.monotonic() - sent)
            while not place.state(report_id)["versions"][-1]["archived"]:
                time.sleep(LOOK_EVERY_S)
            archived.append(time.monotonic() - sent)
        cpu_us = (cpu_seconds(process_tree(place.process.pid)) - before) / REPORTS * 1e6
        values = {
            "issue_ms": 1000 * statistics.median(answered),
            "archived_s": statistics.median(archived),
            "slowest_s": max(archived),
        }
        return Sample(REPORTS / sum(archived), cpu_us, values)

    return measure


def _ready(place: Hospital, number: int) -> str:
    """A report that its reviewer has before the eyes."""
    report_id = place.signed(number)
    place.done("attending", report_id, "claim-review")
    return report_id
