"""A run is one line, and comes back as it was."""

import json
from pathlib import Path

from benchmarks import history
from benchmarks.history import Value
from benchmarks.measure import Sample, Summary, in_turns

SUMMARY = Summary(
    "frames",
    "stored",
    "ours",
    "frames",
    (
        Sample(100, 50, {"p95_ms": 3.0}),
        Sample(300, 40, {"p95_ms": 1.0}),
        Sample(200.123456, 60, {"p95_ms": 2.0}),
    ),
)


def test_a_summary_has_median_and_extremes() -> None:
    assert SUMMARY.median("rate") == 200.123456
    assert SUMMARY.spread("cpu_us") == (40, 60)
    assert SUMMARY.names() == ["rate", "cpu_us", "p95_ms"]


def test_a_run_comes_back_from_its_line(tmp_path: Path) -> None:
    line = history.line_of([SUMMARY], full=True, versions={"ours": "1.0"}, notes=["a note"])
    assert "\n" not in line
    (tmp_path / "history.ndjson").write_text(line + "\n" + line + "\n")
    runs = history.read(tmp_path / "history.ndjson")
    assert len(runs) == 2
    assert (runs[0].full, runs[0].versions, runs[0].notes) == (True, {"ours": "1.0"}, ("a note",))
    assert runs[0].machine["cores"] >= 1
    (figure,) = runs[0].of("frames")
    assert (figure.case, figure.target, figure.unit, figure.rounds) == (
        "stored",
        "ours",
        "frames",
        3,
    )
    assert figure.values["rate"] == Value(200.1, 100, 300)
    assert figure.values["p95_ms"] == Value(2, 1, 3)


def test_no_history_is_no_runs(tmp_path: Path) -> None:
    assert history.read(tmp_path / "history.ndjson") == []


def test_the_last_run_of_each_question_counts() -> None:
    def line(question: str, rate: float) -> str:
        one = Summary(question, "case", "ours", "things", (Sample(rate, 1),))
        return history.line_of([one], full=False, versions={}, notes=[])

    runs = [history.run_of(each) for each in (line("a", 1), line("b", 2), line("a", 3))]
    rates = {name: run.of(name)[0].values["rate"].median for name, run in history.latest(runs)}
    assert rates == {"a": 3, "b": 2}
    assert json.loads(line("a", 1))["figures"][0]["values"]["rate"] == [1, 1, 1]


def test_targets_take_turns_in_an_order_that_changes() -> None:
    order: list[int] = []

    def measure(target: int) -> Sample:
        order.append(target)
        return Sample(target, 0)

    samples = in_turns([0, 1, 2, 3], measure, rounds=20)
    assert all([sample.rate for sample in samples[n]] == [n] * 20 for n in range(4))
    rounds = [tuple(order[at : at + 4]) for at in range(0, 80, 4)]
    assert all(sorted(each) == [0, 1, 2, 3] for each in rounds)
    assert len(set(rounds)) > 5
