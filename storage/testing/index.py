"""The promises of Index, as tests. An engine inherits the class and says how it is opened:

class TestLmdbIndex(IndexContract):
    def open(self, directory): return LmdbIndex(directory, before_commit=lambda: None)

`index_machine` makes the state machine that plays random verbs against `IndexModel`.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.contract import Index
from storage.errors import BadCursor, NotFound
from storage.model import (
    NO_NUMBER,
    AnyOf,
    Between,
    ChangeKind,
    Condition,
    ConflictPolicy,
    Empty,
    Form,
    FrameTable,
    Landed,
    Like,
    Move,
    OneOf,
    Page,
    Place,
    Query,
    QueryLevel,
    RevisedSeries,
    Revision,
    Row,
    SameItem,
    Scope,
    SeriesKey,
    SeriesMetadata,
    Stored,
)
from storage.searching import item_value
from storage.testing.facts import (
    ACCESSION,
    DESCRIPTION,
    MODALITIES,
    MODALITY,
    NAME,
    PATIENT_ID,
    SERIES_NUMBER,
    STUDY_DATE,
    STUDY_TIME,
    digest_of,
    document_of,
    landed,
    level_of,
    place_of,
)
from storage.testing.index_model import IndexModel
from storage.testing.index_model import Path as UidPath

REFUSE, REPLACE, KEEP_BOTH = ConflictPolicy
STUDY, SERIES, INSTANCE = QueryLevel
KEY = SeriesKey("1.2", "1.2.3")
HOUR_US = 3_600_000_000


def apply(index: Index, *batch: Landed, conflict: ConflictPolicy = REFUSE) -> list[Stored]:
    return [applied.outcome for applied in index.apply(batch, conflict=conflict)]


def path_of(row: Row) -> UidPath:
    return (
        row.study.study_uid,
        *([row.series.series_uid] if row.series else []),
        *([row.instance.instance_uid] if row.instance else []),
    )


def paths(index: Index, query: Query) -> list[UidPath]:
    return [path_of(row) for row in index.find(query).rows]


def studies(index: Index, *conditions: Condition) -> list[str]:
    return [path[0] for path in paths(index, Query(STUDY, conditions))]


def pages(index: Index, query: Query) -> Iterator[Page]:
    """The page, and those behind it as its cursor leads."""
    page = index.find(query)
    yield page
    while page.next is not None:
        page = index.find(replace(query, after=page.next, offset=0))
        yield page


def objects(metadata: SeriesMetadata) -> list[bytes]:
    """The JSON objects of the metadata, cut where it says they lie."""
    reader = zstandard.ZstdDecompressor().stream_reader(metadata.zstd, read_across_frames=True)
    array = reader.read()
    assert array[:1] + array[-1:] == b"[]"
    found = []
    start = 1
    for length in metadata.lengths:
        found.append(array[start : start + length])
        start += length + 1
    assert start == max(len(array), 2)
    return found


def differences(index: Index) -> list[str]:
    found: list[str] = []
    index.check(found.append)
    return found


def now_us() -> int:
    return time.time_ns() // 1000


def edit_of(one: Landed, *, study: str = "", rollup: Any = None, study_terms: Any = None) -> Landed:
    """The instance with another skeleton, as an edit makes it."""
    was = one.facts.instance
    made = landed(
        was.instance_uid,
        study=study or was.study_uid,
        series=was.series_uid,
        number=was.number,
        dataset="edited",
        study_terms=study_terms,
        rollup=rollup,
    )
    instance = replace(made.facts.instance, blobs=was.blobs, edit="7")
    places = {instance.skeleton: made.places[instance.skeleton]}
    return Landed(replace(made.facts, instance=instance), places)


def revision_of(
    index: Index, batch: Sequence[Landed], *, notes: dict[str, bytes] | None = None
) -> Revision:
    """The one series of these instances as they say it is, and its study."""
    instance = index.instance(batch[0].facts.instance.instance_uid)
    assert instance is not None
    key = SeriesKey(instance.study_uid, instance.series_uid)
    facts = batch[0].facts
    revised = RevisedSeries(key, index.version_of(key), facts.series_level, tuple(batch))
    query = Query(STUDY, (OneOf(STUDY, "0020000D", (key.study_uid,)),))
    version = index.find(query).rows[0].study.version
    return Revision(key.study_uid, version, facts.study_level, (revised,), notes or {})


class IndexContract:
    """Every promise of `storage.contract.Index`."""

    def open(self, directory: Path) -> Index:
        """An index, empty when `directory` is."""
        raise NotImplementedError

    @pytest.fixture
    def index(self, tmp_path: Path) -> Iterator[Index]:
        index = self.open(tmp_path)
        yield index
        assert differences(index) == []
        index.close()

    # apply

    def test_an_instance_is_found_by_its_uid_alone(self, index: Index) -> None:
        one = landed()
        assert apply(index, one) == [Stored.NEW]
        assert index.instance("1.2.3.4") == one.facts.instance

    @pytest.mark.parametrize("uid", ["1.2.3.5", "", "1" * 500, "no uid", "\0", "ä"])
    def test_what_is_not_stored_is_none(self, index: Index, uid: str) -> None:
        apply(index, landed())
        assert index.instance(uid) is None
        assert index.versions(uid) == []

    def test_an_instance_is_found_after_compaction_too(self, index: Index) -> None:
        batch = [landed(f"1.2.3.{n}", number=n) for n in range(1, 6)]
        apply(index, *batch)
        index.compact(KEY)
        assert [index.instance(f"1.2.3.{n}") for n in range(1, 6)] == [
            one.facts.instance for one in batch
        ]

    def test_answers_are_in_the_order_of_the_batch(self, index: Index) -> None:
        apply(index, landed("1.2.3.4"))
        assert apply(
            index,
            landed("1.2.3.5"),
            landed("1.2.3.4"),
            landed("1.2.3.4", dataset="other"),
            landed("1.2.3.6", study="9.9"),
            landed("1.2.3.7", known=("nowhere",), frames=("nowhere",)),
            landed("1.2.3.5"),
        ) == [
            Stored.NEW,
            Stored.DUPLICATE,
            Stored.CONFLICT,
            Stored.MISPLACED,
            Stored.MISSING_CONTENT,
            Stored.DUPLICATE,
        ]
        assert index.counts().instances == 2

    def test_an_empty_batch_is_answered(self, index: Index) -> None:
        assert index.apply([], conflict=REFUSE) == []

    def test_a_duplicate_names_what_is_there_and_changes_nothing(self, index: Index) -> None:
        one = landed()
        apply(index, one)
        again = landed()
        answer = index.apply([again], conflict=REPLACE)[0]
        assert answer.existing == one.facts.instance
        assert answer.sequence == 0
        assert len(index.changes(after=0, limit=9)) == 1

    def test_a_refused_conflict_changes_nothing(self, index: Index) -> None:
        one = landed()
        apply(index, one)
        other = landed(dataset="other", study_terms={DESCRIPTION: "new"}, frames=("other",))
        answer = index.apply([other], conflict=REFUSE)[0]
        assert (answer.outcome, answer.existing) == (Stored.CONFLICT, one.facts.instance)
        assert index.instance("1.2.3.4") == one.facts.instance
        assert index.known([digest_of("other")]) == set()
        assert studies(index, OneOf(STUDY, DESCRIPTION, ("new",))) == []

    @pytest.mark.parametrize("compacted", [False, True])
    def test_a_replaced_data_set_is_gone(self, index: Index, compacted: bool) -> None:
        apply(index, landed(frames=("shared", "old")), landed("1.2.3.5", number=2))
        if compacted:
            index.compact(KEY)
        new = landed(dataset="new", frames=("shared", "new"), number=7)
        assert apply(index, new, conflict=REPLACE) == [Stored.REPLACED]
        assert index.instance("1.2.3.4") == new.facts.instance
        assert index.versions("1.2.3.4") == []
        names = ("shared", "old", "new")
        assert index.known(map(digest_of, names)) == {digest_of("shared"), digest_of("new")}
        instances = index.manifest(KEY).instances
        assert [one.instance_uid for one in instances] == ["1.2.3.5", "1.2.3.4"]
        assert index.counts().instances == 2

    @pytest.mark.parametrize("compacted", [False, True])
    def test_earlier_versions_are_kept_oldest_first(self, index: Index, compacted: bool) -> None:
        versions = [landed(dataset=name, frames=(name,)) for name in ("a", "b", "c")]
        for version in versions:
            apply(index, version, conflict=KEEP_BOTH)
            if compacted:
                index.compact(KEY)
        assert [*index.versions("1.2.3.4"), index.instance("1.2.3.4")] == [
            version.facts.instance for version in versions
        ]
        assert len(index.known(map(digest_of, "abc"))) == 3
        assert index.counts().instances == 1

    def test_a_data_set_kept_as_an_earlier_version_is_a_duplicate(self, index: Index) -> None:
        for name in ("a", "b"):
            apply(index, landed(dataset=name), conflict=KEEP_BOTH)
        for policy in ConflictPolicy:
            assert apply(index, landed(dataset="a"), conflict=policy) == [Stored.DUPLICATE]

    def test_an_instance_or_a_series_cannot_be_in_two_places(self, index: Index) -> None:
        one = landed()
        apply(index, one, landed("1.9", series="1.2.9"))
        elsewhere = [
            landed(series="1.2.9", dataset="x"),
            landed(study="7", series="7.1"),
            landed("1.2.3.8", study="7"),
        ]
        answers = index.apply(elsewhere, conflict=REPLACE)
        assert [answer.outcome for answer in answers] == [Stored.MISPLACED] * 3
        assert [answer.existing for answer in answers] == [one.facts.instance] * 2 + [None]

    def test_a_content_that_has_been_deleted_meanwhile_is_missed(self, index: Index) -> None:
        apply(index, landed(frames=("pixels",)))
        index.delete(Scope("1.2"))
        again = landed(frames=("pixels",), known=("pixels",))
        assert apply(index, again) == [Stored.MISSING_CONTENT]
        assert index.counts().studies == 0
        assert apply(index, landed(frames=("pixels",))) == [Stored.NEW]

    def test_a_content_within_the_batch_is_known_to_what_follows(self, index: Index) -> None:
        first = landed(frames=("pixels",))
        second = landed("1.2.3.5", frames=("pixels",), known=("pixels",))
        assert apply(index, first, second) == [Stored.NEW, Stored.NEW]

    def test_a_content_stored_already_keeps_its_place(self, index: Index) -> None:
        apply(index, landed(frames=("pixels",)))
        apply(index, landed("1.2.3.5", frames=("pixels",), pack=2))
        assert index.places([digest_of("pixels")]) == [place_of(digest_of("pixels"))]

    def test_every_kind_of_instance_comes_back_as_it_was(self, index: Index) -> None:
        base = landed().facts.instance
        kinds = [
            replace(base, frames=FrameTable(0), pixels=None, blobs=(), holes=()),
            replace(base, number=NO_NUMBER, source="", transfer_syntax_uid=""),
            replace(base, number=-5, file_length=2**40, received_us=2**52),
            replace(base, frames=FrameTable(2, 1, (1, 2, 4), 0), blobs=base.blobs * 4),
            replace(base, frames=FrameTable(16, packed_bits=35), holes=(9,)),
            replace(base, blobs=tuple(map(digest_of, "xyz")) * 400, holes=tuple(range(1200))),
        ]
        instances = [
            replace(kind, instance_uid=f"1.2.3.{at}", dataset_digest=digest_of(str(at)))
            for at, kind in enumerate(kinds)
        ]
        batch = []
        for instance in instances:
            facts = replace(landed().facts, instance=instance)
            digests = (instance.skeleton, *instance.blobs)
            batch.append(Landed(facts, {digest: place_of(digest) for digest in digests}))
        apply(index, *batch)
        for _ in range(2):
            found = [index.instance(one.instance_uid) for one in instances]
            assert found == instances
            in_order = sorted(instances, key=lambda one: (one.number, one.instance_uid))
            assert list(index.manifest(KEY).instances) == in_order
            index.compact(KEY)

    def test_eight_threads_write_one_study(self, index: Index) -> None:
        def work(worker: int) -> list[Stored]:
            answers = []
            for n in range(12):
                one = landed(
                    f"1.2.3.{n}.{worker}",
                    series=f"1.2.3.{worker % 3}",
                    frames=("shared", f"{n}"),
                    study_terms={DESCRIPTION: "said once"},
                    rollup={MODALITIES: (f"M{worker}",)},
                )
                everybody = landed(f"1.7.{n}", series="1.7")
                answers += apply(index, one) + apply(index, everybody)
            return answers

        with ThreadPoolExecutor(8) as pool:
            answers = [answer for some in pool.map(work, range(8)) for answer in some]
        assert answers.count(Stored.NEW) == 8 * 12 + 12
        assert answers.count(Stored.DUPLICATE) == 7 * 12
        row = index.find(Query(STUDY)).rows[0].study
        assert (row.series_count, row.instance_count) == (4, 108)
        assert row.rollup[MODALITIES] == tuple(f"M{worker}" for worker in range(8))
        references = {digest: count for digest, _, count in index.blobs()}
        assert references[digest_of("shared")] == 96
        sequences = [change.sequence for change in index.changes(after=0, limit=999)]
        assert sequences == sorted(set(sequences))
        assert len(sequences) == 108

    def test_what_was_answered_is_read_at_once(self, index: Index) -> None:
        stop = threading.Event()
        missing: list[str] = []

        def write(worker: int) -> None:
            for n in range(30):
                uid = f"1.2.{worker}.{n}"
                apply(index, landed(uid, series=f"1.2.{worker}"))
                if index.instance(uid) is None:
                    missing.append(uid)

        def read() -> None:
            while not stop.is_set():
                for row in index.find(Query(SERIES, limit=5)).rows:
                    assert row.series
                    key = SeriesKey(row.study.study_uid, row.series.series_uid)
                    assert len(index.manifest(key).instances) >= row.series.instance_count

        with ThreadPoolExecutor(6) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            list(pool.map(write, range(4)))
            stop.set()
            for reader in readers:
                reader.result()
        assert missing == []

    # What studies and series say

    def test_a_later_instance_adds_what_is_absent_and_changes_nothing(self, index: Index) -> None:
        apply(
            index,
            landed(study_terms={NAME: "a", PATIENT_ID: ()}, series_terms={MODALITY: "CT"}),
            landed(
                "1.2.3.5",
                study_terms={NAME: "b", PATIENT_ID: "17", ACCESSION: "A1"},
                series_terms={MODALITY: "MR", SERIES_NUMBER: "3"},
            ),
        )
        row = index.find(Query(SERIES)).rows[0]
        assert orjson.loads(row.study.document) == orjson.loads(
            document_of({NAME: "a", PATIENT_ID: "17", ACCESSION: "A1"})
        )
        assert row.series
        assert orjson.loads(row.series.document) == orjson.loads(
            document_of({MODALITY: "CT", SERIES_NUMBER: "3"})
        )
        assert studies(index, OneOf(STUDY, PATIENT_ID, ("17",)), Like(STUDY, ACCESSION, "A*"))
        assert studies(index, OneOf(STUDY, NAME, ("a",)))
        assert not studies(index, OneOf(STUDY, NAME, ("b",)))

    def test_a_date_that_comes_later_puts_the_study_in_its_place(self, index: Index) -> None:
        apply(
            index,
            landed("1", study="1", series="1.1", study_terms={NAME: "x"}),
            landed("2", study="2", series="2.1", study_terms={STUDY_DATE: "20200101"}),
        )
        assert studies(index) == ["2", "1"]
        apply(index, landed("3", study="1", series="1.1", study_terms={STUDY_DATE: "20210101"}))
        assert studies(index) == ["1", "2"]
        assert studies(index, Between(STUDY, STUDY_DATE, "20210101", None)) == ["1"]
        assert studies(index, OneOf(STUDY, NAME, ("x",))) == ["1"]

    def test_a_rollup_is_the_union_of_what_is_there(self, index: Index) -> None:
        apply(
            index,
            landed("1.2.3.4", rollup={MODALITIES: ("CT",)}),
            landed("1.2.3.5", rollup={MODALITIES: ("SR", "CT")}),
            landed("1.2.4.1", series="1.2.4", rollup={MODALITIES: ("PT",)}),
        )

        def modalities() -> tuple[str, ...]:
            return index.find(Query(STUDY)).rows[0].study.rollup[MODALITIES]

        assert modalities() == ("CT", "PT", "SR")
        assert studies(index, OneOf(STUDY, MODALITIES, ("PT", "XX")))
        index.delete(Scope("1.2", "1.2.4"))
        assert modalities() == ("CT", "SR")
        assert not studies(index, OneOf(STUDY, MODALITIES, ("PT",)))
        index.compact(KEY)
        index.delete(Scope("1.2", "1.2.3", "1.2.3.5"))
        assert modalities() == ("CT",)

    def test_what_a_deletion_leaves_of_a_study_keeps_its_attributes(self, index: Index) -> None:
        apply(
            index,
            landed("1.2.3.4", study_terms={NAME: "a"}),
            landed("1.2.3.5", study_terms={PATIENT_ID: "17"}),
        )
        index.delete(Scope("1.2", "1.2.3", "1.2.3.4"))
        assert studies(index, OneOf(STUDY, NAME, ("a",)), OneOf(STUDY, PATIENT_ID, ("17",)))
        index.delete(Scope("1.2"))
        apply(index, landed("1.2.3.6"))
        assert studies(index, Empty(STUDY, NAME), Empty(STUDY, PATIENT_ID)) == ["1.2"]

    # revise

    def test_a_revision_keeps_what_was_as_an_earlier_version(self, index: Index) -> None:
        terms = {NAME: "doe^jon", STUDY_DATE: "20200101"}
        batch = [landed(f"1.2.3.{n}", number=n, study_terms=terms) for n in (1, 2)]
        apply(index, *batch, landed("1.2.4.1", series="1.2.4", study_terms=terms))
        before = index.manifest(KEY)
        right = {NAME: "doe^john", STUDY_DATE: "20210101"}
        edited = [edit_of(one, study_terms=right) for one in batch]
        revision = revision_of(index, edited, notes={"7": b"why"})
        assert index.revise(revision)
        assert not index.revise(revision)
        assert studies(index, OneOf(STUDY, NAME, ("doe^john",))) == ["1.2"]
        assert studies(index, OneOf(STUDY, NAME, ("doe^jon",))) == []
        assert studies(index, Between(STUDY, STUDY_DATE, "20210101", None)) == ["1.2"]
        after = index.manifest(KEY)
        assert list(after.instances) == [one.facts.instance for one in edited]
        assert after.version > before.version
        assert [index.versions(one.instance_uid) for one in before.instances] == [
            [one] for one in before.instances
        ]
        assert objects(index.metadata(KEY)) == [one.facts.metadata for one in edited]
        assert index.last_change() == 5
        changes = index.changes(after=3, limit=10)
        assert [(one.kind, one.instance_uid) for one in changes] == [
            (ChangeKind.EDITED, "1.2.3.1"),
            (ChangeKind.EDITED, "1.2.3.2"),
        ]
        assert index.notes(after="", limit=9) == [("7", b"why")]
        assert index.notes(after="7", limit=9) == []
        assert apply(index, batch[0]) == [Stored.DUPLICATE]
        index.compact(KEY)
        assert index.manifest(KEY) == after
        assert index.revise(revision_of(index, batch))
        assert [len(index.versions(one.instance_uid)) for one in before.instances] == [2, 2]
        index.delete(Scope("1.2"))
        assert index.counts().blobs == 0

    def test_a_series_goes_to_another_study(self, index: Index) -> None:
        batch = [landed(f"1.2.3.{n}", number=n) for n in (1, 2)]
        apply(index, *batch, landed("1.2.4.1", series="1.2.4", rollup={MODALITIES: ("MR",)}))
        moved = [edit_of(one, study="9", rollup={MODALITIES: ("CT",)}) for one in batch]
        new = replace(revision_of(index, moved), version=None, study_uid="9")
        assert not index.revise(replace(new, version=1))
        assert index.revise(new)
        assert paths(index, Query(SERIES)) == [("9", "1.2.3"), ("1.2", "1.2.4")]
        assert studies(index, OneOf(STUDY, MODALITIES, ("CT",))) == ["9"]
        assert index.series_of("9") == [SeriesKey("9", "1.2.3")]
        assert [row.study.instance_count for row in index.find(Query(STUDY)).rows] == [2, 1]
        with pytest.raises(NotFound):
            index.manifest(KEY)
        # What is sent again is known, wherever it is now.
        assert apply(index, batch[0]) == [Stored.DUPLICATE]
        assert differences(index) == []
        # And the last series takes its study with it.
        (last,) = index.manifest(SeriesKey("1.2", "1.2.4")).instances
        rest = [edit_of(landed(last.instance_uid, series="1.2.4"), study="9")]
        key = SeriesKey("1.2", "1.2.4")
        revised = RevisedSeries(key, index.version_of(key), level_of({}), tuple(rest))
        assert index.revise(Revision("9", None, None, (revised,)))
        assert paths(index, Query(STUDY)) == [("9",)]
        assert set(index.unsettled(quiet_since_us=now_us(), limit=9)) == {
            SeriesKey("9", "1.2.3"),
            SeriesKey("9", "1.2.4"),
        }

    def test_what_only_says_something_else_is_no_change(self, index: Index) -> None:
        one = landed(study_terms={NAME: "a"}, series_terms={MODALITY: "CT"})
        apply(index, one)
        says = replace(one.facts, study_level=level_of({NAME: "a", DESCRIPTION: "new"}))
        before = (index.manifest(KEY), index.changes(after=0, limit=9))
        assert index.revise(revision_of(index, [replace(one, facts=says, places={})]))
        assert studies(index, OneOf(STUDY, DESCRIPTION, ("new",))) == ["1.2"]
        assert (index.manifest(KEY), index.changes(after=0, limit=9)) == before
        assert index.versions("1.2.3.4") == []

    def test_a_revision_of_what_has_changed_does_nothing(self, index: Index) -> None:
        one = landed()
        apply(index, one)
        stale = revision_of(index, [edit_of(one)])
        missing = replace(edit_of(one), places={})
        assert not index.revise(revision_of(index, [missing]))
        assert not index.revise(revision_of(index, [edit_of(one), edit_of(landed("1.2.3.9"))]))
        apply(index, landed("1.2.3.5"))
        assert not index.revise(stale)
        with pytest.raises(NotFound):
            index.revise(
                Revision("1.2", None, None, (replace(stale.series[0], key=SeriesKey("1.2", "8")),))
            )
        assert index.versions("1.2.3.4") == []

    # delete

    def test_deleting_the_last_instance_deletes_series_and_study(self, index: Index) -> None:
        apply(index, landed(frames=("a", "b")))
        bytes_there = index.counts().payload_bytes
        deleted = index.delete(Scope("1.2", "1.2.3", "1.2.3.4"))
        assert (deleted.studies, deleted.series, deleted.instances) == (1, 1, 1)
        assert deleted.bytes_freed == bytes_there
        assert index.find(Query(STUDY)).rows == ()
        assert index.instance("1.2.3.4") is None
        assert list(index.blobs()) == []
        assert index.pack_use() == {}

    @pytest.mark.parametrize("compacted", [False, True])
    def test_an_instance_is_deleted_from_among_others(self, index: Index, compacted: bool) -> None:
        apply(index, *(landed(f"1.2.3.{n}", number=n, frames=("f", f"{n}")) for n in range(5)))
        if compacted:
            index.compact(KEY)
            apply(index, landed("1.2.3.9", number=9))
        for uid in ("1.2.3.1", "1.2.3.4"):
            deleted = index.delete(Scope("1.2", "1.2.3", uid))
            assert (deleted.studies, deleted.series, deleted.instances) == (0, 0, 1)
        left = ["1.2.3.0", "1.2.3.2", "1.2.3.3", *(["1.2.3.9"] if compacted else [])]
        assert [one.instance_uid for one in index.manifest(KEY).instances] == left
        assert list(index.metadata(KEY).instance_uids) == left
        assert [path[2] for path in paths(index, Query(INSTANCE))] == left
        assert index.instance("1.2.3.1") is None
        index.compact(KEY)
        assert [one.instance_uid for one in index.manifest(KEY).instances] == left

    def test_a_series_or_study_is_deleted_whole(self, index: Index) -> None:
        apply(
            index,
            landed("1.2.3.4"),
            landed("1.2.3.5"),
            landed("1.2.4.1", series="1.2.4"),
            landed("1.2.4.2", series="1.2.4"),
            landed("9.1", study="9", series="9.0"),
        )
        index.compact(SeriesKey("1.2", "1.2.4"))
        deleted = index.delete(Scope("1.2", "1.2.3"))
        assert (deleted.studies, deleted.series, deleted.instances) == (0, 1, 2)
        assert index.series_of("1.2") == [SeriesKey("1.2", "1.2.4")]
        deleted = index.delete(Scope("1.2"))
        assert (deleted.studies, deleted.series, deleted.instances) == (1, 1, 2)
        assert studies(index) == ["9"]

    def test_deleting_takes_the_earlier_versions_too(self, index: Index) -> None:
        for name in ("a", "b", "c"):
            apply(index, landed(dataset=name, frames=(name,)), conflict=KEEP_BOTH)
        index.delete(Scope("1.2", "1.2.3", "1.2.3.4"))
        assert index.versions("1.2.3.4") == []
        assert list(index.blobs()) == []

    @pytest.mark.parametrize(
        ("scope", "kind"),
        [
            (Scope("9"), "study"),
            (Scope("1.2", "9"), "series"),
            (Scope("9.9", "1.2.3"), "study"),
            (Scope("1.2", "1.2.3", "9"), "instance"),
            (Scope("1.2", "1.2.4", "1.2.3.4"), "instance"),
            (Scope("1.2", None, "9"), "instance"),
        ],
    )
    def test_deleting_what_is_not_there_is_not_found(
        self, index: Index, scope: Scope, kind: str
    ) -> None:
        apply(index, landed(), landed("1.2.4.1", series="1.2.4"))
        with pytest.raises(NotFound) as caught:
            index.delete(scope)
        assert caught.value.kind == kind
        assert index.counts().instances == 2

    def test_deleting_and_storing_again_is_a_new_beginning(self, index: Index) -> None:
        apply(index, landed("1", study="1", series="1.1"), landed("2", study="2", series="2.1"))
        before = index.version_of(SeriesKey("1", "1.1"))
        index.delete(Scope("1"))
        apply(index, landed("1", study="1", series="1.1"))
        assert index.version_of(SeriesKey("1", "1.1")) > before
        assert studies(index) == ["1", "2"]

    # Contents

    def test_references_are_counted_each_time_they_are_made(self, index: Index) -> None:
        apply(
            index,
            landed("1.2.3.4", frames=("a", "a", "b"), skeleton="a"),
            landed("1.2.3.5", frames=("a",), skeleton="b"),
        )

        def references() -> dict[str, int]:
            names = {digest_of(name): name for name in "ab"}
            return {names[digest]: count for digest, _, count in index.blobs()}

        assert references() == {"a": 4, "b": 2}
        index.delete(Scope("1.2", "1.2.3", "1.2.3.4"))
        assert references() == {"a": 1, "b": 1}

    def test_blobs_are_in_order_of_digest(self, index: Index) -> None:
        apply(index, landed(frames=tuple(f"{n}" for n in range(2500))))
        listed = [digest for digest, _, _ in index.blobs()]
        assert listed == sorted(listed)
        assert len(listed) == 2501

    def test_blobs_may_be_deleted_while_they_are_listed(self, index: Index) -> None:
        apply(index, landed(frames=tuple(f"{n}" for n in range(2500))))
        listing = index.blobs()
        next(listing)
        index.delete(Scope("1.2"))
        assert len(list(listing)) <= 2500

    def test_places_are_in_the_order_asked(self, index: Index) -> None:
        apply(index, landed(frames=("a", "b", "c")))
        digests = [digest_of(name) for name in ("c", "a", "c")]
        assert index.places(digests) == [place_of(digest) for digest in digests]
        with pytest.raises(NotFound, match=digest_of("x").hex()):
            index.places([digest_of("a"), digest_of("x"), digest_of("y")])

    def test_every_place_comes_back_as_it_was(self, index: Index) -> None:
        longest = 2**32 - 1
        places = {
            digest_of("large"): Place(2**63, 2**63, longest, Form.HTJ2K, longest, 2**64 - 1),
            digest_of("empty"): Place(0, 0, 0, Form.RAW, 0, 0),
            digest_of("small"): Place(time.time_ns(), 64, 1, Form.ZSTD, 2, 3),
        }
        one = landed(frames=("large", "empty"), skeleton="small")
        assert apply(index, replace(one, places=places)) == [Stored.NEW]
        assert dict(zip(places, index.places(list(places)), strict=True)) == places
        assert {digest: place for digest, place, _ in index.blobs()} == places
        assert index.pack_use().keys() == {place.pack for place in places.values()}

    def test_a_move_counts_while_the_content_lies_where_it_did(self, index: Index) -> None:
        apply(index, landed(frames=("a", "b"), skeleton="s"))
        a, b, gone = (digest_of(name) for name in ("a", "b", "gone"))
        new = replace(place_of(a), pack=2, form=Form.ZSTD, length=1)
        moves = [
            Move(a, place_of(a), new),
            Move(b, replace(place_of(b), offset=0), new),
            Move(gone, place_of(gone), new),
        ]
        version = index.version_of(KEY)
        assert index.relocate(moves) == 1
        assert index.places([a, b]) == [new, place_of(b)]
        assert index.relocate(moves) == 0
        assert index.version_of(KEY) == version
        use = index.pack_use()
        assert (use[2].live_bytes, use[2].live_blobs) == (1, 1)
        assert use[1].live_blobs == 2
        assert index.counts().forms == {Form.RAW: 2, Form.ZSTD: 1}

    def test_pack_use_follows_every_change(self, index: Index) -> None:
        apply(index, landed(frames=("a", "b"), skeleton="a"), landed("1.2.3.5", pack=7))
        use = index.pack_use()
        lengths = [place_of(digest_of(name)).length for name in "ab"]
        assert (use[1].live_bytes, use[1].live_blobs) == (sum(lengths), 2)
        assert use[7].live_blobs == 2
        index.delete(Scope("1.2", "1.2.3", "1.2.3.5"))
        assert list(index.pack_use()) == [1]

    def test_a_pack_in_use_is_not_retired(self, index: Index) -> None:
        apply(index, landed())
        assert not index.retire(1)
        assert apply(index, landed("1.2.3.5")) == [Stored.NEW]

    def test_nothing_refers_to_a_retired_pack_ever_again(self, index: Index) -> None:
        apply(index, landed(frames=("a",)))
        assert index.retire(5)
        assert index.retire(5)
        assert apply(index, landed("1.2.3.5", pack=5)) == [Stored.MISSING_CONTENT]
        a = digest_of("a")
        assert index.relocate([Move(a, place_of(a), place_of(a, pack=5))]) == 0
        assert 5 not in index.pack_use()

    # Series

    def test_a_series_is_in_order_of_number_and_uid(self, index: Index) -> None:
        apply(
            index,
            landed("1.2.3.9", number=NO_NUMBER),
            landed("1.2.3.8", number=-1),
            landed("1.2.3.10", number=2),
            landed("1.2.3.2", number=2),
        )
        wanted = ["1.2.3.8", "1.2.3.10", "1.2.3.2", "1.2.3.9"]
        for _ in range(2):
            assert [one.instance_uid for one in index.manifest(KEY).instances] == wanted
            assert list(index.metadata(KEY).instance_uids) == wanted
            assert [path[2] for path in paths(index, Query(INSTANCE))] == wanted
            index.compact(KEY)

    def test_rows_and_manifest_are_read_as_one(self, index: Index) -> None:
        batch = [landed(f"1.2.3.{n}", number=n) for n in range(10)]
        for one in batch[::2]:
            apply(index, one)
        index.compact(KEY)
        for one in batch[1::2]:
            apply(index, one)
        instances = [one.facts.instance for one in batch]
        texts = [one.facts.metadata for one in batch]
        for _ in range(3):
            assert list(index.manifest(KEY).instances) == instances
            assert objects(index.metadata(KEY)) == texts
            index.compact(KEY)

    def test_metadata_of_a_compacted_series_is_one_frame(self, index: Index) -> None:
        batch = [landed(f"1.2.3.{n}", number=n) for n in range(300)]
        apply(index, *batch)
        index.compact(KEY)
        metadata = index.metadata(KEY)
        parameters = zstandard.get_frame_parameters(metadata.zstd)
        assert parameters.window_size <= 1 << 23
        array = zstandard.ZstdDecompressor().decompress(metadata.zstd)
        assert array == b"[" + b",".join(one.facts.metadata for one in batch) + b"]"
        assert metadata.lengths == tuple(len(one.facts.metadata) for one in batch)

    def test_an_example_is_of_an_instance_that_is_there(self, index: Index) -> None:
        """While the series arrives, when it is compacted, and when its first has gone since."""
        with pytest.raises(NotFound):
            index.example(KEY)
        batch = [landed(f"1.2.3.{n}", number=n) for n in range(3)]
        said = {one.facts.metadata for one in batch}
        apply(index, *batch)
        assert index.example(KEY) in said
        index.compact(KEY)
        assert index.example(KEY) in said
        index.delete(Scope(KEY.study_uid, KEY.series_uid, "1.2.3.0"))
        assert index.example(KEY) in said - {batch[0].facts.metadata}
        for gone in ("1.2.3.1", "1.2.3.2"):
            apply(index, landed("1.2.3.9", number=9))
            index.delete(Scope(KEY.study_uid, KEY.series_uid, gone))
        assert index.example(KEY) == landed("1.2.3.9", number=9).facts.metadata

    def test_compaction_changes_nothing_that_is_read(self, index: Index) -> None:
        apply(index, *(landed(f"1.2.3.{n}", number=n) for n in range(4)))

        def everything() -> list[Any]:
            metadata = index.metadata(KEY)
            return [
                index.manifest(KEY),
                replace(metadata, zstd=b""),
                objects(metadata),
                index.find(Query(INSTANCE)),
                index.counts(),
                index.changes(after=0, limit=99),
                list(index.blobs()),
            ]

        before = everything()
        for _ in range(2):
            index.compact(KEY)
            assert everything() == before

    def test_versions_are_those_of_the_last_change(self, index: Index) -> None:
        other = SeriesKey("1.2", "1.2.4")
        first = index.apply([landed()], conflict=REFUSE)[0].sequence
        second = index.apply([landed("1.2.4.1", series="1.2.4")], conflict=REFUSE)[0].sequence
        assert (index.version_of(KEY), index.version_of(other)) == (first, second)
        assert index.find(Query(STUDY)).rows[0].study.version == second
        assert index.manifest(KEY).version == index.metadata(KEY).version == first
        apply(index, landed("1.2.3.5"))
        index.delete(Scope("1.2", "1.2.3", "1.2.3.5"))
        assert index.version_of(KEY) == index.changes(after=0, limit=9)[-1].sequence
        assert index.version_of(other) == second

    def test_no_moment_is_the_one_before_a_write(self, index: Index) -> None:
        moments = [index.moment()]
        for write in (
            lambda: apply(index, landed()),
            lambda: apply(index, landed("1.2.3.5")),
            lambda: index.compact(KEY),
            lambda: index.delete(Scope("1.2", "1.2.3", "1.2.3.5")),
        ):
            write()
            moments.append(index.moment())
        assert len(set(moments)) == len(moments)

    @pytest.mark.parametrize("key", [SeriesKey("1.2", "9"), SeriesKey("9", "1.2.3")])
    def test_a_series_is_not_found_in_another_study(self, index: Index, key: SeriesKey) -> None:
        apply(index, landed(), landed("8.1", study="9", series="8"))
        verbs: Sequence[Callable[[SeriesKey], object]] = (
            index.version_of,
            index.manifest,
            index.metadata,
            index.compact,
        )
        for verb in verbs:
            with pytest.raises(NotFound):
                verb(key)

    def test_series_of_a_study_are_in_order(self, index: Index) -> None:
        for series, number in (("1.9", "10"), ("1.5", "9"), ("1.4", ""), ("1.6", "9")):
            apply(index, landed(f"{series}.1", series=series, series_terms={SERIES_NUMBER: number}))
        wanted = ["1.5", "1.6", "1.9", "1.4"]
        assert [key.series_uid for key in index.series_of("1.2")] == wanted
        assert [path[1] for path in paths(index, Query(SERIES))] == wanted
        with pytest.raises(NotFound):
            index.series_of("9")

    # Changes, settling, leases, counts

    def test_the_feed_tells_each_change_once_in_order(self, index: Index) -> None:
        apply(index, landed(), landed("1.2.3.5"), landed("7.1", study="7", series="7.0"))
        apply(index, landed(dataset="x"), conflict=REPLACE)
        apply(index, landed(dataset="y"), conflict=KEEP_BOTH)
        index.delete(Scope("1.2", "1.2.3", "1.2.3.5"))
        index.delete(Scope("7"))
        changes = index.changes(after=0, limit=99)
        assert [(one.kind, one.study_uid, one.series_uid, one.instance_uid) for one in changes] == [
            (ChangeKind.STORED, "1.2", "1.2.3", "1.2.3.4"),
            (ChangeKind.STORED, "1.2", "1.2.3", "1.2.3.5"),
            (ChangeKind.STORED, "7", "7.0", "7.1"),
            (ChangeKind.REPLACED, "1.2", "1.2.3", "1.2.3.4"),
            (ChangeKind.REPLACED, "1.2", "1.2.3", "1.2.3.4"),
            (ChangeKind.DELETED, "1.2", "1.2.3", "1.2.3.5"),
            (ChangeKind.DELETED, "7", "", ""),
        ]
        assert all(abs(one.at_us - now_us()) < HOUR_US for one in changes)
        for after in range(-1, 8):
            for limit in (0, 1, 3, 99):
                rest = [one for one in changes if one.sequence > after]
                assert index.changes(after=after, limit=limit) == rest[:limit]

    def test_a_series_waits_to_be_compacted_until_it_is(self, index: Index) -> None:
        other = SeriesKey("1.2", "1.2.4")
        apply(index, landed())
        apply(index, landed("1.2.4.1", series="1.2.4"))

        def waiting(limit: int = 9) -> list[SeriesKey]:
            return index.unsettled(quiet_since_us=now_us() + HOUR_US, limit=limit)

        assert waiting() == [KEY, other]
        assert waiting(limit=1) == [KEY]
        assert index.unsettled(quiet_since_us=now_us() - HOUR_US, limit=9) == []
        apply(index, landed("1.2.3.5"))
        assert waiting() == [other, KEY]
        index.compact(KEY)
        assert waiting() == [other]
        apply(index, landed("1.2.3.6"))
        assert waiting() == [other, KEY]
        index.delete(Scope("1.2", "1.2.4"))
        assert waiting() == [KEY]

    def test_a_lease_has_one_holder(self, index: Index) -> None:
        assert index.lease("settle", "a", ttl_s=60)
        assert not index.lease("settle", "b", ttl_s=60)
        assert index.lease("settle", "a", ttl_s=60)
        assert index.lease("other", "b", ttl_s=60)
        index.release("settle", "b")
        assert not index.lease("settle", "b", ttl_s=60)
        index.release("settle", "a")
        assert index.lease("settle", "b", ttl_s=60)

    def test_a_lease_ends_by_itself(self, index: Index) -> None:
        assert index.lease("settle", "a", ttl_s=0.05)
        time.sleep(0.06)
        assert index.lease("settle", "b", ttl_s=60)

    def test_of_many_who_want_a_lease_one_has_it(self, index: Index) -> None:
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda who: index.lease("x", str(who), ttl_s=60), range(8)))
        assert taken.count(True) == 1

    def test_counts_are_those_of_what_is_there(self, index: Index) -> None:
        assert index.counts().studies == index.counts().blobs == 0
        apply(index, landed(frames=("a", "b"), skeleton="a"), landed("1.2.3.5", skeleton="c"))
        counts = index.counts()
        places = [place_of(digest_of(name)) for name in ("a", "b", "c", "frame")]
        assert (counts.studies, counts.series, counts.instances) == (1, 1, 2)
        assert counts.blobs == 4
        assert counts.payload_bytes == sum(place.length for place in places)
        assert counts.content_bytes == sum(place.content_length for place in places)
        assert counts.forms == {Form.RAW: 4}

    # find

    def test_order_is_newest_first_and_total(self, index: Index) -> None:
        for uid, date, time_ in (
            ("1", "20200101", "120000.000000"),
            ("2", "20200101", "130000.000000"),
            ("3", "", "235959.000000"),
            ("4", "20210101", ""),
            ("5", "20200101", "120000.000000"),
            ("6", "", ""),
            ("7", "20210101", "000001.000000"),
        ):
            terms = {STUDY_DATE: date, STUDY_TIME: time_}
            apply(index, landed(f"{uid}.1", study=uid, series=f"{uid}.0", study_terms=terms))
        assert studies(index) == ["7", "4", "2", "5", "1", "3", "6"]

    def test_paging_neither_skips_nor_repeats(self, index: Index) -> None:
        for n in range(25):
            terms = {STUDY_DATE: f"2020010{n % 3}", NAME: f"n{n % 2}"}
            for s in range(2):
                apply(
                    index,
                    *(
                        landed(f"{n}.{s}.{i}", study=f"{n}", series=f"{n}.{s}", study_terms=terms)
                        for i in range(2)
                    ),
                )
        for level, count in ((STUDY, 25), (SERIES, 50), (INSTANCE, 100)):
            everything = paths(index, Query(level))
            assert len(everything) == len(set(everything)) == count
            for limit in (1, 7, count, count + 1):
                query = Query(level, limit=limit, count=True)
                by_cursor = [path_of(row) for page in pages(index, query) for row in page.rows]
                assert by_cursor == everything
            for offset in (0, 3, count - 1, count, count + 9):
                page = index.find(Query(level, offset=offset, limit=4))
                assert [path_of(row) for row in page.rows] == everything[offset : offset + 4]
                assert page.more == (page.next is not None) == (offset + 4 < count)

    def test_a_cursor_stays_good_while_rows_come_and_go(self, index: Index) -> None:
        def store(uid: str, date: str) -> None:
            terms = {STUDY_DATE: date}
            apply(index, landed(f"{uid}.1", study=uid, series=f"{uid}.0", study_terms=terms))

        for n in range(1, 7):
            store(f"{n}", f"2020010{n}")
        page = index.find(Query(STUDY, limit=2))
        assert [row.study.study_uid for row in page.rows] == ["6", "5"]
        index.delete(Scope("5"))
        index.delete(Scope("3"))
        store("8", "20200109")
        store("7", "20200103")
        rest = index.find(Query(STUDY, after=page.next))
        assert [row.study.study_uid for row in rest.rows] == ["4", "7", "2", "1"]

    @pytest.mark.parametrize("cursor", ["", "x", "00~1~2", "f" * 32 + "~1", "~~", "\ud800"])
    def test_what_is_no_cursor_is_refused(self, index: Index, cursor: str) -> None:
        with pytest.raises(BadCursor, match="cursor"):
            index.find(Query(STUDY, after=cursor))

    def test_a_page_of_nothing_says_whether_there_is_more(self, index: Index) -> None:
        assert not index.find(Query(STUDY, limit=0)).more
        apply(index, landed())
        page = index.find(Query(STUDY, limit=0, count=True))
        assert (page.rows, page.more, page.total) == ((), True, 1)

    def test_a_row_says_what_there_is(self, index: Index) -> None:
        one = landed(
            frame_table=FrameTable(1),
            study_terms={NAME: "x"},
            series_terms={MODALITY: "CT"},
            instance_terms={"00080016": "1.2.840"},
        )
        apply(index, one, landed("1.2.3.5", number=2))
        row = index.find(Query(INSTANCE, limit=1)).rows[0]
        assert row.instance and row.series
        assert row.study.document == one.facts.study_level.document
        assert row.series.document == one.facts.series_level.document
        assert row.instance.document == one.facts.instance_level.document
        assert (row.instance.frame_count, row.instance.file_length) == (1, 1001)
        assert row.instance.transfer_syntax_uid == one.facts.instance.transfer_syntax_uid
        assert (row.series.instance_count, row.study.instance_count) == (2, 2)

    @pytest.mark.parametrize(
        ("condition", "found"),
        [
            (OneOf(STUDY, PATIENT_ID, ("p1",)), "1"),
            (OneOf(STUDY, PATIENT_ID, ("p1", "p2", "p9")), "12"),
            (OneOf(STUDY, PATIENT_ID, ()), ""),
            (OneOf(STUDY, "0020000D", ("2", "3", "9")), "23"),
            (OneOf(STUDY, MODALITIES, ("CT",)), "13"),
            (OneOf(STUDY, DESCRIPTION, ("head",)), "2"),
            (Between(STUDY, STUDY_DATE, "20200102", "20200103"), "23"),
            (Between(STUDY, STUDY_DATE, None, "20200102"), "12"),
            (Between(STUDY, STUDY_DATE, "20200102", None), "23"),
            (Between(STUDY, STUDY_DATE, None, None), "123"),
            (OneOf(STUDY, STUDY_DATE, ("20200102",)), "2"),
            (Like(STUDY, STUDY_DATE, "202001*"), "123"),
            (Like(STUDY, STUDY_DATE, "202?0103"), "3"),
            (Like(STUDY, NAME, "zhang*"), "12"),
            (Like(STUDY, NAME, "zhang^w*"), "1"),
            (Like(STUDY, NAME, "*wei*"), "1"),
            (Like(STUDY, NAME, "*ei"), "13"),
            (Like(STUDY, NAME, "zhang^???"), "12"),
            (Like(STUDY, NAME, "zhang^wei"), "1"),
            (Like(STUDY, NAME, "zhang"), ""),
            (Like(STUDY, NAME, "*伟*"), "1"),
            (Like(STUDY, NAME, "张*"), "12"),
            (Like(STUDY, NAME, "*^三"), "2"),
            (Like(STUDY, NAME, "*g^*"), "12"),
            (Like(STUDY, NAME, "*"), "123"),
            (Like(STUDY, NAME, "?*"), "123"),
            (Like(STUDY, NAME, ""), ""),
            (Like(STUDY, NAME, "*\\*"), ""),
            (Like(STUDY, DESCRIPTION, '*"*'), "3"),
            (Like(STUDY, PATIENT_ID, "*2"), "2"),
            (Like(STUDY, ACCESSION, "?1"), "1"),
            (Empty(STUDY, PATIENT_ID), "34"),
            (Empty(STUDY, MODALITIES), "24"),
            (OneOf(STUDY, NAME, ("\ud800",)), ""),
            (Like(STUDY, NAME, "\ud800*"), ""),
        ],
    )
    def test_a_condition_finds(self, index: Index, condition: Condition, found: str) -> None:
        said: Sequence[dict[str, str | tuple[str, ...]]] = (
            {
                STUDY_DATE: "20200101",
                PATIENT_ID: "p1",
                NAME: ("zhang^wei", "张^伟"),
                ACCESSION: "a1",
            },
            {
                STUDY_DATE: "20200102",
                PATIENT_ID: "p2",
                NAME: ("zhang^san", "张^三"),
                DESCRIPTION: "head",
            },
            {STUDY_DATE: "20200103", NAME: "muller^mei", DESCRIPTION: 'a "b" \\ c'},
            {},
        )
        for n, terms in enumerate(said, 1):
            rollup = {MODALITIES: ("CT",)} if n % 2 and terms else {}
            apply(
                index,
                landed(f"{n}.1", study=f"{n}", series=f"{n}.0", study_terms=terms, rollup=rollup),
            )
        assert "".join(sorted(studies(index, condition))) == found
        page = index.find(Query(STUDY, (condition,), limit=0, count=True))
        assert page.total == len(found)

    def test_series_and_instances_are_found_through_any_level(self, index: Index) -> None:
        for study, name in (("1", "a"), ("2", "b")):
            for series, modality in ((f"{study}.1", "CT"), (f"{study}.2", "MR")):
                for n in (1, 2):
                    apply(
                        index,
                        landed(
                            f"{series}.{n}",
                            study=study,
                            series=series,
                            number=n,
                            study_terms={NAME: name},
                            series_terms={MODALITY: modality},
                            instance_terms={"00200013": f"{n}"},
                        ),
                    )
        index.compact(SeriesKey("1", "1.1"))
        ct, name_a = OneOf(SERIES, MODALITY, ("CT",)), Like(STUDY, NAME, "a*")
        second = OneOf(INSTANCE, "00200013", ("2",))
        assert paths(index, Query(SERIES, (ct,))) == [("2", "2.1"), ("1", "1.1")]
        assert paths(index, Query(SERIES, (ct, name_a))) == [("1", "1.1")]
        assert paths(index, Query(INSTANCE, (ct, second))) == [
            ("2", "2.1", "2.1.2"),
            ("1", "1.1", "1.1.2"),
        ]
        assert paths(index, Query(INSTANCE, (second,), study_uid="1")) == [
            ("1", "1.1", "1.1.2"),
            ("1", "1.2", "1.2.2"),
        ]
        assert paths(index, Query(INSTANCE, (second,), series_uid="2.2")) == [("2", "2.2", "2.2.2")]
        assert paths(index, Query(INSTANCE, study_uid="1", series_uid="2.2")) == []
        by_uid = OneOf(INSTANCE, "00080018", ("2.1.1", "1.2.2", "7"))
        assert paths(index, Query(INSTANCE, (by_uid,))) == [
            ("2", "2.1", "2.1.1"),
            ("1", "1.2", "1.2.2"),
        ]
        assert paths(index, Query(SERIES, (OneOf(SERIES, "0020000E", ("1.1", "x")),))) == [
            ("1", "1.1")
        ]
        assert index.find(Query(INSTANCE, (ct,), limit=1, count=True)).total == 4

    def test_terms_of_any_length_are_found(self, index: Index) -> None:
        long = "x" * 395
        names = (long, long + "aaaaa" * 4, long + "aaaaa" * 3 + "b", "李" * 150 + "伟", "李" * 150)
        for n, name in enumerate(names, 1):
            terms = {NAME: name, PATIENT_ID: name}
            apply(index, landed(f"{n}.1", study=f"{n}", series=f"{n}.0", study_terms=terms))
        for tag in (NAME, PATIENT_ID):
            for n, name in enumerate(names, 1):
                assert studies(index, OneOf(STUDY, tag, (name,))) == [f"{n}"]
                assert studies(index, Like(STUDY, tag, name)) == [f"{n}"]
            assert studies(index, Like(STUDY, tag, long + "*")) == ["3", "2", "1"]
            assert studies(index, Like(STUDY, tag, "*aaaab")) == ["3"]
            assert studies(index, Like(STUDY, tag, "*李伟")) == ["4"]
        for n in range(1, 6):
            index.delete(Scope(f"{n}"))
            assert differences(index) == []

    def test_two_keys_of_a_sequence_must_match_in_one_item(self, index: Index) -> None:
        step, code = "00400009", "00400008"
        items = (
            item_value({step: ("A",), code: (item_value({"00080100": ("x",)}),)}),
            item_value({step: ("B",), "00400007": ('q"',)}),
        )
        apply(index, landed(series_terms={"00400275": items}))

        def found(*conditions: Condition) -> bool:
            return bool(index.find(Query(SERIES, (SameItem(SERIES, "00400275", conditions),))).rows)

        def one(tag: str, value: str) -> Condition:
            return OneOf(SERIES, tag, (value,))

        assert found(one(step, "A")) and found(one(step, "B"), one("00400007", 'q"'))
        assert not found(one(step, "A"), one("00400007", 'q"'))
        assert found(one(step, "A"), SameItem(SERIES, code, (one("00080100", "x"),)))
        assert not found(one(step, "B"), SameItem(SERIES, code, (one("00080100", "x"),)))
        assert found(Empty(SERIES, "00400007")) and not found(Empty(SERIES, step))
        without = SameItem(SERIES, "00400276", (Empty(SERIES, step),))
        assert index.find(Query(SERIES, (without,))).rows
        index.compact(KEY)
        assert found(one(step, "A"))

    @pytest.mark.parametrize(
        "text", ["x", "1", "null", "[]", "{", '"00400009"', '{"00400009":1}', '{"00400009":[1]}']
    )
    def test_a_text_where_items_belong_is_no_item(self, index: Index, text: str) -> None:
        step = "00400009"
        items = (text, item_value({step: ("A",)}))
        apply(index, landed("1.1", series="1.0", series_terms={"00400275": items}))
        apply(index, landed("2.1", series="2.0", series_terms={"00400275": (text,)}))

        def found(condition: Condition) -> list[str | None]:
            query = Query(SERIES, (SameItem(SERIES, "00400275", (condition,)),))
            return [row.series.series_uid for row in index.find(query).rows if row.series]

        assert found(OneOf(SERIES, step, ("A",))) == ["1.0"]
        assert found(Like(SERIES, step, "*")) == ["1.0"]
        assert found(Empty(SERIES, step)) == ["2.0"]

    def test_one_alternative_is_enough(self, index: Index) -> None:
        for n, name in enumerate(("ada", "bea", "cyd", ""), 1):
            terms = {NAME: name, PATIENT_ID: f"{n}", STUDY_DATE: f"2020010{n}"}
            apply(index, landed(f"{n}.1", study=f"{n}", series=f"{n}.0", study_terms=terms))
        named, identifier = Like(STUDY, NAME, "a*"), OneOf(STUDY, PATIENT_ID, ("2", "3"))
        early = Between(STUDY, STUDY_DATE, None, "20200102")
        assert studies(index, AnyOf(STUDY, ((named,), (identifier,)))) == ["3", "2", "1"]
        assert studies(index, AnyOf(STUDY, ((named,), (identifier, early)))) == ["2", "1"]
        assert studies(index, AnyOf(STUDY, ((named,), (early,))), identifier) == ["2"]
        assert studies(index, AnyOf(STUDY, ((Empty(STUDY, NAME),), (named, early)))) == ["4", "1"]
        assert studies(index, AnyOf(STUDY, ())) == []

    def test_a_pattern_of_many_stars_takes_no_time(self, index: Index) -> None:
        apply(index, landed(study_terms={NAME: "a" * 200, DESCRIPTION: "a" * 200}))
        started = time.monotonic()
        for tag in (NAME, DESCRIPTION):
            assert studies(index, Like(STUDY, tag, "*a" * 60 + "*b")) == []
        assert time.monotonic() - started < 2

    def test_random_searches_agree_with_the_model(self, tmp_path: Path) -> None:
        @settings(max_examples=80, deadline=None)
        @given(
            batch=st.lists(ARRIVALS, min_size=1, max_size=14),
            queries=st.lists(SEARCHES, min_size=4, max_size=12),
        )
        def searches_agree(batch: list[Landed], queries: list[Query]) -> None:
            directory = Path(tempfile.mkdtemp(dir=tmp_path))
            index = self.open(directory)
            model = IndexModel()
            try:
                outcomes = [model.apply(one, REFUSE) for one in batch]
                assert apply(index, *batch) == outcomes
                for query in queries:
                    agree(index, model, query)
            finally:
                index.close()
                shutil.rmtree(directory)

        searches_agree()


def agree(index: Index, model: IndexModel, query: Query) -> None:
    """The engine's page and those behind it are what the model finds."""
    wanted = model.find(replace(query, after=None))
    rest = wanted[query.offset :]
    for page in pages(index, query):
        expected = rest if query.limit is None else rest[: query.limit]
        assert [path_of(row) for row in page.rows] == expected
        assert page.total == (len(wanted) if query.count else None)
        rest = rest[len(expected) :]
        assert page.more == bool(rest)
        for row in page.rows:
            said = model.said[row.study.study_uid]
            assert orjson.loads(row.study.document) == said.document
            assert row.study.rollup == model.rollup(row.study.study_uid)
        if not page.rows:
            break


