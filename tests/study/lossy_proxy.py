"""A wire to a database that loses answers: what was asked is done, and nobody hears of it."""

import socket
import threading
from contextlib import suppress
from typing import Self


class LossyProxy:
    """Passes on every byte between clients and a server; breaks the wire where a commit was done, at some of them.

    Args:
        port: the server's, on this host.
        every: of so many commits, the answer to the last is lost; that to the next, while it is tried again, is not.

    Attributes:
        port: where clients connect.
        is_lossy: whether it breaks.
        lost: commits whose answer was lost.
    """

    def __init__(self, port: int, every: int) -> None:
        self._server, self._every = port, every
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._commits = self.lost = 0
        self.is_lossy = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            deaf = threading.Event()
            back = threading.Thread(target=_pass_back, args=(server, client, deaf), daemon=True)
            back.start()
            while asked := _received(client):
                if self.is_lossy and b"COMMIT" in asked:
                    self._commits += 1
                    if self._commits % self._every == 0:
                        self.lost += 1
                        deaf.set()
                        server.sendall(asked)
                        back.join()
                        return
                server.sendall(asked)
            _shut(server)
            back.join()


def _pass_back(server: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
    while answer := _received(server):
        if deaf.is_set():  # the commit is done: this says so
            break
        client.sendall(answer)
    _shut(client)
    _shut(server)


def _received(wire: socket.socket) -> bytes:
    try:
        return wire.recv(1 << 16)
    except OSError:
        return b""


def _shut(wire: socket.socket) -> None:
    with suppress(OSError):  # it is shut
        wire.shutdown(socket.SHUT_RDWR)
