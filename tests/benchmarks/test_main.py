"""A run that does not go well keeps what was measured whole, and no more."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import history
from benchmarks.__main__ import measure
from benchmarks.bench import Bench
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Missing

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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
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
    assert any("frames" in note for note in run.notes)


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
