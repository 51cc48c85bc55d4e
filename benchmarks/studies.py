"""An archive of very many small studies for the questions about search: made, not received.

A study's DICOM JSON goes through the functions that ingest uses to split it into levels and terms,
and through the index's own `apply`; only the reading of a million files is left out. The same
people and dates go to the peers as real files (`data.tiny_studies`), as many as they can take.
"""

import hashlib
import shutil
from pathlib import Path

import orjson

from benchmarks.data import Study, studies
from dicomweb_server.dicom.attributes import level_of, rollup_of
from storage.engines import open_storage
from storage.model import (
    NO_FRAMES,
    ConflictPolicy,
    Digest,
    Form,
    Instance,
    InstanceFacts,
    Landed,
    QueryLevel,
)

BATCH = 10_000
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def _element(vr: str, *values: object) -> dict[str, object]:
    return {"vr": vr, "Value": list(values)}


def facts(study: Study) -> InstanceFacts:
    """The study as ingest would describe its one instance."""
    root = f"1.2.826.0.1.3680043.8.498.1.{study.number}"
    document = {
        "00080016": _element("UI", CT),
        "00080018": _element("UI", root + ".1.1"),
        "00080020": _element("DA", study.date),
        "00080030": _element("TM", f"{study.number % 24:02}{study.number % 60:02}00"),
        "00080050": _element("SH", study.accession),
        "00080060": _element("CS", study.modality),
        "00080090": _element("PN", {"Alphabetic": "REFERRER^ONE"}),
        "00081030": _element("LO", "CHEST ROUTINE"),
        "00100010": _element("PN", {"Alphabetic": study.name}),
        "00100020": _element("LO", study.patient_id),
        "00100030": _element("DA", "19700101"),
        "00100040": _element("CS", "F"),
        "0020000D": _element("UI", root),
        "0020000E": _element("UI", root + ".1"),
        "00200010": _element("SH", str(study.number)),
        "00200011": _element("IS", 1),
        "00200013": _element("IS", 1),
    }
    skeleton = Digest(hashlib.sha256(root.encode()).digest())
    return InstanceFacts(
        instance=Instance(
            study_uid=root,
            series_uid=root + ".1",
            instance_uid=root + ".1.1",
            sop_class_uid=CT,
            transfer_syntax_uid=EXPLICIT,
            number=1,
            file_digest=skeleton,
            file_length=len(root),
            dataset_digest=skeleton,
            skeleton=skeleton,
            blobs=(),
            holes=(),
            frames=NO_FRAMES,
            pixels=None,
            received_us=0,
            source="benchmark",
        ),
        study_level=level_of(document, QueryLevel.STUDY),
        series_level=level_of(document, QueryLevel.SERIES),
        instance_level=level_of(document, QueryLevel.INSTANCE),
        rollup=rollup_of(document),
        metadata=orjson.dumps(document),
    )


def make(directory: Path, count: int) -> None:
    """An archive of `count` studies in `directory`, unless it is there already as it would be made
    today."""
    done = directory.parent / f"{directory.name}.{count}.made"
    today = hashlib.sha256(repr([*map(facts, studies(3))]).encode()).hexdigest()
    if done.exists() and done.read_text() == today:
        return
    print(f"· making an archive of {count:,} studies", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    storage = open_storage(str(directory))
    try:
        batch: list[Landed] = []
        for study in studies(count):
            described = facts(study)
            root = described.instance.study_uid.encode()
            place = storage.blobs.append(
                described.instance.skeleton, root, form=Form.RAW, content_length=len(root)
            )
            batch.append(Landed(described, {described.instance.skeleton: place}))
            if len(batch) == BATCH:
                storage.index.apply(batch, conflict=ConflictPolicy.REFUSE)
                batch = []
        if batch:
            storage.index.apply(batch, conflict=ConflictPolicy.REFUSE)
    finally:
        storage.close()
    done.write_text(today)
