"""An XCAP origin over real sockets, for tests alone: documents with ETags, credentials, and every way to fail."""

import asyncio
import hashlib
import re
import secrets
import socket
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PRES_RULES_TYPE = "application/auth-policy+xml"
REALM = "example.com"
HUGE = 4 * 1024 * 1024
DEADLINE_SECONDS = 10.0

Fault = Literal[
    "slow", "drip", "cut", "garbage", "huge", "html", "gzip", "redirect", "wrong-digest", "500", "503", "429", "403"
]
"""slow: no answer for a while; drip: one byte now and then; cut: the connection ends within the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A document as it is served."""

    body: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came, and what it got."""

    path: str
    if_none_match: str
    authorization: str
    status: int


@dataclass(slots=True, kw_only=True)
class Origin:
    """Documents by path below the root `/xcap-root`; faults by path, "" for all."""

    port: int
    host: str = "127.0.0.1"
    tls: tuple[Path, Path] | None = None
    auth: Literal["none", "basic", "digest"] = "none"
    username: str = "lamplighter"
    password: str = "secret"
    slow_seconds: float = 30.0
    documents: dict[str, Stored] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    faults: dict[str, Fault] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    nonce: str = "first"
    retry_after: str = ""
    """Header of a fault that is a status."""
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def root(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}/xcap-root"

    @property
    def ca_file(self) -> Path:
        assert self.tls, "serves no TLS"
        return self.tls[0]

    def uri(self, aor: str, usage: str = "pres-rules", filename: str = "index") -> str:
        return f"{self.root}{self.path(aor, usage, filename)}"

    def path(self, aor: str, usage: str = "pres-rules", filename: str = "index") -> str:
        return f"/{usage}/users/{aor}/{filename}"

    def put(
        self,
        aor: str,
        body: bytes,
        usage: str = "pres-rules",
        *,
        etag: str | None = None,
        content_type: str = PRES_RULES_TYPE,
    ) -> str:
        """Serve a document from now on; return its ETag header, "" for none."""
        etag = f'"{secrets.token_hex(6)}"' if etag is None else etag
        path = self.path(aor, usage)
        self.gone.discard(path)
        self.documents[path] = Stored(body=body, content_type=content_type, etag=etag)
        return etag

    def delete(self, aor: str, usage: str = "pres-rules", *, gone: bool = False) -> None:
        """Serve 404, or 410, from now on."""
        path = self.path(aor, usage)
        self.documents.pop(path, None)
        if gone:
            self.gone.add(path)

    def break_(self, fault: Fault, path: str = "") -> None:
        self.faults[path] = fault

    def mend(self) -> None:
        self.faults.clear()

    def statuses(self, path: str = "") -> list[int]:
        """Return what requests got, those of one path or all."""
        return [one.status for one in self.seen if not path or one.path == path]

    def start(self) -> None:
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        server = self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(target=server.run, args=([listener],), name="origin", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(DEADLINE_SECONDS)
        self._server = self._thread = None

    @property
    def running(self) -> bool:
        return self._server is not None and not self._server.should_exit

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the server."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    def _config(self) -> uvicorn.Config:
        certificate, key = self.tls or (None, None)
        return uvicorn.Config(
            _app(self),
            log_level="critical",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            loop="asyncio",
            timeout_graceful_shutdown=2,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )

    async def answer(self, path: str, request: Request) -> Response:
        response = await self._answer(path, request)
        if self.tls:
            # A server that stops waits for clients to say goodbye, which idle ones never do.
            response.headers["Connection"] = "close"
        headers = request.headers
        self.seen.append(
            Seen(
                path=path,
                if_none_match=headers.get("if-none-match", ""),
                authorization=headers.get("authorization", ""),
                status=response.status_code,
            )
        )
        return response

    async def _answer(self, path: str, request: Request) -> Response:
        fault = self.faults.get(path) or self.faults.get("")
        if fault is not None:
            return await self._failing(fault)
        if not self._allowed(request):
            return Response(status_code=401, headers={"WWW-Authenticate": self._challenge()})
        if path in self.gone:
            return Response(status_code=410)
        stored = self.documents.get(path)
        if stored is None:
            return Response(status_code=404)
        headers = {"ETag": stored.etag} if stored.etag else {}
        if stored.etag and request.headers.get("if-none-match") == stored.etag:
            return Response(status_code=304, headers=headers)
        return Response(stored.body, media_type=stored.content_type, headers=headers)

    async def _failing(self, fault: Fault) -> Response:
        if fault == "slow":
            await self.pause(self.slow_seconds)
        if fault in ("cut", "drip"):
            return _Broken(self, drip=fault == "drip")
        if fault == "redirect":
            return Response(status_code=302, headers={"Location": f"http://127.0.0.1:{self.port}/elsewhere"})
        if fault == "wrong-digest":
            return Response(status_code=401, headers={"WWW-Authenticate": 'Digest realm="x", nonce="y", algorithm=ROT'})
        if fault.isdigit():
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return Response(status_code=int(fault), headers=headers)
        body = {"huge": b"x" * HUGE, "garbage": secrets.token_bytes(500)}.get(fault, b"<html>Hello</html>")
        media_type = {"huge": PRES_RULES_TYPE, "gzip": PRES_RULES_TYPE, "html": "text/html"}.get(fault, "image/png")
        return Response(body, media_type=media_type, headers={"Content-Encoding": "gzip"} if fault == "gzip" else {})

    def _challenge(self) -> str:
        if self.auth == "basic":
            return f'Basic realm="{REALM}"'
        return f'Digest realm="{REALM}", nonce="{self.nonce}", qop="auth", algorithm=MD5'

    def _allowed(self, request: Request) -> bool:
        given = request.headers.get("authorization", "")
        if self.auth == "basic":
            return given == "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()
        return self.auth == "none" or self._digest_fits(given, request)

    def _digest_fits(self, given: str, request: Request) -> bool:
        """Return whether a digest is right (RFC 7616 §3.4.1, MD5 with qop=auth)."""
        fields = {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', given)}
        if not given.startswith("Digest ") or fields.get("nonce") != self.nonce:
            return False
        target = request.scope["raw_path"].decode()
        inner = _md5(f"{self.username}:{REALM}:{self.password}"), _md5(f"GET:{target}")
        middle = f"{self.nonce}:{fields.get('nc')}:{fields.get('cnonce')}:auth"
        return fields.get("uri") == target and fields.get("response") == _md5(f"{inner[0]}:{middle}:{inner[1]}")


class _Broken(Response):
    """Promises more than it sends: the connection is cut, or a byte comes now and then."""

    def __init__(self, origin: Origin, *, drip: bool) -> None:
        super().__init__()
        self._origin = origin
        self._drip = drip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", PRES_RULES_TYPE.encode()), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<ruleset", "more_body": True})
        while self._drip and self._origin.running:
            await self._origin.pause(0.1)
            await send({"type": "http.response.body", "body": b" ", "more_body": True})


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _app(origin: Origin) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/xcap-root{path:path}")
    async def get(path: str, request: Request) -> Response:
        return await origin.answer(unquote(path), request)

    return app


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a new self-signed certificate of 127.0.0.1 and its key, made by the `openssl` command."""
    paths = folder / "origin.crt", folder / "origin.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    return paths


@contextmanager
def serving(
    *,
    tls: tuple[Path, Path] | None = None,
    auth: Literal["none", "basic", "digest"] = "none",
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Origin]:
    """Serve an origin as long as the block runs."""
    origin = Origin(host=host, port=port, tls=tls, auth=auth)
    origin.start()
    try:
        yield origin
    finally:
        origin.stop()
