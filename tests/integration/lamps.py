"""Dialog documents that phones publish, and what lamps make of those they get (RFC 4235)."""

from dataclasses import dataclass

from lxml import etree

from .documents import read
from .watch import Watch

DIALOG_TYPE = "application/dialog-info+xml"
DIALOG_INFO = "urn:ietf:params:xml:ns:dialog-info"


def dialog(id_: str, state: str, *, call_id: str = "", direction: str = "recipient") -> str:
    """Return an element of one dialog; without a Call-ID it is a line."""
    call = f' call-id="{call_id}" local-tag="l-{id_}" remote-tag="r-{id_}"' if call_id else ""
    return f'<dialog id="{id_}"{call} direction="{direction}"><state>{state}</state></dialog>'


def dialog_info(entity: str, *dialogs: str, version: int = 0) -> bytes:
    """Return a full document."""
    return (
        f'<?xml version="1.0"?>\n<dialog-info xmlns="{DIALOG_INFO}" version="{version}" state="full" '
        f'entity="{entity}">{"".join(dialogs)}</dialog-info>'
    ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A document as a lamp takes it."""

    version: int
    full: bool
    entity: str
    states: tuple[str, ...]
    """Of all dialogs, sorted."""


def shown(body: bytes) -> Shown:
    """Return what a document says."""
    root = read(body)
    assert root.tag == f"{{{DIALOG_INFO}}}dialog-info", root.tag
    states = [_state(child) for child in root.iter(f"{{{DIALOG_INFO}}}state")]
    return Shown(
        version=int(root.get("version") or ""),
        full=root.get("state") == "full",
        entity=root.get("entity") or "",
        states=tuple(sorted(states)),
    )


def _state(element: etree._Element) -> str:
    return (element.text or "").strip()


async def lit(watch: Watch, *states: str) -> Shown:
    """Wait until the last document has dialogs in exactly these states, and return it."""
    expected = tuple(sorted(states))
    one = await watch.state(lambda one: one is watch.last and bool(one.body) and shown(one.body).states == expected)
    return shown(one.body)


def versions(watch: Watch) -> list[int]:
    """Return the versions of all documents in order."""
    return [shown(one.body).version for one in watch.notifications if one.body]
