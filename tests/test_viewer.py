"""The viewer's own tests, run by Vitest on Node: types, units, and the pages in Chromium against a
real server. What they check is written where they are, in `viewer/tests`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import ROOT, serving
from tests.web.bodies import taken_apart
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


def vitest(
    node: list[str], *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*node, "node_modules/vitest/vitest.mjs", "run", *arguments],
        cwd=VIEWER,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def passed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, (done.stdout + done.stderr)[-20_000:]


@pytest.fixture(scope="module")
def browsed(
    node: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.CompletedProcess[str], str]]:
    """What the browser tests said, and the root of the archive they have written to."""
    if BROWSER is None:
        missing("Chromium is missing: tests/install-tools installs it")
    with serving(tmp_path_factory.mktemp("viewer") / "archive") as (_, url):
        done = vitest(node, "tests/browser", VIEWER_URL=url, CHROMIUM=str(BROWSER))
        yield done, f"{url}/dicom-web"


def test_types_hold(node: list[str]) -> None:
    done = subprocess.run(
        [*node, "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=VIEWER,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    passed(done)


def test_units(node: list[str]) -> None:
    passed(vitest(node))


def test_pages_in_a_browser(browsed: tuple[subprocess.CompletedProcess[str], str]) -> None:
    passed(browsed[0])


JUDGES = {
    "SR": ("dciodvfy", "dsrdump"),
    "KO": ("dciodvfy", "dsrdump"),
    "PR": ("dciodvfy", "dcmpschk"),
}
"""Programs of others that know what a measurement report, key images, a presentation state are."""


@pytest.mark.parametrize("modality", JUDGES)
def test_others_find_no_fault_with_what_the_pages_have_written(
    browsed: tuple[subprocess.CompletedProcess[str], str], modality: str, tmp_path: Path
) -> None:
    _, root = browsed
    judged = 0
    for number, file in enumerate(written(root, modality)):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(file)
        for program in JUDGES[modality]:
            if shutil.which(program) is None:
                missing(f"{program} is missing: tests/install-tools installs it")
            done = subprocess.run(
                [program, str(path)], capture_output=True, text=True, timeout=60, check=False
            )
            assert faults(done.stdout + done.stderr) == [], (program, done.stdout + done.stderr)
            judged += 1
    assert judged > 0


def written(root: str, modality: str) -> Iterator[bytes]:
    """The files of that modality that the pages, and not a test itself, have stored."""
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    with httpx.Client(timeout=60, trust_env=False) as client:
        for found in client.get(f"{root}/instances", params={"Modality": modality}).json():
            reply = client.get(found["00081190"]["Value"][0], headers=accept)
            ((_, file),) = taken_apart(reply.headers["content-type"], reply.content)
            if b"dicomweb-server" in file:
                yield file


def faults(said: str) -> list[str]:
    """Errors among what a judge says. dcmpschk's grammars know neither a name's second group nor
    letters beyond ASCII, whatever the Specific Character Set: of such a value it says nothing."""
    lines = [line for line in said.splitlines() if line.startswith(("Error", "E:", "F:"))]
    values = [line for line in lines if line.startswith("E:    Attribute value")]
    foreign = bool(values) and not any(line.isascii() for line in values)
    judged = sum("Affected attribute" in line for line in lines)
    return [] if foreign and judged == len(values) else lines


def test_every_page_is_kept_as_a_picture(node: list[str], tmp_path: Path) -> None:
    """Pictures of the demonstration archive in artefacts/pages, for people to look at."""
    if BROWSER is None:
        missing("Chromium is missing: tests/install-tools installs it")
    data = tmp_path / "archive"
    subprocess.run(
        [sys.executable, "-m", "dicomweb_server", "demo", "--data", str(data)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=600,
    )
    with serving(data) as (_, url):
        passed(vitest(node, "tests/screens", VIEWER_URL=url, CHROMIUM=str(BROWSER)))
