"""What was to be reached, held against what was measured: `goals.toml`, a row for each goal.

question, says    where it is measured, and the goal in words
value             [case, target, figure] that is judged
over              the same of what it is divided by, in the same run; absent for a plain figure
at_least/at_most  the goal
unit              of a plain figure
reason            why it falls short, for when it does
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.history import Run

GOALS = Path(__file__).with_name("goals.toml")

RUNS_BEFORE = 4
"""Told beside the last: from one hour to the next a shared machine makes half of it or twice."""

Measure = tuple[str, str, str]
"""Case, target, figure."""


@dataclass(frozen=True, slots=True)
class Goal:
    question: str
    says: str
    value: Measure
    over: Measure | None = None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.at_least is None) is (self.at_most is None):
            raise ValueError(f"'{self.says}' needs at_least or at_most, one of them")

    @property
    def bound(self) -> float:
        bound = self.at_most if self.at_least is None else self.at_least
        assert bound is not None
        return bound

    def margin(self, seen: float) -> float:
        """How many times better than the goal; below 1 it is missed."""
        if self.at_least is not None:
            return seen / self.at_least
        return self.bound / seen if seen else float("inf")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and what was seen in `run`, the last that has the figures; `seen` is None when none
    has. `before` is what runs before it saw, the latest first."""

    goal: Goal
    seen: float | None
    run: Run | None = None
    before: tuple[float, ...] = ()

    @property
    def margin(self) -> float | None:
        return None if self.seen is None else self.goal.margin(self.seen)

    @property
    def met(self) -> bool:
        return self.margin is not None and self.margin >= 1

    @property
    def was_met(self) -> bool:
        """In one of the runs before."""
        return any(self.goal.margin(seen) >= 1 for seen in self.before)


def read(path: Path = GOALS) -> list[Goal]:
    """Raises ValueError and TypeError for a row that is no goal."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["goal"]
    for row in rows:
        for key in ("value", "over"):
            if key in row:
                case, target, figure = row[key]
                row[key] = (case, target, figure)
    return [Goal(**row) for row in rows]


def judged(goals: Sequence[Goal], runs: Sequence[Run]) -> list[Verdict]:
    """Every goal by the last run that has its figures."""
    return [_verdict(goal, runs) for goal in goals]


def _verdict(goal: Goal, runs: Sequence[Run]) -> Verdict:
    found = list(islice(_newest_first(goal, runs), 1 + RUNS_BEFORE))
    if not found:
        return Verdict(goal, None)
    (run, seen), *before = found
    return Verdict(goal, seen, run, tuple(seen for _, seen in before))


def _newest_first(goal: Goal, runs: Sequence[Run]) -> Iterator[tuple[Run, float]]:
    for run in reversed(runs):
        if (seen := _seen(goal, run)) is not None:
            yield run, seen


def _seen(goal: Goal, run: Run) -> float | None:
    value = _median(run, goal.question, goal.value)
    if goal.over is None or value is None:
        return value
    over = _median(run, goal.question, goal.over)
    return value / over if over else None


def _median(run: Run, question: str, measure: Measure) -> float | None:
    case, target, name = measure
    for figure in run.of(question):
        if (figure.case, figure.target) == (case, target) and name in figure.values:
            return figure.values[name].median
    return None
