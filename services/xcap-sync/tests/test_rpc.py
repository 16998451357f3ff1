"""The two protocols over bytes, with a command that remembers."""

import json
import xmlrpc.client

import pytest

from xcap_sync import jsonrpc
from xcap_sync import xmlrpc as codec
from xcap_sync.domain.commands import Params, Refused, UnknownMethod, WrongParams


class Commands:
    """Does every command, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, Params]] = []
        self._error = error

    async def __call__(self, method: str, params: Params) -> str:
        self.calls.append((method, params))
        if self._error is not None:
            raise self._error
        return "OK"


def request(**changes: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "refreshWatchers", "params": ["sip:alice@example.com"]} | changes


async def json_reply(value: object, commands: Commands | None = None) -> object:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    reply = await jsonrpc.answer(body, commands or Commands())
    return None if reply is None else json.loads(reply)


async def json_error(value: object, commands: Commands | None = None) -> tuple[object, object]:
    reply = await json_reply(value, commands)
    assert isinstance(reply, dict)
    return reply["id"], reply["error"]["code"]


async def test_json_request_is_done_and_answered() -> None:
    commands = Commands()

    reply = await json_reply(request(id="seven"), commands)

    assert reply == {"jsonrpc": "2.0", "id": "seven", "result": "OK"}
    assert commands.calls == [("refreshWatchers", ["sip:alice@example.com"])]


async def test_json_request_with_named_parameters_hands_them_on() -> None:
    commands = Commands()

    await json_reply(request(params={"event": "presence"}), commands)

    assert commands.calls == [("refreshWatchers", {"event": "presence"})]


async def test_json_request_without_parameters_has_none() -> None:
    commands = Commands()

    await json_reply({"jsonrpc": "2.0", "id": 1, "method": "x"}, commands)

    assert commands.calls == [("x", [])]


async def test_json_notification_is_done_and_not_answered() -> None:
    commands = Commands(UnknownMethod("x"))

    reply = await json_reply({"jsonrpc": "2.0", "method": "x"}, commands)

    assert reply is None
    assert commands.calls == [("x", [])]


async def test_json_batch_is_answered_as_one_without_its_notifications() -> None:
    batch = [request(id=1), {"jsonrpc": "2.0", "method": "x"}, request(id=2), 5]

    reply = await json_reply(batch)

    assert isinstance(reply, list)
    assert [(one["id"], "result" in one) for one in reply] == [(1, True), (2, True), (None, False)]


async def test_json_batch_of_notifications_is_not_answered() -> None:
    assert await json_reply([{"jsonrpc": "2.0", "method": "x"}]) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": 1,}', b'{"id": NaN}'])
async def test_json_that_is_none_is_a_parse_error(body: bytes) -> None:
    assert await json_error(body) == (None, -32700)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, None),
        ([], None),
        ([request()] * 101, None),
        (request(jsonrpc="1.0"), 1),
        (request(method=5), 1),
        (request(params="x"), 1),
        (request(id=True), None),
        (request(id=[1]), None),
    ],
)
async def test_json_that_is_no_request_is_invalid(value: object, number: object) -> None:
    assert await json_error(value) == (number, -32600)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownMethod("x"), -32601),
        (WrongParams("x"), -32602),
        (Refused(404, "No such user"), 404),
        (RuntimeError("a bug"), -32603),
    ],
)
async def test_json_request_that_fails_is_answered_with_its_code(error: Exception, code: int) -> None:
    assert await json_error(request(), Commands(error)) == (1, code)


async def xml_reply(body: bytes, commands: Commands | None = None) -> object:
    values, _ = xmlrpc.client.loads(await codec.answer(body, commands or Commands()))
    return values[0]


async def xml_fault(body: bytes, commands: Commands | None = None) -> int:
    with pytest.raises(xmlrpc.client.Fault) as fault:
        await xml_reply(body, commands)
    code: int = fault.value.faultCode
    return code


async def test_xml_call_is_done_and_answered_as_opensips_does() -> None:
    commands = Commands()
    body = xmlrpc.client.dumps(("sip:alice@example.com", "presence", 0), "refreshWatchers").encode()

    reply = await xml_reply(body, commands)

    assert reply == "200 OK"
    assert commands.calls == [("refreshWatchers", ["sip:alice@example.com", "presence", 0])]


async def test_xml_call_with_a_struct_has_named_parameters() -> None:
    commands = Commands()
    body = xmlrpc.client.dumps(({"doc_uri": "http://xcap.example.com/?a&b", "port": 80},), "refreshXcapDoc").encode()

    await xml_reply(body, commands)

    assert commands.calls == [("refreshXcapDoc", {"doc_uri": "http://xcap.example.com/?a&b", "port": 80})]


async def test_xml_value_without_a_type_is_a_string() -> None:
    commands = Commands()
    body = b"<methodCall><methodName> m </methodName><params><param><value>a</value></param></params></methodCall>"

    await xml_reply(body, commands)

    assert commands.calls == [("m", ["a"])]


async def test_xml_call_without_parameters_has_none() -> None:
    commands = Commands()

    await xml_reply(b"<methodCall><methodName>m</methodName></methodCall>", commands)

    assert commands.calls == [("m", [])]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"what",
        b"<methodCall>",
        b'<!DOCTYPE x [<!ENTITY e "e">]><methodCall><methodName>&e;</methodName></methodCall>',
        b"<a>" * 100 + b"</a>" * 100,
    ],
)
async def test_xml_that_is_none_or_dangerous_is_a_parse_error(body: bytes) -> None:
    assert await xml_fault(body) == -32700


@pytest.mark.parametrize(
    "body",
    [
        b"<methodResponse/>",
        b"<methodCall/>",
        b"<methodCall><methodName>m</methodName><params><param/></params></methodCall>",
        b'<methodCall xmlns="x"><methodName>m</methodName></methodCall>',
    ],
)
async def test_xml_that_is_no_call_is_invalid(body: bytes) -> None:
    assert await xml_fault(body) == -32600


@pytest.mark.parametrize("value", ["<double>1.5</double>", "<int>x</int>", "<array/>", "<boolean>1</boolean>"])
async def test_xml_value_of_another_kind_is_refused(value: str) -> None:
    params = f"<params><param><value>{value}</value></param></params>"

    assert await xml_fault(f"<methodCall><methodName>m</methodName>{params}</methodCall>".encode()) == -32602


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownMethod("x"), -32601),
        (WrongParams("<x>"), -32602),
        (Refused(404, "No such user"), 404),
        (RuntimeError("a bug"), -32603),
    ],
)
async def test_xml_call_that_fails_is_a_fault_with_its_code(error: Exception, code: int) -> None:
    assert await xml_fault(xmlrpc.client.dumps((), "m").encode(), Commands(error)) == code
