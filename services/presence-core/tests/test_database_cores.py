"""Two cores over one store (store=database): whoever is asked, every watcher ends with the latest state."""

import random
from collections.abc import AsyncIterator, Callable

import pytest

from event_packages.base import EventPackage
from lamplighter_proto import Publish, Subscribe
from lamplighter_runtime import clock
from presence_core.testing import FakeDirectory, etag, outcome, statuses, to_tag
from presence_core.testing_commands import ALICE
from presence_core.testing_cores import Cores, settle_once

PublishBuilder = Callable[..., Publish]
SubscribeBuilder = Callable[..., Subscribe]


@pytest.fixture
async def cores(package: EventPackage, directory: FakeDirectory) -> AsyncIterator[Cores]:
    cores = Cores(package, directory)
    await cores.start()
    yield cores
    for core in cores.all:
        await core.die()


async def test_two_cores_share_what_they_mind(cores: Cores) -> None:
    minded = [core.presentities._minding.taken for core in cores.all]

    assert sum(map(len, minded)) == 64
    assert not minded[0] & minded[1]
    assert all(core.shards.ready()["shards"] for core in cores.all)


@pytest.mark.parametrize("first", [0, 1])
async def test_cores_that_are_asked_in_turn_use_no_number_twice(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder, first: int
) -> None:
    reply = await cores.ask(cores.all[first], subscribe())
    await cores.settle()
    answer = await cores.ask(cores.all[0], publish(b"0"))
    await cores.settle()

    for number in range(1, 7):
        core = cores.all[(first + number) % 2]
        answer = await cores.ask(core, publish(b"%d" % number, if_match=etag(answer)))
        await cores.settle()

    numbers = cores.numbers(reply)
    assert len(numbers) == len(set(numbers))
    assert cores.last(reply) == b"6"


