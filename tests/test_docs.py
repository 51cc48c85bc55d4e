"""What the program can do, its documents name: settings, routes, commands."""

import re
from pathlib import Path

import pytest

from dicomweb_server import config
from dicomweb_server.cli import parser
from dicomweb_server.web.app import DICOMWEB_ROUTES, OTHER_ROUTES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFORMANCE = (ROOT / "CONFORMANCE.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), ROOT / "storage" / "LAYOUT.md"]


def commands() -> list[str]:
    actions = [action for action in parser()._actions if action.dest == "command"]
    assert len(actions) == 1 and actions[0].choices is not None
    return list(actions[0].choices)


@pytest.mark.parametrize("name", list(config.sentences()))
def test_a_setting_is_in_the_readme_with_its_default(name: str) -> None:
    _, default = config.sentences()[name]
    row = re.search(rf"^\| `{name}` \|.*$", README, re.MULTILINE)
    assert row is not None, f"README's table of settings lacks {name}"
    shown = "" if default is None else str(default).lower() if default in (True, False) else default
    assert f"`{shown}`" in row[0] or default is None, f"README says otherwise: {row[0]}"


@pytest.mark.parametrize("name", commands())
def test_a_command_is_in_the_readme(name: str) -> None:
    assert f"dicomweb-server {name}" in README


@pytest.mark.parametrize("name", commands())
def test_a_commands_help_page_has_an_example(name: str) -> None:
    (action,) = [action for action in parser()._actions if action.dest == "command"]
    assert action.choices is not None
    page = dict(action.choices)[name].format_help()
    assert f"dicomweb-server {name}" in page.partition("xample")[2], page


@pytest.mark.parametrize(
    ("method", "pattern"), sorted({(m, p) for m, p, _ in (*DICOMWEB_ROUTES, *OTHER_ROUTES)})
)
def test_a_route_is_in_conformance(method: str, pattern: str) -> None:
    assert f"| {method} | `{pattern}` |" in CONFORMANCE


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_file_named_in_a_document_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_folder_of_the_top_level_is_in_the_readmes_map() -> None:
    for name in ("dicomweb_server/", "storage/", "viewer/", "benchmarks/", "tests/"):
        assert name in README
