"""Who waits for whom before something is stored, and for how long."""

import time

import pytest

from dicomweb_server.archive.gathering import REMEMBERED, STEP_S, STEPS, Gathering


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each sleep was to be."""
    sleeps: list[float] = []
    monkeypatch.setattr(time, "sleep", sleeps.append)
    return sleeps


def nobody() -> list[str]:
    return []


def test_who_is_alone_waits_for_nobody(slept: list[float]) -> None:
    gathering = Gathering()
    for _ in range(REMEMBERED + 1):
        assert gathering.more(1, nobody) == []
        gathering.ended(1)
    assert slept == []


def test_who_was_not_alone_lately_waits_a_while_for_the_others(slept: list[float]) -> None:
    gathering = Gathering()
    gathering.ended(2)
    assert gathering.more(1, nobody) == []
    assert slept == [STEP_S] * STEPS


def test_when_as_many_are_together_as_lately_nobody_is_waited_for(slept: list[float]) -> None:
    gathering = Gathering()
    gathering.ended(3)
    assert gathering.more(3, nobody) == []
    assert gathering.more(4, nobody) == []
    assert slept == []


def test_who_comes_is_taken_at_once(slept: list[float]) -> None:
    gathering = Gathering()
    gathering.ended(2)
    comes = iter([[], [], ["late"]])
    assert gathering.more(1, lambda: next(comes)) == ["late"]
    assert slept == [STEP_S] * 2


def test_who_has_left_is_waited_for_no_longer_after_a_few_batches(slept: list[float]) -> None:
    gathering = Gathering()
    gathering.ended(5)
    for _ in range(REMEMBERED):
        gathering.ended(1)
    assert gathering.more(1, nobody) == []
    assert slept == []
