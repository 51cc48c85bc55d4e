"""Searching: the index's rows as DICOM JSON objects with the attributes that were asked for.

PS3.18 §10.6; what each level returns by itself is Tables 10.6.3-3 to 10.6.3-5, read by
`dicom.matching`. URLs are not known here: the edge adds Retrieve URL (0008,1190).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.asked import asked_for
from dicomweb_server.archive.retrieve import instance_metadata
from dicomweb_server.dicom.attributes import key_of, vr_of
from dicomweb_server.dicom.errors import BadQuery
from dicomweb_server.dicom.matching import REQUIRED, ParsedQuery, default_attributes
from storage.errors import BadCursor, NotFound
from storage.model import Query, QueryLevel, Row, Scope

Item = dict[str, dict[str, Any]]
"""A DICOM JSON object: tag -> {"vr": ..., "Value": [...]} (PS3.18 §F.2)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One page: its rows in order, and what makes an item of each; `total` when it was asked for or
    is known; `more` when items remain after these, and `next` the cursor that continues there."""

    rows: tuple[Row, ...]
    item: Callable[[Row], Item]
    total: int | None
    more: bool
    next: str | None

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(map(self.item, self.rows))


def search(archive: Archive, parsed: ParsedQuery, *, defaults: bool = True) -> Answer:
    """The rows that match, each with the UIDs of the levels above it.

    defaults  whether an item has what its level returns by itself, too
    """
    archive.permit(Act.SEARCH)
    if parsed.query.after is None:
        archive.asked(*asked_for(parsed.query))
    query = parsed.query
    if not query.conditions and query.after is None:
        # Counters know it; below a study there is little to count.
        query = replace(query, count=True)
    try:
        page = archive.storage.index.find(query)
    except BadCursor as error:
        raise BadQuery("cursor", str(error)) from None
    total = page.total
    if total is None and query.after is None and not page.more:
        total = query.offset + len(page.rows) if page.rows or not query.offset else None
    wanted = _wanted(parsed, defaults=defaults)
    make = _maker(query.level, wanted)
    whole = query.level is QueryLevel.INSTANCE and not _is_indexed(archive, wanted)

    def item(row: Row) -> Item:
        return make(row, _metadata(archive, row) if whole else {})

    return Answer(page.rows, item, total, page.more, page.next)


def accession_of(archive: Archive, study_uid: str) -> str:
    """The Accession Number of a study, "" when it has none or is not stored."""
    archive.permit(Act.SEARCH)
    wanted = ParsedQuery(
        Query(QueryLevel.STUDY, study_uid=study_uid, limit=1), include=frozenset({"00080050"})
    )
    found = search(archive, wanted, defaults=False).items
    values = found[0].get("00080050", {}).get("Value") if found else None
    return str(values[0]) if values and values[0] is not None else ""


def _is_indexed(archive: Archive, wanted: frozenset[str] | None) -> bool:
    """Whether the index has all of these attributes of an instance."""
    if wanted is None:
        return False
    return all(tag in archive.attributes.level_of or tag in _COUNTED for tag in wanted)


def _metadata(archive: Archive, row: Row) -> Item:
    """Everything an instance says of itself, values that are bulk data left out."""
    assert row.series is not None and row.instance is not None
    scope = Scope(row.study.study_uid, row.series.series_uid, row.instance.instance_uid)
    try:
        found: Item = orjson.loads(instance_metadata(archive.own, scope)[0])
    except NotFound:  # deleted meanwhile
        return {}
    return {
        tag: element
        for tag, element in found.items()
        if b'"BulkDataURI"' not in orjson.dumps(element)
    }


def _wanted(parsed: ParsedQuery, *, defaults: bool) -> frozenset[str] | None:
    """Tags to return; None for every one there is (includefield=all)."""
    if parsed.include is None:
        return None
    if not defaults:
        return parsed.include.union(_UIDS)
    query = parsed.query
    levels = [query.level]
    # A request that names no study is answered with the attributes of the levels that its rows
    # would otherwise not be told apart by (Table 10.6.1-5).
    if query.level is not QueryLevel.STUDY and query.study_uid is None:
        levels.append(QueryLevel.STUDY)
    if query.level is QueryLevel.INSTANCE and query.series_uid is None:
        levels.append(QueryLevel.SERIES)
    return parsed.include.union(_UIDS, *(default_attributes(level) for level in levels))


_UIDS = ("0020000D", "0020000E", "00080018")

_COUNTED = frozenset(
    key_of(keyword)
    for keyword in (
        "InstanceAvailability",
        "RetrieveURL",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
        "AvailableTransferSyntaxUID",
    )
)
"""What no instance says: the archive does."""


_REQUIRED = {level: {tag: {"vr": vr_of(tag)} for tag in tags} for level, tags in REQUIRED.items()}
_ONLINE = {"vr": "CS", "Value": ["ONLINE"]}


def _maker(level: QueryLevel, wanted: frozenset[str] | None) -> Callable[[Row, Item], Item]:
    """What makes an item with the wanted tags of a row, and of what its instance says of itself."""
    required = _REQUIRED[level]
    ordered = None if wanted is None else sorted(wanted)
    of_study = wanted is None or not wanted.isdisjoint(_OF_STUDY)
    private = wanted is None or any(map(_is_private, wanted))

    def make(row: Row, metadata: Item) -> Item:
        item: Item = required | metadata
        item |= orjson.loads(row.study.document)
        if of_study:
            item |= _of_study(row)
        if row.series is not None:
            item |= orjson.loads(row.series.document)
            item["00201209"] = _number(row.series.instance_count)
        if row.instance is not None:
            item |= orjson.loads(row.instance.document)
            # What frames can be had in without asking first, so that nobody has to probe.
            item["00083002"] = {"vr": "UI", "Value": [row.instance.transfer_syntax_uid]}
        item["00080056"] = _ONLINE
        tags = sorted(item) if ordered is None else ordered
        kept = {tag: element for tag in tags if (element := item.get(tag))}
        return _with_creators(kept, item) if private else kept

    return make


def _with_creators(kept: Item, item: Item) -> Item:
    """A private attribute says nothing without its creator (PS3.18 §F.2.2, PS3.5 §7.8.1)."""
    creators = {f"{tag[:4]}00{tag[4:6]}" for tag in kept if _is_private(tag)}
    if not creators:
        return kept
    return dict(sorted((kept | {tag: item[tag] for tag in creators if tag in item}).items()))


def _is_private(tag: str) -> bool:
    """Whether it is a private attribute, and not a creator."""
    return tag[3] in "13579BDF" and tag[4] != "0"


_OF_STUDY = frozenset(("00201206", "00201208", "00080061", "00080062"))


def _of_study(row: Row) -> Item:
    """What is true of a study as a whole, counted by the index."""
    rollup: Mapping[str, Iterable[str]] = row.study.rollup
    item = {
        "00201206": _number(row.study.series_count),
        "00201208": _number(row.study.instance_count),
    }
    for tag, vr in (("00080061", "CS"), ("00080062", "UI")):
        values = [value for value in rollup.get(tag, ()) if value]
        item[tag] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return item


def _number(value: int) -> dict[str, Any]:
    return {"vr": "IS", "Value": [value]}
