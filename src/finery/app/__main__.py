"""Command line of the server: `finery server`, or `python -m finery.app`. Other settings: finery.app.settings."""

import argparse
import gc
import os
import sys
from typing import NoReturn


def main() -> int:
    options = _parse_arguments()
    # Nearly all that is made from here on stays; collecting it while it grows took a tenth of a start.
    gc.disable()
    from finery.app.settings import SettingsError, load_settings

    for name in ("host", "port", "home", "remote_setup", "take_over"):
        if vars(options)[name] is not None:
            os.environ[f"FINERY_{name.upper()}"] = vars(options)[name]
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"finery server: {error}", file=sys.stderr)
        return 2
    if options.reload:
        return _serve_reloading(settings.host, settings.port)
    from finery.app.serve import serve

    gc.freeze()
    gc.enable()
    return serve(settings, as_json=options.json)


class _Parser(argparse.ArgumentParser):
    """Tells wrong usage in one line, as the other commands do."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} -h`)\n")


def _parse_arguments() -> argparse.Namespace:
    parser = _Parser(
        prog="finery server",
        description="Start the server, and serve until Ctrl-C. Runs that are under way go on without it. An address "
        "that other machines reach needs an administrator, or --remote-setup.",
        epilog="Exit codes: 2 for a setting that cannot be honoured, 3 when the port is taken, 4 when the home or the "
        "database cannot be used.",
        allow_abbrev=False,
    )
    parser.add_argument("--host", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", help="the port to listen on (8001); 0: any free one")
    parser.add_argument("--home", help="the directory that holds everything (the working directory)")
    parser.add_argument(
        "--remote-setup",
        action="store_const",
        const="true",
        help="let the first administrator be made over the network, with a token that is shown once",
    )
    parser.add_argument(
        "--take-over",
        action="store_const",
        const="true",
        help="carry on with the runs of the home that this one was copied from, or follows; nothing may run there",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print address, home and process id on stdout, as one line")
    output.add_argument("--reload", action="store_true", help="start again when the source changes (for developers)")
    return parser.parse_args()


def _serve_reloading(host: str, port: int) -> int:
    import uvicorn

    from finery.http.permission import is_loopback

    if not is_loopback(host):
        print(f"finery server: {host} is not this machine alone: --reload is for 127.0.0.1", file=sys.stderr)
        return 2
    uvicorn.run("finery.app.asgi:create_app", factory=True, host=host, port=port, reload=True, proxy_headers=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
