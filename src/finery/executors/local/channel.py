"""Sends and reads messages between the server and the warm parent: one JSON object a line, over a socket."""

import json
import socket
from typing import Any


def write_line(channel: socket.socket, value: dict[str, Any]) -> None:
    channel.sendall(json.dumps(value).encode() + b"\n")


def read_line(channel: socket.socket) -> dict[str, Any]:
    """Returns the next message; an empty one when the other side is gone."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            piece = channel.recv(4096)
        except ConnectionResetError:
            piece = b""
        if not piece:
            return {}
        line += piece
    message: dict[str, Any] = json.loads(line)
    return message
