"""What the verbs of the index do inside the one write transaction.

A `Writing` lives as long as its transaction. States of studies and series, counters and changes
are held until `finish`, so that fifty instances of one series write them once.

Each verb looks first and writes second: a `StorageError` it raises, and every refusal, comes before
its first change. So what fails leaves no trace among its neighbours of the same transaction.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

import orjson

from storage.errors import NotFound
from storage.holders import is_gone
from storage.levels import fill_document, fill_terms, terms_of, union
from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_postings import add_postings, posting_keys, remove_posting
from storage.lmdb_records import (
    InstanceSays,
    Row,
    SeriesSays,
    SeriesState,
    StudyState,
    changes_record,
    content_of,
    content_record,
    id_key,
    instances_of,
    instances_record,
    pack_key,
    pack_of,
    pack_record,
    row_of,
    search_record,
    sequence_key,
    series_key_record,
    tupled,
    uid_key,
)
from storage.lmdb_series import Folded, SeriesContent, beginning_with, positions_record
from storage.model import (
    Applied,
    ChangeKind,
    ConflictPolicy,
    Deleted,
    Digest,
    Form,
    Instance,
    Landed,
    Move,
    Place,
    QueryLevel,
    RevisedSeries,
    Revision,
    Scope,
    SeriesKey,
    Stored,
)
from storage.searching import STUDY_DATE, STUDY_TIME, Terms, study_rank

COUNTERS = ("studies", "series", "instances", "blobs", "content_bytes", "payload_bytes")
"""What `Counts` totals; `about` also counts blobs by form, revisions, and the ids ever given."""

REVISIONS = "revisions"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A `Landed` as far as it can be worked out before the transaction."""

    landed: Landed
    row: Row
    study_terms: dict[str, tuple[str, ...]]
    series_terms: dict[str, tuple[str, ...]]
    rollup: dict[str, tuple[str, ...]]
    references: Mapping[Digest, int]


@dataclass(frozen=True, slots=True)
class PreparedSeries:
    """A `RevisedSeries` as far as it can be worked out before the transaction."""

    revised: RevisedSeries
    instances: tuple[Prepared, ...]
    folded: Folded
    terms: dict[str, tuple[str, ...]]
    rollups: list[tuple[dict[str, tuple[str, ...]], int]]


@dataclass(frozen=True, slots=True)
class PreparedRevision:
    revision: Revision
    series: tuple[PreparedSeries, ...]


def prepare_revision(revision: Revision) -> PreparedRevision:
    """Raises ValueError as `prepare` does."""
    uid_key(revision.study_uid)
    return PreparedRevision(revision, tuple(map(_prepare_series, revision.series)))


def _prepare_series(revised: RevisedSeries) -> PreparedSeries:
    order = sorted(
        revised.landed,
        key=lambda one: (one.facts.instance.number, one.facts.instance.instance_uid),
    )
    prepared = tuple(prepare(one) for one in order)
    rollups: dict[bytes, int] = Counter(orjson.dumps(one.rollup) for one in prepared)
    return PreparedSeries(
        revised,
        prepared,
        Folded.of(
            [one.landed.facts.instance for one in prepared],
            [one.row.the_says() for one in prepared],
            [one.landed.facts.metadata for one in prepared],
        ),
        terms_of(QueryLevel.SERIES, revised.key.series_uid, revised.level.terms),
        [(tupled(orjson.loads(rollup)), count) for rollup, count in rollups.items()],
    )


def prepare(landed: Landed) -> Prepared:
    """Raises ValueError (UnicodeDecodeError) for a document that is no UTF-8 and for an unusable
    UID."""
    facts = landed.facts
    instance = facts.instance
    for uid in (instance.study_uid, instance.series_uid, instance.instance_uid):
        uid_key(uid)
    facts.study_level.document.decode()
    facts.series_level.document.decode()
    rollup = union([facts.rollup])
    says = InstanceSays(
        uid=instance.instance_uid,
        number=instance.number,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        frame_count=instance.frames.count,
        file_length=instance.file_length,
        terms=terms_of(QueryLevel.INSTANCE, instance.instance_uid, facts.instance_level.terms),
        rollup=rollup,
        document=facts.instance_level.document,
    )
    return Prepared(
        landed=landed,
        row=row_of(instance, says, facts.metadata),
        study_terms=terms_of(QueryLevel.STUDY, instance.study_uid, facts.study_level.terms),
        series_terms=terms_of(QueryLevel.SERIES, instance.series_uid, facts.series_level.terms),
        rollup=rollup,
        references=Counter((instance.skeleton, *instance.blobs)),
    )


