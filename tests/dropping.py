"""A way to a database on which connections are dropped when a test says so."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy.engine import URL


class DroppingProxy:
    """Passes bytes on, until so many pieces have come from the clients: then it cuts every connection, and `drops`
    times more each new one at its first piece."""

    def __init__(self, url: URL, *, after: int, drops: int) -> None:
        assert url.host is not None
        assert url.port is not None
        self._target = (url.host, url.port)
        self._left = after
        self._drops = drops
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.dropped = 0
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone does not wake who waits in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_clients: bool) -> None:
        # What was cut meanwhile raises.
        with suppress(OSError):
            while piece := source.recv(65536):
                if is_clients and self._is_to_be_dropped():
                    self._cut()
                    break
                target.sendall(piece)
        for each in (source, target):
            _end(each)

    def _is_to_be_dropped(self) -> bool:
        with self._lock:
            self._left -= 1
            if self._left >= 0 or self.dropped > self._drops:
                return False
            self.dropped += 1
            return True

    def _cut(self) -> None:
        with self._lock:
            for each in self._open:
                _end(each)
            self._open.clear()


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
