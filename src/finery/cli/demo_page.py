"""Shows the page of the demo's server, where `finery demo` ends."""

import os
import sys
import webbrowser
from contextlib import suppress

from finery.cli.demo_server import DemoServer

DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY")


def show_page(server: DemoServer) -> None:
    """Name the page's address, and open it where there is a desktop.

    A server that would end with the demo waits for Enter on a terminal. Elsewhere nobody could look at its page.
    """
    page = f"{server.url}/ui/"
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    ends_with_demo = server.own is not None and not server.own.is_kept
    if ends_with_demo and not is_terminal:
        print("The server ends with the demo; finery demo --keep leaves it running, with its page.")
        return
    print(f"See what was done, and go on by clicks: {page}", flush=True)
    if is_terminal and any(os.environ.get(name) for name in DESKTOPS):
        webbrowser.open(page)
    if ends_with_demo:
        # Ctrl-C and Ctrl-D mean the same here: what was to be shown is done.
        with suppress(EOFError, KeyboardInterrupt):
            input("Enter ends the server. ")
