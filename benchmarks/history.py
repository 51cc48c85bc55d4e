"""What was measured when: a line of JSON for each question of a run, the medians with their min and
max. (Until 27 November 2026 a run was one line, whose versions and notes are of all its questions.)

What is known of a question stands in the last line that has figures of it; what only a long round
measures, in the line of the last long round. Ratios are formed within a line, never between runs.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Summary, machine


@dataclass(frozen=True, slots=True)
class Value:
    """Of all rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One target in one case. `values` has `rate` (of `unit` per second), `cpu_us` (of the server
    for one of them) and whatever the question measures besides, its unit last in the name."""

    question: str
    case: str
    target: str
    unit: str
    rounds: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Run:
    """One line; `at` is in UTC."""

    at: str
    full: bool
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]

    @property
    def questions(self) -> list[str]:
        return list(dict.fromkeys(figure.question for figure in self.figures))

    def of(self, question: str) -> list[Figure]:
        return [figure for figure in self.figures if figure.question == question]


def line_of(
    summaries: Iterable[Summary], *, full: bool, versions: Mapping[str, str], notes: Sequence[str]
) -> str:
    """The line for a question that has just been answered."""
    return json.dumps(
        {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "full": full,
            "machine": machine(),
            "versions": dict(versions),
            "notes": list(notes),
            "figures": [
                {
                    "question": s.question,
                    "case": s.case,
                    "target": s.target,
                    "unit": s.unit,
                    "rounds": len(s.samples),
                    "values": {
                        name: [_short(x) for x in (s.median(name), *s.spread(name))]
                        for name in s.names()
                    },
                }
                for s in summaries
            ],
        },
        separators=(",", ":"),
    )


def _short(value: float) -> float:
    """Four digits say all that a noisy machine can."""
    return float(f"{value:.4g}")


def read(path: Path) -> list[Run]:
    """All runs, oldest first; none when nothing has been measured yet."""
    if not path.is_file():
        return []
    return [run_of(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def run_of(line: str) -> Run:
    said = json.loads(line)
    return Run(
        at=said["at"],
        full=said["full"],
        machine=said["machine"],
        versions=said["versions"],
        notes=tuple(said["notes"]),
        figures=tuple(
            Figure(
                question=figure["question"],
                case=figure["case"],
                target=figure["target"],
                unit=figure["unit"],
                rounds=figure["rounds"],
                values={name: Value(*three) for name, three in figure["values"].items()},
            )
            for figure in said["figures"]
        ),
    )


def latest(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """By question, in the order they were first asked: the last run that asked it and, when that
    was a short round, the last long one, which measured rows that a short one leaves out."""
    asked: dict[str, list[Run]] = {}
    for run in runs:
        for question in run.questions:
            asked.setdefault(question, []).append(run)
    return {question: _last(some) for question, some in asked.items()}


def _last(runs: Sequence[Run]) -> list[Run]:
    last = runs[-1]
    return [last] if last.full else [last, *[run for run in runs if run.full][-1:]]


def only_in(older: Run, last: Run, question: str) -> list[Figure]:
    """Of an older run the cases of which the last one lacks a row, with all their rows: their
    ratios are to their own first."""
    there = {(figure.case, figure.target) for figure in last.of(question)}
    rows = older.of(question)
    lacking = {row.case for row in rows if (row.case, row.target) not in there}
    return [row for row in rows if row.case in lacking]
