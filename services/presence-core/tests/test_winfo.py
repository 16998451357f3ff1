"""Those who watch the watchers (RFC 3857, RFC 3858)."""

import pytest

from lamplighter_runtime import clock
from presence_core.testing import Core, statuses, tick, to_tag
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    StartCore,
    attributes,
    change_rules,
    dialog_info,
    handled,
    kind,
    put_rules,
    rows,
    settle,
    told,
    watching,
)

STORES = ["write-through", "database"]

CAROL = "sip:carol@example.com"


# --- documents


async def test_new_watcher_of_watchers_gets_all_of_them(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.subscribe(), commands.subscribe(watcher=CAROL))

    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))

    (one,) = told(ruled, alice)
    assert (kind(one), one.version) == ("full", 0)
    assert sorted(rows(one)) == [(BOB, "active", "subscribe"), (CAROL, "pending", "subscribe")]
    assert f'resource="{ALICE}" package="presence"' in one.document


async def test_refresh_of_the_watcher_of_watchers_gets_all_of_them(ruled: Core, commands: Commands) -> None:
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE, call_id="c"))
    await watching(ruled, commands.subscribe())

    again = commands.subscribe(event="presence.winfo", watcher=ALICE, call_id="c", cseq=2, to_tag=to_tag(alice))
    await watching(ruled, again)

    assert [(kind(one), one.version) for one in told(ruled, alice)] == [("full", 0), ("partial", 1), ("full", 2)]
    assert rows(told(ruled, alice)[2]) == [(BOB, "pending", "subscribe")]


async def test_watchers_have_all_attributes(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    await watching(ruled, commands.subscribe(display_name='Bob "B" <&>', expires=600))

    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))

    (given,) = attributes(told(ruled, alice)[0])
    assert given.keys() == {"id", "status", "event", "display-name", "expiration", "duration-subscribed"}
    assert given["display-name"] == "Bob &quot;B&quot; &lt;&amp;&gt;"
    assert 598 <= int(given["expiration"]) <= 601
    assert int(given["duration-subscribed"]) <= 1


CHANGES = {
    "approved": (None, "allow", ("active", "approved")),
    "approved politely": (None, "polite-block", ("active", "approved")),
    "rejected while pending": (None, "block", ("terminated", "rejected")),
    "rejected": ("allow", "block", ("terminated", "rejected")),
    "deactivated": ("allow", None, ("terminated", "deactivated")),
}


@pytest.mark.parametrize(("before", "after", "row"), CHANGES.values(), ids=CHANGES)
async def test_decision_is_told_with_its_event(
    ruled: Core, commands: Commands, before: str | None, after: str | None, row: tuple[str, str]
) -> None:
    put_rules(ruled, *([handled(before)] if before else []))
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))
    await watching(ruled, commands.subscribe())

    await change_rules(ruled, *([handled(after)] if after else []))
    await settle(ruled)

    came, went = told(ruled, alice)[1:]
    assert (kind(came), kind(went)) == ("partial", "partial")
    assert rows(came) == [(BOB, "active" if before == "allow" else "pending", "subscribe")]
    assert rows(went) == [(BOB, *row)]
    assert [one.version for one in told(ruled, alice)] == [0, 1, 2]


@pytest.mark.parametrize("how", ["unsubscribed", "expired", "refused"])
@pytest.mark.parametrize(("rules", "row"), [("allow", ("terminated", "timeout")), ("confirm", ("waiting", "timeout"))])
async def test_end_is_told_with_its_event(
    ruled: Core, commands: Commands, how: str, rules: str, row: tuple[str, str]
) -> None:
    put_rules(ruled, handled(rules))
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))
    (bob,) = await ruled.ask(commands.subscribe(call_id="c", expires=60))
    if how == "refused":
        await ruled.confirm(481, [target for target in ruled.targets if target.dialog.local_tag == to_tag(bob)])
    await settle(ruled)

    if how == "unsubscribed":
        await watching(ruled, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(bob), expires=0))
    elif how == "expired":
        tick(ruled, clock.wall() + 62)
        await ruled.quiet()
    await settle(ruled)

    assert rows(told(ruled, alice)[-1]) == [(BOB, *row)]


