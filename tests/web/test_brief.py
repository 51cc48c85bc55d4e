"""Work that is done by the event loop because it is short."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dicomweb_server.archive.archive import Archive
from dicomweb_server.web import brief, search
from dicomweb_server.web.brief import IN_A_ROW, KINDS, Brief
from dicomweb_server.web.http import Workers
from tests.dicom.build import part10
from tests.web.bodies import CONTENT_TYPE, related


@pytest.fixture
def all_is_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brief, "BRIEF_S", 3600.0)


def nothing() -> None:
    return


@pytest.mark.usefixtures("all_is_brief")
def test_a_kind_is_brief_when_enough_of_it_were_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Brief()
    for _ in range(IN_A_ROW):
        assert "names" not in known
        known.timed("names", nothing)()
    assert "names" in known
    assert "dates" not in known
    with monkeypatch.context() as slow:
        slow.setattr(brief, "BRIEF_S", 0.0)
        known.timed("names", nothing)()
    assert "names" not in known
    for _ in range(IN_A_ROW):
        known.timed("names", nothing)()
    assert "names" in known


@pytest.mark.usefixtures("all_is_brief")
def test_what_raises_is_timed_too() -> None:
    known = Brief()
    for _ in range(IN_A_ROW):
        with pytest.raises(ZeroDivisionError):
            known.timed("kind", lambda: 1 / 0)()
    assert "kind" in known


@pytest.mark.usefixtures("all_is_brief")
def test_clients_who_think_out_kinds_fill_no_memory() -> None:
    known = Brief()
    for number in range(3 * KINDS):
        known.timed(number, nothing)()
    assert len(known._in_a_row) <= KINDS


@pytest.mark.usefixtures("all_is_brief")
def test_brief_work_is_done_in_the_loop_and_other_work_in_a_thread() -> None:
    async def run() -> list[bool]:
        workers = Workers(1)
        try:
            return [
                await workers.run_brief("kind", threading.current_thread)
                is threading.current_thread()
                for _ in range(IN_A_ROW + 2)
            ]
        finally:
            workers.shutdown()

    assert asyncio.run(run()) == [False] * IN_A_ROW + [True, True]


def asked(http: httpx.Client, query: str, number: int) -> int:
    """How many studies are found; the request is like no other, so none is remembered."""
    answer = http.get(f"/studies?{query}", headers={"X-Request-Number": str(number)})
    assert answer.status_code in (200, 204)
    return len(answer.json()) if answer.content else 0


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads in which was searched."""
    names: list[str] = []
    begun: Callable[..., Any] = search._begun

    def noted(*arguments: Any) -> Any:
        names.append(threading.current_thread().name)
        return begun(*arguments)

    monkeypatch.setattr(search, "_begun", noted)
    return names


@pytest.mark.usefixtures("all_is_brief")
def test_brief_searches_find_in_the_loop_what_they_find_in_threads(
    http: httpx.Client, threads: list[str]
) -> None:
    for number in range(IN_A_ROW + 2):
        uid = f"1.{number + 1}"
        one = part10(study_uid=uid, series_uid=f"{uid}.1", instance_uid=f"{uid}.1.1")
        stored = http.post("/studies", content=related(one), headers={"Content-Type": CONTENT_TYPE})
        assert stored.status_code == 200, stored.text
        assert asked(http, "limit=25", number) == number + 1
    assert [name.startswith("web") for name in threads] == [True] * IN_A_ROW + [False] * 2
    # Another limit, an attribute, a pattern: each is a kind of its own.
    for query in ("limit=26", "PatientID=1&limit=25", "PatientID=1*&limit=25"):
        asked(http, query, 0)
        assert threads[-1].startswith("web")


@pytest.mark.usefixtures("all_is_brief")
def test_the_loop_searches_for_nobody_whose_search_may_wait_to_be_noted(
    http: httpx.Client, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(IN_A_ROW):
        asked(http, "", number)
    monkeypatch.setattr(Archive, "notes_at_once", False)
    asked(http, "", IN_A_ROW)
    assert threads[-1].startswith("web")
