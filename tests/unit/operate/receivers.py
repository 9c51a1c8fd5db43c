"""Receivers of notices: real servers on this machine."""

from __future__ import annotations

import json
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Received:
    """What has come in, and how it is answered. status: of HTTP; location: of a redirect."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.mails: list[str] = []
        self.logins: list[str] = []
        self.status = 200
        self.location = ""

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]


def certificate(directory: Path, name: str = "localhost") -> tuple[str, str]:
    """Certificate and key of a server, signed by itself."""
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return str(cert), str(key)


@contextmanager
def http(received: Received, tls: tuple[str, str] | None = None) -> Iterator[int]:
    """A web server; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append((self.path, dict(self.headers), body))
            self.send_response(received.status)
            if received.location:
                self.send_header("Location", received.location)
            said = b"" if received.status < 300 else b"not \x1b[2J now"
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    yield from _served(server)


@contextmanager
def smtp(received: Received, tls: tuple[str, str] | None = None) -> Iterator[int]:
    """A mail server; its port. It takes mail only over TLS and after a login, if it has TLS."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 here")
            safe = signed_in = tls is None
            while row := self.rfile.readline():
                word = row.decode().strip().upper()
                if word.startswith("EHLO"):
                    offers = "AUTH PLAIN" if safe else "STARTTLS"
                    self.say(f"250-here\r\n250 {offers}")
                elif word == "STARTTLS" and tls:
                    self.say("220 go on")
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*tls)
                    try:
                        self.request = context.wrap_socket(self.request, server_side=True)
                    except (ssl.SSLError, OSError):
                        return
                    self.setup()
                    safe = True
                elif word.startswith("AUTH PLAIN") and safe:
                    received.logins.append(row.decode().split()[2])
                    signed_in = True
                    self.say("235 yes")
                elif word.startswith("DATA") and signed_in:
                    self.say("354 go on")
                    rows = []
                    while (part := self.rfile.readline().decode()) not in (".\r\n", ""):
                        rows.append(part)
                    received.mails.append("".join(rows))
                    self.say("250 taken")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 yes" if signed_in else "530 no")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    yield from _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))


def _served(server: socketserver.TCPServer) -> Iterator[int]:
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
