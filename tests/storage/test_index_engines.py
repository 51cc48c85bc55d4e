"""Opening storage by URL."""

import json
from pathlib import Path

import pytest

from storage.engines import open_storage
from storage.errors import Conflict, Corrupt, FormatVersion
from storage.lmdb_environment import TABLES_FORMAT
from storage.model import ConflictPolicy, Form, Landed, Stored
from storage.testing.facts import landed


def store_one(url: str) -> list[str]:
    """Stores an instance whose payloads are there; returns what the directory then holds."""
    storage = open_storage(url)
    facts = landed().facts
    digests = (facts.instance.skeleton, *facts.instance.blobs)
    places = {
        digest: storage.blobs.append(digest, b"bytes", form=Form.RAW, content_length=5)
        for digest in digests
    }
    applied = storage.index.apply([Landed(facts, places)], conflict=ConflictPolicy.REFUSE)
    assert applied[0].outcome is Stored.NEW
    assert storage.blobs.read(storage.index.places(digests)[0]) == b"bytes"
    assert storage.incoming.is_dir()
    storage.close()
    return sorted(entry.name for entry in storage.incoming.parent.iterdir())


@pytest.mark.parametrize("scheme", ["", "lmdb:", "lmdb://"])
def test_a_directory_is_made_an_archive_and_opened_again(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}{tmp_path / 'some' / 'archive'}"
    assert store_one(url) == ["FORMAT", "incoming", "index", "packs"]
    storage = open_storage(url)
    assert storage.index.counts().instances == 1
    storage.close()


def test_memory_leaves_nothing_behind() -> None:
    store_one("memory:")
    storage = open_storage("memory:")
    assert storage.index.counts().instances == 0
    storage.close()
    assert not storage.incoming.exists()


def test_an_empty_disk_may_have_lost_and_found(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "FORMAT.123").write_text("left by a crash")
    open_storage(str(tmp_path)).close()


def test_a_directory_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(Conflict, match=r"letter\.txt"):
        open_storage(str(tmp_path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(("found", "says"), [(2, "a newer"), (0, "an older")])
def test_another_format_is_refused_by_number(tmp_path: Path, found: int, says: str) -> None:
    text = json.dumps({"format": found, "program": "dicomweb-server"})
    (tmp_path / "FORMAT").write_text(text)
    with pytest.raises(FormatVersion, match=f"format {found}, .* format 1: .* {says} version"):
        open_storage(str(tmp_path))


def test_another_programs_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text('{"format": 1, "program": "other"}')
    with pytest.raises(Conflict, match="other"):
        open_storage(str(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x", "program": "p"}', "\x00"])
def test_a_format_file_that_is_damaged_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "FORMAT").write_text(text)
    with pytest.raises(Corrupt, match="FORMAT"):
        open_storage(str(tmp_path))


def test_tables_of_another_format_are_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    environment = storage.index._environment  # type: ignore[attr-defined]
    newer = b"%d" % (TABLES_FORMAT + 1)
    environment.write(
        lambda transaction: transaction.put(b"format", newer, db=environment.tables.about)
    )
    storage.close()
    for _ in range(2):
        with pytest.raises(FormatVersion, match=f"format {TABLES_FORMAT + 1}"):
            open_storage(str(tmp_path))


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ValueError, match="oracle"):
        open_storage("oracle://somewhere")
