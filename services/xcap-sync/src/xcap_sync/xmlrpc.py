"""XML-RPC over bytes, as much of it as the commands need: strings and integers, or one struct of them.

Rule 1: success is the string `200 OK`, as the management interface of OpenSIPS says it; anything else is a fault
whose code is the status, or a code of the specification for fault code interoperability.
"""

import logging
import re

from event_packages.errors import BadRequest
from event_packages.xml import Element, escape, local_name, parse, text_of
from xcap_sync.domain.commands import Params, Refused, UnknownMethod, WrongParams
from xcap_sync.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, Call

logger = logging.getLogger(__name__)

_INTEGERS = ("int", "i4", "i8")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<methodResponse>'


class _InvalidRequest(Exception):
    """It is XML and no method call."""


async def answer(body: bytes, call: Call) -> bytes:
    """Return the response to a method call."""
    try:
        method, params = _read(body)
        result = await call(method, params)
    except BadRequest:
        return _fault(PARSE_ERROR, "Parse error")
    except _InvalidRequest:
        return _fault(INVALID_REQUEST, "Invalid request")
    except UnknownMethod:
        return _fault(METHOD_NOT_FOUND, "Method not found")
    except WrongParams as error:
        return _fault(INVALID_PARAMS, f"Invalid params: {error}")
    except Refused as error:
        return _fault(error.status, error.reason)
    except Exception:
        logger.exception("command failed")
        return _fault(INTERNAL_ERROR, "Internal error")
    value = f"<value><string>200 {escape(result)}</string></value>"
    return f"{_HEAD}<params><param>{value}</param></params></methodResponse>\n".encode()


def _fault(code: int, text: str) -> bytes:
    members = (
        f"<member><name>faultCode</name><value><int>{code}</int></value></member>"
        f"<member><name>faultString</name><value><string>{escape(text)}</string></value></member>"
    )
    return f"{_HEAD}<fault><value><struct>{members}</struct></value></fault></methodResponse>\n".encode()


def _read(body: bytes) -> tuple[str, Params]:
    root = parse(body)
    parts = {local_name(child)[1]: child for child in root}
    if local_name(root) != ("", "methodCall") or "methodName" not in parts:
        raise _InvalidRequest
    values = [_value(_only(param, "value")) for param in parts.get("params", ())]
    if len(values) == 1 and isinstance(values[0], dict):
        return text_of(parts["methodName"]).strip(), values[0]
    return text_of(parts["methodName"]).strip(), values


def _value(value: Element) -> object:
    """Return what a `value` holds: a string without a type, a typed scalar, or the members of a struct."""
    if len(value) == 0:
        return text_of(value)
    kind = local_name(value[0])[1]
    if kind == "string":
        return text_of(value[0])
    if kind in _INTEGERS:
        return _integer(text_of(value[0]).strip())
    if kind == "struct":
        return {text_of(_only(member, "name")): _value(_only(member, "value")) for member in value[0]}
    raise WrongParams("a parameter is a string or an integer")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise WrongParams("an integer is not readable")
    return int(text)


def _only(element: Element, name: str) -> Element:
    found = [child for child in element if local_name(child)[1] == name]
    if len(found) != 1:
        raise _InvalidRequest
    return found[0]
