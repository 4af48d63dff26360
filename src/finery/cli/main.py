"""Entry point of the command `finery`."""

import io
import sys

from finery.cli.serve import become_server


def main() -> None:
    if sys.argv[1:2] == ["server"]:
        # Before the other commands are loaded, which took a tenth of a server's start.
        become_server(sys.argv[2:])
    from finery.cli.commands import app
    from finery.cli.usage import readable, run

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no Korean shall see an escape, not a failure.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(app, [readable(word) for word in sys.argv[1:]]))


if __name__ == "__main__":
    main()
