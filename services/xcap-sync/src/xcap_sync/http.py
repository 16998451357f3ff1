"""The management interface over HTTP: JSON-RPC 2.0 at /mi, XML-RPC at /RPC2."""

import hmac

from fastapi import FastAPI, HTTPException, Request, Response

from xcap_sync import jsonrpc, xmlrpc
from xcap_sync.domain.commands import Params, Refused
from xcap_sync.jsonrpc import Call

BODY_LIMIT = 64 * 1024
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {"description": "The response, which may be an error."},
    401: {"description": "Without the token, where one is set."},
    413: {"description": "The request is too large."},
}


def _body(*types: str) -> dict[str, object]:
    return {"requestBody": {"required": True, "content": {one: {} for one in types}}}


class Gate:
    """Lets requests through to a `Call` that is there once the service serves."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self.call: Call | None = None

    async def read(self, request: Request) -> bytes:
        """Return the body of a request that may be made; 401 or 413."""
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if self._token and not hmac.compare_digest(given, b"Bearer " + self._token):
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise HTTPException(413)
        return bytes(body)

    async def pass_on(self, method: str, params: Params) -> str:
        """Do a command; Refused with 503 while the service does not serve."""
        if self.call is None:
            raise Refused(503, "Not ready")
        return await self.call(method, params)


def add_routes(app: FastAPI, gate: Gate) -> None:
    """Add the management interface."""

    @app.post(
        "/mi",
        tags=["management"],
        response_class=Response,
        responses=_ANSWERS | {204: {"description": "Notifications alone."}},
        openapi_extra=_body("application/json"),
    )
    async def mi(request: Request) -> Response:
        """Do what a JSON-RPC 2.0 request or batch asks: refreshWatchers, refreshXcapDoc."""
        reply = await jsonrpc.answer(await gate.read(request), gate.pass_on)
        return Response(status_code=204) if reply is None else Response(reply, media_type="application/json")

    @app.post(
        "/RPC2",
        tags=["management"],
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=_body("text/xml"),
    )
    async def rpc2(request: Request) -> Response:
        """Do what an XML-RPC call asks: refreshWatchers, refreshXcapDoc."""
        return Response(await xmlrpc.answer(await gate.read(request), gate.pass_on), media_type="text/xml")
