"""A run is one line, and comes back as it was."""

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


def run_of(*rows: tuple[str, str, str], rate: float = 1, full: bool = False) -> history.Run:
    """A run with these questions, cases and targets."""
    summaries = [Summary(*row, "things", (Sample(rate, 1),)) for row in rows]
    return history.run_of(history.line_of(summaries, full=full, versions={}, notes=[]))


def test_the_last_run_of_each_question_counts() -> None:
    runs = [
        run_of((question, "case", "ours"), rate=rate)
        for question, rate in (("a", 1), ("b", 2), ("a", 3))
    ]
    last = {
        name: [run.of(name)[0].values["rate"].median for run in some]
        for name, some in history.latest(runs).items()
    }
    assert last == {"a": [3], "b": [2]}


def test_a_short_round_does_not_hide_the_last_long_one() -> None:
    one = ("a", "case", "ours")
    oldest, long, between, short = (run_of(one, full=full) for full in (True, True, False, False))
    assert history.latest([oldest, long, between, short]) == {"a": [short, long]}
    assert history.latest([oldest, between, long]) == {"a": [long]}


def test_of_an_older_run_whole_cases_stay_of_which_the_last_lacks_a_row() -> None:
    both = [("a", "both", "ours"), ("a", "both", "nginx")]
    long = run_of(*both, ("a", "16", "ours"), ("a", "grown", "ours"), ("a", "grown", "more"))
    last = run_of(*both, ("a", "grown", "ours"), ("b", "16", "ours"))
    kept = [(row.case, row.target) for row in history.only_in(long, last, "a")]
    assert kept == [("16", "ours"), ("grown", "ours"), ("grown", "more")]


def test_targets_take_turns_in_an_order_that_changes() -> None:
    order: list[int] = []

    def measure(target: int) -> Sample:
        order.append(target)
        return Sample(target, 0)

    in_turns([0, 1, 2, 3], measure, rounds=20)
    first_run = order.copy()
    order.clear()
    samples = in_turns([0, 1, 2, 3], measure, rounds=20)
    assert order != first_run
    assert all([sample.rate for sample in samples[n]] == [n] * 20 for n in range(4))
    rounds = [tuple(order[at : at + 4]) for at in range(0, 80, 4)]
    assert all(sorted(each) == [0, 1, 2, 3] for each in rounds)
    assert len(set(rounds)) > 5