# Random arrivals: few UIDs, few words, so that everything meets everything.

WORDS = ("", "a", "ab", "abc^de", "b", "zhang^wei", "zhang^san", "张^伟", "伟", 'q"\\', "x" * 420)
DATES = ("", "20200101", "20200102", "20210315", "2020", "19991231")
TIMES = ("", "120000.000000", "120000.500000", "235959.000000")
NUMBERS = ("", "1", "2", "10", "-3")


LEVEL_WORDS: dict[QueryLevel, dict[str, Sequence[str]]] = {
    STUDY: {
        STUDY_DATE: DATES,
        STUDY_TIME: TIMES,
        PATIENT_ID: WORDS,
        ACCESSION: WORDS,
        NAME: WORDS,
        DESCRIPTION: WORDS,
    },
    SERIES: {MODALITY: ("CT", "MR"), SERIES_NUMBER: NUMBERS},
    INSTANCE: {"00200013": NUMBERS},
}
ASKED_TOO: dict[QueryLevel, dict[str, Sequence[str]]] = {
    STUDY: {MODALITIES: ("CT", "MR", "PT"), "0020000D": ("1", "2", "3", "7")},
    SERIES: {"0020000E": ("1.1", "2.2", "9")},
    INSTANCE: {"00080018": ("1.1.1", "2.2.3", "9.9")},
}


