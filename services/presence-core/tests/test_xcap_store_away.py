"""A change of documents that cannot be read at once is read later, and confirmed then."""

import pytest

from lamplighter_proto import FrameCodec, Refreshed, subjects
from presence_core import xcap
from presence_core.testing import Core
from presence_core.testing_commands import Commands
from presence_core.testing_rules import change_rules, handled, put_rules, settle, states, watching

STORES = ["write-through", "database"]


async def test_change_while_the_database_is_away_takes_effect_when_it_is_back(
    ruled: Core, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xcap, "RETRY_SECONDS", 0.0)
    confirmed: list[Refreshed] = []
    await ruled.bus.subscribe(subjects.xcap_replies("xcap-sync-1"), FrameCodec[Refreshed](Refreshed), confirmed.extend)
    put_rules(ruled, handled("allow"))
    reply = await watching(ruled, commands.subscribe())

    ruled.store.away = True
    await change_rules(ruled, handled("block"))
    before = list(confirmed)
    ruled.store.away = False
    await ruled.until(lambda: bool(confirmed))
    await settle(ruled)

    assert before == []
    assert states(ruled, reply) == [("active", ""), ("terminated", "rejected")]
