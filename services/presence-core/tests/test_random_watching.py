"""Whatever meets whatever: nobody is told more than the rules in force allow, and all end where the rules say."""

import re
from random import Random

import pytest

from event_packages.registry import Registry
from lamplighter_proto import Answer, Notify, Target
from lamplighter_proto.contract import Message
from lamplighter_runtime import clock
from presence_core.domain.subscription import Status
from presence_core.shard import Shard
from presence_core.testing import Core, FakeDirectory, gate, outcome, successor, tick
from presence_core.testing_commands import ALICE, BOB, Commands
from presence_core.testing_rules import (
    SERVICES,
    StartCore,
    Told,
    attributes,
    handled,
    kind,
    pidf,
    put_rules,
    refresh,
    rows,
    shard,
)

CAROL = "sip:carol@example.com"
WATCHERS = (BOB, CAROL)
RULES = {
    "all": ("allow", None),
    "less": ("allow", SERVICES),
    "polite": ("polite-block", None),
    "confirm": ("confirm", None),
    "block": ("block", None),
    "none": ("", None),
}
STATUSES = {"all": Status.ACTIVE, "less": Status.ACTIVE, "polite": Status.ACTIVE, "block": Status.TERMINATED}
_TOKEN = re.compile(rb"token-\d+")


class World:
    """Alice, who publishes and makes rules, those who watch her, and a core that is now and then another one."""

    def __init__(self, core: Core, random: Random, packages: Registry, directory: FakeDirectory) -> None:
        self.core = core
        self.random = random
        self.packages, self.directory = packages, directory
        self.commands = Commands()
        self.rulings: dict[tuple[object, ...], dict[str, str]] = {(): dict.fromkeys(WATCHERS, "none")}
        self.ruling = self.rulings[()]
        self.token = 0
        self.cseq = 1
        self.published: str | None = None
        self.winfo: dict[str, tuple[str, str]] = {}
        self.flying: list[tuple[Target, bytes]] = []
        self.leaks: list[tuple[Target, bytes]] = []
        self.now = clock.wall()
        self.told: dict[str, tuple[str, bytes]] = {}
        self._watch_bus()

    @property
    def shard(self) -> Shard:
        return shard(self.core)

    def _watch_bus(self) -> None:
        send = self.core.bus.send

        def checked(subject: str, message: Message) -> None:
            if isinstance(message, Notify):
                for target in message.targets:
                    self._on_notify(target, message.document)
            send(subject, message)

        self.core.bus.send = checked  # type: ignore[method-assign]

    def _on_notify(self, target: Target, document: bytes) -> None:
        watcher = target.dialog.remote_uri
        if _TOKEN.search(document) and watcher != ALICE:
            in_force = self.shard.documents[ALICE].stored
            if self.rulings[in_force][watcher] != "all":
                self.leaks.append((target, document))
        self.flying.append((target, document))

    # --- what happens

    async def change_rules(self) -> None:
        self.ruling = {watcher: self.random.choice(list(RULES)) for watcher in WATCHERS}
        made = []
        for watcher, name in self.ruling.items():
            handling, provides = RULES[name]
            given = {} if provides is None else {"provides": provides}
            made += [handled(handling, watcher, **given)] if handling else []
        put_rules(self.core, *made)
        self.rulings[self.core.store.documents[ALICE]] = self.ruling
        await refresh(self.core)

    async def publish(self) -> None:
        self.token += 1
        live = [row.publication for row in self.core.store.publications.values() if row.publication.expires]
        etag = live[-1].etag if live and self.random.random() < 0.8 else ""
        remove = bool(etag) and self.random.random() < 0.2
        body = b"" if remove else pidf(("t1", f"token-{self.token}"))
        self.core.shards.on_commands([self.commands.pidf(body, if_match=etag, expires=0 if remove else 3600)])

    async def subscribe(self) -> None:
        watcher, expires = self.random.choice(WATCHERS), self.random.choice((3600, 3600, 0))
        self.core.shards.on_commands([self.commands.subscribe(watcher=watcher, expires=expires)])

    async def refresh_one(self) -> None:
        known = [one for one in self.shard.subscriptions.values() if one.status != Status.TERMINATED]
        if not known:
            return
        one = self.random.choice(known)
        self.cseq += 1
        again = self.commands.subscribe(
            watcher=one.watcher,
            event=one.event,
            call_id=one.dialog.call_id,
            to_tag=one.local_tag,
            cseq=self.cseq,
            expires=self.random.choice((3600, 0)) if one.event == "presence" else 3600,
        )
        self.core.shards.on_commands([again])

    async def watch_watchers(self) -> None:
        if not any(one.event == "presence.winfo" for one in self.shard.subscriptions.values()):
            self.core.shards.on_commands([self.commands.subscribe(event="presence.winfo", watcher=ALICE)])

    async def answer(self, status: int = 0) -> None:
        flying, self.flying = self.flying, []
        for target, document in flying:
            result = status or self.random.choice((200, 200, 200, 200, 200, 503, 481))
            if target.dialog.remote_uri == ALICE:
                result = min(result, 200) if result == 481 else result
            if result == 200:
                self._received(target, document)
            self.core.shards.on_outcomes([outcome(target, result)])

    def _received(self, target: Target, document: bytes) -> None:
        delivery = self.shard.deliveries.get(target.dialog.local_tag)
        if delivery is None or delivery.in_flight != target.cseq:
            return
        self.told[target.dialog.local_tag] = (target.state, document)
        if target.dialog.remote_uri == ALICE:
            one = Told(target.state, target.reason, document.decode(), target.cseq, target.version)
            if kind(one) == "full":
                self.winfo.clear()
            for (uri, status, _), given in zip(rows(one), attributes(one), strict=True):
                self.winfo[given["id"]] = (uri, status)
                if status == "terminated":
                    del self.winfo[given["id"]]

    async def close_the_gate(self) -> None:
        gate(self.core).clear()

    async def open_the_gate(self) -> None:
        gate(self.core).set()

    async def wait(self) -> None:
        self.now += self.random.choice((1, 5, 20))
        tick(self.core, self.now)

    async def fail_over(self) -> None:
        name = f"core-{int(self.core.settings.instance.removeprefix('core-')) + 1}"
        self.directory.view.cores = {name}
        self.core = await successor(self.core, self.packages, self.directory, name)
        self.flying = []
        self._watch_bus()

    async def step(self) -> None:
        happening = self.random.choice(
            [self.change_rules] * 4
            + [self.publish] * 4
            + [self.subscribe] * 4
            + [self.refresh_one] * 3
            + [self.answer] * 6
            + [self.close_the_gate, self.open_the_gate, self.open_the_gate, self.wait, self.watch_watchers]
            + ([self.fail_over] if self.random.random() < 0.3 else [])
        )
        await happening()
        for _ in range(self.random.choice((0, 1, 3, 20))):
            await self.core.until(lambda: True)

    async def come_to_rest(self) -> None:
        await self.open_the_gate()
        await self.watch_watchers()
        for _ in range(8):
            await self.core.quiet()
            await self.answer(200)
            self.now += 15
            tick(self.core, self.now)
        await self.core.committer.settled()
        await self.core.quiet()

    # --- what must hold then

    def check(self) -> None:
        assert self.leaks == []
        held = self.shard
        subscriptions = held.subscriptions
        assert held.in_flight == {}
        assert held.deliveries.keys() == subscriptions.keys() == self.core.store.subscriptions.keys()
        live = held.entries[(ALICE, "presence")].committed.live(self.now) if (ALICE, "presence") in held.entries else ()
        tokens = {token for one in live for token in _TOKEN.findall(one.body)}
        for tag, one in subscriptions.items():
            if one.event != "presence":
                continue
            ruling = self.ruling[one.watcher]
            assert one.status == STATUSES.get(ruling, Status.PENDING)
            assert self.core.store.subscriptions[tag].subscription.status == one.status
            state, document = self.told[tag]
            assert state == one.status.name.lower()
            assert set(_TOKEN.findall(document)) <= (tokens if ruling == "all" else set())
            assert bool(_TOKEN.search(document)) == (ruling == "all" and bool(tokens))
        self._check_watchers(held)

    def _check_watchers(self, held: Shard) -> None:
        known = {one.watcher.key: one.watcher for of_one in held.known.values() for one in of_one.values()}
        assert {key: row.watcher for key, row in self.core.store.watchers.items()} == known
        seen = []
        for one in held.subscriptions.values():
            if one.event == "presence":
                assert known[(ALICE, one.watcher, "presence")].status == one.status
                seen.append((one.watcher, one.status.name.lower()))
        waiting = [(one.watcher, "waiting") for one in known.values() if one.status == Status.WAITING]
        alone = {one.watcher for one in known.values()} - {watcher for watcher, _ in seen}
        assert all(known[(ALICE, one, "presence")].status in (Status.TERMINATED, Status.WAITING) for one in alone)
        assert sorted(self.winfo.values()) == sorted([*seen, *waiting])


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("store", ["write-through", "write-behind"])
async def test_nobody_is_told_more_than_the_rules_in_force_allow(
    start: StartCore, packages: Registry, directory: FakeDirectory, seed: int, store: str
) -> None:
    world = World(await start(store=store, write_behind_seconds="0.001"), Random(seed), packages, directory)

    for _ in range(80):
        await world.step()
    await world.come_to_rest()

    world.check()
    assert all(isinstance(reply, Answer) and reply.status in (200, 412, 481, 500) for reply in world.core.replies)
    await world.core.die()
