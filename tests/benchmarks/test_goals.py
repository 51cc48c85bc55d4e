"""Goals are judged by the last run that has their figures, whatever was measured since."""

from pathlib import Path

import pytest

from benchmarks import goals
from benchmarks.goals import Goal, judged
from benchmarks.history import Figure, Run, Value


def figure(
    target: str, *, question: str = "frames", case: str = "stored", **values: float
) -> Figure:
    seen = {name: Value(value, value, value) for name, value in values.items()}
    return Figure(question, case, target, "frames", 3, seen)


def run(*figures: Figure, at: str = "2026-11-25T12:00:00Z", full: bool = False) -> Run:
    return Run(at, full, {}, {}, (), figures)


AGAINST_ORTHANC = Goal(
    "frames",
    "against Orthanc",
    ("stored", "ours", "rate"),
    ("stored", "Orthanc", "rate"),
    at_least=7,
)


@pytest.mark.parametrize(
    ("ours", "met", "margin"), [(700, True, 1), (1400, True, 2), (350, False, 0.5)]
)
def test_a_ratio_is_formed_within_one_run(ours: float, met: bool, margin: float) -> None:
    old = run(figure("ours", rate=1), figure("Orthanc", rate=1000), at="2026-11-24T12:00:00Z")
    new = run(figure("ours", rate=ours), figure("Orthanc", rate=100))
    verdict = judged([AGAINST_ORTHANC], [old, new])[0]
    assert verdict.seen == ours / 100
    assert verdict.met is met
    assert verdict.margin == pytest.approx(margin)


def test_what_must_be_small_is_met_when_it_is_small() -> None:
    goal = Goal("series", "first byte", ("whole", "ours", "first_byte_ms"), at_most=2, unit="ms")
    for seen, met in ((1.0, True), (2.0, True), (4.0, False), (0.0, True)):
        figures = figure("ours", question="series", case="whole", first_byte_ms=seen)
        verdict = judged([goal], [run(figures)])[0]
        assert (verdict.seen, verdict.met) == (seen, met)


@pytest.mark.parametrize(
    "figures",
    [
        (),
        (figure("ours", rate=5),),
        (figure("Orthanc", rate=5),),
        (figure("ours", rate=5), figure("Orthanc", case="decoded", rate=5)),
        (figure("ours", rate=5), figure("Orthanc", question="series", rate=5)),
        (figure("ours", rate=5), figure("Orthanc", rate=0)),
        (figure("ours", p95_ms=5), figure("Orthanc", p95_ms=5)),
    ],
)
def test_without_its_figures_a_goal_is_not_met(figures: tuple[Figure, ...]) -> None:
    verdict = judged([AGAINST_ORTHANC], [run(*figures)])[0]
    assert (verdict.seen, verdict.margin, verdict.met) == (None, None, False)


def test_what_the_last_round_does_not_measure_is_judged_by_the_last_that_does() -> None:
    whole = run(figure("ours", rate=70), figure("Orthanc", rate=10))
    part = run(figure("ours", rate=50), figure("nginx", rate=50))
    verdict = judged([AGAINST_ORTHANC], [whole, part, part])[0]
    assert (verdict.seen, verdict.run, verdict.before) == (7, whole, ())
    again = run(figure("ours", rate=50), figure("Orthanc", rate=10))
    verdict = judged([AGAINST_ORTHANC], [whole, part, again])[0]
    assert (verdict.seen, verdict.run, verdict.before) == (5, again, (7,))


def test_a_goal_that_is_missed_may_have_been_met_before() -> None:
    def at(rate: float) -> Run:
        return run(figure("ours", rate=rate), figure("Orthanc", rate=1))

    verdict = judged([AGAINST_ORTHANC], [at(9), at(1), at(8), at(2), at(3), at(4)])[0]
    assert (verdict.met, verdict.before, verdict.was_met) == (False, (3, 2, 8, 1), True)
    verdict = judged([AGAINST_ORTHANC], [at(9), at(1), at(6.9), at(2), at(3), at(4)])[0]
    assert not verdict.was_met


def test_a_run_of_other_questions_leaves_a_verdict_alone() -> None:
    runs = [
        run(figure("ours", rate=70), figure("Orthanc", rate=10)),
        run(figure("ours", question="series", rate=1)),
    ]
    assert judged([AGAINST_ORTHANC], runs)[0].met


def test_a_goal_has_one_bound() -> None:
    for bounds in ({}, {"at_least": 1.0, "at_most": 2.0}):
        with pytest.raises(ValueError, match="at_least or at_most"):
            Goal("frames", "both or none", ("stored", "ours", "rate"), **bounds)  # type: ignore[arg-type]


def test_the_goals_of_the_project_can_be_read_and_are_told_apart() -> None:
    rows = goals.read()
    assert len({(goal.question, goal.says) for goal in rows}) == len(rows) > 40
    assert all(goal.over or goal.unit or "share" in goal.value[2] for goal in rows)


def test_a_row_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "goals.toml"
    path.write_text(
        '[[goal]]\nquestion = "frames"\nsays = "x"\nvalue = ["a", "b", "c"]\natleast = 3\n'
    )
    with pytest.raises(TypeError, match="atleast"):
        goals.read(path)
