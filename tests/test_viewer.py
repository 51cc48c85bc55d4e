"""The viewer's own tests, run by Vitest on Node: types, units, and the pages in Chromium against a
real server. What they check is written where they are, in `viewer/tests`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import serving
from viewer.build import BuildFailed, build, install

VIEWER = Path(__file__).resolve().parents[1] / "viewer"
BROWSER = shutil.which("chromium")


def missing(what: str) -> None:
    """Skips on a newcomer's machine, fails in CI, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and nothing is skipped in CI")
    pytest.skip(what)


@pytest.fixture(scope="module")
def node() -> list[str]:
    """Node, with everything installed that the viewer's tests are made with."""
    try:
        program = install(VIEWER, development=True)
        build(VIEWER)
    except BuildFailed as error:
        missing(str(error))
    return [str(program)]


def run(node: list[str], *arguments: str, **environment: str) -> None:
    done = subprocess.run(
        [*node, *arguments],
        cwd=VIEWER,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]


def test_types_hold(node: list[str]) -> None:
    run(node, "node_modules/typescript/bin/tsc", "--noEmit")


def test_units(node: list[str]) -> None:
    run(node, "node_modules/vitest/vitest.mjs", "run")


def test_pages_in_a_browser(node: list[str], tmp_path: Path) -> None:
    if BROWSER is None:
        missing("Chromium is missing: tests/install-tools installs it")
    with serving(tmp_path / "archive") as (_, url):
        run(
            node,
            "node_modules/vitest/vitest.mjs",
            "run",
            "tests/browser",
            VIEWER_URL=url,
            CHROMIUM=str(BROWSER),
        )