def counter_of(transaction: Transaction, tables: Tables, name: str) -> int:
    return int(transaction.get(name.encode(), db=tables.about, default=b"0"))


def form_counter(form: Form) -> str:
    """The counter of the blobs of one form."""
    return f"form {int(form)}"


def last_sequence(transaction: Transaction, tables: Tables) -> int:
    with transaction.cursor(db=tables.changes) as cursor:
        return int.from_bytes(cursor.key(), "big") if cursor.last() else 0


def rank_of(terms: Terms, number: int) -> bytes:
    date, time_of_day = (terms.get(tag, ("",))[0] for tag in (STUDY_DATE, STUDY_TIME))
    return study_rank(date, time_of_day, number)


def _searched(
    record: bytes,
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]], Set[bytes]]:
    """Terms and roll-up of a study, and the posting lists it is on, by its search record; never to
    be changed, they may be somebody else's too."""
    read = _searched_lately if len(record) <= _REMEMBERED_BYTES else _searched_lately.__wrapped__
    return read(record)


@lru_cache(maxsize=256)
def _searched_lately(
    record: bytes,
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]], Set[bytes]]:
    terms, rollup = (tupled(part) for part in orjson.loads(record))
    return terms, rollup, frozenset(posting_keys(terms, rollup))


_REMEMBERED_BYTES = 16 * 1024


@dataclass(slots=True)
class _Study:
    """A study with what of it is in the tables already (`indexed` and `state.rank`)."""

    key: bytes
    uid: str
    state: StudyState
    terms: dict[str, tuple[str, ...]]
    rollup: dict[str, tuple[str, ...]]
    document: bytes
    indexed: Set[bytes]
    is_new: bool
    changed: bool = False
    says_changed: bool = False
    rollup_changed: bool = False
    document_changed: bool = False


@dataclass(slots=True)
class _Series:
    """`waits_under` is its key in `unsettled` as it is in the table."""

    key: bytes
    state: SeriesState
    says: SeriesSays
    waits_under: bytes | None
    changed: bool = False
    says_changed: bool = False


@dataclass(slots=True)
class _Pack:
    live_bytes: int
    live_blobs: int
    retired: bool
    changed: bool = False


