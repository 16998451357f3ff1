"""The small registrar (RFC 3261 §10.3)."""

from sip.message import Response

from .agent import Agent
from .conftest import Agents
from .system import QUICK

REGISTRAR = "sip:example.test"
LEAST = int(QUICK["PRESENCE_CORE_REGISTRATION_EXPIRES_MIN_SECONDS"])


async def register(agent: Agent, *headers: tuple[str, str], cseq: int = 1) -> Response:
    """Send a REGISTER for the agent's AOR."""
    return await agent.out_of_dialog("REGISTER", REGISTRAR, headers, to=agent.aor, cseq=cseq)


def contacts(response: Response) -> list[str]:
    """Return the Contact values of an answer."""
    return response.headers.values("Contact") if "Contact" in response.headers else []


async def test_register_answers_with_the_binding_and_its_lifetime(agents: Agents) -> None:
    alice = await agents("alice")

    response = await register(alice, ("Contact", f"<{alice.contact}>"), ("Expires", "300"))

    assert response.status == 200
    (binding,) = contacts(response)
    assert binding.startswith(f"<{alice.contact}>")
    assert any(f"expires={seconds}" in binding for seconds in (299, 300))


async def test_register_two_contacts_with_their_own_lifetimes(agents: Agents) -> None:
    alice = await agents("alice")

    response = await register(
        alice, ("Contact", "<sip:alice@127.0.0.1:7001>;expires=100, <sip:alice@127.0.0.1:7002>"), ("Expires", "200")
    )

    lifetimes = sorted(int(one.partition("expires=")[2].partition(";")[0]) for one in contacts(response))
    assert lifetimes in ([99, 199], [100, 200], [99, 200], [100, 199])


async def test_register_without_contact_asks_for_the_bindings(agents: Agents) -> None:
    alice = await agents("alice")
    await register(alice, ("Contact", f"<{alice.contact}>"))

    response = await register(alice)

    assert len(contacts(response)) == 1


async def test_register_with_expires_0_removes_one(agents: Agents) -> None:
    alice = await agents("alice")
    await register(alice, ("Contact", "<sip:alice@127.0.0.1:7001>, <sip:alice@127.0.0.1:7002>"))

    response = await register(alice, ("Contact", "<sip:alice@127.0.0.1:7001>;expires=0"))

    (left,) = contacts(response)
    assert ":7002" in left


async def test_register_star_removes_all(agents: Agents) -> None:
    alice = await agents("alice")
    await register(alice, ("Contact", "<sip:alice@127.0.0.1:7001>, <sip:alice@127.0.0.1:7002>"))

    response = await register(alice, ("Contact", "*"), ("Expires", "0"))

    assert (response.status, contacts(response)) == (200, [])


async def test_register_star_without_expires_0_gets_400(agents: Agents) -> None:
    alice = await agents("alice")

    response = await register(alice, ("Contact", "*"), ("Expires", "300"))

    assert response.status == 400


async def test_register_too_brief_gets_423_with_min_expires(agents: Agents) -> None:
    alice = await agents("alice")

    response = await register(alice, ("Contact", f"<{alice.contact}>"), ("Expires", str(LEAST - 1)))

    assert (response.status, response.headers.get("Min-Expires")) == (423, str(LEAST))


async def test_register_keeps_what_the_client_says_of_itself(agents: Agents) -> None:
    alice = await agents("alice")
    instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'

    response = await register(alice, ("Contact", f"<{alice.contact}>;q=0.7;{instance}"))

    (binding,) = contacts(response)
    assert instance in binding
    assert "q=0.7" in binding
