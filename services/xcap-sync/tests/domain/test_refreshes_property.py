"""Whatever is lost and whatever comes late: a confirmation stands for no change that came after its refresh."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from xcap_sync.domain.refreshes import Refreshes

USERS = [f"sip:user{number}@example.com" for number in range(3)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.integers(0, 15)),
        st.tuples(st.just("confirm"), st.integers(0, 30)),
        st.tuples(st.just("owner"), st.integers(0, 1)),
    ),
    max_size=60,
)


@dataclass(slots=True)
class World:
    """Refreshes, what was sent when, and who heard what."""

    refreshes: Refreshes = field(
        default_factory=lambda: Refreshes("xcap-sync-1", 4, patience=60.0, window=2, first_id=1)
    )
    now: float = 0.0
    owned: bool = True
    first_sent: dict[int, float] = field(default_factory=dict)
    asked: int = 0
    heard: list[tuple[float, bool]] = field(default_factory=list)
    confirming: float | None = None

    def ask(self, user: int) -> None:
        asked_at = self.now
        self.asked += 1

        def done(well: bool) -> None:
            self.heard.append((asked_at, well))
            assert not well or (self.confirming is not None and self.confirming >= asked_at)

        self.refreshes.ask(USERS[user], self.now, done)

    def turn(self) -> None:
        for sends in (self.refreshes.fresh, self.refreshes.due):
            for _, refresh in sends(self.now, lambda shard: "core-1" if self.owned else None):
                self.first_sent.setdefault(refresh.id, self.now)

    def confirm(self, number: int) -> None:
        self.confirming = self.first_sent.get(number)
        self.refreshes.confirmed(number, self.now)
        self.confirming = None

    def do(self, step: tuple[str, int]) -> None:
        name, value = step
        if name == "ask":
            # Two things never happen at one time.
            self.now += 0.001
            self.ask(value)
            self.now += 0.001
        elif name == "pass":
            self.now += value / 10
            self.turn()
        elif name == "confirm":
            self.confirm(value)
        else:
            self.owned = value == 1


@given(STEPS)
def test_every_change_is_confirmed_by_a_refresh_that_was_sent_after_it(steps: list[tuple[str, int]]) -> None:
    world = World()
    for step in steps:
        world.do(step)

    world.owned = True
    for _ in range(10):
        world.now += 1.0
        world.turn()
        for number in list(world.first_sent):
            world.confirm(number)

    assert len(world.refreshes) == 0
    assert len(world.heard) == world.asked
    assert all(well for _, well in world.heard)
