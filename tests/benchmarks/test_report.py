"""The page says of every goal what was seen, and shows every figure of the last runs."""

import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks import history, report
from benchmarks.goals import Goal, judged
from benchmarks.measure import Sample, Summary

HERE = Path(report.__file__).parent


def line(rate: float, *more: Summary, full: bool = False) -> str:
    summaries = [
        Summary("frames", "stored", "ours", "frames", (Sample(rate, 150, {"p95_ms": 1.9}),)),
        Summary("frames", "stored", "Orthanc", "frames", (Sample(100, 2400, {"p95_ms": 14.4}),)),
        *more,
    ]
    return history.line_of(summaries, full=full, versions={"Orthanc": "1.12.7"}, notes=["a note"])


def goal(reason: str = "") -> Goal:
    ours, orthanc = ("stored", "ours", "rate"), ("stored", "Orthanc", "rate")
    return Goal("frames", "against Orthanc", ours, orthanc, at_least=7, reason=reason)


def test_a_goal_that_is_met_says_by_how_much() -> None:
    runs = [history.run_of(line(790))]
    page = report.page(judged([goal()], runs), runs)
    assert "| frames | against Orthanc | ≥ 7 x | 7.9 x |  | met |" in page
    assert "1 of 1 are met." in page


def test_a_goal_that_is_short_says_by_how_much_and_why() -> None:
    runs = [history.run_of(line(350))]
    page = report.page(judged([goal(reason="The disk is slow.")], runs), runs)
    assert "| 3.5 x |  | **short**, 50% of it. The disk is slow. |" in page
    assert "0 of 1 are met" in page


def test_a_goal_is_shown_with_what_runs_before_saw() -> None:
    runs = [history.run_of(line(rate)) for rate in (110, 120, 810, 630, 720, 350)]
    page = report.page(judged([goal()], runs), runs)
    assert "| 3.5 x | 7.2, 6.3, 8.1, 1.2 | **short**, 50% of it. |" in page
    assert "0 of 1 are met; 1 more were in one of the 4 runs before." in page


def test_a_goal_that_was_not_measured_says_so() -> None:
    page = report.page(judged([goal(reason="The disk is slow.")], []), [])
    assert "| not measured |  | not measured yet |" in page
    assert "0 of 1 are met; 1 are not measured yet." in page


def test_figures_have_their_spread_their_ratio_and_where_they_come_from() -> None:
    runs = [history.run_of(line(790))]
    page = report.page([], runs)
    assert "| stored | ours | 790 (790–790) |  | 150 (150–150) | 1.9 (1.9–1.9) |" in page
    assert "|  | Orthanc | 100 (100–100) | 7.9 | 2,400 (2,400–2,400) |" in page
    assert "Orthanc 1.12.7. A note." in page


def test_rows_that_only_a_long_round_has_stay_with_where_they_come_from(tmp_path: Path) -> None:
    sixteen = Summary("frames", "16 connections", "ours", "frames", (Sample(900, 55),))
    past = tmp_path / "history.ndjson"
    past.write_text(f"{line(500, sixteen, full=True)}\n{line(790)}\n")
    report.write(past)
    page = (tmp_path / "README.md").read_text()
    short, long = page.split("Not measured in that round; before it: ")
    assert "| stored | ours | 790 (790–790) |" in short
    assert "long round" in long and "short round" not in long
    assert "| 16 connections | ours | 900 (900–900) |" in long
    assert "| stored |" not in long
    day = history.read(past)[0].at[:10]
    assert f"16 connections, {day}" in (tmp_path / "plots" / "frames.svg").read_text()


def test_a_run_of_several_questions_says_that_its_notes_are_of_all_of_them() -> None:
    series = Summary("series", "whole", "ours", "slices", (Sample(900, 55),))
    page = report.page([], [history.run_of(line(790, series))])
    assert "A note. Versions and notes are also those of series, of the same run." in page
    assert "A note. Versions and notes are also those of frames, of the same run." in page


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