def random_terms(random: Random, level: QueryLevel) -> dict[str, tuple[str, ...]]:
    terms: dict[str, tuple[str, ...]] = {}
    for tag, words in LEVEL_WORDS[level].items():
        if random.random() < 0.6:
            count = random.choice((0, 1, 1, 1, 2)) if tag == NAME else random.choice((0, 1, 1))
            terms[tag] = tuple(random.choice(words) for _ in range(count))
    return terms


def random_arrival(random: Random) -> Landed:
    study = random.choice("1234")
    series = random.choice((f"{study}.1", f"{study}.2", f"{study}.1", "9"))
    modality = random.choice(("CT", "MR", "PT", ""))
    return landed(
        random.choice((f"{series}.1", f"{series}.2", f"{series}.3", "9.9")),
        study=study,
        series=series,
        number=random.choice((1, 2, 3, NO_NUMBER)),
        dataset=random.choice(("", "other")),
        frames=tuple(random.choice("fgh") for _ in range(random.randint(0, 3))),
        skeleton=random.choice(("", "f")),
        known=random.choice(((), ("f",))),
        pack=random.choice((1, 2)),
        study_terms=random_terms(random, STUDY),
        series_terms=random_terms(random, SERIES),
        instance_terms=random_terms(random, INSTANCE),
        rollup={MODALITIES: (modality,), "00080062": ("1.2",)} if modality else {},
    )


