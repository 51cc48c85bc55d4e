"""Orthanc as the server under test, in a network namespace of its own.

Debian's Orthanc binds every address whatever it is told, and looks the host's name up in DNS; so it
runs where there is only loopback (`unshare --net`), and the suite with it. Packages: orthanc,
orthanc-dicomweb (`tests/install-tools`).

    python -m tests.conformance.orthanc DIRECTORY    within such a namespace: starts it, tries it
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import Missing, Orthanc

ROOT = Path(__file__).resolve().parents[2]
PORT = 8042
TIMEOUT_S = 180.0
PLUGINS = Path("/usr/share/orthanc/plugins")


def missing() -> str:
    """What keeps Orthanc from being tried here, empty when nothing does."""
    if shutil.which("Orthanc") is None or not list(PLUGINS.glob("libOrthancDicomWeb.so*")):
        return "Orthanc with its DICOMweb plugin (Debian: orthanc orthanc-dicomweb)"
    probe = subprocess.run([*_unshare(), "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "the right to make a network namespace"


def tried(directory: Path) -> dict[str, Any]:
    """The results of the whole suite on the Orthanc of this machine, with name and version.

    Raises Missing, and subprocess.TimeoutExpired when it does not end in time.
    """
    if lacking := missing():
        raise Missing(lacking)
    inner = f'ip link set lo up && exec "{sys.executable}" -m tests.conformance.orthanc "$1"'
    subprocess.run(
        [*_unshare(), "sh", "-c", inner, "orthanc", str(directory)],
        cwd=ROOT,
        check=True,
        timeout=TIMEOUT_S,
        stdout=subprocess.DEVNULL,
    )
    found: dict[str, Any] = json.loads((directory / "results.json").read_text(encoding="utf-8"))
    return found


def _unshare() -> list[str]:
    flags = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    return ["unshare", *flags, "--"]


def main(directory: Path) -> int:
    """Tries the server; 0 when the suite came to its end, whatever it found."""
    from tests.conformance.__main__ import main as suite

    server = Orthanc(directory / "server", port=PORT)
    server.start()
    try:
        facts = ["--name", "Orthanc", "--version", server.version()]
        code = suite(["--base-url", server.base, "--json", str(directory / "results.json"), *facts])
    finally:
        server.stop()
    return 0 if code in (0, 1) else code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
