"""What was to be reached, held against what was measured: `goals.toml`, a row for each goal.

question, says    where it is measured, and the goal in words
value             [case, target, figure] that is judged
over              the same of what it is divided by, in the same run; absent for a plain figure
at_least/at_most  the goal
unit              of a plain figure
reason            why it falls short, for when it does
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.history import Run, latest

GOALS = Path(__file__).with_name("goals.toml")

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and what was seen in `run`: the last of the question, or the last long round where
    only that has the figures. `seen` is None when neither has."""

    goal: Goal
    seen: float | None
    run: Run | None = None

    @property
    def margin(self) -> float | None:
        """How many times better than the goal; below 1 it is missed."""
        if self.seen is None:
            return None
        if self.goal.at_least is not None:
            return self.seen / self.goal.at_least
        return self.goal.bound / self.seen if self.seen else float("inf")

    @property
    def met(self) -> bool:
        return self.margin is not None and self.margin >= 1


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
    last = latest(runs)
    return [_verdict(goal, last.get(goal.question, [])) for goal in goals]


def _verdict(goal: Goal, runs: Sequence[Run]) -> Verdict:
    for run in runs:
        if (seen := _seen(goal, run)) is not None:
            return Verdict(goal, seen, run)
    return Verdict(goal, None)


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
