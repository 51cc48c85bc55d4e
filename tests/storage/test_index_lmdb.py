"""The index on LMDB keeps every promise of the contract; and what only it promises: several
processes, a map that grows, group commit, a full disk, and the right way to search."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage.lmdb_days as lmdb_days
import storage.lmdb_search as lmdb_search
import storage.lmdb_terms as lmdb_terms
import storage.lmdb_walks as lmdb_walks
from storage.contract import Index
from storage.errors import OutOfSpace, Unavailable
from storage.lmdb_days import Days
from storage.lmdb_environment import TABLES_FORMAT, open_environment
from storage.lmdb_index import LmdbIndex
from storage.lmdb_postings import DAY
from storage.lmdb_records import instances_record, uid_key, uid_of
from storage.lmdb_search import _Search
from storage.model import Between, Condition, Landed, Like, OneOf, Query, SeriesKey, Stored
from storage.testing.facts import MODALITIES, NAME, PATIENT_ID, STUDY_DATE, digest_of, landed
from storage.testing.index import (
    ARRIVALS,
    KEY,
    REFUSE,
    SEARCHES,
    SERIES,
    STUDY,
    IndexContract,
    agree,
    apply,
    differences,
    index_machine,
)
from storage.testing.index_model import IndexModel
from tests.storage.index_worker import open_index, start, write

SMALL_MAP = 1 << 18


class TestLmdbIndex(IndexContract):
    def open(self, directory: Path) -> Index:
        return open_index(directory)


TestLmdbIndexMachine = index_machine(open_index, reopens=True).TestCase
TestLmdbIndexMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LmdbIndex]:
    index = open_index(tmp_path)
    yield index
    assert differences(index) == []
    index.close()


# What is written stays


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    apply(index, *(landed(f"1.2.3.{n}", number=n) for n in range(20)))
    index.compact(KEY)
    apply(index, landed("1.2.3.99", number=99))
    manifest, counts = index.manifest(KEY), index.counts()
    index.close()
    index = open_index(tmp_path)
    assert (index.manifest(KEY), index.counts()) == (manifest, counts)
    index.close()


def test_one_process_may_open_a_directory_twice(tmp_path: Path) -> None:
    one, two = open_index(tmp_path), open_index(tmp_path)
    apply(one, landed())
    assert two.instance("1.2.3.4") is not None
    one.close()
    apply(two, landed("1.2.3.5"))
    assert two.counts().instances == 2
    two.close()


def test_a_moment_lasts_until_somebody_writes(tmp_path: Path, index: LmdbIndex) -> None:
    moment = index.moment()
    index.known([digest_of("1")])
    assert index.moment() == moment
    apply(index, landed())
    assert index.moment() != moment


def test_a_closed_index_says_so(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    index.close()
    with pytest.raises(Unavailable):
        apply(index, landed())


# Group commit


def test_payloads_are_synced_before_each_transaction(tmp_path: Path) -> None:
    synced: list[int] = []
    opened = open_index(tmp_path, before_commit=lambda: synced.append(opened.commits))
    for n in range(3):
        apply(opened, landed(f"1.2.3.{n}"))
    assert synced == [0, 1, 2]
    opened.close()


@contextmanager
def committing(index: LmdbIndex) -> Iterator[None]:
    """A transaction is under way inside the block."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_: object) -> None:
        begun.set()
        assert go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(index._writer.do, work)
        assert begun.wait(10)
        try:
            yield
        finally:
            go_on.set()
        under_way.result()


def wait_for_queue(index: LmdbIndex, length: int) -> None:
    until = time.monotonic() + 10
    while len(index._writer._line) < length:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    with ThreadPoolExecutor(40) as pool:
        with committing(index):
            waiting = [pool.submit(apply, index, landed(f"1.2.{n}")) for n in range(38)]
            wait_for_queue(index, 38)
            waiting.append(pool.submit(apply, index, landed("1.2.0", dataset="other")))
            wait_for_queue(index, 39)
        outcomes = [one.result()[0] for one in waiting]
    assert Counter(outcomes) == {Stored.NEW: 38, Stored.CONFLICT: 1}
    assert index.commits == 2
    index.close()