async def test_cores_that_are_asked_at_once_decide_one_after_the_other(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    reply = await cores.ask(cores.minder, subscribe())
    first = await cores.ask(cores.minder, publish(b"0"))

    for core, body in ((cores.minder, b"1"), (cores.other, b"2")):
        core.shards.on_commands([publish(body, if_match=etag(first))])
    await cores.settle()

    answers = [core.replies[-1] for core in (cores.minder, cores.other)]
    winner = b"1" if statuses(answers) == [200, 412] else b"2"
    assert sorted(statuses(answers)) == [200, 412]
    assert cores.last(reply) == winner
    assert len(cores.numbers(reply)) == len(set(cores.numbers(reply)))


async def test_repeat_at_another_core_gets_the_same_answer_and_makes_nothing(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    published, subscribed = publish(b"1"), subscribe(call_id="c")

    firsts = [await cores.ask(cores.minder, one) for one in (published, subscribed)]
    seconds = [await cores.ask(cores.other, one) for one in (published, subscribed)]

    assert etag(firsts[0]) == etag(seconds[0])
    assert to_tag(firsts[1]) == to_tag(seconds[1])
    assert (len(cores.store.publications), len(cores.store.subscriptions)) == (1, 1)


async def test_who_has_the_state_is_not_told_by_a_core_that_changes_nothing(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    answer = await cores.ask(cores.minder, publish(b"1"))
    reply = await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.minder.save_progress()

    await cores.ask(cores.other, publish(b"", if_match=etag(answer)))
    await cores.settle()

    assert cores.numbers(reply) == [1]


async def test_watcher_that_another_core_has_told_is_not_retried_by_the_former(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await cores.ask(cores.minder, subscribe())
    former = cores.minder.targets[-1]
    await cores.ask(cores.other, publish(b"1"))
    told = len(cores.minder.targets)
    now = clock.wall()

    cores.minder.shards.on_outcomes([outcome(former, 503)])
    await cores.settle(cores=[cores.other])
    for later in (6, 12, 18, 60):
        await cores.tick(now + later)

    assert cores.minder.targets[told:] == []
    assert cores.other.documents == [b"1"]


async def test_core_that_does_not_mind_a_presentity_lets_go_when_its_notifys_are_settled(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    reply = await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.ask(cores.other, publish(b"1", expires=60))
    assert ALICE in cores.other.presentities.uses
    now = clock.wall()

    await cores.settle()
    await cores.tick(now + 1)
    await cores.tick(now + 2)
    assert cores.other.presentities.uses == {}
    assert cores.last(reply) == b"1"
    await cores.tick(now + 62)
    await cores.settle()

    assert cores.minder.documents[-1] == b""
    assert cores.last(reply) == b""


async def test_what_a_watcher_refused_at_another_core_is_tried_again_by_the_minder(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    reply = await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.ask(cores.other, publish(b"1"))

    await settle_once(cores.other, 503)
    await cores.tick(clock.wall() + 1)
    await cores.settle()

    assert cores.minder.documents[-1] == b"1"
    assert max(cores.numbers(reply)) == cores.minder.targets[-1].cseq


async def test_what_a_core_told_that_died_is_told_by_the_minder(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.ask(cores.other, publish(b"1"))
    before = [target.cseq for target in cores.other.targets]

    await cores.die(cores.other)
    await cores.settle()

    minder = cores.all[0]
    assert minder.documents[-1] == b"1"
    assert minder.targets[-1].cseq > max(before)


async def test_watchers_of_a_core_that_died_are_minded_by_the_next(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    has = await cores.ask(cores.minder, subscribe())
    await cores.settle()
    await cores.minder.save_progress()
    misses = await cores.ask(cores.minder, subscribe())
    survivor = cores.other

    await cores.die(cores.minder)
    await survivor.until(lambda: len(survivor.presentities._minding.taken) == 64)
    await cores.settle()

    told = {target.dialog.local_tag for target in survivor.targets}
    assert told == {to_tag(misses)}
    assert to_tag(has) in cores.store.subscriptions


async def test_core_that_leaves_saves_what_watchers_have_and_says_so(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    await cores.ask(cores.minder, subscribe())
    await cores.settle()
    leaving, staying = cores.minder, cores.other

    for task in leaving.tasks:
        task.cancel()
    await leaving.shards.leave()
    await cores.die(leaving)
    await staying.until(lambda: len(staying.presentities._minding.taken) == 64)
    await cores.settle()

    assert staying.targets == []
    await cores.ask(staying, publish(b"1"))
    assert staying.documents == [b"1"]


async def test_core_that_lost_its_shards_in_its_sleep_takes_them_again(
    cores: Cores, subscribe: SubscribeBuilder
) -> None:
    directory, asleep, awake = cores.directory, cores.all[0], cores.all[1]
    directory.view.cores = {"core-2"}
    await awake.until(lambda: len(awake.presentities._minding.taken) == 64)

    directory.view.cores = {"core-1", "core-2"}
    directory.members_changed()
    taken = asleep.presentities._minding.taken, awake.presentities._minding.taken
    await awake.until(lambda: 16 < len(taken[1]) < 48 and len(taken[0]) + len(taken[1]) == 64)

    assert all(directory.owner_of(number) for number in range(64))
    await cores.ask(cores.minder, subscribe())


async def test_cores_that_both_know_a_presentity_come_to_rest(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder
) -> None:
    reply = await cores.ask(cores.minder, subscribe())
    for core in (cores.other, cores.minder, cores.other):
        await cores.ask(core, publish(b"x"))
    await cores.settle()
    now = clock.wall()
    for later in range(1, 8):
        for core in cores.all:
            await core.save_progress()
        await cores.tick(now + later)
        await cores.settle()
    turns, numbers = [core.turns.taken for core in cores.all], cores.numbers(reply)

    for later in range(10, 40):
        for core in cores.all:
            await core.save_progress()
        await cores.tick(now + later)
        await cores.settle()

    assert [core.turns.taken for core in cores.all] == turns
    assert cores.numbers(reply) == numbers


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_happens_every_watcher_ends_with_the_latest_state(
    cores: Cores, publish: PublishBuilder, subscribe: SubscribeBuilder, seed: int
) -> None:
    dice, now = random.Random(seed), clock.wall()
    replies = [await cores.ask(dice.choice(cores.all), subscribe()) for _ in range(2)]
    answer, body = None, b""
    for step in range(40):
        core = dice.choice(cores.all)
        match dice.randrange(7):
            case 0 | 1:
                said = dice.choice([b"1", b"2"])
                reply = await cores.ask(core, publish(said, if_match=etag(answer) if answer else ()))
                # 503 while the store is away.
                answer, body = (reply, said) if statuses([reply]) == [200] else (answer, body)
            case 2:
                await settle_once(core, dice.choice([200, 200, 503]))
            case 3:
                now += dice.choice([0.5, 3.0, 7.0])
                await cores.tick(now)
            case 4:
                await core.save_progress()
            case 5:
                cores.store.failures = dice.randrange(2)
                await cores.tick(now)
                cores.store.failures = 0
            case 6 if step % 3 == 0:
                await cores.ask(core, publish(b"", if_match="unknown"))
    for _ in range(12):
        now += 10.0
        await cores.tick(now)
        await cores.settle()

    for reply in replies:
        assert cores.last(reply) == body
        assert len(cores.numbers(reply)) == len(set(cores.numbers(reply)))
