"""A TCP proxy whose faults can be changed at any time: it delays answers, swallows them, or answers nothing."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from typing import Literal

Fault = Literal["none", "delay", "silence", "lose"]


class FaultyProxy:
    """Forwards connections from a port of its own (`port`) to `upstream` on 127.0.0.1.

    `fault` is what happens to answers: "delay" holds each back for `delay_s`, "silence" accepts requests and neither
    forwards nor answers them, "lose" has some (`loss` of 1) carried out and closes the connection without their answer.
    """

    def __init__(self, upstream: int, *, delay_s: float = 2.0, loss: float = 0.2, seed: int = 0) -> None:
        self.fault: Fault = "none"
        self.lost = 0
        self._upstream = upstream
        self._delay_s = delay_s
        self._loss = loss
        self._moments = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        address = "127.0.0.1", self._upstream
        with contextlib.suppress(OSError), client, socket.create_connection(address) as server:
            answers = threading.Thread(target=self._pass_answers, args=(server, client), daemon=True)
            answers.start()
            while data := client.recv(65_536):
                while self.fault == "silence":
                    time.sleep(0.05)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            answers.join()

    def _pass_answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                while self.fault == "silence":
                    time.sleep(0.05)
                if self.fault == "delay":
                    time.sleep(self._delay_s)
                if self.fault == "lose" and self._moments.random() < self._loss:
                    self.lost += 1
                    break
                client.sendall(data)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
