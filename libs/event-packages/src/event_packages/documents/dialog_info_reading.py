"""A published dialog-info document read: mended where it breaks the schema of RFC 4235 §4.4.

Rule 1: what comes out is valid; what cannot be mended is left out, and the rest is kept.
Rule 2: a dialog whose state nobody knows is left out: it says nothing about a lamp.
Rule 3: elements of other namespaces, and parameters of targets, are kept as they are, without dialogs and session
descriptions in them.
"""

import re
from hashlib import blake2b
from urllib.parse import quote as urlquote

from event_packages.documents.dialog_info_model import Dialog, DialogInfo, DialogState
from event_packages.documents.writing import Vocabulary, Writer
from event_packages.errors import BadRequest
from event_packages.xml import Element, escape, local_name, quote, text_of

NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
MAX_DIALOGS = 100
"""Of one document; live ones go before those that have ended."""
MAX_ID = 255
"""Characters of a dialog's id."""

_ROOT, _DIALOG, _STATE, _DESCRIPTION = (
    f"{{{NAMESPACE}}}{name}" for name in ("dialog-info", "dialog", "state", "session-description")
)
_XML = "{http://www.w3.org/XML/1998/namespace}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_NEVER = re.compile("(?!)")
_VOCABULARY = Vocabulary(
    {NAMESPACE: ""},
    "di",
    nameless="",
    misplaced=frozenset({_ROOT, _DIALOG, _STATE, _DESCRIPTION}),
    values={
        f"{_XML}lang": re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*"),
        f"{_XML}id": _NEVER,
        f"{_XML}space": re.compile("default|preserve"),
        _TYPE: _NEVER,
    },
)
_EVENTS = frozenset({"cancelled", "rejected", "replaced", "local-bye", "remote-bye", "error", "timeout"})
_CODE = re.compile("[1-6][0-9][0-9]")
_NUMBER = re.compile("[0-9]{1,10}")
_IN_BRACKETS = re.compile(r"[^<>]*<([^<>]+)>[^<>]*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//)(?:[\w.~!$&'()*+,;=@/?:-]|%[0-9A-Fa-f]{2}|\[[0-9A-Fa-f:.]+\])+", re.A)
_NOT_IN_URI = re.compile(r"[^\w.~!$&'()*+,;=@/?:%-]|%(?![0-9A-Fa-f]{2})", re.A)

Children = dict[str, Element]


def read(root: Element) -> DialogInfo:
    """Return the dialogs of a document in its order; raise BadRequest for what is no dialog-info."""
    if root.tag != _ROOT:
        raise BadRequest("not a dialog-info document")
    writer = Writer(_VOCABULARY)
    elements = [child for child in root if child.tag == _DIALOG]
    dialogs = [one for index, element in enumerate(elements) if (one := _dialog(element, index, writer)) is not None]
    if len(dialogs) > MAX_DIALOGS:
        dialogs = sorted(dialogs, key=lambda dialog: not dialog.live)[:MAX_DIALOGS]
    return DialogInfo(dialogs=tuple(dialogs), extensions=_extensions(root, writer).encode())


def _dialog(element: Element, index: int, writer: Writer) -> Dialog | None:
    """Read a dialog (RFC 4235 §4.1.1 to §4.1.6); None for one whose state cannot be read."""
    children = _children(element)
    state = _state(children.get("state"))
    if state is None:
        return None
    call_id, local_tag, remote_tag = (_attribute(element, name) for name in ("call-id", "local-tag", "remote-tag"))
    direction = _attribute(element, "direction").lower()
    return Dialog(
        id=_attribute(element, "id")[:MAX_ID] or _derived_id(call_id, index),
        call_id=call_id,
        local_tag=local_tag,
        remote_tag=remote_tag,
        direction=direction if direction in ("initiator", "recipient") else "",
        state=state,
        cause=_cause(children["state"]),
        duration=_number(children.get("duration"), "duration").encode(),
        content=_content(element, children, writer),
    )


def _children(element: Element) -> Children:
    """Return the first child of each name that the schema knows."""
    found: Children = {}
    for child in element:
        namespace, name = local_name(child)
        if namespace == NAMESPACE:
            found.setdefault(name, child)
    return found


def _attribute(element: Element, name: str) -> str:
    return (element.get(name) or "").strip()


def _state(element: Element | None) -> DialogState | None:
    text = "" if element is None else text_of(element).strip().upper()
    return DialogState[text] if text in DialogState.__members__ else None


