"""A run keeps what was measured whole, and no more; each question keeps what is its own."""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import history
from benchmarks.__main__ import measure
from benchmarks.bench import Bench
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Missing, checkout

FAILURES = [RuntimeError("refused"), OSError("no space"), AssertionError(), Missing("nginx")]


def summary(question: str) -> Summary:
    return Summary(question, "a case", "ours", "requests", (Sample(10.0, 5.0),))


def whole(bench: Bench) -> Iterator[Summary]:
    yield summary("series")


def asked(tmp_path: Path, *questions: str) -> argparse.Namespace:
    return argparse.Namespace(
        cache=tmp_path, full=False, questions=questions, history=tmp_path / "history.ndjson"
    )


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__)
def test_half_a_question_is_no_result_and_the_others_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
) -> None:
    def half(bench: Bench) -> Iterator[Summary]:
        yield summary("frames")
        raise failure

    monkeypatch.setitem(sys.modules, "benchmarks.frames", SimpleNamespace(run=half))
    monkeypatch.setitem(sys.modules, "benchmarks.series", SimpleNamespace(run=whole))
    arguments = asked(tmp_path, "frames", "series")
    failed = measure(arguments)
    assert failed == ([] if isinstance(failure, Missing) else ["frames"])
    (run,) = history.read(arguments.history)
    assert [figure.question for figure in run.figures] == ["series"]
    assert not run.notes
    said = "frames was not measured: " if isinstance(failure, Missing) else "frames failed: "
    assert f"· {said}" in capsys.readouterr().out


def test_notes_and_versions_are_those_of_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(bench: Bench) -> Iterator[Summary]:
        bench.notes.append("of dimse alone")
        bench.versions["dcmqrscp"] = "v3.6.7"
        yield summary("dimse")

    monkeypatch.setitem(sys.modules, "benchmarks.dimse", SimpleNamespace(run=noted))
    monkeypatch.setitem(sys.modules, "benchmarks.series", SimpleNamespace(run=whole))
    arguments = asked(tmp_path, "dimse", "series")
    assert measure(arguments) == []
    dimse, series = history.read(arguments.history)
    assert (dimse.questions, dimse.notes) == (["dimse"], ("of dimse alone",))
    assert (series.questions, series.notes) == (["series"], ())
    assert set(dimse.versions) == {"ours", "dcmqrscp"}
    assert series.versions == {"ours": checkout()}


def test_what_a_run_writes_is_no_change_of_what_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "benchmarks").mkdir()
    written, source = tmp_path / "benchmarks" / "history.ndjson", tmp_path / "server.py"
    for path in (written, source):
        path.write_text("as committed")
    git("init")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "one")
    monkeypatch.chdir(tmp_path)
    written.write_text("a line more")
    assert re.fullmatch("[0-9a-f]+", checkout.__wrapped__())
    source.write_text("changed")
    assert re.fullmatch("[0-9a-f]+-dirty", checkout.__wrapped__())


def test_who_has_had_enough_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(bench: Bench) -> Iterator[Summary]:
        raise KeyboardInterrupt
        yield summary("metadata")

    monkeypatch.setitem(sys.modules, "benchmarks.series", SimpleNamespace(run=whole))
    monkeypatch.setitem(sys.modules, "benchmarks.metadata", SimpleNamespace(run=stopped))
    arguments = asked(tmp_path, "series", "metadata")
    with pytest.raises(KeyboardInterrupt):
        measure(arguments)
    (run,) = history.read(arguments.history)
    assert [figure.question for figure in run.figures] == ["series"]
