"""JSON-RPC 2.0 over bytes: single requests, batches and notifications.

Rule 1: errors of the protocol have its codes (§5.1); a command that is refused has its status, 400 or 404, as code.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from xcap_sync.domain.commands import Params, Refused, UnknownMethod, WrongParams

logger = logging.getLogger(__name__)

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
BATCH_LIMIT = 100

Call = Callable[[str, Params], Awaitable[str]]
"""Does a command; raises UnknownMethod, WrongParams or Refused."""
Reply = dict[str, object]


async def answer(body: bytes, call: Call) -> bytes | None:
    """Return the response to a request, None when nobody waits for one."""
    try:
        request = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _encoded(_error(None, PARSE_ERROR, "Parse error"))
    if not isinstance(request, list):
        reply = await _answer_one(request, call)
        return None if reply is None else _encoded(reply)
    if not 1 <= len(request) <= BATCH_LIMIT:
        return _encoded(_error(None, INVALID_REQUEST, "Invalid Request"))
    replies = await asyncio.gather(*(_answer_one(one, call) for one in request))
    given = [reply for reply in replies if reply is not None]
    return _encoded(given) if given else None


async def _answer_one(request: object, call: Call) -> Reply | None:
    if not isinstance(request, Mapping) or not _is_request(request):
        number = request.get("id") if isinstance(request, Mapping) else None
        return _error(number if _is_id(number) else None, INVALID_REQUEST, "Invalid Request")
    reply = await _reply(request, call)
    return reply if "id" in request else None


async def _reply(request: Mapping[str, object], call: Call) -> Reply:
    number, params = request.get("id"), request.get("params", [])
    assert isinstance(params, list | dict)
    try:
        result = await call(str(request["method"]), params)
    except UnknownMethod:
        return _error(number, METHOD_NOT_FOUND, "Method not found")
    except WrongParams as error:
        return _error(number, INVALID_PARAMS, f"Invalid params: {error}")
    except Refused as error:
        return _error(number, error.status, error.reason)
    except Exception:
        logger.exception("command failed")
        return _error(number, INTERNAL_ERROR, "Internal error")
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_request(request: Mapping[str, object]) -> bool:
    return (
        request.get("jsonrpc") == "2.0"
        and isinstance(request.get("method"), str)
        and isinstance(request.get("params", []), list | dict)
        and _is_id(request.get("id"))
    )


def _is_id(number: object) -> bool:
    return number is None or (isinstance(number, str | int | float) and not isinstance(number, bool))


def _error(number: object, code: int, message: str) -> Reply:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def _encoded(reply: object) -> bytes:
    return json.dumps(reply).encode()
