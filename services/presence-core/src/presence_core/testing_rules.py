"""Rules, documents and what watchers got, on a core of `testing` with the packages there are: for tests alone."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from event_packages.rules.testing import one, rule, ruleset
from lamplighter_proto import (
    Answer,
    FrameCodec,
    Hint,
    Moved,
    Refresh,
    Refreshed,
    Subscribe,
    Wanted,
    XcapCommand,
    subjects,
)
from lamplighter_proto.ownership import shard_of
from presence_core.domain.documents import XcapDocument
from presence_core.domain.watcher import KnownWatcher
from presence_core.shard import Shard
from presence_core.testing import Core, outcome, to_tag
from presence_core.testing_commands import ALICE, BOB

StartCore = Callable[..., Awaitable[Core]]
PRES_RULES = "pres-rules"
DIALOG_RULES = "org.openxcap.dialog-rules"
ALL_ATTRIBUTES = "<pr:provide-all-attributes/>"
EVERYTHING = (
    "<pr:provide-services><pr:all-services/></pr:provide-services>"
    "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"
    f"<pr:provide-devices><pr:all-devices/></pr:provide-devices>{ALL_ATTRIBUTES}"
)
SERVICES = "<pr:provide-services><pr:all-services/></pr:provide-services>"


def handled(handling: str, watcher: str = BOB, *, provides: str = EVERYTHING, conditions: str = "") -> str:
    """Return a rule for one watcher."""
    return rule(one(watcher) + conditions, handling=handling, provides=provides)


def document(body: bytes, usage: str = PRES_RULES, uri: str = "index") -> XcapDocument:
    """Return a document of rules."""
    return XcapDocument(usage=usage, uri=uri, etag="e", body=body)


def put_rules(core: Core, *rules: str, usage: str = PRES_RULES, aor: str = ALICE) -> None:
    """Write rules into the store, whose other documents of that usage they replace; without any, none are left."""
    others = tuple(one for one in core.store.documents.get(aor, ()) if one.usage != usage)
    core.store.documents[aor] = (*others, *([document(ruleset(*rules), usage)] if rules else []))


async def change_rules(core: Core, *rules: str, usage: str = PRES_RULES, aor: str = ALICE) -> None:
    """Write rules and give word of it."""
    put_rules(core, *rules, usage=usage, aor=aor)
    await refresh(core, aor)


async def refresh(core: Core, aor: str = ALICE, *, shard: int | None = None, id: int = 1) -> None:
    """Give word that documents may have changed."""
    number = shard_of(aor, 64) if shard is None else shard
    core.shards.on_refreshes([Refresh(id=id, xcap_sync="xcap-sync-1", shard=number, presentity=aor)])
    await core.quiet()


def shard(core: Core, aor: str = ALICE) -> Shard:
    """Return the memory in which a presentity is."""
    found = core.memory(aor)
    assert found is not None, "it is not in memory"
    return found


def known(core: Core, event: str = "presence", aor: str = ALICE) -> list[KnownWatcher]:
    """Return what is decided about watchers in memory."""
    found = core.memory(aor)
    return [one.watcher for one in found.known_of(aor, event)] if found is not None else []


def stored_watchers(core: Core) -> list[tuple[str, str, int, str]]:
    """Return watcher, event, status and reason of the rows in the store."""
    rows = [row.watcher for row in core.store.watchers.values()]
    return sorted((row.watcher, row.event, int(row.status), row.reason) for row in rows)


@dataclass(frozen=True, slots=True)
class Told:
    """One NOTIFY that a watcher got."""

    state: str
    reason: str
    document: str
    cseq: int
    version: int


def told(core: Core, reply: Answer | Moved) -> list[Told]:
    """Return the NOTIFYs of a dialog."""
    return [
        Told(target.state, target.reason, body.decode(), target.cseq, target.version)
        for target, body in zip(core.targets, core.documents, strict=True)
        if target.dialog.local_tag == to_tag(reply)
    ]


def states(core: Core, reply: Answer | Moved) -> list[tuple[str, str]]:
    """Return state and reason of the NOTIFYs of a dialog."""
    return [(one.state, one.reason) for one in told(core, reply)]


async def settle(core: Core, status: int = 200) -> None:
    """Answer every NOTIFY in flight, and those that follow."""
    for _ in range(50):
        deliveries = [one for served in core.shards.memory() for one in served.in_flight.values()]
        awaited = {(one.subscription.local_tag, one.in_flight) for one in deliveries}
        flying = [target for target in core.targets if (target.dialog.local_tag, target.cseq) in awaited]
        if not flying:
            return
        core.shards.on_outcomes([outcome(target, status) for target in flying])
        await core.quiet()
    raise AssertionError("NOTIFYs without end")


async def watching(core: Core, command: Subscribe) -> Answer | Moved:
    """Subscribe, and answer every NOTIFY; return the reply."""
    (reply,) = await core.ask(command)
    await settle(core)
    return reply


def pidf(*tuples: tuple[str, str], sphere: str = "", entity: str = ALICE) -> bytes:
    """Return a presence document with services (id and note), and a person in a sphere."""
    person = f'<dm:person id="p"><r:sphere>{sphere}</r:sphere></dm:person>' if sphere else ""
    services = "".join(
        f'<tuple id="{id_}"><status><basic>open</basic></status><note>{note}</note></tuple>' for id_, note in tuples
    )
    return (
        '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" '
        f'xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="{entity}">{services}{person}</presence>'
    ).encode()


def dialog_info(*dialogs: tuple[str, str], entity: str = ALICE) -> bytes:
    """Return a document of dialogs: Call-ID and state."""
    inside = "".join(
        f'<dialog id="{call}" call-id="{call}" local-tag="l" remote-tag="r" direction="recipient">'
        f"<state>{state}</state></dialog>"
        for call, state in dialogs
    )
    return (
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="{entity}">'
        f"{inside}</dialog-info>"
    ).encode()


_WATCHER = re.compile(r"<watcher ([^>]*)>([^<]*)</watcher>")
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
_STATE = re.compile('state="(full|partial)"')


def rows(one: Told) -> list[tuple[str, str, str]]:
    """Return address, status and event of the watchers of a document."""
    uris = [uri for _, uri in _WATCHER.findall(one.document)]
    return [(uri, given["status"], given["event"]) for uri, given in zip(uris, attributes(one), strict=True)]


def attributes(one: Told) -> list[dict[str, str]]:
    """Return the attributes of the watchers of a document."""
    return [dict(_ATTRIBUTE.findall(given)) for given, _ in _WATCHER.findall(one.document)]


def kind(one: Told) -> str:
    """Return whether a document is full or partial."""
    found = _STATE.search(one.document)
    return found[1] if found else ""


@dataclass
class Reading:
    """Reads of XCAP documents, which wait at a gate."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[set[str]] = field(default_factory=list)


async def sent_to_xcap_sync(core: Core) -> list[Wanted | Hint]:
    """Return a list that fills with what the core says to all xcap-syncs."""
    heard: list[Wanted | Hint] = []
    await core.bus.subscribe(subjects.XCAP, FrameCodec[Wanted | Hint](XcapCommand), heard.extend)
    return heard


async def confirmations(core: Core) -> list[int]:
    """Return a list that fills with the refreshes that are confirmed."""
    heard: list[int] = []

    def take(messages: list[Refreshed]) -> None:
        heard.extend(message.id for message in messages)

    await core.bus.subscribe(subjects.xcap_replies("xcap-sync-1"), FrameCodec[Refreshed](Refreshed), take)
    return heard
