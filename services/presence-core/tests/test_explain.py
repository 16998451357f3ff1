"""Why a watcher sees what it sees (`/explain`), and that asking changes nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from event_packages.rules.testing import rule, ruleset, validity
from lamplighter_proto.ownership import Member, ShardOwner, ShardTable, shard_of
from presence_core.assembly import Core as Assembled
from presence_core.explaining import Explanation, RuleView
from presence_core.http_explain import add_explain_routes
from presence_core.settings import Settings
from presence_core.testing import Core, FakeDirectory
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    DIALOG_RULES,
    SERVICES,
    StartCore,
    dialog_info,
    document,
    handled,
    pidf,
    put_rules,
    shard,
    states,
    told,
    watching,
)

CAROL = "sip:carol@example.com"
MEETING = pidf(("t1", "meeting"), sphere="work")


class Members(FakeDirectory):
    """A directory with another core that can be asked."""

    def members(self) -> list[Member]:
        return [Member(service="presence-core", instance="core-2", http="http://192.0.2.2:8080")]


@dataclass
class Service:
    settings: Settings
    core: Assembled | None
    directory: FakeDirectory | None


@pytest.fixture
def directory() -> Members:
    return Members()


def client(core: Core | None, directory: FakeDirectory | None) -> AsyncClient:
    app = FastAPI()
    service = Service(Settings.load({}), None if core is None else core.core, directory)
    add_explain_routes(app, service)  # type: ignore[arg-type]  # a fake directory
    return AsyncClient(transport=ASGITransport(app), base_url="http://core")


@pytest.fixture
async def http(ruled: Core, directory: Members) -> AsyncIterator[AsyncClient]:
    async with client(ruled, directory) as http:
        yield http


async def asked(
    http: AsyncClient, watcher: str = BOB, event: str = "presence", presentity: str = ALICE, rules: bytes | None = None
) -> Response:
    query = {"presentity": presentity, "watcher": watcher, "event": event}
    return await (
        http.get("/explain", params=query) if rules is None else http.post("/explain", params=query, content=rules)
    )


async def explained(http: AsyncClient, *rules: str, watcher: str = BOB, event: str = "presence") -> Explanation:
    response = await asked(http, watcher, event, rules=ruleset(*rules) if rules else None)
    assert response.status_code == 200, response.text
    return Explanation.model_validate(response.json())


@pytest.mark.parametrize("handling", ["allow", "polite-block", "confirm", "block"])
async def test_decision_and_document_are_those_that_a_watcher_gets(
    ruled: Core, http: AsyncClient, commands: Commands, handling: str
) -> None:
    put_rules(ruled, handled(handling))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())

    found = await explained(http)

    assert (found.decision, found.dry_run, found.policy) == (handling, False, "rules")
    assert (found.document or "") == told(ruled, reply)[-1].document
    assert bool(found.removed) == (handling != "allow")


async def test_rules_that_matched_and_did_not_are_named_with_why(ruled: Core, http: AsyncClient) -> None:
    put_rules(ruled, handled("block", CAROL), rule("", handling="confirm", provides=SERVICES, id="b"))

    found = await explained(http)

    first, second = found.rules
    assert (first.matched, bool(first.why)) == (False, True)
    assert second == RuleView(id="b", matched=True, why="", handling="confirm", provides=["services: all"])
    assert found.permissions == ["services: all"]


async def test_what_is_withheld_is_named(ruled: Core, http: AsyncClient, commands: Commands) -> None:
    put_rules(ruled, handled("allow", provides=SERVICES))
    await ruled.ask(commands.pidf(MEETING))

    found = await explained(http)

    assert any("person" in line for line in found.removed)
    assert "meeting" not in str(found.document)


async def test_malformed_rules_are_named_with_what_is_wrong(ruled: Core, http: AsyncClient) -> None:
    ruled.store.documents[ALICE] = (document(b"<ruleset"),)

    found = await explained(http)

    (given,) = found.documents
    assert found.decision == "confirm"
    assert given.problem
    assert given.problem in str(found.why)


async def test_missing_rules_are_said_to_be_missing(http: AsyncClient) -> None:
    found = await explained(http)

    assert (found.decision, found.why, found.documents) == ("confirm", "there are no rules", [])


async def test_sphere_and_the_next_boundary_are_said(ruled: Core, http: AsyncClient, commands: Commands) -> None:
    period = validity(("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"))
    put_rules(ruled, handled("allow", conditions='<cp:sphere value="work"/>' + period))
    await ruled.ask(commands.pidf(MEETING))

    found = await explained(http)

    assert (found.decision, found.sphere, found.decided_again_at) == ("allow", "work", 4070908800.0)


async def test_presentity_itself_is_explained(http: AsyncClient) -> None:
    found = await explained(http, watcher=ALICE)

    assert (found.decision, found.why) == ("allow", "the presentity itself")


@pytest.mark.parametrize("event", ["message-summary", "presence.winfo"])
async def test_what_nobody_else_may_watch_is_forbidden(http: AsyncClient, event: str) -> None:
    found = await explained(http, event=event)

    assert (found.decision, found.document) == ("forbidden", None)


async def test_open_policy_is_explained(start: StartCore, directory: Members) -> None:
    core = await start(policy="open")

    async with client(core, directory) as http:
        found = await explained(http)

    assert (found.decision, found.policy, found.why) == ("allow", "open", "everybody may watch")


async def test_watcher_may_be_given_as_a_telephone_number(ruled: Core, http: AsyncClient) -> None:
    put_rules(ruled, handled("allow", "tel:+1-555-0100"))

    found = await explained(http, watcher="sip:+15550100@example.com;user=phone")

    assert found.decision == "allow"


# --- dry runs


async def test_dry_run_decides_by_the_rules_of_the_request_and_changes_nothing(
    ruled: Core, http: AsyncClient, commands: Commands
) -> None:
    put_rules(ruled, handled("allow"))
    await ruled.ask(commands.pidf(MEETING))
    reply = await watching(ruled, commands.subscribe())

    found = await explained(http, handled("block"))

    assert (found.decision, found.dry_run, found.document) == ("block", True, None)
    assert (await explained(http)).decision == "allow"
    assert states(ruled, reply) == [("active", "")]


async def test_dry_run_replaces_all_rules_and_nothing_else(ruled: Core, http: AsyncClient) -> None:
    put_rules(ruled, handled("block"))
    put_rules(ruled, handled("block"), usage="org.openmobilealliance.pres-rules")
    put_rules(ruled, handled("allow"), usage=DIALOG_RULES)

    found = await explained(http, handled("allow"))

    assert found.decision == "allow"
    assert {one.usage for one in found.documents} == {"pres-rules", DIALOG_RULES}


async def test_dry_run_with_rules_that_cannot_be_read_says_so(http: AsyncClient) -> None:
    response = await asked(http, rules=b"<ruleset")

    found = Explanation.model_validate(response.json())
    assert (found.decision, found.documents[0].uri) == ("confirm", "request")
    assert found.documents[0].problem in found.why


async def test_dry_run_of_dialog_rules_is_for_dialogs(ruled: Core, http: AsyncClient, commands: Commands) -> None:
    await ruled.ask(commands.dialogs(dialog_info(("c1", "early"))))

    found = await explained(http, handled("allow"), event="dialog")

    assert found.decision == "allow"
    assert "c1" in str(found.document)


@pytest.mark.parametrize("rules", [None, ruleset(handled("allow"))])
async def test_asking_about_who_is_not_watched_leaves_nothing(
    ruled: Core, http: AsyncClient, rules: bytes | None
) -> None:
    put_rules(ruled, handled("allow"))
    before = dict(ruled.store.subscriptions), dict(ruled.store.watchers)

    await asked(http, rules=rules)

    assert (shard(ruled).entries, shard(ruled).documents, shard(ruled).known) == ({}, {}, {})
    assert (ruled.store.subscriptions, ruled.store.watchers) == before


async def test_who_publishes_nothing_is_shown_as_watchers_would_see_it(ruled: Core, http: AsyncClient) -> None:
    put_rules(ruled, handled("allow"))

    found = await explained(http)

    assert "closed" in str(found.document)
    assert found.removed == []


# --- what cannot be answered


@pytest.mark.parametrize(
    ("presentity", "watcher", "event", "status"),
    [
        ("nonsense", BOB, "presence", 400),
        (ALICE, "nonsense", "presence", 400),
        (ALICE, "mailto:bob@example.com", "presence", 400),
        (ALICE, BOB, "unknown", 404),
        (ALICE, BOB, "xcap-diff", 404),
    ],
)
async def test_what_makes_no_sense_is_refused(
    http: AsyncClient, presentity: str, watcher: str, event: str, status: int
) -> None:
    response = await asked(http, watcher, event, presentity)

    assert response.status_code == status


async def test_database_that_is_away_is_said_to_be(ruled: Core, http: AsyncClient) -> None:
    ruled.store.away = True

    response = await asked(http)

    assert response.status_code == 503


@pytest.mark.parametrize("rules", [None, b"<x/>"])
async def test_presentity_of_another_core_is_asked_for_there(
    ruled: Core, http: AsyncClient, directory: Members, rules: bytes | None
) -> None:
    number = shard_of(ALICE, 64)
    ruled.shards.served.pop(number)
    directory.view.table = ShardTable(shards=64, owners={number: ShardOwner(owner="core-2", epoch=2)})

    response = await asked(http, rules=rules)

    assert response.status_code == 307
    assert response.headers["location"] == (
        "http://192.0.2.2:8080/explain?presentity=sip%3Aalice%40example.com&watcher=sip%3Abob%40example.com&event=presence"
    )


async def test_core_that_does_not_serve_yet_says_so() -> None:
    async with client(None, None) as http:
        response = await asked(http)

    assert response.status_code == 503
