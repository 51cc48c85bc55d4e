"""Deleting, the change feed, statistics, and the loop that keeps an archive up."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dicomweb_server.archive import upkeep
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.changes import MOST, changes
from dicomweb_server.archive.delete import delete
from dicomweb_server.archive.retrieve import InstanceFile, instances
from dicomweb_server.archive.stats import stats
from dicomweb_server.archive.store import Outcome, Received, store
from dicomweb_server.archive.upkeep import compact, give_back, keep_up, settle, verify
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from storage.errors import NotFound
from storage.model import ChangeKind, Form, Scope
from tests.dicom.build import INSTANCE_UID, SERIES_UID, STUDY_UID, part10
from tests.servers import wait_for

Keep = Callable[..., list[Outcome]]


def three(archive: Archive, keep: Keep) -> None:
    for n in range(3):
        uid = f"{SERIES_UID}.{n}"
        keep(part10(instance_uid=uid, InstanceNumber=n, rows=64, columns=64, frames=n + 1))


def test_what_is_deleted_is_gone_on_every_level(archive: Archive, keep: Keep) -> None:
    three(archive, keep)
    gone = delete(archive, Scope(STUDY_UID, SERIES_UID, f"{SERIES_UID}.1"))
    assert (gone.studies, gone.series, gone.instances) == (0, 0, 1)
    assert len(instances(archive, Scope(STUDY_UID))) == 2
    gone = delete(archive, Scope(STUDY_UID, SERIES_UID))
    assert (gone.studies, gone.series, gone.instances) == (1, 1, 2)
    with pytest.raises(NotFound):
        delete(archive, Scope(STUDY_UID))


@pytest.mark.parametrize("settled", [False, True])
def test_the_space_of_what_is_deleted_is_given_back(
    archive: Archive, keep: Keep, settled: bool
) -> None:
    three(archive, keep)
    keep(part10(study_uid="1.2", series_uid="1.2.3", instance_uid="1.2.3.4", rows=64, columns=64))
    if settled:
        settle(archive)
    before = stats(archive)
    delete(archive, Scope(STUDY_UID))
    settle(archive)
    compact(archive)
    after = stats(archive)
    assert after.disk_bytes < before.disk_bytes / 2
    (left,) = instances(archive, Scope("1.2"))
    assert InstanceFile(archive, left).length == left.file_length
    assert faults(archive) == []


def faults(archive: Archive) -> list[str]:
    found: list[str] = []
    verify(archive, full=True, sweep=True, report=found.append)
    return found


def test_every_change_is_in_the_feed_in_order(archive: Archive, keep: Keep) -> None:
    keep(part10())
    keep(part10())
    keep(part10(PatientName="Doe^John"), conflict="replace")
    delete(archive, Scope(STUDY_UID))
    feed = changes(archive)
    assert [each.kind for each in feed] == [
        ChangeKind.STORED,
        ChangeKind.REPLACED,
        ChangeKind.DELETED,
    ]
    assert [each.study_uid for each in feed] == [STUDY_UID] * 3
    # A study was deleted, not an instance of it.
    assert [each.instance_uid for each in feed] == [INSTANCE_UID, INSTANCE_UID, ""]
    assert changes(archive, after=feed[0].sequence) == feed[1:]
    assert list(changes(archive, limit=1)) == list(feed[:1])
    assert list(changes(archive, limit=MOST + 1)) == list(feed)


def test_statistics_say_what_is_landing_and_what_is_dead(archive: Archive, keep: Keep) -> None:
    three(archive, keep)
    landed = stats(archive)
    assert landed.counts.instances == 3
    assert landed.landing_bytes > 0
    settle(archive)
    settled = stats(archive)
    assert settled.landing_bytes == 0
    assert settled.counts.payload_bytes < landed.counts.payload_bytes
    assert settled.counts.content_bytes == landed.counts.content_bytes
    delete(archive, Scope(STUDY_UID))
    dead = stats(archive)
    assert dead.dead_bytes == dead.disk_bytes


def test_all_of_an_instance_lands_as_it_came_and_is_compressed_when_it_settles(
    archive: Archive, keep: Keep
) -> None:
    three(archive, keep)
    landed = stats(archive).counts
    assert landed.forms == {Form.RAW: 3 + 3}, "three skeletons, three different frames"
    assert landed.payload_bytes == landed.content_bytes
    settle(archive)
    assert stats(archive).counts.forms == {Form.ZSTD: 3, Form.HTJ2K: 3}


def test_the_loop_settles_what_is_quiet_and_goes_on_after_a_failure(
    archive: Archive, keep: Keep, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    three(archive, keep)
    rounds = iter([OSError("no space left"), None])
    real = settle

    def failing_once(archive: Archive, **options: object) -> object:
        if (error := next(rounds, None)) is not None:
            raise error
        return real(archive)

    monkeypatch.setattr(upkeep, "settle", failing_once)
    monkeypatch.setattr(upkeep, "IDLE_S", 0.01)
    monkeypatch.setattr(upkeep, "AFTER_FAILURE_S", 0.01)
    monkeypatch.setattr(upkeep, "COMPACT_EVERY_S", 0.0)
    stopped = threading.Event()
    loop = threading.Thread(target=keep_up, args=(archive,), kwargs={"stop": stopped.is_set})
    loop.start()
    try:
        wait_for(lambda: Form.RAW not in stats(archive).counts.forms)
    finally:
        stopped.set()
        loop.join()
    assert "no space left" in caplog.text
    assert faults(archive) == []


def test_a_process_lets_go_of_its_pack_when_another_has_settled_it(tmp_path: Path) -> None:
    data = str(tmp_path / "archive")
    server, settler = (open_archive(Config(data=data, settle_after_s=0)) for _ in range(2))
    try:
        store(server, [Received(BytesSource(part10(rows=64, columns=64)), "a test")])
        settle(settler)
        assert any(pack.owned for pack in server.storage.blobs.packs())
        give_back(server)
        assert not any(pack.landing for pack in server.storage.blobs.packs())
        assert faults(server) == []
    finally:
        server.close()
        settler.close()
