"""Rules about dialogs as OpenXCAP stores them, and the settings of packages that have nothing to do with presence."""

from collections.abc import AsyncIterator

import pytest

from . import rules
from .conftest import Agents, over_udp
from .lamps import DIALOG_TYPE, dialog, dialog_info, lit, shown
from .privacy import after, ended, tells_nothing
from .publication import Publication
from .system import System
from .xcap_table import DIALOG_RULES, XcapTable

pytestmark = over_udp


@pytest.fixture(scope="module")
def system(integrated: System) -> System:
    """Take the system whose rules are in its table."""
    return integrated


@pytest.fixture
async def table(system: System) -> AsyncIterator[XcapTable]:
    """Return the table, which tells of its changes itself."""
    async with XcapTable.open(system.dsn) as table:
        yield table


async def test_lamp_is_lit_for_whom_dialog_rules_allow(agents: Agents, table: XcapTable) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    call = Publication(alice, alice.aor, event="dialog")
    await call.send(dialog_info(alice.aor, dialog("d1", "confirmed", call_id="c1")), content_type=DIALOG_TYPE)
    await table.put(alice.aor, rules.allow(bob.aor))
    watch = await bob.watch(alice.aor, event="dialog").subscribed("pending")
    assert tells_nothing(watch)

    await table.put(alice.aor, rules.allow(bob.aor), DIALOG_RULES)
    await lit(watch, "confirmed")
    await after(watch, lambda: table.remove(alice.aor, DIALOG_RULES), ended("deactivated"))


async def test_politely_blocked_lamp_stays_dark(agents: Agents, table: XcapTable) -> None:
    alice, bob = await agents("alice"), await agents("bob")
    call = Publication(alice, alice.aor, event="dialog")
    await call.send(dialog_info(alice.aor, dialog("d1", "confirmed", call_id="c1")), content_type=DIALOG_TYPE)
    await table.put(alice.aor, rules.handle("polite-block", bob.aor), DIALOG_RULES)

    watch = await bob.watch(alice.aor, event="dialog").active()
    await call.send(dialog_info(alice.aor, dialog("d1", "terminated", call_id="c1")), content_type=DIALOG_TYPE)
    await watch.nothing_more(0.3)

    assert shown(watch.last.body).states == ()
    assert shown(watch.last.body).entity == alice.aor


async def test_changes_are_told_in_part_where_the_operator_wants_that(agents: Agents, table: XcapTable) -> None:
    alice = await agents("alice")
    watch = await alice.watch(alice.aor, event="dialog").active()
    desk, mobile = (Publication(alice, alice.aor, event="dialog") for _ in range(2))

    await desk.send(dialog_info(alice.aor, dialog("d1", "confirmed", call_id="c1")), content_type=DIALOG_TYPE)
    await lit(watch, "confirmed")
    await mobile.send(dialog_info(alice.aor, dialog("d2", "early", call_id="c2")), content_type=DIALOG_TYPE)
    await lit(watch, "early")
    refreshed = await after(watch, watch.subscribe, lambda one: bool(one.body))

    documents = [shown(one.body) for one in watch.notifications]
    assert [one.version for one in documents] == [0, 1, 2, 3]
    assert [one.full for one in documents] == [True, False, False, True]
    assert shown(refreshed.body).states == ("confirmed", "early")


async def test_one_dialog_is_told_to_whom_asks_for_it(agents: Agents) -> None:
    alice = await agents("alice")
    call = Publication(alice, alice.aor, event="dialog")
    both = dialog("d1", "confirmed", call_id="c1"), dialog("d2", "early", call_id="c2")
    await call.send(dialog_info(alice.aor, *both), content_type=DIALOG_TYPE)

    watch = await alice.watch(alice.aor, event="dialog;call-id=c2").active()

    assert shown(watch.last.body).states == ("early",)


async def test_open_event_asks_no_rules(agents: Agents) -> None:
    alice, bob = await agents("alice"), await agents("bob")

    watch = await bob.watch(alice.aor, event="message-summary").active()

    assert watch.last.body == b"Messages-Waiting: no\r\n"
