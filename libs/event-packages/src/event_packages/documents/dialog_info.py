"""Dialogs of several publications in one document, full or partial (RFC 4235 §4.3).

Rule 1: of what publications say of one dialog the most advanced state holds, not the newest: messages overtake each
other, dialogs do not go back.
Rule 2: a dialog that has ended stays so, however late somebody says otherwise: endings are remembered by name.
Rule 3: order and ids do not depend on which publication was modified last, so that no lamp flickers.
Rule 4: in a document those that have ended come first, so that what a simple phone reads last is alive.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from event_packages.base import Body
from event_packages.documents.dialog_info_model import Dialog, DialogInfo, Dialogs
from event_packages.documents.dialog_info_reading import MAX_DIALOGS, NAMESPACE, read
from event_packages.xml import parse as parse_xml
from event_packages.xml import quote

CONTENT_TYPE = "application/dialog-info+xml"

_START = f'<?xml version="1.0" encoding="UTF-8"?>\n<dialog-info xmlns="{NAMESPACE}" version="'.encode()


def parse(body: bytes) -> DialogInfo:
    """Return a published document; raise BadRequest for what is no dialog-info."""
    return read(parse_xml(body))


def compose(presentity: str, documents: Sequence[object]) -> Dialogs:
    """Return all dialogs of documents, oldest first, each once; of no documents a state without dialogs."""
    published = [document for document in documents if isinstance(document, DialogInfo)]
    told = [dialog for document in published for dialog in document.dialogs]
    dialogs = told if len(told) < 2 else _joined(told)
    live = [dialog for dialog in dialogs if dialog.live][:MAX_DIALOGS]
    ended = [dialog for dialog in dialogs if not dialog.live][: MAX_DIALOGS - len(live)]
    extensions = {document.extensions: None for document in published if document.extensions}
    unique = tuple(dialogs if len(dialogs) < 2 else _with_unique_ids([*live, *ended]))
    return Dialogs(entity=presentity, live=unique[: len(live)], ended=unique[len(live) :], extensions=tuple(extensions))


def write(state: object, base: object | None, _now: int) -> Body:
    """Return a full document, or one with what has changed since `base`; its version is put in later."""
    now, before = _dialogs(state), None if base is None else _dialogs(base)
    dialogs = (*now.ended, *now.live) if before is None else _changes(now, before)
    word = "full" if before is None else "partial"
    inside = b"".join([*[dialog.written() for dialog in dialogs], *now.extensions])
    rest = f'" state="{word}" entity={quote(now.entity)}'.encode()
    end = b">%b</dialog-info>\n" % inside if inside else b"/>\n"
    return Body(content_type=CONTENT_TYPE, document=b"".join((_START, rest, end)), version_at=len(_START))


def endings(document: object) -> frozenset[str]:
    """Return names of the dialogs that have ended; one without Call-ID may begin again."""
    dialogs = document.dialogs if isinstance(document, DialogInfo) else ()
    return frozenset(_name(dialog) for dialog in dialogs if dialog.over and dialog.call_id)


def bury(document: object, names: Collection[str]) -> object:
    """Return a document in which every dialog that one of the names covers has ended."""
    if not names or not isinstance(document, DialogInfo):
        return document
    covered = {dialog for dialog in document.dialogs if dialog.live and _is_covered(dialog, names)}
    if not covered:
        return document
    dialogs = (replace(one.ended(), buried=True) if one in covered else one for one in document.dialogs)
    return replace(document, dialogs=tuple(dialogs))


def _dialogs(state: object) -> Dialogs:
    if not isinstance(state, Dialogs):
        raise TypeError(f"not a state of dialogs: {type(state).__name__}")
    return state


def _joined(told: Sequence[Dialog]) -> list[Dialog]:
    """Return each dialog once, by Rules 1 and 3; of the ids that it is told of with it has the smallest."""
    newest_first = reversed(range(len(told)))
    kept: dict[str, list[Dialog]] = {}
    for place in sorted(newest_first, key=lambda place: _progress(told[place]), reverse=True):
        _put(told[place], kept.setdefault(told[place].call_id or f" {told[place].id}", []))
    return sorted((dialog for call in kept.values() for dialog in call), key=_name_in_order)


def _put(dialog: Dialog, call: list[Dialog]) -> None:
    """Put a dialog among those of its call; it may be told of already, and then has no less progress there."""
    places = [place for place, other in enumerate(call) if other.covers(dialog)]
    if not places:
        if len(call) < MAX_DIALOGS:
            call.append(dialog)
        return
    for place in places:
        # A vague one may be any of several branches.
        if dialog.id < call[place].id and dialog.vague == call[place].vague:
            call[place] = replace(call[place], id=dialog.id)
            return


def _name_in_order(dialog: Dialog) -> tuple[str, str, str, str]:
    return dialog.id, dialog.call_id, dialog.local_tag, dialog.remote_tag


def _progress(dialog: Dialog) -> int:
    """Return what goes before what; 0 leaves it to the newest publication."""
    return dialog.state if dialog.call_id and (dialog.live or dialog.over) else 0


def _with_unique_ids(dialogs: Iterable[Dialog]) -> list[Dialog]:
    """Return dialogs with an id each; the first keep theirs."""
    unique: dict[str, Dialog] = {}
    for dialog in dialogs:
        candidate = dialog.id
        while candidate in unique:
            candidate = f"{dialog.id}.{_hash(f'{candidate} {_name(dialog)}')}"
        unique[candidate] = _with_id(dialog, candidate)
    return list(unique.values())


def _with_id(dialog: Dialog, new: str) -> Dialog:
    return dialog if dialog.id == new else replace(dialog, id=new)


def _changes(now: Dialogs, before: Dialogs) -> list[Dialog]:
    """Return the dialogs that are new, have changed or are gone, which have ended then (RFC 4235 §4.3)."""
    known = {dialog.id: dialog for dialog in before.live}
    changed = [dialog for dialog in now.live if known.get(dialog.id) != dialog]
    living = {dialog.id for dialog in now.live}
    ended = {dialog.id: dialog for dialog in now.ended}
    gone = [ended.get(dialog.id) or dialog.ended() for dialog in before.live if dialog.id not in living]
    return gone + changed


def _name(dialog: Dialog) -> str:
    """Return the name of a dialog: 64 bits of its Call-ID and of each tag; without a tag, of its id as well."""
    parts = (dialog.call_id, dialog.local_tag, dialog.remote_tag, dialog.id if dialog.vague else "")
    return ":".join(_hash(part) if part else "" for part in parts)


def _is_covered(dialog: Dialog, names: Iterable[str]) -> bool:
    """Return whether one of the names is of an ending that covers a dialog, as `Dialog.covers` says."""
    if not dialog.call_id:
        return False
    ours = [_hash(dialog.call_id), *(_hash(tag) if tag else "" for tag in (dialog.local_tag, dialog.remote_tag))]
    for name in names:
        if name.startswith(ours[0]):
            *theirs, id_ = name.split(":")
            same = all(not one or not two or one == two for one, two in zip(ours, theirs, strict=False))
            if same and id_ in ("", _hash(dialog.id)):
                return True
    return False


def _hash(part: str) -> str:
    return blake2b(part.encode(), digest_size=8).hexdigest()