async def test_blocked_watcher_that_asks_is_told_of(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("block"))
    alice = await watching(ruled, commands.subscribe(event="presence.winfo", watcher=ALICE))

    await watching(ruled, commands.subscribe())

    assert rows(told(ruled, alice)[-1]) == [(BOB, "terminated", "rejected")]


async def test_change_that_meets_a_notify_in_flight_is_told_with_its_event(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"))
    (alice,) = await ruled.ask(commands.subscribe(event="presence.winfo", watcher=ALICE))
    (bob,) = await ruled.ask(commands.subscribe())
    bobs = [target for target in ruled.targets if target.dialog.local_tag == to_tag(bob)]
    await ruled.confirm(200, bobs)
    await ruled.confirm(200, ruled.targets[:1])

    await change_rules(ruled, handled("block"))
    bobs = [target for target in ruled.targets if target.dialog.local_tag == to_tag(bob)]
    await ruled.confirm(200, bobs[-1:])
    assert ruled.store.subscriptions.keys() == {to_tag(alice)}
    await settle(ruled)

    assert rows(told(ruled, alice)[-1]) == [(BOB, "terminated", "rejected")]


async def test_watchers_of_dialogs_have_watchers_too(ruled: Core, commands: Commands) -> None:
    put_rules(ruled, handled("allow"), usage=DIALOG_RULES)
    await ruled.ask(commands.dialogs(dialog_info(("c1", "early"))))
    alice = await watching(ruled, commands.subscribe(event="dialog.winfo", watcher=ALICE))

    await watching(ruled, commands.subscribe(event="dialog"))

    assert 'package="dialog"' in told(ruled, alice)[-1].document
    assert rows(told(ruled, alice)[-1]) == [(BOB, "active", "subscribe")]


# --- who may


@pytest.mark.parametrize("policy", ["rules", "open"])
async def test_watchers_are_told_to_the_presentity_alone(start: StartCore, commands: Commands, policy: str) -> None:
    core = await start(policy=policy)
    put_rules(core, handled("allow"))

    replies = await core.ask(
        commands.subscribe(event="presence.winfo"),
        commands.subscribe(event="presence.winfo", expires=0),
        commands.subscribe(event="presence.winfo", watcher=ALICE),
    )

    assert statuses(replies) == [403, 403, 200]
    assert {target.dialog.local_tag for target in core.targets} == {to_tag(replies[2])}


async def test_watchers_are_told_without_rules_too(start: StartCore, commands: Commands) -> None:
    core = await start(policy="open", xcap="none")
    alice = await watching(core, commands.subscribe(event="presence.winfo", watcher=ALICE))
    bob = await watching(core, commands.subscribe(call_id="c"))

    await watching(core, commands.subscribe(call_id="c", cseq=2, to_tag=to_tag(bob), expires=0))

    assert [rows(one) for one in told(core, alice)] == [
        [],
        [(BOB, "active", "subscribe")],
        [(BOB, "terminated", "timeout")],
    ]
    assert core.store.watchers == {}


@pytest.mark.parametrize("event", ["presence.winfo.winfo", "message-summary.winfo", "dialog;sla.winfo", ".winfo"])
async def test_there_is_no_winfo_of_what_has_none(ruled: Core, commands: Commands, event: str) -> None:
    replies = await ruled.ask(commands.subscribe(event=event, watcher=ALICE))

    assert statuses(replies) == [489]


async def test_watcher_information_is_not_published(ruled: Core, commands: Commands) -> None:
    replies = await ruled.ask(
        commands.publish(b"<watcherinfo/>", event="presence.winfo", content_type="application/watcherinfo+xml")
    )

    assert statuses(replies) == [489]