def random_condition(random: Random, level: QueryLevel) -> Condition:
    at = random.choice(list(QueryLevel)[: list(QueryLevel).index(level) + 1])
    tag, words = random.choice([*LEVEL_WORDS[at].items(), *ASKED_TOO[at].items()])
    match random.randrange(8):
        case 7:
            some = [
                tuple(random_condition(random, level) for _ in range(random.randrange(1, 3)))
                for _ in range(random.randrange(1, 3))
            ]
            # Of one level, as the contract wants them.
            return AnyOf(
                at, tuple(tuple(each for each in one if each.level is at) or () for one in some)
            )
        case 0:
            return OneOf(at, tag, tuple(filter(None, random.choices(words, k=random.randrange(4)))))
        case 1:
            return Between(at, tag, *(random.choice((None, *words)) for _ in range(2)))
        case 2:
            return Empty(at, tag)
        case _:
            text = random.choice(words)[random.randrange(4) : random.randrange(1, 9)]
            before, after = (random.choice(("", "*", "?", "*?", "**")) for _ in range(2))
            return Like(at, tag, before + text + after + random.choice(("", "", "w*")))


def random_search(random: Random) -> Query:
    level = random.choice(list(QueryLevel))
    below = level is not STUDY
    return Query(
        level,
        tuple(random_condition(random, level) for _ in range(random.randrange(4))),
        study_uid=random.choice((None, None, "1", "2")) if below else None,
        series_uid=random.choice((None, None, "1.1", "9")) if below else None,
        offset=random.choice((0, 0, 1, 3)),
        limit=random.choice((None, 0, 1, 2, 4)),
        count=random.random() < 0.5,
    )


