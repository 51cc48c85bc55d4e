"""The programs of others that the bridge is tried with: dcmtk, GDCM, Orthanc."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Where a program is. Without it a test is skipped, but in CI it must be there."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/bin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing, and nothing is skipped in CI")
        pytest.skip(f"{name} is not installed: tests/install-tools does")
    return found


def run(name: str, *arguments: object, cwd: Path | None = None, timeout_s: float = 60) -> str:
    """What a program says, both streams; it must succeed."""
    code, said = tried(name, *arguments, cwd=cwd, timeout_s=timeout_s)
    assert code == 0, said
    return said


def tried(
    name: str, *arguments: object, cwd: Path | None = None, timeout_s: float = 60
) -> tuple[int, str]:
    """A program's exit code and what it says. Texts that are not UTF-8 are read as GB18030."""
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        timeout=timeout_s,
        check=False,
    )
    try:
        return done.returncode, done.stdout.decode()
    except UnicodeDecodeError:
        return done.returncode, done.stdout.decode("gb18030", "replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(name: str, *arguments: object, port: int, cwd: Path) -> Iterator[None]:
    """A program that listens on a port, for as long as the block lasts."""
    with (cwd / f"{Path(name).name}.log").open("wb") as log:
        process = subprocess.Popen(
            [program(name), *map(str, arguments)], stdout=log, stderr=log, cwd=cwd
        )
        try:
            wait_for_port(port)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_port(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, f"nothing listens on port {port}"
        time.sleep(0.05)