def test_a_batch_too_heavy_for_one_transaction_waits_for_the_next(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    frames = tuple(map(str, range(3000)))
    with ThreadPoolExecutor(4) as pool:
        with committing(index):
            waiting = [
                pool.submit(apply, index, landed(f"1.2.{n}", frames=frames)) for n in range(3)
            ]
            wait_for_queue(index, 3)
        assert [one.result() for one in waiting] == [[Stored.NEW]] * 3
    assert index.commits == 4
    index.close()


def test_payloads_are_synced_while_another_transaction_is_committed(tmp_path: Path) -> None:
    synced = threading.Event()
    index = open_index(tmp_path, before_commit=synced.set)
    with ThreadPoolExecutor(1) as pool, committing(index):
        waiting = pool.submit(apply, index, landed())
        assert synced.wait(10)
        assert not waiting.done()
    assert waiting.result() == [Stored.NEW]
    index.close()


def test_who_is_alone_syncs_with_the_transaction_written_and_not_yet_committed(
    tmp_path: Path,
) -> None:
    seen: list[tuple[int, bool]] = []

    def sync() -> None:
        # Another process's writer would wait; a reader sees nothing of it yet.
        seen.append((opened.counts().instances, opened._writer._line._led))

    opened = open_index(tmp_path, before_commit=sync)
    apply(opened, landed("1.1"))
    apply(opened, landed("1.2", frames=tuple(map(str, range(100)))))
    assert seen == [(0, True), (1, False)], "much to sync is synced before"
    assert opened.counts().instances == 2
    opened.close()


def test_closing_waits_for_what_was_begun(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        with committing(index):
            waiting = pool.submit(apply, index, landed())
            wait_for_queue(index, 1)
            closing = pool.submit(index.close)
            time.sleep(0.05)
            assert not closing.done()
        closing.result()
        assert waiting.result() == [Stored.NEW]
    with pytest.raises(Unavailable):
        apply(index, landed("1.2"))


def test_work_that_breaks_off_spoils_nothing_of_its_neighbours(index: LmdbIndex) -> None:
    def broken(writing: object) -> list[Stored]:
        raise RuntimeError("half done")

    with ThreadPoolExecutor(30) as pool:
        neighbours = [pool.submit(apply, index, landed(f"1.2.{n}")) for n in range(20)]
        failures = [pool.submit(index._writer.do, broken) for _ in range(5)]
        # A name that cannot be written is found only when everything else has been.
        unwritable = landed("9.1", study="9", series="9.2", study_terms={NAME: "ok"})
        unwritable.facts.study_level.terms[NAME] = ("\ud800",)  # type: ignore[index]
        failures.append(pool.submit(apply, index, unwritable))
        assert [one.result() for one in neighbours] == [[Stored.NEW]] * 20
        for failure in failures:
            assert failure.exception() is not None
    assert index.counts().studies == 1
    assert index.counts().instances == 20


def test_a_sync_that_fails_fails_only_those_who_need_it(tmp_path: Path) -> None:
    def sync() -> None:
        raise OutOfSpace("the packs")

    index = open_index(tmp_path, before_commit=sync)
    with ThreadPoolExecutor(8) as pool:
        stores = [pool.submit(apply, index, landed(f"1.{n}")) for n in range(4)]
        leases = [pool.submit(index.lease, f"{n}", "me", ttl_s=9) for n in range(4)]
        assert all(isinstance(one.exception(), OutOfSpace) for one in stores)
        assert all(one.result() for one in leases)
    assert index.counts().instances == 0
    index.close()


def test_a_full_disk_is_an_answer_and_the_index_goes_on(tmp_path: Path) -> None:
    # A limit on the length of files stands for the disk; it holds for a whole process.
    script = f"""
import resource, signal
from pathlib import Path
from tests.storage.test_index_lmdb import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index = open_index(Path({str(tmp_path)!r}))
apply(index, landed("1.1"))
no_limit = resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_FSIZE, (1, no_limit))
for n in range(3):
    with pytest.raises(OutOfSpace):
        apply(index, *(landed(f"1.2.{{n}}") for n in range(500)))
    assert index.counts().instances == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (no_limit, no_limit))
assert apply(index, landed("1.3")) == [Stored.NEW]
assert differences(index) == []
index.close()
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


# Several processes


def test_processes_write_and_read_at_once_while_the_map_grows(tmp_path: Path) -> None:
    index = open_index(tmp_path, map_bytes=SMALL_MAP)
    workers = [
        start(write, tmp_path, worker, 120, SMALL_MAP, tmp_path / f"answers{worker}")
        for worker in range(2)
    ]
    read = 0
    while any(worker.is_alive() for worker in workers):
        for row in index.find(Query(SERIES, limit=5)).rows:
            assert row.series
            key = SeriesKey(row.study.study_uid, row.series.series_uid)
            instances = index.manifest(key).instances
            assert len(instances) >= row.series.instance_count
            read += 1
        apply(index, landed(f"7.{read}", study="7", series="7.0"))
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert read
    assert index.find(Query(STUDY, study_uid="1.2")).rows[0].study.instance_count == 240
    references = {digest: count for digest, _, count in index.blobs()}
    assert references[digest_of("shared")] == 240
    assert differences(index) == []
    assert index._environment._lmdb.info()["map_size"] >= 4 * SMALL_MAP
    index.close()


def test_a_reader_that_stays_long_gives_way_to_a_growing_map(tmp_path: Path) -> None:
    index = open_index(tmp_path, map_bytes=SMALL_MAP)
    with ThreadPoolExecutor(2) as pool:
        checks = pool.submit(lambda: [differences(index) for _ in range(40)])
        for n in range(150):
            apply(index, landed(f"1.2.3.{n}", frames=tuple(f"{n} {at}" for at in range(20))))
        assert checks.result() == [[]] * 40
    index.close()


def test_a_writer_killed_at_any_moment_leaves_what_it_acknowledged(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    answers = tmp_path / "answers"
    for worker in range(6):
        process = start(write, tmp_path, worker, 100_000, 1 << 30, answers)
        until = time.monotonic() + 20
        acknowledged = answers.stat().st_size if answers.exists() else 0
        while not answers.exists() or answers.stat().st_size < acknowledged + 40 * (worker + 1):
            assert time.monotonic() < until
            time.sleep(0.005)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert apply(index, landed(f"7.{worker}", study="7", series="7.0")) == [Stored.NEW]
        assert differences(index) == []
    for uid in answers.read_text().split():
        assert index.instance(uid) is not None
    index.close()


# The way to the answer


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LmdbIndex]:
    """20,000 studies: n is the n-th by date."""
    index = open_index(tmp_path_factory.mktemp("many"))

    def name(n: int) -> str:
        names = ["zhang", "li", "wang", "chen"]
        return f"{names[n % 4]}^{n % 5000:04d}" + ("rare" if n % 4000 == 7 else "")

    for start_at in range(0, 20_000, 2000):
        apply(
            index,
            *(
                landed(
                    f"{n}.1.1",
                    study=f"{n}",
                    series=f"{n}.1",
                    frames=(),
                    skeleton="the same",
                    study_terms={
                        STUDY_DATE: f"{1990 + n // 1000}{1 + n % 1000 // 100:02d}01",
                        NAME: (name(n), f"{'old' if n < 400 else 'new'}^{n % 500}"),
                        PATIENT_ID: f"{n // 2}",
                    },
                    rollup={MODALITIES: ("CT" if n % 3 else "MR",)},
                )
                for n in range(start_at, start_at + 2000)
            ),
        )
    yield index
    index.close()


def note_ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways that searches go from now on."""
    taken: list[str] = []

    def noting(owner: type, way: str) -> Callable[..., Any]:
        original = getattr(owner, way)

        def noted(*arguments: Any, **more: Any) -> Any:
            taken.append(way)
            return original(*arguments, **more)

        return noted

    for owner, way in ((_Search, "_walked"), (_Search, "_listed"), (Days, "ranks")):
        monkeypatch.setattr(owner, way, noting(owner, way))
    return taken


@pytest.mark.parametrize(
    ("conditions", "ways", "found"),
    [
        ((), ["ranks"], 20_000),
        ((OneOf(STUDY, PATIENT_ID, ("77",)),), ["_listed"], 2),
        ((OneOf(STUDY, MODALITIES, ("CT",)),), ["_listed"], 13_333),
        ((Like(STUDY, NAME, "*rare"),), ["_listed"], 5),
        ((Like(STUDY, NAME, "zhang*"),), ["_walked"], 5000),
        ((Like(STUDY, NAME, "*ang^*"),), ["_walked"], 10_000),
        ((Like(STUDY, NAME, "*h*"),), ["_walked"], 10_000),
        ((Like(STUDY, NAME, "*qq*"),), ["_listed"], 0),
        ((Between(STUDY, STUDY_DATE, "20000101", "20000131"),), ["ranks"], 100),
        ((OneOf(STUDY, STUDY_DATE, ("20000101",)),), ["ranks"], 100),
        # Frequent among names, but not among those of the study's modality and date.
        (
            (
                Like(STUDY, NAME, "zhang*"),
                Between(STUDY, STUDY_DATE, "20000101", "20000131"),
                OneOf(STUDY, MODALITIES, ("MR",)),
            ),
            ["_walked"],
            8,
        ),
        ((Like(STUDY, PATIENT_ID, "*999*"),), ["_listed"], 38),
        (
            (
                Between(STUDY, STUDY_DATE, "20000101", "20000131"),
                OneOf(STUDY, MODALITIES, ("MR",)),
            ),
            ["_walked"],
            33,
        ),
        # Evenly spread it would be found soon; it is not, so the walk is given up for the lists.
        ((Like(STUDY, NAME, "old*"),), ["_walked", "_listed"], 400),
    ],
)
def test_the_way_follows_from_the_counts(
    many: LmdbIndex,
    monkeypatch: pytest.MonkeyPatch,
    conditions: tuple[Condition, ...],
    ways: list[str],
    found: int,
) -> None:
    taken = note_ways(monkeypatch)
    page = many.find(Query(STUDY, conditions, limit=25))
    assert taken == ways
    assert len(page.rows) == min(found, 25)
    numbers = [int(row.study.study_uid) for row in page.rows]
    assert numbers == sorted(numbers, reverse=True)
    assert many.find(Query(STUDY, conditions, limit=0, count=True)).total == found


@pytest.mark.parametrize("offset", [0, 1, 99, 100, 101, 7_777, 19_999, 20_000, 10**9])
@pytest.mark.parametrize("dates", [None, (None, None), ("19950101", "20000102"), ("2", "19900101")])
@pytest.mark.parametrize("one_by_one", [0, 10_000])
def test_whole_days_are_passed_over(
    many: LmdbIndex,
    monkeypatch: pytest.MonkeyPatch,
    dates: tuple[str | None, str | None] | None,
    offset: int,
    one_by_one: int,
) -> None:
    monkeypatch.setattr(lmdb_days, "PASSED_ONE_BY_ONE", one_by_one)
    conditions = (Between(STUDY, STUDY_DATE, *dates),) if dates else ()
    everything = many.find(Query(STUDY, conditions)).rows
    page = many.find(Query(STUDY, conditions, offset=offset, limit=3))
    assert page.rows == everything[offset : offset + 3]
    assert page.more == (offset + 3 < len(everything))
    behind = many.find(Query(STUDY, conditions, after=page.next, offset=5, limit=2))
    if page.next:
        assert behind.rows == everything[offset + 8 : offset + 10]


def test_a_day_has_none_of_what_shares_its_place_in_the_order(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    for n, date in enumerate(("20240131", "202401319", "2024013", "20240201")):
        terms = {STUDY_DATE: date}
        apply(index, landed(f"{n}.1.1", study=f"{n}", series=f"{n}.1", study_terms=terms))
    for date, found in (("20240131", ["0"]), ("202401319", ["1"]), ("2024013", ["2"]), ("", [])):
        query = Query(STUDY, (OneOf(STUDY, STUDY_DATE, (date,)),), count=True)
        page = index.find(query)
        assert [row.study.study_uid for row in page.rows] == found
        assert page.total == len(found)
    index.close()


def test_a_page_far_behind_reads_only_its_own_studies(
    many: LmdbIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_days, "PASSED_ONE_BY_ONE", 0)
    on_lists: list[bytes] = []
    original = Days._on

    def noted(days: Days, key: bytes) -> Iterator[bytes]:
        on_lists.append(key)
        return original(days, key)

    monkeypatch.setattr(Days, "_on", noted)
    page = many.find(Query(STUDY, offset=15_050, limit=25))
    assert [int(row.study.study_uid) for row in page.rows] == list(range(4949, 4924, -1))
    assert len(on_lists) == 1  # of 200 lists of a hundred studies


def test_an_index_of_format_2_is_one_of_this_format_once_it_was_opened(tmp_path: Path) -> None:
    open_index(tmp_path).close()
    environment = open_environment(tmp_path / "index")

    def as_it_was(transaction: Any) -> None:
        transaction.put(b"format", b"2", db=environment.tables.about)

    environment.write(as_it_was)
    environment.close()
    open_index(tmp_path).close()
    environment = open_environment(tmp_path / "index")
    assert environment.found_format == TABLES_FORMAT
    environment.close()


def test_an_index_of_format_1_is_upgraded_when_it_is_opened(tmp_path: Path) -> None:
    index = open_index(tmp_path)
    for n in range(30):
        terms = {STUDY_DATE: f"202001{n + 1:02d}", "00200010": f"id {n}", "00081030": "chest"}
        apply(index, landed(f"{n}.1.1", study=f"{n}", series=f"{n}.1", study_terms=terms))
    index.close()
    environment = open_environment(tmp_path / "index")

    def as_it_was(transaction: Any) -> int:
        tables = environment.tables
        with transaction.cursor(db=tables.postings) as cursor:
            keys = [key for key in cursor.iternext_nodup(values=False) if key[:1] in b"DSRT"]
        for key in keys:
            transaction.delete(key, db=tables.postings)
        transaction.put(b"format", b"1", db=tables.about)
        return sum(key.startswith(DAY) for key in keys)

    assert environment.write(as_it_was) == 30
    environment.close()
    index = open_index(tmp_path)
    assert differences(index) == []
    assert len(index.find(Query(STUDY, (Like(STUDY, "00081030", "ch*"),))).rows) == 30
    index.close()
    environment = open_environment(tmp_path / "index")
    assert environment.found_format == TABLES_FORMAT
    environment.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batch=st.lists(ARRIVALS, min_size=1, max_size=20),
    queries=st.lists(SEARCHES, min_size=5, max_size=10),
    patience=st.integers(0, 5),
)
def test_whatever_way_is_taken_the_answer_is_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: list[Landed],
    queries: list[Query],
    patience: int,
) -> None:
    with monkeypatch.context() as small:
        for module, limits in (
            (lmdb_terms, ("TERMS_COUNTED", "STUDIES_COUNTED")),
            (lmdb_search, ("MERGED_LISTS", "GATHERED_STUDY", "GATHERED_LIST", "LISTED_STUDY")),
            (lmdb_search, ("READ_NAME", "FEW_STUDIES")),
        ):
            for limit in limits:
                small.setattr(module, limit, patience)
        small.setattr(lmdb_walks, "FEWEST_TOGETHER", 1 + patience % 2)
        small.setattr(lmdb_walks, "MOST_TOGETHER", 1 + patience)
        directory = Path(tempfile.mkdtemp(dir=tmp_path))
        index, model = open_index(directory), IndexModel()
        try:
            assert apply(index, *batch) == [model.apply(one, REFUSE) for one in batch]
            for query in queries:
                agree(index, model, query)
        finally:
            index.close()
            shutil.rmtree(directory)


# Records


@given(st.text(alphabet="0123456789.", min_size=1, max_size=64) | st.text(min_size=1, max_size=90))
def test_a_uid_comes_back_from_its_key(uid: str) -> None:
    if "\0" in uid:
        with pytest.raises(ValueError, match="cannot be kept"):
            uid_key(uid)
    else:
        assert uid_of(uid_key(uid)) == uid


def test_a_manifest_takes_about_150_bytes_an_instance() -> None:
    instances = [
        landed(
            f"1.2.840.113619.2.55.3.604688119.969.1268071029.{n}",
            series="1.2.840.113619.2.55.3.604688119.969.1268071029",
            number=n,
            frames=(f"frame {n}",),
        ).facts.instance
        for n in range(500)
    ]
    assert len(instances_record(instances)) / 500 < 150