# One number for a whole arrival or search: drawing each choice by itself takes a hundred times as
# long. What fails is printed in full all the same.
SEEDS = st.integers(0, 2**32 - 1)
ARRIVALS = SEEDS.map(lambda seed: random_arrival(Random(seed)))
SEARCHES = SEEDS.map(lambda seed: random_search(Random(seed)))


def index_machine(
    open_index: Callable[[Path], Index], *, reopens: bool
) -> type[RuleBasedStateMachine]:
    """Random verbs on an index and on the model, compared after each.

    reopens  whether what was stored is still there when the index is closed and opened again
    """

    class IndexMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.directory = Path(tempfile.mkdtemp())
            self.index = open_index(self.directory)
            self.model = IndexModel()

        def teardown(self) -> None:
            try:
                assert differences(self.index) == []
            finally:
                self.index.close()
                shutil.rmtree(self.directory)

        @rule(
            batch=st.lists(ARRIVALS, min_size=1, max_size=4),
            policy=st.sampled_from(ConflictPolicy),
        )
        def apply(self, batch: list[Landed], policy: ConflictPolicy) -> None:
            expected = [self.model.apply(one, policy) for one in batch]
            assert apply(self.index, *batch, conflict=policy) == expected

        @precondition(lambda self: self.model.kept)
        @rule(data=st.data(), depth=st.integers(1, 3))
        def delete(self, data: Any, depth: int) -> None:
            uid = data.draw(st.sampled_from(sorted(self.model.kept)))
            one = self.model.kept[uid].present
            scope = Scope(*(one.study_uid, one.series_uid, one.instance_uid)[:depth])
            bytes_before = self.index.counts().payload_bytes
            deleted = self.index.delete(scope)
            assert deleted.instances == self.model.delete(scope)
            assert bytes_before - deleted.bytes_freed == self.index.counts().payload_bytes

        @rule(uid=st.sampled_from(("1", "5")), series_uid=st.sampled_from(("2.1", "7")))
        def delete_what_may_not_be_there(self, uid: str, series_uid: str) -> None:
            scope = Scope(uid, series_uid)
            if self.model.delete(scope) is None:
                with pytest.raises(NotFound):
                    self.index.delete(scope)
            else:
                self.index.delete(scope)

        @precondition(lambda self: self.model.places)
        @rule(data=st.data(), pack=st.integers(1, 4), stale=st.booleans())
        def relocate(self, data: Any, pack: int, stale: bool) -> None:
            some = st.lists(st.sampled_from(sorted(self.model.places)), max_size=4)
            moves = []
            for digest in data.draw(some):
                old = self.model.places[digest]
                if stale:
                    old = replace(old, offset=old.offset + 1)
                new = replace(old, pack=pack, form=Form.ZSTD, length=3)
                moves.append(Move(digest, old, new))
            assert self.index.relocate(moves) == self.model.relocate(moves)

        @precondition(lambda self: self.model.kept)
        @rule(data=st.data())
        def compact(self, data: Any) -> None:
            uid = data.draw(st.sampled_from(sorted(self.model.series())))
            study_uid = self.model.series()[uid][0].study_uid
            self.index.compact(SeriesKey(study_uid, uid))
            self.model.compacted.add(uid)

        @rule(query=SEARCHES)
        def find(self, query: Query) -> None:
            agree(self.index, self.model, query)

        @precondition(lambda _: reopens)
        @rule()
        def reopen(self) -> None:
            self.index.close()
            self.index = open_index(self.directory)

        @invariant()
        def what_is_kept_is_read(self) -> None:
            for uid, instances in self.model.series().items():
                key = SeriesKey(instances[0].study_uid, uid)
                assert list(self.index.manifest(key).instances) == instances
                metadata = self.index.metadata(key)
                texts = [
                    self.model.kept[one.instance_uid].landed.facts.metadata for one in instances
                ]
                assert objects(metadata) == texts
                assert metadata.instance_uids == tuple(one.instance_uid for one in instances)
            for uid, kept in self.model.kept.items():
                assert self.index.instance(uid) == kept.present
                assert self.index.versions(uid) == kept.earlier

        @invariant()
        def contents_are_counted(self) -> None:
            listed = {digest: (place, count) for digest, place, count in self.index.blobs()}
            references = self.model.references()
            assert listed == {
                digest: (place, references[digest]) for digest, place in self.model.places.items()
            }
            counts = self.index.counts()
            assert counts.blobs == len(listed)
            assert counts.instances == len(self.model.kept)
            assert counts.series == len(self.model.series())
            live: dict[int, int] = {}
            for place in self.model.places.values():
                live[place.pack] = live.get(place.pack, 0) + place.length
            use = {pack: one.live_bytes for pack, one in self.index.pack_use().items()}
            assert use == live

        @invariant()
        def changes_are_told(self) -> None:
            changes = self.index.changes(after=0, limit=10_000)
            told = [(one.study_uid, one.series_uid, one.instance_uid) for one in changes]
            assert told == self.model.changes
            waiting = self.index.unsettled(quiet_since_us=now_us() + HOUR_US, limit=1000)
            expected = self.model.series().keys() - self.model.compacted
            assert {key.series_uid for key in waiting} == expected

    return IndexMachine
