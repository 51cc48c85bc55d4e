"""The page says of every goal what was seen, and shows every figure of the last runs."""

import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks import history, report
from benchmarks.goals import Goal, judged
from benchmarks.measure import Sample, Summary

HERE = Path(report.__file__).parent


def line(rate: float) -> str:
    summaries = [
        Summary("frames", "stored", "ours", "frames", (Sample(rate, 150, {"p95_ms": 1.9}),)),
        Summary("frames", "stored", "Orthanc", "frames", (Sample(100, 2400, {"p95_ms": 14.4}),)),
    ]
    return history.line_of(summaries, full=False, versions={"Orthanc": "1.12.7"}, notes=["a note"])


def goal(reason: str = "") -> Goal:
    ours, orthanc = ("stored", "ours", "rate"), ("stored", "Orthanc", "rate")
    return Goal("frames", "against Orthanc", ours, orthanc, at_least=7, reason=reason)


def test_a_goal_that_is_met_says_by_how_much() -> None:
    runs = [history.run_of(line(790))]
    page = report.page(judged([goal()], runs), runs)
    assert "| frames | against Orthanc | ≥ 7 x | 7.9 x | met |" in page
    assert "1 of 1 are met" in page


def test_a_goal_that_is_short_says_by_how_much_and_why() -> None:
    runs = [history.run_of(line(350))]
    page = report.page(judged([goal(reason="The disk is slow.")], runs), runs)
    assert "| 3.5 x | **short**, 50% of it. The disk is slow. |" in page
    assert "0 of 1 are met" in page


def test_a_goal_that_was_not_measured_says_so() -> None:
    page = report.page(judged([goal()], []), [])
    assert "| not measured | not measured yet |" in page


def test_figures_have_their_spread_their_ratio_and_where_they_come_from() -> None:
    runs = [history.run_of(line(790))]
    page = report.page([], runs)
    assert "| stored | ours | 790 (790–790) |  | 150 (150–150) | 1.9 (1.9–1.9) |" in page
    assert "|  | Orthanc | 100 (100–100) | 7.9 | 2,400 (2,400–2,400) |" in page
    assert "Orthanc 1.12.7. A note." in page


def test_the_page_and_its_plots_are_written_beside_the_history(tmp_path: Path) -> None:
    past = tmp_path / "history.ndjson"
    assert report.write(past) == []
    past.write_text(line(790) + "\n")
    written = report.write(past)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "README.md",
        "plots/frames.svg",
    ]
    for path in written[1:]:
        ET.parse(path)
        assert f"plots/{path.name}" in written[0].read_text()


def test_the_committed_page_is_the_one_of_the_committed_history(tmp_path: Path) -> None:
    past = tmp_path / "history.ndjson"
    past.write_bytes((HERE / "history.ndjson").read_bytes())
    written = report.write(past)
    for path in written:
        committed = HERE / path.relative_to(tmp_path)
        assert path.read_text() == committed.read_text(), (
            f"{committed}: python -m benchmarks --report"
        )
