"""Our server and an Orthanc that is its DICOMweb client, in a network of their own.

Debian's Orthanc binds every address whatever it is told, and asks DNS for the host's name; so both
run where there is only loopback (`unshare --net`), and what is asked of them is asked there.

    python -m tests.clients.orthanc DIRECTORY    within such a namespace

reads DIRECTORY/ours/*.dcm and DIRECTORY/theirs/*.dcm, a study each, stores the first with us and
the second with Orthanc, has Orthanc pull the one and push the other, and writes what arrived to
DIRECTORY/pulled and DIRECTORY/pushed, named by SOP Instance UID; `said.json` is what they said.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from pydicom import dcmread

from benchmarks.peers import Orthanc
from tests.servers import ROOT, serving
from tests.web.bodies import CONTENT_TYPE, related, taken_apart

TIMEOUT_S = 90.0
PORT = 8042
PLUGINS = Path("/usr/share/orthanc/plugins")


def missing() -> str:
    """What keeps Orthanc from running here, empty when nothing does."""
    if shutil.which("Orthanc") is None or not list(PLUGINS.glob("libOrthancDicomWeb.so*")):
        return "Orthanc with its DICOMweb plugin is missing: tests/install-tools installs it"
    probe = subprocess.run([*_unshare(), "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "no network namespace can be made here"


def exchanged(directory: Path) -> dict[str, Any]:
    """Runs this module in a namespace; what they said."""
    inner = f'ip link set lo up && exec "{sys.executable}" -m tests.clients.orthanc "$1"'
    done = subprocess.run(
        [*_unshare(), "sh", "-c", inner, "orthanc", str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads((directory / "said.json").read_text(encoding="utf-8"))
    return said


def _unshare() -> list[str]:
    flags = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    return ["unshare", *flags, "--"]


def main(directory: Path) -> None:
    orthanc = Orthanc(directory / "orthanc", port=PORT)
    orthanc.start()
    try:
        with (
            serving(directory / "archive") as (_, url),
            httpx.Client(base_url=f"{url}/dicom-web", timeout=60) as us,
            httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60) as them,
        ):
            said = exchange(directory, us, them)
    finally:
        orthanc.stop()
    (directory / "said.json").write_text(json.dumps(said), encoding="utf-8")


def exchange(directory: Path, us: httpx.Client, them: httpx.Client) -> dict[str, Any]:
    ours = [file.read_bytes() for file in sorted((directory / "ours").glob("*.dcm"))]
    stored = us.post("/studies", content=related(*ours), headers={"Content-Type": CONTENT_TYPE})
    stored.raise_for_status()
    them.put("/dicom-web/servers/ours", json={"Url": str(us.base_url)}).raise_for_status()
    found = asked(them, "/dicom-web/servers/ours/qido", {"Uri": "/studies"})
    study_uid = dcmread(io.BytesIO(ours[0]), specific_tags=["StudyInstanceUID"]).StudyInstanceUID
    wanted = {"Resources": [{"Study": study_uid}]}
    pulled = asked(them, "/dicom-web/servers/ours/retrieve", wanted)
    for instance in them.get("/instances").json():
        facts = them.get(f"/instances/{instance}/simplified-tags").json()
        file = them.get(f"/instances/{instance}/file").content
        keep(directory / "pulled", facts["SOPInstanceUID"], file)

    known = set(them.get("/studies").json())
    for path in sorted((directory / "theirs").glob("*.dcm")):
        them.post("/instances", content=path.read_bytes()).raise_for_status()
    (theirs,) = set(them.get("/studies").json()) - known
    pushed = asked(them, "/dicom-web/servers/ours/stow", {"Resources": [theirs]})
    pushed_uid = them.get(f"/studies/{theirs}").json()["MainDicomTags"]["StudyInstanceUID"]
    reply = us.get(
        f"/studies/{pushed_uid}",
        headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
    )
    reply.raise_for_status()
    for _, file in taken_apart(reply.headers["content-type"], reply.content):
        uid = dcmread(io.BytesIO(file), specific_tags=["SOPInstanceUID"]).SOPInstanceUID
        keep(directory / "pushed", uid, file)
    counts = us.get("/studies", params={"StudyInstanceUID": pushed_uid}).json()
    return {"found": found, "pulled": pulled, "pushed": pushed, "counts": counts}


def asked(them: httpx.Client, path: str, body: object) -> Any:
    """What Orthanc answers to an order, carried out when it answers."""
    answer = them.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keep(folder: Path, instance_uid: str, file: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{instance_uid}.dcm").write_bytes(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
