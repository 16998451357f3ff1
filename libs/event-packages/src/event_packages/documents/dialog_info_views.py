"""What one watcher sees of a presentity's dialogs (RFC 4235 §3.2, §3.6).

Rule 1: descriptions of sessions are for watchers that asked for them.
Rule 2: a watcher that can show one dialog gets the one that wants attention most: ringing goes before talking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from event_packages.base import View
from event_packages.documents.dialog_info_model import Dialog, Dialogs, DialogState

SESSION_DESCRIPTION = "include-session-description"
PARAMETERS = frozenset({"call-id", "from-tag", "to-tag", SESSION_DESCRIPTION})
"""Of the Event header (RFC 4235 §3.2)."""

_ATTENTION = {
    DialogState.TERMINATED: 0,
    DialogState.TRYING: 1,
    DialogState.PROCEEDING: 2,
    DialogState.CONFIRMED: 3,
    DialogState.EARLY: 4,
}


def see(state: object, view: View) -> object:
    """Return the dialogs that a watcher wants to see, as far as it wants and can."""
    if not isinstance(state, Dialogs):
        return state
    parameters = dict(view.parameters)
    if parameters.keys() & {"call-id", "from-tag", "to-tag"}:
        state = _wanted(state, parameters)
    if SESSION_DESCRIPTION not in parameters:
        state = _without_session_descriptions(state)
    return _single(state) if view.single else state


def removed(state: object, view: View) -> Sequence[str]:
    """Return in words what a watcher does not see."""
    if not isinstance(state, Dialogs):
        return ()
    parameters = dict(view.parameters)
    wanted = _wanted(state, parameters)
    others = len(state.live) - len(wanted.live)
    described = 0 if SESSION_DESCRIPTION in parameters else sum(len(one.content) > 1 for one in wanted.live)
    hidden = len(wanted.live) - 1 if view.single else 0
    return [
        f"{number} {'dialog' if number == 1 else 'dialogs'}: {why}"
        for number, why in (
            (others, "not the one that the Event header names"),
            (described, "session description not asked for"),
            (hidden, "the watcher can show one only"),
        )
        if number > 0
    ]


def _wanted(state: Dialogs, parameters: Mapping[str, str]) -> Dialogs:
    live = tuple(dialog for dialog in state.live if _is_wanted(dialog, parameters))
    ended = tuple(dialog for dialog in state.ended if _is_wanted(dialog, parameters))
    return replace(state, live=live, ended=ended)


def _is_wanted(dialog: Dialog, parameters: Mapping[str, str]) -> bool:
    """Return whether the Event header names a dialog; the initiator's tag is the From tag of its INVITE."""
    if parameters.get("call-id", dialog.call_id) != dialog.call_id:
        return False
    wanted = parameters.get("from-tag", ""), parameters.get("to-tag", "")
    local, remote = dialog.local_tag, dialog.remote_tag
    ways = {"initiator": [(local, remote)], "recipient": [(remote, local)]}
    return any(_fits(wanted, tags) for tags in ways.get(dialog.direction, [(local, remote), (remote, local)]))


def _fits(wanted: tuple[str, str], tags: tuple[str, str]) -> bool:
    return all(not want or want == tag for want, tag in zip(wanted, tags, strict=True))


def _without_session_descriptions(state: Dialogs) -> Dialogs:
    if all(len(dialog.content) == 1 for dialog in (*state.live, *state.ended)):
        return state
    live = tuple(dialog.without_session_descriptions() for dialog in state.live)
    ended = tuple(dialog.without_session_descriptions() for dialog in state.ended)
    return replace(state, live=live, ended=ended)


def _single(state: Dialogs) -> Dialogs:
    """Return the dialog that wants attention most, of several the first by id; when none is live, an ended one."""
    if not state.live:
        return replace(state, ended=state.ended[-1:])
    return replace(state, live=(max(state.live, key=lambda dialog: _ATTENTION[dialog.state]),), ended=())
