"""Searching: the index's rows as DICOM JSON objects with the attributes that were asked for.

PS3.18 §10.6; what each level returns by itself is Tables 10.6.3-3 to 10.6.3-5, read by
`dicom.matching`. URLs are not known here: the edge adds Retrieve URL (0008,1190).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.matching import ParsedQuery, default_attributes
from storage.model import QueryLevel, Row

Item = dict[str, dict[str, Any]]
"""A DICOM JSON object: tag -> {"vr": ..., "Value": [...]} (PS3.18 §F.2)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One page: its items in order; `total` when it was asked for or is known; `more` when items
    remain after these, and `next` the cursor that continues there."""

    items: tuple[Item, ...]
    total: int | None
    more: bool
    next: str | None


def search(archive: Archive, parsed: ParsedQuery) -> Answer:
    """The rows that match, each with the UIDs of the levels above it."""
    page = archive.storage.index.find(parsed.query)
    wanted = _wanted(parsed)
    return Answer(
        tuple(_item(row, parsed.query.level, wanted) for row in page.rows),
        page.total,
        page.more,
        page.next,
    )


def _wanted(parsed: ParsedQuery) -> frozenset[str] | None:
    """Tags to return; None for every one there is (includefield=all)."""
    if parsed.include is None:
        return None
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


def _item(row: Row, level: QueryLevel, wanted: frozenset[str] | None) -> Item:
    item: Item = orjson.loads(row.study.document)
    item |= _of_study(row)
    if row.series is not None:
        item |= orjson.loads(row.series.document)
        item["00201209"] = _number(row.series.instance_count)
    if row.instance is not None:
        item |= orjson.loads(row.instance.document)
        # What frames can be had in without asking first, so that nobody has to probe.
        item["00083002"] = {"vr": "UI", "Value": [row.instance.transfer_syntax_uid]}
    item["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    return {
        tag: item[tag] for tag in sorted(item) if (wanted is None or tag in wanted) and item[tag]
    }


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