def _cause(element: Element) -> bytes:
    """Return how a dialog came into its state, as attributes (RFC 4235 §4.1.2)."""
    event, code = _attribute(element, "event").lower(), _attribute(element, "code")
    written = f' event="{event}"' if event in _EVENTS else ""
    return (f'{written} code="{code}"' if _CODE.fullmatch(code) else written).encode()


def _derived_id(call_id: str, index: int) -> str:
    """Return an id that the dialog's next publication gets, too: tags may not be known yet."""
    return f"d{blake2b((call_id or str(index)).encode(), digest_size=8).hexdigest()}"


def _content(element: Element, children: Children, writer: Writer) -> tuple[bytes, ...]:
    """Return what stands behind the duration, session descriptions apart at the odd places."""
    before = _replaces(children.get("replaces"))
    before += _name_address(children.get("referred-by"), "referred-by") + _route_set(children.get("route-set"))
    pieces = [before]
    for name in ("local", "remote"):
        if name in children:
            _put_participant(children[name], name, writer, pieces)
    pieces[-1] += _extensions(element, writer)
    return tuple(piece.encode() for piece in pieces)


def _put_participant(element: Element, name: str, writer: Writer, pieces: list[str]) -> None:
    """Add a participant to the pieces (RFC 4235 §4.1.6)."""
    children = _children(element)
    pieces[-1] += f"<{name}>{_name_address(children.get('identity'), 'identity')}{_target(children.get('target'))}"
    if "session-description" in children:
        pieces += [_session_description(children["session-description"]), ""]
    pieces[-1] += f"{_number(children.get('cseq'), 'cseq')}{_extensions(element, writer)}</{name}>"


def _replaces(element: Element | None) -> str:
    """Return which dialog this one replaces (RFC 4235 §4.1.4); nothing unless all of its name is there."""
    if element is None:
        return ""
    names = {name: _attribute(element, name) for name in ("call-id", "local-tag", "remote-tag")}
    return f"<replaces{''.join(f' {n}={quote(v)}' for n, v in names.items())}/>" if all(names.values()) else ""


def _name_address(element: Element | None, name: str) -> str:
    """Return a URI and its display name, which the RFC's schema and its examples spell differently."""
    uri = "" if element is None else _uri(text_of(element))
    if element is None or not uri:
        return ""
    display = element.get("display-name") or element.get("display") or ""
    return f"<{name}{f' display-name={quote(display)}' if display else ''}>{escape(uri)}</{name}>"


def _uri(text: str) -> str:
    """Return the URI in a text, escaped where validators want it; empty for what is none."""
    text = text.strip()
    inside = _IN_BRACKETS.fullmatch(text)
    uri = inside[1].strip() if inside else text
    if not _URI.fullmatch(uri):
        uri = _NOT_IN_URI.sub(lambda found: urlquote(found[0]), uri)
    return uri if _URI.fullmatch(uri) else ""


def _target(element: Element | None) -> str:
    """Return a target with its parameters, such as a line's `x-line-id` (RFC 4235 §4.1.6.2)."""
    uri = "" if element is None else _attribute(element, "uri")
    if element is None or not uri:
        return ""
    parameters = "".join(
        f"<param pname={quote(name)} pval={quote(child.get('pval') or '')}/>"
        for child in element
        if child.tag == f"{{{NAMESPACE}}}param" and (name := child.get("pname"))
    )
    return f"<target uri={quote(uri)}>{parameters}</target>" if parameters else f"<target uri={quote(uri)}/>"


def _route_set(element: Element | None) -> str:
    hops = [] if element is None else [one for one in element if one.tag == f"{{{NAMESPACE}}}hop"]
    written = "".join(f"<hop>{escape(text_of(hop).strip())}</hop>" for hop in hops)
    return f"<route-set>{written}</route-set>" if written else ""


def _session_description(element: Element) -> str:
    kind = _attribute(element, "type") or "application/sdp"
    return f"<session-description type={quote(kind)}>{escape(text_of(element))}</session-description>"


def _number(element: Element | None, name: str) -> str:
    text = "" if element is None else text_of(element).strip()
    return f"<{name}>{text}</{name}>" if _NUMBER.fullmatch(text) else ""


def _extensions(element: Element, writer: Writer) -> str:
    """Return the children that the schema's wildcard lets in: those of other namespaces."""
    others = (child for child in element if local_name(child)[0] not in ("", NAMESPACE))
    return "".join(writer.write(child) for child in others)
