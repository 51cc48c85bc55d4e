"""kill -9 in the middle of an edit: each study is as it was or as it is to be, never half, and the
edit goes on when it is asked for again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from dicomweb_server.archive import edit
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.edit import Why
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.archive.store import Received, store
from dicomweb_server.archive.upkeep import verify
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from storage.model import OneOf, Query, QueryLevel
from tests.dicom.build import part10
from tests.servers import ROOT

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "5"))
STUDIES = 12

_MERGING = """
import sys
from dicomweb_server.archive import edit
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
print("begin", flush=True)
edit.merge_patients(open_archive(Config(data=sys.argv[1])), "WRONG", "RIGHT", edit.Why())
"""


def studies_of(archive: Archive, patient_id: str) -> list[str]:
    condition = OneOf(QueryLevel.STUDY, "00100020", (patient_id,))
    page = archive.storage.index.find(Query(QueryLevel.STUDY, (condition,)))
    return [row.study.study_uid for row in page.rows]


def test_a_merge_that_is_killed_leaves_whole_studies_and_can_be_gone_on_with(
    tmp_path: Path,
) -> None:
    chance = random.Random(7)
    for number in range(ROUNDS):
        data = tmp_path / str(number)
        archive = open_archive(Config(data=str(data)))
        files = {
            f"1.2.{study}.1.{n}": part10(
                study_uid=f"1.2.{study}",
                series_uid=f"1.2.{study}.1",
                instance_uid=f"1.2.{study}.1.{n}",
                PatientID="RIGHT" if study == 0 else "WRONG",
                PatientName="A^Right" if study == 0 else "A^Wrong",
                rows=16,
                columns=16,
                pixel_data=bytes([study, n]) * 256,
            )
            for study in range(STUDIES + 1)
            for n in range(1, 9)
        }
        store(archive, [Received(BytesSource(file), "a test") for file in files.values()])
        archive.close()
        merging = subprocess.Popen(
            [sys.executable, "-c", _MERGING, str(data)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert merging.stdout is not None and merging.stdout.readline() == b"begin\n"
        time.sleep(chance.uniform(0, 0.4))
        os.kill(merging.pid, signal.SIGKILL)
        merging.wait()
        merging.stdout.close()
        archive = open_archive(Config(data=str(data)))
        wrong, right = studies_of(archive, "WRONG"), studies_of(archive, "RIGHT")
        assert len(wrong) + len(right) == STUDIES + 1
        for study_uid in wrong + right[1:]:
            versions = {
                len(edit.versions(archive, instance.instance_uid))
                for key in archive.storage.index.series_of(study_uid)
                for instance in archive.storage.index.manifest(key).instances
            }
            assert len(versions) == 1, "all of a study or nothing of it"
        if wrong:
            edit.merge_patients(archive, "WRONG", "RIGHT", Why())
        assert len(studies_of(archive, "RIGHT")) == STUDIES + 1
        for uid, file in files.items():
            received = InstanceFile(archive, edit.versions(archive, uid)[0])
            assert received.read_at(0, received.length) == file
        faults: list[str] = []
        verify(archive, full=True, sweep=True, report=faults.append)
        assert faults == []
        archive.close()