@dataclass(slots=True)
class Writing:
    """The changes of one write transaction."""

    transaction: Transaction
    tables: Tables
    _studies: dict[str, _Study | None] = field(default_factory=dict)
    _series: dict[str, _Series | None] = field(default_factory=dict)
    _packs: dict[int, _Pack] = field(default_factory=dict)
    _counted: Counter[str] = field(default_factory=Counter)
    _changes: list[tuple[ChangeKind, int, Scope]] = field(default_factory=list)
    _last_sequence: int = -1

    # Applying

    def apply(self, prepared: Prepared, conflict: ConflictPolicy) -> Applied:
        landed = prepared.landed
        instance = landed.facts.instance
        key = uid_key(instance.instance_uid)
        holder = self.transaction.get(key, db=self.tables.instances)
        content = SeriesContent(self.transaction, self.tables, holder) if holder else None
        present = content.instance(instance.instance_uid) if content else None
        series = self._find_series(instance.series_uid)
        earlier = self._earlier(key) if present else []
        home = (instance.study_uid, instance.series_uid, instance.dataset_digest)
        if any(
            (version.study_uid, version.series_uid, version.dataset_digest) == home
            for version in earlier
        ):
            # Sent again as it was once stored, wherever a revision has moved it since.
            return Applied(Stored.DUPLICATE, present)
        if (holder and (series is None or series.state.id != holder)) or (
            series and series.says.study_uid != instance.study_uid
        ):
            return Applied(Stored.MISPLACED, present)
        if present and any(
            version.dataset_digest == instance.dataset_digest for version in (present, *earlier)
        ):
            return Applied(Stored.DUPLICATE, present)
        if present and conflict is ConflictPolicy.REFUSE:
            return Applied(Stored.CONFLICT, present)
        contents = self._contents_for(prepared)
        if contents is None:
            return Applied(Stored.MISSING_CONTENT)

        for digest, (references, place) in contents.items():
            self._put_content(digest, references, place)
        study = self._speak_for_study(prepared)
        series = self._speak_for_series(prepared, study, series)
        if present is None or content is None:
            outcome = Stored.NEW
            study.state.instance_count += 1
            series.state.instance_count += 1
            self._counted["instances"] += 1
            self.transaction.put(key, series.state.id, db=self.tables.instances)
        else:
            outcome = self._supersede(key, present, content, series, conflict)
        self.transaction.put(series.state.id + key, prepared.row.record(), db=self.tables.rows)
        self._add_rollup(study, series, prepared.rollup)
        kind = ChangeKind.STORED if outcome is Stored.NEW else ChangeKind.REPLACED
        scope = Scope(instance.study_uid, instance.series_uid, instance.instance_uid)
        return Applied(outcome, present, self._change(kind, scope, study, series))

    def _contents_for(self, prepared: Prepared) -> dict[Digest, tuple[int, Place]] | None:
        """New references and place of each content; None when one is nowhere to be had."""
        given = prepared.landed.places
        if any(self._pack(place.pack).retired for place in given.values()):
            return None
        contents = {}
        for digest, references in prepared.references.items():
            record = self.transaction.get(digest, db=self.tables.contents)
            if record is not None:
                before, place = content_of(record)
                contents[digest] = (before + references, place)
            elif digest in given:
                content_record(references, given[digest])
                contents[digest] = (references, given[digest])
            else:
                return None
        return contents

    def _supersede(
        self,
        key: bytes,
        present: Instance,
        content: SeriesContent,
        series: _Series,
        conflict: ConflictPolicy,
    ) -> Stored:
        """Makes room for another data set of an instance that is stored."""
        self._take_out(present.instance_uid, content, series)
        if conflict is ConflictPolicy.KEEP_BOTH:
            self.transaction.put(
                key + b"\0" + sequence_key(self._sequence()),
                instances_record([present]),
                db=self.tables.versions,
            )
            return Stored.VERSIONED
        self._unreference(present)
        return Stored.REPLACED

    def _earlier(self, key: bytes) -> list[Instance]:
        prefix = key + b"\0"
        return [
            instances_of(record)[0]
            for _, record in beginning_with(self.transaction, self.tables.versions, prefix)
        ]

    def _take_out(self, uid: str, content: SeriesContent, series: _Series) -> None:
        """Takes the present instance out of the rows or the manifest, and its roll-up."""
        says = content.says_of(uid)
        assert says is not None
        at = content.position(uid)
        if not self.transaction.delete(series.state.id + uid_key(uid), db=self.tables.rows):
            assert at is not None
            record = positions_record(content.gone | {at})
            self.transaction.put(series.state.id, record, db=self.tables.gone)
        rollups = [
            (rollup, count - 1 if rollup == says.rollup else count)
            for rollup, count in series.says.rollups
        ]
        series.says.rollups = [(rollup, count) for rollup, count in rollups if count]
        series.says_changed = True
        self._study_of(series).rollup_changed = True

    def _add_rollup(self, study: _Study, series: _Series, rollup: Terms) -> None:
        for at, (known, count) in enumerate(series.says.rollups):
            if known == rollup:
                series.says.rollups[at] = (known, count + 1)
                break
        else:
            series.says.rollups.append((dict(rollup), 1))
            study.rollup_changed = True
        series.says_changed = True

    # What studies and series say

    def _speak_for_study(self, prepared: Prepared) -> _Study:
        facts = prepared.landed.facts
        uid = facts.instance.study_uid
        said = facts.study_level.document
        study = self._find_study(uid)
        if study is None:
            return self._begin_study(uid, prepared.study_terms, said)
        if not prepared.study_terms.keys() <= study.terms.keys():
            study.terms = fill_terms(study.terms, prepared.study_terms)
            study.says_changed = True
        filled = fill_document(study.document, said)
        if filled is not study.document:
            study.document = filled
            study.document_changed = True
        return study

    def _begin_study(self, uid: str, terms: Terms, document: bytes) -> _Study:
        number = self._next("studies_ever")
        study = _Study(
            key=uid_key(uid),
            uid=uid,
            state=StudyState(id_key(number), b"", 0, 0, 0),
            terms=dict(terms),
            rollup={},
            document=document,
            indexed=set(),
            is_new=True,
            says_changed=True,
            document_changed=True,
        )
        self._studies[uid] = study
        self._counted["studies"] += 1
        return study

    def _speak_for_series(
        self, prepared: Prepared, study: _Study, series: _Series | None
    ) -> _Series:
        facts = prepared.landed.facts
        uid = facts.instance.series_uid
        said = facts.series_level.document
        if series is None:
            series_id = id_key(self._next("series_ever"))
            series = _Series(
                key=uid_key(uid),
                state=SeriesState(study.state.id, series_id, 0, 0, 0, unsettled=True),
                says=SeriesSays(study.uid, uid, dict(prepared.series_terms), said, []),
                says_changed=True,
                waits_under=None,
            )
            self._series[uid] = series
            study.state.series_count += 1
            self._counted["series"] += 1
            return series
        if not prepared.series_terms.keys() <= series.says.terms.keys():
            series.says.terms = fill_terms(series.says.terms, prepared.series_terms)
        series.says.document = fill_document(series.says.document, said)
        return series

    def _find_study(self, uid: str) -> _Study | None:
        if uid in self._studies:
            return self._studies[uid]
        study = None
        key = uid_key(uid)
        record = self.transaction.get(key, db=self.tables.studies)
        if record is not None:
            state = StudyState.of(record)
            said = self.transaction.get(state.rank, db=self.tables.ranks)
            document = self.transaction.get(state.id, db=self.tables.study_documents)
            assert said is not None and document is not None
            terms, rollup, indexed = _searched(said)
            study = _Study(key, uid, state, terms, rollup, document, indexed, is_new=False)
        self._studies[uid] = study
        return study

    def _find_series(self, uid: str) -> _Series | None:
        if uid in self._series:
            return self._series[uid]
        series = None
        key = uid_key(uid)
        record = self.transaction.get(key, db=self.tables.series)
        if record is not None:
            state = SeriesState.of(record)
            said = self.transaction.get(state.study_id + state.id, db=self.tables.series_documents)
            assert said is not None
            waits_under = state.unsettled_key() if state.unsettled else None
            says = SeriesSays.of(said)
            series = _Series(key, state, says, waits_under)
        self._series[uid] = series
        return series

    def _study_of(self, series: _Series) -> _Study:
        study = self._find_study(series.says.study_uid)
        assert study is not None
        return study

    # Deleting

    def delete(self, scope: Scope) -> Deleted:
        study = self._find_study(scope.study_uid)
        if study is None:
            raise NotFound("study", scope.study_uid)
        chosen = self._series_in(study, scope.series_uid)
        only = scope.instance_uid
        if only is not None:
            chosen = [series for series in chosen if self._holds(series, only)]
            if not chosen:
                raise NotFound("instance", only)
        freed = instances = emptied = 0
        for series in chosen:
            content = SeriesContent(self.transaction, self.tables, series.state.id)
            leaving = [content.instance(only)] if only is not None else content.instances()
            whole = len(leaving) == series.state.instance_count
            for instance in leaving:
                assert instance is not None
                freed += self._remove(instance)
                if not whole:
                    self._take_out(instance.instance_uid, content, series)
            if whole:
                self._erase_series(study, series)
                emptied += 1
            series.state.instance_count -= len(leaving)
            study.state.instance_count -= len(leaving)
            instances += len(leaving)
        self._counted["instances"] -= instances
        if not study.state.series_count:
            self._erase_study(study)
        touched = None if only is None or emptied else chosen[0]
        self._change(ChangeKind.DELETED, scope, study, touched)
        return Deleted(int(not study.state.series_count), emptied, instances, freed)

    def _series_in(self, study: _Study, series_uid: str | None) -> list[_Series]:
        """The series of a study, or the one; those made in this transaction are not in the
        tables yet. Raises NotFound."""
        if series_uid is not None:
            one = self._find_series(series_uid)
            if one is None or one.says.study_uid != study.uid:
                raise NotFound("series", series_uid)
            return [one]
        stored = beginning_with(self.transaction, self.tables.series_documents, study.state.id)
        uids = {SeriesSays.of(record).uid for _, record in stored}
        uids |= {
            uid for uid, one in self._series.items() if one and one.says.study_uid == study.uid
        }
        return [one for uid in sorted(uids) if (one := self._find_series(uid))]

    def _holds(self, series: _Series, uid: str) -> bool:
        holder = self.transaction.get(uid_key(uid), db=self.tables.instances)
        return holder == series.state.id

    def _remove(self, instance: Instance) -> int:
        """Removes what is under the UID of an instance, earlier versions and references; returns
        the payload bytes nobody wants now."""
        key = uid_key(instance.instance_uid)
        freed = sum(self._unreference(version) for version in (instance, *self._earlier(key)))
        earlier = beginning_with(self.transaction, self.tables.versions, key + b"\0")
        for version, _ in list(earlier):
            self.transaction.delete(version, db=self.tables.versions)
        self.transaction.delete(key, db=self.tables.instances)
        return freed

    def _erase_series(self, study: _Study, series: _Series) -> None:
        transaction, tables = self.transaction, self.tables
        series_id = series.state.id
        self._drop_rows(series_id)
        for table in (tables.manifests, tables.levels, tables.metadata, tables.gone):
            transaction.delete(series_id, db=table)
        transaction.delete(study.state.id + series_id, db=tables.series_documents)
        transaction.delete(series.key, db=tables.series)
        if series.waits_under:
            transaction.delete(series.waits_under, db=tables.unsettled)
        self._series[series.says.uid] = None
        study.state.series_count -= 1
        study.rollup_changed = True
        self._counted["series"] -= 1

    def _drop_rows(self, series_id: bytes) -> None:
        for key, _ in list(beginning_with(self.transaction, self.tables.rows, series_id)):
            self.transaction.delete(key, db=self.tables.rows)

    def _erase_study(self, study: _Study) -> None:
        transaction, tables = self.transaction, self.tables
        if not study.is_new:
            transaction.delete(study.state.rank, db=tables.ranks)
            for posting in study.indexed:
                remove_posting(transaction, tables, posting, study.state.rank)
            transaction.delete(study.state.id, db=tables.study_documents)
            transaction.delete(study.key, db=tables.studies)
        self._studies[study.uid] = None
        self._counted["studies"] -= 1

    # Revising

    def revise(self, prepared: PreparedRevision) -> bool:
        revision = prepared.revision
        found = [self._series_at(each.revised.key) for each in prepared.series]
        target = self._find_study(revision.study_uid)
        if target is None and (revision.version is not None or revision.level is None):
            return False
        if target is not None and revision.version not in (None, target.state.version):
            return False
        stored: list[dict[str, Instance]] = []
        for series, each in zip(found, prepared.series, strict=True):
            if series.state.version != each.revised.version:
                return False
            content = SeriesContent(self.transaction, self.tables, series.state.id)
            stored.append({one.instance_uid: one for one in content.instances()})
            if stored[-1].keys() != {
                one.landed.facts.instance.instance_uid for one in each.instances
            }:
                return False
            if any(self._contents_for(one) is None for one in each.instances):
                return False

        if target is None:
            target = self._begin_study(revision.study_uid, {}, b"{}")
        if revision.level is not None:
            target.terms = terms_of(QueryLevel.STUDY, target.uid, revision.level.terms)
            target.document = revision.level.document
            target.changed = target.says_changed = target.document_changed = True
        for series, each, before in zip(found, prepared.series, stored, strict=True):
            self._revise_series(target, series, each, before)
        for name, text in revision.notes.items():
            self.transaction.put(name.encode(), text, db=self.tables.notes)
        self._counted[REVISIONS] += 1
        return True

    def _series_at(self, key: SeriesKey) -> _Series:
        series = self._find_series(key.series_uid)
        if series is None or series.says.study_uid != key.study_uid:
            raise NotFound("series", key.series_uid)
        return series

    def _revise_series(
        self,
        target: _Study,
        series: _Series,
        prepared: PreparedSeries,
        stored: Mapping[str, Instance],
    ) -> None:
        source = self._study_of(series)
        if source is not target:
            key = source.state.id + series.state.id
            self.transaction.delete(key, db=self.tables.series_documents)
            for study, more in ((source, -1), (target, 1)):
                study.state.series_count += more
                study.state.instance_count += more * len(stored)
                study.changed = study.rollup_changed = True
            series.state.study_id = target.state.id
            series.says.study_uid = target.uid
        self._put_folded(series, prepared.folded)
        series.says.terms = prepared.terms
        series.says.document = prepared.revised.level.document
        series.says.rollups = prepared.rollups
        series.says_changed = target.changed = target.rollup_changed = True
        for one in prepared.instances:
            instance = one.landed.facts.instance
            before = stored[instance.instance_uid]
            if before == instance:
                continue
            contents = self._contents_for(one)
            assert contents is not None
            for digest, (references, place) in contents.items():
                self._put_content(digest, references, place)
            self.transaction.put(
                uid_key(instance.instance_uid) + b"\0" + sequence_key(self._sequence()),
                instances_record([before]),
                db=self.tables.versions,
            )
            scope = Scope(target.uid, series.says.uid, instance.instance_uid)
            source.changed = True
            source.state.version = self._change(ChangeKind.EDITED, scope, target, series)
        if not source.state.series_count:
            self._erase_study(source)

    # Contents

    def _put_content(self, digest: Digest, references: int, place: Place) -> None:
        record = content_record(references, place)
        if self.transaction.put(digest, record, db=self.tables.contents, overwrite=False):
            self._count_content(place, 1)
        else:
            self.transaction.put(digest, record, db=self.tables.contents)

    def _unreference(self, instance: Instance) -> int:
        freed = 0
        for digest, fewer in Counter((instance.skeleton, *instance.blobs)).items():
            record = self.transaction.get(digest, db=self.tables.contents)
            assert record is not None
            references, place = content_of(record)
            if references > fewer:
                self._put_content(digest, references - fewer, place)
                continue
            self.transaction.delete(digest, db=self.tables.contents)
            self._count_content(place, -1)
            freed += place.length
        return freed

    def _count_content(self, place: Place, more: int) -> None:
        pack = self._pack(place.pack)
        pack.live_bytes += more * place.length
        pack.live_blobs += more
        pack.changed = True
        self._counted["blobs"] += more
        self._counted["content_bytes"] += more * place.content_length
        self._counted["payload_bytes"] += more * place.length
        self._counted[form_counter(place.form)] += more

    def _pack(self, number: int) -> _Pack:
        pack = self._packs.get(number)
        if pack is None:
            record = self.transaction.get(pack_key(number), db=self.tables.packs)
            pack = self._packs[number] = _Pack(*(pack_of(record) if record else (0, 0, False)))
        return pack

    def relocate(self, moves: Iterable[Move]) -> int:
        moved = 0
        for move in moves:
            record = self.transaction.get(move.digest, db=self.tables.contents)
            if record is None or self._pack(move.new.pack).retired:
                continue
            references, place = content_of(record)
            if place != move.old:
                continue
            self._count_content(place, -1)
            self._count_content(move.new, 1)
            self.transaction.put(
                move.digest, content_record(references, move.new), db=self.tables.contents
            )
            moved += 1
        return moved

    def retire(self, number: int) -> bool:
        pack = self._pack(number)
        if pack.live_blobs:
            return False
        pack.retired = pack.changed = True
        return True

    # Compacting

    def fold(self, key: SeriesKey, version: int, folded: Folded) -> bool:
        """Puts the manifest in place of the rows and the manifest there were; False when the
        series is not as it was when it was folded."""
        series = self._find_series(key.series_uid)
        if series is None or series.says.study_uid != key.study_uid:
            raise NotFound("series", key.series_uid)
        if series.state.version != version:
            return False
        self._put_folded(series, folded)
        series.state.unsettled = False
        return True

    def _put_folded(self, series: _Series, folded: Folded) -> None:
        transaction, tables = self.transaction, self.tables
        series_id = series.state.id
        transaction.put(series_id, folded.manifest, db=tables.manifests)
        transaction.put(series_id, folded.levels, db=tables.levels)
        transaction.put(series_id, folded.metadata, db=tables.metadata)
        transaction.delete(series_id, db=tables.gone)
        self._drop_rows(series_id)
        series.changed = True

    # Leases

    def lease(self, name: str, holder: str, ttl_s: float) -> bool:
        now = time.time()
        record = self.transaction.get(name.encode(), db=self.tables.leases)
        if record is not None:
            owner, until, its_ttl_s = orjson.loads(record)
            # More left than was ever given: the clock has been set back, and nobody waits for it.
            if owner != holder and now < until <= now + its_ttl_s and not is_gone(owner):
                return False
        record = orjson.dumps([holder, now + ttl_s, ttl_s])
        self.transaction.put(name.encode(), record, db=self.tables.leases)
        return True

    def release(self, name: str, holder: str) -> None:
        record = self.transaction.get(name.encode(), db=self.tables.leases)
        if record is not None and orjson.loads(record)[0] == holder:
            self.transaction.delete(name.encode(), db=self.tables.leases)

    # Changes, counters, and the end

    def _change(self, kind: ChangeKind, scope: Scope, study: _Study, series: _Series | None) -> int:
        sequence = self._sequence()
        self._last_sequence = sequence
        at_us = time.time_ns() // 1000
        self._changes.append((kind, at_us, scope))
        study.state.version = sequence
        study.changed = True
        if series is not None:
            series.state.version = sequence
            series.state.changed_us = at_us
            series.state.unsettled = True
            series.changed = True
        return sequence

    def _sequence(self) -> int:
        """The number of the change that is being made."""
        if self._last_sequence < 0:
            self._last_sequence = last_sequence(self.transaction, self.tables)
        return self._last_sequence + 1

    def _next(self, counter: str) -> int:
        self._counted[counter] += 1
        return counter_of(self.transaction, self.tables, counter) + self._counted[counter]

    def finish(self) -> None:
        """Writes what was held."""
        for series in self._series.values():
            if series is not None and series.changed:
                self._put_series(series)
        for study in self._studies.values():
            if study is not None and study.changed:
                self._put_study(study)
        for number, pack in self._packs.items():
            if not pack.changed:
                continue
            if pack.live_blobs or pack.retired:
                record = pack_record(pack.live_bytes, pack.live_blobs, retired=pack.retired)
                self.transaction.put(pack_key(number), record, db=self.tables.packs)
            else:
                self.transaction.delete(pack_key(number), db=self.tables.packs)
        self._put_counters()
        self._put_changes()

    def _put_counters(self) -> None:
        counted = {counter.encode(): more for counter, more in self._counted.items() if more}
        with self.transaction.cursor(db=self.tables.about) as cursor:
            totals = dict(cursor.getmulti(list(counted)))
            for name, more in counted.items():
                totals[name] = b"%d" % (int(totals.get(name, b"0")) + more)
            cursor.putmulti(list(totals.items()))

    def _put_series(self, series: _Series) -> None:
        transaction, tables = self.transaction, self.tables
        state = series.state
        transaction.put(series.key, state.record(), db=tables.series)
        if series.says_changed:
            key = state.study_id + state.id
            transaction.put(key, series.says.record(), db=tables.series_documents)
        waits_under = state.unsettled_key() if state.unsettled else None
        if waits_under == series.waits_under:
            return
        if series.waits_under:
            transaction.delete(series.waits_under, db=tables.unsettled)
        if waits_under:
            record = series_key_record(SeriesKey(series.says.study_uid, series.says.uid))
            transaction.put(waits_under, record, db=tables.unsettled)

    def _put_study(self, study: _Study) -> None:
        transaction, tables = self.transaction, self.tables
        state = study.state
        if study.rollup_changed:
            rollup = union(
                one
                for _, record in beginning_with(transaction, tables.series_documents, state.id)
                for one, _ in SeriesSays.of(record).rollups
            )
            study.says_changed |= rollup != study.rollup
            study.rollup = rollup
        if study.says_changed:
            self._index(study)
        if study.document_changed:
            transaction.put(state.id, study.document, db=tables.study_documents)
        transaction.put(study.key, state.record(), db=tables.studies)

    def _index(self, study: _Study) -> None:
        """Brings the rank and the posting lists of a study up to what it says now."""
        transaction, tables = self.transaction, self.tables
        state = study.state
        rank = rank_of(study.terms, int.from_bytes(state.id, "big"))
        wanted = posting_keys(study.terms, study.rollup)
        # New lists before old ones: a name that only changes its rank keeps its number.
        moved = rank != state.rank
        add_postings(transaction, tables, wanted if moved else wanted - study.indexed, rank)
        if not study.is_new:
            for key in study.indexed if moved else study.indexed - wanted:
                remove_posting(transaction, tables, key, state.rank)
            if moved:
                transaction.delete(state.rank, db=tables.ranks)
        transaction.put(rank, search_record(study.terms, study.rollup), db=tables.ranks)
        state.rank = rank

    def _put_changes(self) -> None:
        """Changes of one series that follow each other are one entry."""
        if not self._changes:
            return
        sequence = self._last_sequence - len(self._changes)
        for (kind, study_uid, series_uid), group in groupby(
            self._changes, key=lambda one: (one[0], one[2].study_uid, one[2].series_uid)
        ):
            entries = [(at_us, scope.instance_uid or "") for _, at_us, scope in group]
            sequence += len(entries)
            record = changes_record(kind, study_uid, series_uid or "", entries)
            self.transaction.put(
                sequence_key(sequence), record, db=self.tables.changes, append=True
            )
