"""Every event package with everybody allowed to watch (design §5.1)."""

from collections.abc import Iterator

import pytest

from .conftest import Agents, over_udp, running
from .documents import RPID, basics, numbered, pidf, read
from .lamps import DIALOG_TYPE, dialog, dialog_info, lit, shown, versions
from .privacy import is_neutral, parts
from .publication import Publication
from .system import PHONES, System
from .watchers import Watchers

SUMMARY_TYPE = "application/simple-message-summary"
NO_MESSAGES = b"Messages-Waiting: no\r\n"


@pytest.fixture(scope="module", params=["write-through", "write-behind"])
def system(request: pytest.FixtureRequest, system: System) -> Iterator[System]:
    """Run a system with either store."""
    if request.param == "write-through":
        yield system
    else:
        yield from running(System(arguments=("--store", request.param)))


# --- presence


@over_udp
async def test_presence_whose_last_publication_ends_becomes_neutral(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    publication = Publication(alice, alice.aor)
    watch = await bob.watch(alice.aor).active()
    assert is_neutral(watch.last)

    await publication.accepted(numbered(alice.aor, 1))
    await watch.ends_with(1)
    await publication.remove()
    await watch.state(lambda one: one is watch.last and is_neutral(one))


@over_udp
async def test_presence_says_on_the_phone_where_the_domain_wants_that(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    phone = alice.aor.replace("@example.test", f"@{PHONES}")
    watch = await bob.watch(phone).active()
    await Publication(alice, phone).accepted(numbered(phone, 1))
    await watch.ends_with(1)
    call = Publication(alice, phone, event="dialog")

    talking = dialog_info(phone, dialog("d1", "confirmed", call_id="c1"))
    assert (await call.send(talking, content_type=DIALOG_TYPE)).status == 200
    busy = await watch.state(lambda one: b"on-the-phone" in one.body)
    over = dialog_info(phone, dialog("d1", "terminated", call_id="c1"))
    assert (await call.send(over, content_type=DIALOG_TYPE)).status == 200
    await watch.state(lambda one: one is watch.last and b"on-the-phone" not in one.body)

    assert busy.step == 1
    assert [one.tag for one in read(busy.body).iter(f"{{{RPID}}}on-the-phone")] == [f"{{{RPID}}}on-the-phone"]
    assert (watch.last.step, parts(watch.last.body)) == (1, ["tuple"])


@over_udp
async def test_presence_says_nothing_of_calls_where_the_domain_does_not_want_that(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor).active()

    document = dialog_info(alice.aor, dialog("d1", "confirmed", call_id="c1"))
    await Publication(alice, alice.aor, event="dialog").send(document, content_type=DIALOG_TYPE)
    await watch.nothing_more(0.3)


# --- dialog


async def test_dialog_lamp_goes_through_a_call(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor, event="dialog").active()
    dark = await lit(watch)
    assert dark.entity == alice.aor
    call = Publication(alice, alice.aor, event="dialog")

    for state in ("early", "confirmed"):
        await call.send(dialog_info(alice.aor, dialog("d1", state, call_id="c1")), content_type=DIALOG_TYPE)
        assert (await lit(watch, state)).full
    await call.send(dialog_info(alice.aor, dialog("d1", "terminated", call_id="c1")), content_type=DIALOG_TYPE)
    await lit(watch, "terminated")

    assert versions(watch) == list(range(len(versions(watch))))


@over_udp
async def test_dialog_of_all_publishers_is_in_one_document(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    desk, mobile = (Publication(alice, alice.aor, event="dialog") for _ in range(2))
    await desk.send(dialog_info(alice.aor, dialog("d1", "confirmed", call_id="c1")), content_type=DIALOG_TYPE)
    await mobile.send(dialog_info(alice.aor, dialog("d1", "early", call_id="c2")), content_type=DIALOG_TYPE)

    watch = await bob.watch(alice.aor, event="dialog").active()
    await lit(watch, "confirmed", "early")
    await mobile.remove()
    await lit(watch, "confirmed")


@over_udp
@pytest.mark.parametrize("removed", [True, False])
async def test_dialog_that_has_ended_is_lit_by_no_late_word_of_it(agents: Agents, removed: bool) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor, event="dialog").active()
    call = Publication(alice, alice.aor, event="dialog")
    for state in ("early", "terminated"):
        await call.send(dialog_info(alice.aor, dialog("d1", state, call_id="c1")), content_type=DIALOG_TYPE)
        await lit(watch, state)
    if removed:
        await call.remove()

    for state in ("confirmed", "early"):
        late = Publication(alice, alice.aor, event="dialog")
        document = dialog_info(alice.aor, dialog("d1", state, call_id="c1"))
        assert (await late.send(document, content_type=DIALOG_TYPE)).status == 200
    other = dialog_info(alice.aor, dialog("d2", "trying", call_id="c2"))
    await Publication(alice, alice.aor, event="dialog").send(other, content_type=DIALOG_TYPE)
    await watch.state(lambda one: b'"c2"' in one.body)

    told = [set(shown(one.body).states) for one in watch.notifications]
    over = told.index({"terminated"})
    assert all(states <= {"terminated", "trying"} for states in told[over:])


@over_udp
async def test_dialog_sla_is_another_event_than_dialog(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    shared = await bob.watch(alice.aor, event="dialog;sla").active()
    plain = await bob.watch(alice.aor, event="dialog").active()
    line = Publication(alice, alice.aor, event="dialog;sla")

    for state in ("trying", "terminated", "trying"):
        response = await line.send(dialog_info(alice.aor, dialog("line1", state)), content_type=DIALOG_TYPE)
        assert response.status == 200
        await lit(shared, state)
    await plain.nothing_more(0.3)

    assert shown(plain.last.body).states == ()
    assert {one.event for one in shared.notifications} == {"dialog;sla"}


# --- message-summary


async def test_message_summary_is_always_told_and_the_latest_wins(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watch = await bob.watch(alice.aor, event="message-summary").active()
    assert watch.last.body == NO_MESSAGES
    first, second = (Publication(alice, alice.aor, event="message-summary") for _ in range(2))

    await first.send(b"Messages-Waiting: no\r\n", content_type=SUMMARY_TYPE)
    summary = b"Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n"
    await second.send(summary, content_type=SUMMARY_TYPE)
    await watch.state(lambda one: one.body == summary)
    await second.remove()
    await watch.state(lambda one: one is watch.last and one.body == NO_MESSAGES)


# --- watcher information


async def test_winfo_tells_who_comes_and_goes(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    watchers = Watchers(alice.watch(alice.aor, event="presence.winfo"))
    await watchers.watch.active()
    await watchers.until()

    watch = await bob.watch(alice.aor).active()
    await watchers.told(bob.aor, "active", "subscribe")
    await watch.end()
    await watchers.told(bob.aor, "terminated", "timeout")
    await watchers.until()


@over_udp
async def test_winfo_of_others_gets_403(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")

    response = await bob.watch(alice.aor, event="presence.winfo").subscribe()

    assert response.status == 403


# --- what there is not


@over_udp
@pytest.mark.parametrize("event", ["presence.winfo", "dialog.winfo", "xcap-diff", "presence.winfo.winfo"])
async def test_publish_of_what_is_not_published_gets_489(agents: Agents, event: str) -> None:
    alice = await agents("alice")

    response = await Publication(alice, alice.aor, event=event).send(pidf(alice.aor))

    assert response.status == 489
    assert "presence" in (response.headers.get("Allow-Events") or "")


@over_udp
@pytest.mark.parametrize("event", ["xcap-diff", "presence.winfo.winfo", "message-summary.winfo"])
async def test_subscribe_to_what_is_not_watched_gets_489(agents: Agents, event: str) -> None:
    alice = await agents("alice")

    response = await alice.watch(alice.aor, event=event).subscribe()

    assert response.status == 489
    assert "dialog" in (response.headers.get("Allow-Events") or "")


@over_udp
async def test_explain_says_that_everybody_may_watch(agents: Agents, system: System) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    await Publication(alice, alice.aor).accepted(numbered(alice.aor, 1))

    answer = system.get("presence-core", f"/explain?presentity={alice.aor}&watcher={bob.aor}").json()

    assert (answer["policy"], answer["decision"], answer["removed"]) == ("open", "allow", [])
    assert basics(answer["document"].encode()) == ["open"]
