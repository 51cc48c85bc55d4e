"""The change feed: pages, long-poll, events, across processes."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.dicom.build import part10
from tests.servers import serving
from tests.web.conftest import Server


def store(http: httpx.Client, number: int, **facts: Any) -> None:
    file = part10(study_uid="1.2", series_uid="1.2.1", instance_uid=f"1.2.1.{number}", **facts)
    headers = {"Content-Type": "application/dicom"}
    assert http.post("/studies", content=file, headers=headers).status_code == 200


@pytest.fixture
def feed(server: Server) -> str:
    return f"{server.url}/api/v1/changes"


def test_changes_are_read_from_any_number_on(http: httpx.Client, feed: str) -> None:
    for number in (1, 2, 3):
        store(http, number)
    http.delete("/studies/1.2/series/1.2.1/instances/1.2.1.2")
    http.delete("/studies/1.2")
    page = httpx.get(feed).json()
    assert [(one["sequence"], one["kind"]) for one in page["changes"]] == [
        (1, "stored"),
        (2, "stored"),
        (3, "stored"),
        (4, "deleted"),
        (5, "deleted"),
    ]
    first, last = page["changes"][0], page["changes"][-1]
    assert (first["study"], first["series"], first["instance"]) == ("1.2", "1.2.1", "1.2.1.1")
    assert first["at"].endswith("Z")
    assert "series" not in last and "instance" not in last
    assert page["next"] == 5
    page = httpx.get(f"{feed}?after=1&limit=2").json()
    assert ([one["sequence"] for one in page["changes"]], page["next"]) == ([2, 3], 3)
    assert httpx.get(f"{feed}?after=5").json() == {"changes": [], "next": 5}
    assert httpx.get(f"{feed}?after=latest").json() == {"changes": [], "next": 5}


def test_a_long_poll_waits_for_the_first_change(http: httpx.Client, feed: str) -> None:
    began = time.monotonic()
    assert httpx.get(f"{feed}?wait=0.3").json()["changes"] == []
    assert 0.3 <= time.monotonic() - began < 3
    threading.Timer(0.3, store, (http, 1)).start()
    began = time.monotonic()
    page = httpx.get(f"{feed}?after=latest&wait=20", timeout=30).json()
    assert [one["instance"] for one in page["changes"]] == ["1.2.1.1"]
    assert time.monotonic() - began < 5


def events(stream: httpx.Response) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in stream.iter_lines():
        name, _, value = line.partition(": ")
        if name and value:
            event[name] = value
        elif not line and "id" in event:
            yield event
            event = {}


def test_html_9_2_events_go_on_where_the_client_was(http: httpx.Client, feed: str) -> None:
    store(http, 1)
    accept = {"Accept": "text/event-stream"}
    with httpx.stream("GET", feed, headers=accept, timeout=20) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        came = events(stream)
        first = next(came)
        assert (first["id"], first["event"]) == ("1", "stored")
        store(http, 2)
        second = next(came)
        assert orjson.loads(second["data"])["instance"] == "1.2.1.2"
    store(http, 3)
    again = {**accept, "Last-Event-ID": second["id"]}
    with httpx.stream("GET", f"{feed}?after=0", headers=again, timeout=20) as stream:
        assert next(events(stream))["id"] == "3"


@pytest.mark.parametrize("query", ["after=x", "limit=-1", "wait=soon", "wait=nan", "since=1"])
def test_what_is_not_understood_is_refused_by_name(feed: str, query: str) -> None:
    response = httpx.get(f"{feed}?{query}")
    assert response.status_code == 400
    assert response.json()["field"] == query.split("=")[0]


def test_changes_of_another_process_are_seen(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("archive")
    file = tmp_path_factory.mktemp("files") / "one.dcm"
    file.write_bytes(part10())
    with serving(data) as (_, url):
        command = [sys.executable, "-m", "dicomweb_server", "import", str(file)]
        importing = subprocess.Popen([*command, "--data", str(data)], stdout=subprocess.DEVNULL)
        page = httpx.get(f"{url}/api/v1/changes?wait=20", timeout=30).json()
        assert [one["kind"] for one in page["changes"]] == ["stored"]
        assert importing.wait(20) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_that_wait_for_changes_do_not_keep_a_server_from_stopping(
    tmp_path: Path, workers: int
) -> None:
    with (
        serving(tmp_path / "archive", "--workers", workers) as (process, url),
        ExitStack() as held,
    ):
        feed = f"{url}/api/v1/changes"
        accept = {"Accept": "text/event-stream"}
        streams = [
            held.enter_context(httpx.stream("GET", feed, headers=accept, timeout=30))
            for _ in range(4)
        ]
        lines = [stream.iter_lines() for stream in streams]
        for each in lines:
            assert next(each) == ": changes"
        with ThreadPoolExecutor(1) as pool:
            polled = pool.submit(httpx.get, f"{feed}?wait=50", timeout=60)
            time.sleep(0.5)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(14) == 0
            assert time.monotonic() - began < 10  # 15 s are given to those who do not end
            assert polled.result().json() == {"changes": [], "next": 0}
        for each in lines:
            assert [line for line in each if line] == []  # ended, and in order
