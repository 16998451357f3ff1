"""Commands of the original presence server's management interfaces, in every spelling that is in use.

OpenSIPS: `refreshWatchers`, `refresh_watchers`, `presence:refresh_watchers`; Kamailio: `presence.refreshWatchers`;
`refreshXcapDoc` of both with the prefix `xcap_client`. The case of a name says nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xcap_sync.domain.addresses import aor_of

Params = Sequence[object] | Mapping[str, object]

_METHOD = re.compile(r"(?:presence[:.])?(refresh_?watchers)|(?:xcap_client[:.])?(refresh_?xcap_?doc)", re.IGNORECASE)
_TOKEN = r"[A-Za-z0-9.!%*_+`'~-]{1,64}"
_EVENT = re.compile(rf"{_TOKEN}(;{_TOKEN})?")
_URI = re.compile(r"[!-~]{1,2048}")
_TYPES = range(3)
_WATCHERS_PARAMS = ("presentity_uri", "event", "refresh_type", "file_uri", "filename")
_DOC_PARAMS = ("doc_uri", "port")


class UnknownMethod(Exception):
    """There is no such command."""


class WrongParams(Exception):
    """Parameters are missing, too many or of a wrong kind."""


class Refused(Exception):
    """A command that is understood and cannot be done: `status` and `reason` as in SIP and HTTP."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshWatchers:
    """Rules (type 0), state (1) or a pidf-manipulation document (2) of a presentity have changed."""

    presentity: str
    event: str
    refresh_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshXcapDoc:
    """A fetched document, named as its row is, has changed."""

    doc_uri: str
    port: int


Command = RefreshWatchers | RefreshXcapDoc


def read(method: str, params: Params) -> Command:
    """Return the command; UnknownMethod, WrongParams, or Refused (400, 404) for values that cannot be."""
    match = _METHOD.fullmatch(method)
    if match is None:
        raise UnknownMethod(method)
    return _refresh_watchers(params) if match[1] else _refresh_xcap_doc(params)


def _refresh_watchers(params: Params) -> RefreshWatchers:
    values = _values(params, _WATCHERS_PARAMS, needed=3)
    uri, event, kind = (_text(values[name]) for name in _WATCHERS_PARAMS[:3])
    presentity = aor_of(uri)
    if not presentity:
        raise Refused(404, "No such user")
    if not _EVENT.fullmatch(event):
        raise Refused(400, "Bad event")
    refresh_type = _number(kind)
    if refresh_type not in _TYPES:
        raise Refused(400, "Bad refresh type")
    return RefreshWatchers(presentity=presentity, event=event, refresh_type=refresh_type)


def _refresh_xcap_doc(params: Params) -> RefreshXcapDoc:
    values = _values(params, _DOC_PARAMS, needed=2)
    uri, port = (_text(values[name]) for name in _DOC_PARAMS)
    number = _number(port)
    if not _URI.fullmatch(uri) or not 0 <= number <= 65535:
        raise Refused(400, "Bad document address")
    return RefreshXcapDoc(doc_uri=uri, port=number)


def _values(params: Params, names: Sequence[str], *, needed: int) -> Mapping[str, object]:
    """Return parameters by name, however they were given."""
    if not isinstance(params, Mapping):
        if not needed <= len(params) <= len(names):
            raise WrongParams(f"between {needed} and {len(names)} parameters")
        return dict(zip(names, params, strict=False))
    unknown, missing = params.keys() - set(names), set(names[:needed]) - params.keys()
    if unknown or missing:
        raise WrongParams(f"parameters: {', '.join(names)}")
    return params


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise WrongParams("a parameter is a string or an integer")


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1
