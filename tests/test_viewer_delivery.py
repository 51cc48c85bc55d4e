"""How the viewer's pages reach a browser: what they weigh, what they may ask for, in the wheel, and
while they are written."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.servers import ROOT, serving
from tests.test_viewer import missing
from tests.web.browser import CHROMIUM, Browser
from viewer.build import BuildFailed, build, environment_of, install

VIEWER = ROOT / "viewer"

BUDGET = 150_000
"""Bytes of the reading page's JavaScript, gzipped, before codecs and what is loaded later."""

POLICY = {
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "media-src 'self' blob:",
    "worker-src 'self'",
    "connect-src 'self'",
    "frame-src blob:",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.fixture(scope="module")
def dist() -> Path:
    try:
        build(VIEWER)
    except BuildFailed as error:
        missing(str(error))
    return VIEWER / "dist"


def loaded_at_once(dist: Path, page: str) -> set[Path]:
    """The scripts of a page: those it names, its own and what is to be loaded ahead, and those they
    import, not those they may import later."""
    found: set[Path] = set()
    waiting = [
        dist / each
        for each in re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', (dist / page).read_text())
    ]
    while waiting:
        script = waiting.pop()
        if script not in found:
            found.add(script)
            imports = re.findall(r'(?:from|import)\s*"\./([^"]+\.js)"', script.read_text())
            waiting += [script.parent / each for each in imports]
    return found


def test_the_reading_page_stays_light(dist: Path) -> None:
    scripts = loaded_at_once(dist, "read.html")
    weight = sum(len(gzip.compress(each.read_bytes(), 9)) for each in scripts)
    assert 50_000 < weight < BUDGET  # less is a part of the page, and nothing is said of the rest


def test_the_reading_page_names_all_that_it_needs_first(dist: Path) -> None:
    """What is found only in what has come is a round trip late."""
    page = (dist / "read.html").read_text()
    named = {dist / each for each in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page)}
    assert loaded_at_once(dist, "read.html") <= named
    # Another script is a round trip, and a module that vite.config.ts groups nowhere.
    scripts = sorted(each.name.partition("-")[0] for each in named if each.suffix == ".js")
    assert scripts == ["first", "main", "shared", "worker"]
    assert sum(each.suffix == ".css" for each in named) == 2
    assert sum(each.suffix == ".wasm" for each in named) == 1


@pytest.mark.parametrize("page", ["index.html", "reports.html", "admin.html", "signin.html"])
def test_no_other_page_loads_what_the_reading_page_begins_with(dist: Path, page: str) -> None:
    names = {each.name.partition("-")[0] for each in loaded_at_once(dist, page)}
    assert "shared" in names
    assert "main" not in names


def test_films_and_pdf_are_loaded_when_they_are_asked_for(dist: Path) -> None:
    at_once = b"".join(each.read_bytes() for each in loaded_at_once(dist, "read.html"))
    assert b"%PDF-1.4" not in at_once
    assert b"captureStream" not in at_once


def test_the_policy_allows_the_server_itself_and_nothing_else(dist: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "archive") as (_, url), httpx.Client(base_url=url) as client:
        for path in ("/", "/read.html"):
            reply = client.get(path)
            assert set(reply.headers["content-security-policy"].split("; ")) == POLICY
            assert "<style" not in reply.text
            assert re.findall(r"<script(?![^>]* src=)", reply.text) == []
            assert re.findall(r'(?:src|href)="(?!\./)', reply.text) == []


def test_no_built_file_names_another_host(dist: Path) -> None:
    named: set[str] = set()
    for file in dist.rglob("*"):
        if file.suffix in {".js", ".css", ".html", ".svg"}:
            named |= set(re.findall(r"https?://([\w.-]+)", file.read_text()))
    # A name of XML, links in messages of errors: nothing that is asked for.
    assert named <= {"www.w3.org", "localhost", "github.com", "www.ecma-international.org"}


def test_the_wheel_carries_the_built_pages(dist: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    built = {
        f"viewer/dist/{f.relative_to(dist).as_posix()}" for f in dist.rglob("*") if f.is_file()
    }
    assert {name for name in built if not name.endswith(".digest")} <= set(names)
    assert not any("viewer/src" in name or "node_modules" in name for name in names)


@contextmanager
def developing(sources: Path, node: Path, archive: str) -> Iterator[str]:
    """Vite before a running server, on a port that it chooses; its URL."""
    process = subprocess.Popen(
        [str(node), "node_modules/vite/bin/vite.js", "--host", "127.0.0.1", "--port", "0"],
        cwd=sources,
        env={**environment_of(node), "DICOMWEB": archive, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            pytest.fail(said)
        yield found[0]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)


def test_a_page_shows_what_was_just_written(dist: Path, tmp_path: Path) -> None:
    """The sources with hot reload, before a server that runs."""
    if CHROMIUM is None:
        missing("Chromium is missing: tests/install-tools installs it")
    node = install(VIEWER, development=True)
    sources = tmp_path / "viewer"
    # Vite gives out nothing from outside of its folder, where a symbolic link would lead.
    for name in ("src", "html"):
        shutil.copytree(VIEWER / name, sources / name)
    for name in ("package.json", "vite.config.ts", "tsconfig.json"):
        shutil.copy(VIEWER / name, sources / name)
    modules = sources / "node_modules"
    shutil.copytree(
        VIEWER / "node_modules", modules, symlinks=True, ignore=shutil.ignore_patterns(".vite")
    )
    words = sources / "src" / "i18n" / "en.ts"
    heading = "document.querySelector('h1')?.innerText.trim()"
    with (
        serving(tmp_path / "archive") as (_, archive),
        developing(sources, node, archive) as url,
        Browser(width=900, height=600) as page,
    ):
        page.open(f"{url}/?lang=en")
        page.wait(f"{heading} == 'Worklist'", timeout_s=60)
        # The archive answers through it.
        page.wait("document.querySelector('.message p')?.innerText.includes('no studies')")
        words.write_text(words.read_text().replace('"Worklist"', '"Studies of today"'))
        page.wait(f"{heading} == 'Studies of today'", timeout_s=60)
