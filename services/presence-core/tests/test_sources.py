"""What states are composed of besides publications, and what the Event header makes of them."""

from datetime import UTC, datetime

import pytest

from event_packages.rules.testing import rule
from lamplighter_runtime import clock
from presence_core.testing import Core, etag, tick, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    EVERYTHING,
    StartCore,
    change_rules,
    dialog_info,
    document,
    handled,
    pidf,
    put_rules,
    settle,
    states,
    told,
    watching,
)

STORES = ["write-through", "database"]

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"))
AT_WORK = '<cp:sphere value="work"/>'


def zulu(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- hard state, and what follows from dialogs


@pytest.mark.parametrize("policy", ["rules", "open"])
async def test_hard_state_is_told_alone_and_below_what_is_published(
    start: StartCore, commands: Commands, policy: str
) -> None:
    core = await start(policy=policy)
    put_rules(core, handled("allow"))
    core.store.documents[ALICE] += (document(pidf(("h", "on holiday")), "pidf-manipulation", "h"),)
    reply = await watching(core, commands.subscribe())

    await core.ask(commands.pidf(MEETING))
    await settle(core)

    first, second = (one.document for one in told(core, reply))
    assert ("on holiday" in first, "meeting" in first) == (True, False)
    assert ("on holiday" in second, "meeting" in second) == (True, True)


async def test_hard_state_is_older_than_what_is_published(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    ruled.store.documents[ALICE] += (document(pidf(("t1", "on holiday")), "pidf-manipulation", "h"),)
    await ruled.ask(commands.pidf(pidf(("t1", "meeting"))))

    reply = await watching(ruled, commands.subscribe())

    shown = told(ruled, reply)[0].document
    assert ("meeting" in shown, "on holiday" in shown) == (True, False), shown


async def test_hard_state_that_changes_is_told(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    reply = await watching(ruled, commands.subscribe())

    ruled.store.documents[ALICE] += (document(pidf(("h", "on holiday")), "pidf-manipulation", "h"),)
    await change_rules(ruled, handled("allow"))
    await settle(ruled)
    ruled.store.documents[ALICE] = ()
    await change_rules(ruled, handled("allow"))
    await settle(ruled)

    assert ["on holiday" in one.document for one in told(ruled, reply)] == [False, True, False]


async def test_hard_state_that_cannot_be_read_is_not_there(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    ruled.store.documents[ALICE] += (document(b"<presence", "pidf-manipulation", "h"),)

    reply = await watching(ruled, commands.subscribe())

    assert states(ruled, reply) == [("active", "")]


@pytest.mark.parametrize(
    ("domains", "derived"), [("example.com", True), ("*", True), ("example.org", False), ("", False)]
)
async def test_dialogs_make_presence_where_the_operator_wants_it(
    start: StartCore, commands: Commands, domains: str, derived: bool
) -> None:
    core = await start(policy="open", presence_from_dialog_domains=domains)
    reply = await watching(core, commands.subscribe())
    (first,) = await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))
    await settle(core)
    await core.ask(commands.dialogs(dialog_info(("c1", "terminated")), if_match=etag(first)))
    await settle(core)

    assert ["on-the-phone" in one.document for one in told(core, reply)] == (
        [False, True, False] if derived else [False]
    )


async def test_presence_from_dialogs_is_there_for_who_comes_later(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", presence_from_dialog_domains="*")
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), expires=60))
    reply = await watching(core, commands.subscribe())

    tick(core, clock.wall() + 62)
    await core.quiet()
    await settle(core)

    assert ["on-the-phone" in one.document for one in told(core, reply)] == [True, False]


async def test_presence_from_dialogs_is_seen_by_the_rules_of_presence(start: StartCore, commands: Commands) -> None:
    core = await start(presence_from_dialog_domains="*")
    put_rules(core, handled("allow", provides=""), handled("allow", CAROL))
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"))))

    bob = await watching(core, commands.subscribe())
    carol = await watching(core, commands.subscribe(watcher=CAROL))

    assert "on-the-phone" not in told(core, bob)[0].document
    assert "on-the-phone" in told(core, carol)[0].document


# --- the Event header


async def test_event_with_a_parameter_is_a_package_of_its_own(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open")
    shared = await watching(core, commands.subscribe(event="dialog", event_params=[("sla", ""), ("id", "7")]))
    plain = await watching(core, commands.subscribe(event="dialog"))

    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed")), event_params=[("sla", "")]))
    await settle(core)

    assert "c1" in told(core, shared)[-1].document
    assert len(told(core, plain)) == 1
    assert core.targets[0].dialog.event == "dialog;sla;id=7"
    assert {event for _, event, _ in core.store.publications} == {"dialog;sla"}
    assert {row.subscription.event for row in core.store.subscriptions.values()} == {"dialog", "dialog;sla"}


async def test_event_with_a_parameter_is_refreshed_as_such(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open")
    given = {"event": "dialog", "event_params": [("sla", "")], "call_id": "c"}
    reply = await watching(core, commands.subscribe(**given))  # type: ignore[arg-type]

    again = await watching(core, commands.subscribe(cseq=2, to_tag=to_tag(reply), **given))  # type: ignore[arg-type]

    assert to_tag(again) == to_tag(reply)
    assert len(told(core, reply)) == 2


async def test_event_header_says_which_dialogs_a_watcher_sees(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, rule("", handling="allow"), usage=DIALOG_RULES)
    await ruled.ask(commands.dialogs(dialog_info(("c1", "confirmed"), ("c2", "early"))))

    reply = await watching(ruled, commands.subscribe(event="dialog", event_params=[("call-id", "c2")]))

    assert ("c1" in told(ruled, reply)[0].document, "c2" in told(ruled, reply)[0].document) == (False, True)


async def test_single_events_show_one_dialog(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", single_state_events="dialog")
    await core.ask(commands.dialogs(dialog_info(("c1", "confirmed"), ("c2", "early"))))

    reply = await watching(core, commands.subscribe(event="dialog"))

    assert ("c1" in told(core, reply)[0].document, "c2" in told(core, reply)[0].document) == (False, True)


async def test_watchers_with_one_view_share_one_document(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow", provides=EVERYTHING), handled("allow", CAROL, provides=EVERYTHING))
    await ruled.ask(commands.subscribe(), commands.subscribe(watcher=CAROL), commands.subscribe(watcher=BOB))
    await settle(ruled)
    before = len(set(map(id, ruled.notifies)))

    await ruled.ask(commands.pidf(MEETING))

    assert len(set(map(id, ruled.notifies))) == before + 1
