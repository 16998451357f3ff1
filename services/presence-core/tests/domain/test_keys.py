"""Names that no index takes."""

from collections.abc import Callable

import pytest

from event_packages.errors import BadRequest
from lamplighter_proto import Binding, Command, Publish, Register, Subscribe
from presence_core.domain.keys import LONGEST_KEY, check_key

AOR = "sip:alice@example.com"
LONG = "x" * LONGEST_KEY
SHORT = Binding(contact="sip:a@192.0.2.1", expires=60)


@pytest.fixture(params=["presentity", "watched", "call_id", "from_tag", "aor", "contact"])
def too_long(
    request: pytest.FixtureRequest,
    publish: Callable[..., Publish],
    subscribe: Callable[..., Subscribe],
    register: Callable[..., Register],
) -> Command:
    commands: dict[str, Command] = {
        "presentity": publish(presentity=f"sip:{LONG}@example.com"),
        "watched": subscribe(presentity=f"sip:{LONG}@example.com"),
        "call_id": subscribe(call_id=LONG),
        "from_tag": subscribe(from_tag=LONG),
        "aor": register(aor=f"sip:{LONG}@example.com"),
        "contact": register(SHORT, Binding(contact=f"sip:{LONG}@192.0.2.1", expires=60)),
    }
    return commands[request.param]


def test_name_longer_than_an_index_takes_is_refused_400(too_long: Command) -> None:
    with pytest.raises(BadRequest):
        check_key(too_long)


def test_length_is_counted_in_bytes(publish: Callable[..., Publish]) -> None:
    command = publish(presentity="ü" * (LONGEST_KEY // 2 + 1))

    with pytest.raises(BadRequest):
        check_key(command)


def test_longest_name_is_taken(
    publish: Callable[..., Publish], subscribe: Callable[..., Subscribe], register: Callable[..., Register]
) -> None:
    check_key(publish(presentity="x" * LONGEST_KEY))
    check_key(subscribe(presentity=AOR, call_id="x" * (LONGEST_KEY - len(AOR) - 1), from_tag="w"))
    check_key(register(Binding(contact="x" * (LONGEST_KEY - len(AOR)), expires=60), aor=AOR))
