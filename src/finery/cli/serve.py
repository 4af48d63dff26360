"""`finery server`: replaces this process by the server, which parses its options itself (finery.app)."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

SERVER = [sys.executable, "-m", "finery.app"]


def become_server(words: Sequence[str]) -> NoReturn:
    os.execv(sys.executable, [*SERVER, *words])
