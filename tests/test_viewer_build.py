"""The build of the viewer's pages: when it runs, when it does not, and what it says."""

import sys
from pathlib import Path

import pytest

from viewer import build as building


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name in building.SOURCES:
        path = tmp_path / name
        if "." in name:
            path.write_text("{}")
        else:
            path.mkdir()
            (path / "a.ts").write_text("export {};")
    return tmp_path


def test_nothing_is_built_when_dist_was_made_from_these_sources(sources: Path) -> None:
    (sources / "dist").mkdir()
    (sources / "dist" / building.STAMP).write_text(building.digest_of(sources))
    assert building.build(sources) is False


def test_a_changed_a_renamed_and_an_added_source_each_change_the_digest(sources: Path) -> None:
    seen = {building.digest_of(sources)}
    (sources / "src" / "a.ts").write_text("export { };")
    seen.add(building.digest_of(sources))
    (sources / "src" / "a.ts").rename(sources / "src" / "b.ts")
    seen.add(building.digest_of(sources))
    (sources / "html" / "c.html").write_text("")
    seen.add(building.digest_of(sources))
    assert len(seen) == 4


def test_the_skip_variable_builds_nothing_and_says_so(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(building.SKIP, "1")
    said: list[str] = []
    assert building.build(sources, say=said.append) is False
    assert building.SKIP in said[0]


def test_without_a_registry_the_message_says_what_to_do(
    sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('no route to registry')"]
    monkeypatch.setattr(building, "find_node", lambda: (Path(sys.executable), failing))
    with pytest.raises(building.BuildFailed, match="registry within reach") as raised:
        building.build(sources)
    assert building.SKIP in str(raised.value)
    assert "no route to registry" in str(raised.value)
