"""`python -m finery.trainers.builtin NAME CACHE_DIR [--then COMMAND …]`: makes a built-in model and prints its folder.

With `--then` the process becomes the command once the model is made; the folder is then printed to stderr.
"""

import os
import sys
from pathlib import Path

from finery.trainers.builtin import UnknownBuiltin, ensure_builtin


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or (len(arguments) > 2 and (arguments[2] != "--then" or len(arguments) == 3)):
        print("usage: python -m finery.trainers.builtin NAME CACHE_DIR [--then COMMAND …]", file=sys.stderr)
        return 2
    # Threads that spin while they wait make a training on a busy machine ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    command = arguments[3:]
    try:
        folder = ensure_builtin(arguments[0], Path(arguments[1]).resolve(), report=_tell)
    except UnknownBuiltin as error:
        print(error, file=sys.stderr)
        return 2
    print(folder, file=sys.stderr if command else sys.stdout, flush=True)
    if command:
        os.execvp(command[0], command)
    return 0


def _tell(label: str) -> None:
    print(label, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
