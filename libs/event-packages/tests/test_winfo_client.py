"""A client of watcher information (RFC 3858 §4) has the same list whichever documents it got."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from event_packages.packages.presence import PACKAGE as PRESENCE
from event_packages.winfo import Watcher, WatcherList, winfo_of

NAMESPACE = "{urn:ietf:params:xml:ns:watcherinfo}"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "watcherinfo.xsd"))
WINFO = winfo_of(PRESENCE)
KEPT = 4
"""How many watchers that ended the server remembers."""

Row = tuple[str | None, ...]


class OutOfOrder(Exception):
    """A partial document does not follow the one before."""


@dataclass(slots=True)
class Client:
    """What a client knows of watchers, by the rules of RFC 3858 §4."""

    version: int = -1
    rows: dict[str, Row] = field(default_factory=dict)

    def read(self, document: bytes) -> None:
        root = etree.fromstring(document)
        SCHEMA.assertValid(root)
        version = int(root.attrib["version"])
        if root.get("state") == "full":
            self.rows.clear()
        elif version != self.version + 1:
            raise OutOfOrder
        self.version = version
        for watcher in root.iter(f"{NAMESPACE}watcher"):
            row = (watcher.text, watcher.get("status"), watcher.get("event"), watcher.get("display-name"))
            self.rows[str(watcher.get("id"))] = row
            if watcher.get("status") == "terminated":
                del self.rows[str(watcher.get("id"))]


def document(state: WatcherList, base: WatcherList | None, version: int) -> bytes:
    body = WINFO.body(state, base, 1000)
    assert body is not None
    return b"%b%d%b" % (body.document[: body.version_at], version, body.document[body.version_at :])


def compose(live: dict[str, Watcher], ended: list[Watcher]) -> WatcherList:
    state = WINFO.compose("sip:alice@example.com", [*live.values(), *ended[-KEPT:]])
    assert isinstance(state, WatcherList)
    return state


NAMES = st.sampled_from(["sip:bob@example.net", "sip:carol@example.org", "tel:+15551234"])
LIVE = st.sampled_from([("pending", "subscribe"), ("active", "approved"), ("waiting", "timeout")])
ENDED = st.sampled_from(["rejected", "deactivated", "timeout", "giveup", "noresource", "probation", ""])
STEPS = st.lists(st.tuples(st.integers(0, 7), NAMES, LIVE, st.none() | ENDED), max_size=30)


@given(steps=STEPS, told=st.lists(st.sampled_from(["no", "partial", "full"]), min_size=30, max_size=30))
def test_client_of_partial_documents_ends_with_the_list_of_the_full_one(
    steps: list[tuple[int, str, tuple[str, str], str | None]], told: list[str]
) -> None:
    live: dict[str, Watcher] = {}
    ended: list[Watcher] = []
    client, fresh = Client(), Client()
    base = compose(live, ended)
    client.read(document(base, None, 0))

    for (number, uri, (status, event), end), how in zip(steps, told, strict=False):
        watcher = Watcher(id=f"w{number}", uri=uri, status=status, event=event)
        live.pop(watcher.id, None)
        if end is None:
            live[watcher.id] = watcher
        elif end:
            ended.append(replace(watcher, status="terminated", event=end))
        # An empty event: it vanishes and nobody says why.
        if how != "no":
            state = compose(live, ended)
            client.read(document(state, base if how == "partial" else None, client.version + 1))
            base = state
    state = compose(live, ended)
    if state != base:
        client.read(document(state, base, client.version + 1))
    fresh.read(document(state, None, 0))

    assert client.rows == fresh.rows


def test_client_that_missed_a_partial_document_notices() -> None:
    client = Client()
    state = compose({}, [])
    client.read(document(state, None, 0))

    with pytest.raises(OutOfOrder):
        client.read(document(state, state, 2))
