"""Reindexing: what is found by is worked out anew from the metadata that is stored.

After a change of the setting `searchable`, or of how values are compared. No file is read, nothing
that is stored changes, and no version with it. The server may serve and store meanwhile: each
series is one short transaction, done again when something was stored into it in between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import orjson

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.retrieve import unpack_metadata
from dicomweb_server.dicom.attributes import level_of, rollup_of
from storage.errors import NotFound
from storage.levels import fill_document, fill_terms
from storage.model import (
    InstanceFacts,
    Landed,
    Level,
    OneOf,
    Query,
    QueryLevel,
    RevisedSeries,
    Revision,
    Row,
    SeriesKey,
)

PAGE = 1000
"""Studies looked up at a time."""

EMPTY = Level({}, b"{}")


@dataclass(slots=True)
class Reindexed:
    studies: int = 0
    instances: int = 0


def reindex(
    archive: Archive, *, report: Callable[[Reindexed], None] = lambda done: None
) -> Reindexed:
    """Brings what search finds and returns of every study up to the archive's attributes."""
    archive.permit(Act.OPERATE)
    archive = archive.own
    done = Reindexed()
    # All at once: a study may change its place in the order while it is reindexed.
    for study_uid in list(_study_uids(archive)):
        try:
            done.instances += _study(archive, study_uid)
        except NotFound:  # deleted meanwhile
            continue
        done.studies += 1
        report(done)
    return done


def _study_uids(archive: Archive) -> Iterator[str]:
    after: str | None = None
    while True:
        page = archive.storage.index.find(Query(QueryLevel.STUDY, limit=PAGE, after=after))
        yield from (row.study.study_uid for row in page.rows)
        if page.next is None:
            return
        after = page.next


def _study(archive: Archive, study_uid: str) -> int:
    index = archive.storage.index
    while True:
        version = study_row(archive, study_uid).study.version
        said: list[tuple[int, Level]] = []
        instances = 0
        for key in index.series_of(study_uid):
            one = _series(archive, key)
            said += one
            instances += len(one)
        if index.revise(Revision(study_uid, version, filled(said), ())):
            return instances


def _series(archive: Archive, key: SeriesKey) -> list[tuple[int, Level]]:
    """Reindexes a series; returns what each instance says of the study, and when it came."""
    index = archive.storage.index
    while True:
        manifest, metadata = index.manifest(key), index.metadata(key)
        if manifest.version != metadata.version:
            continue
        array = unpack_metadata(metadata)
        landed: list[Landed] = []
        studies: list[tuple[int, Level]] = []
        series: list[tuple[int, Level]] = []
        start = 1
        for instance, length in zip(manifest.instances, metadata.lengths, strict=True):
            text = array[start : start + length]
            start += length + 1
            document = orjson.loads(text)
            study, of_series, itself = (
                level_of(document, level, archive.attributes) for level in QueryLevel
            )
            studies.append((instance.received_us, study))
            series.append((instance.received_us, of_series))
            facts = InstanceFacts(instance, study, of_series, itself, rollup_of(document), text)
            landed.append(Landed(facts, {}))
        revised = RevisedSeries(key, manifest.version, filled(series), tuple(landed))
        if index.revise(Revision(key.study_uid, None, None, (revised,))):
            return studies


def filled(said: list[tuple[int, Level]]) -> Level:
    """What several instances say together: the one that came first speaks, later ones fill in."""
    terms: dict[str, tuple[str, ...]] = {}
    document = EMPTY.document
    for number, (_, level) in enumerate(sorted(said, key=lambda one: one[0])):
        terms = fill_terms(terms, level.terms)
        document = fill_document(document, level.document) if number else level.document
    return Level(terms, document)


def study_row(archive: Archive, study_uid: str) -> Row:
    """Raises NotFound."""
    archive.permit(Act.SEARCH)
    condition = OneOf(QueryLevel.STUDY, "0020000D", (study_uid,))
    rows = archive.storage.index.find(Query(QueryLevel.STUDY, (condition,))).rows
    if not rows:
        raise NotFound("study", study_uid)
    return rows[0]
