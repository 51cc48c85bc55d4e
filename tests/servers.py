"""Real server processes for tests: started as a user starts them, watched, stopped or killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

Process = subprocess.Popen[str]


def command(*arguments: object, **options: Any) -> Process:
    """`dicomweb-server` with these arguments, its streams piped, settings of ours kept away."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DICOMWEB_SERVER_")}
    return subprocess.Popen(
        [sys.executable, "-m", "dicomweb_server", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | {"PYTHONPATH": str(ROOT)},
        **options,
    )


@contextmanager
def serving(data: Path, *arguments: object) -> Iterator[tuple[Process, str]]:
    """A server process that answers, and its URL; killed with all its children at the end."""
    # Its DIMSE port is one for the whole machine, and tests/dimse has servers of its own.
    process = command(
        "serve", "--data", data, "--port", 0, "--no-dimse", *arguments, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[^/]+", line)
        assert found is not None, (line, process.communicate(timeout=10))
        wait_for(lambda: answers(found[0]))
        yield process, found[0]
    finally:
        kill_session(process)


def kill_session(process: Process) -> None:
    """kill -9 for a process that was started as its own session, and for all its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ValueError):  # its streams have been read to the end already
        process.communicate(timeout=30)


def session_of(process: Process) -> list[int]:
    """The processes of a server's session that live."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(process.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def ended(process: Process) -> bool:
    """Whether a server and all its children are gone."""
    return not session_of(process)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def run_json(*arguments: object) -> dict[str, Any]:
    """What a command that knows `--json` prints."""
    process = command(*arguments, "--json")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    printed: dict[str, Any] = json.loads(out)
    return printed
