"""The situations of RFC 4235 §6 and of draft-anil-sipping-bla-03, as watchers are told of them."""

from pathlib import Path

import pytest
from lxml import etree

from event_packages.base import EventPackage, View
from event_packages.packages import dialog, dialog_sla
from event_packages.registry import discover

AOR = "sip:erika@example.net"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "dialog-info.xsd"))
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info"'
LINE = '<local><target uri="sip:line@192.0.2.7"><param pname="x-line-id" pval="2"/></target></local>'


def published(content: str) -> bytes:
    return f'{HEAD} version="0" state="full" entity="{AOR}">{content}</dialog-info>'.encode()


def notified(package: EventPackage, *bodies: bytes) -> list[str]:
    """Return what a watcher gets while a publication is made, modified and removed: one full and partial documents."""
    assert package.bury is not None
    assert package.endings is not None
    names: set[str] = set()
    base = package.seen(package.compose(AOR, []), View())
    told = [_written(package, base, None, 0)]
    for version, content in enumerate(bodies, 1):
        document = package.parse(content)
        names |= package.endings(document)
        state = package.seen(package.compose(AOR, [package.bury(document, names)]), View())
        told.append(_written(package, state, base, version))
        base = state
    return told


def _written(package: EventPackage, state: object, base: object | None, version: int) -> str:
    body = package.body(state, base, 0)
    assert body is not None
    document = b"%b%d%b" % (body.document[: body.version_at], version, body.document[body.version_at :])
    SCHEMA.assertValid(etree.fromstring(document))
    return document.decode().strip()


def test_basic_call_is_told_state_by_state() -> None:
    named = 'id="k3j9" call-id="7a81c2@192.0.2.7" local-tag="8831"'
    sent = [
        f'<dialog {named} direction="initiator"><state>trying</state></dialog>',
        f'<dialog {named} remote-tag="f00d" direction="initiator"><state>early</state></dialog>',
        f'<dialog {named} remote-tag="f00d" direction="initiator"><state>confirmed</state></dialog>',
        f'<dialog {named} remote-tag="f00d" direction="initiator">'
        '<state event="remote-bye">terminated</state></dialog>',
    ]

    told = notified(dialog.PACKAGE, *map(published, sent))

    assert told == [
        f'{HEAD} version="0" state="full" entity="{AOR}"/>',
        *(
            f'{HEAD} version="{version}" state="partial" entity="{AOR}">{content}</dialog-info>'
            for version, content in enumerate(sent, 1)
        ),
    ]


def test_forked_call_is_told_branch_by_branch() -> None:
    first = (
        '<dialog id="f1" call-id="9c" local-tag="1" remote-tag="a" direction="initiator"><state>early</state></dialog>'
    )
    second = first.replace('id="f1"', 'id="f2"').replace('"a"', '"b"')
    answered = second.replace("early", "confirmed")
    lost = first.replace("<state>early", '<state event="replaced">terminated')

    told = notified(dialog.PACKAGE, published(first), published(first + second), published(lost + answered))

    assert told[2] == f'{HEAD} version="2" state="partial" entity="{AOR}">{second}</dialog-info>'
    assert told[3] == f'{HEAD} version="3" state="partial" entity="{AOR}">{lost}{answered}</dialog-info>'


def test_shared_line_emulated_by_dialogs_is_told_with_all_that_a_pickup_needs() -> None:
    held = (
        '<dialog id="h4" call-id="2b@192.0.2.7" local-tag="z1" remote-tag="z2" direction="recipient">'
        "<state>confirmed</state>"
        '<local><identity display-name="Erika">sip:erika@example.net</identity><target uri="sip:erika@192.0.2.7">'
        '<param pname="+sip.rendering" pval="no"/></target></local>'
        "<remote><identity>sip:franz@example.net</identity></remote></dialog>"
    )

    told = notified(dialog.PACKAGE, published(held))

    assert told[1] == f'{HEAD} version="1" state="partial" entity="{AOR}">{held}</dialog-info>'


def test_minimal_dialog_for_privacy_is_told_as_it_is() -> None:
    minimal = '<dialog id="p0"><state>confirmed</state></dialog>'

    told = notified(dialog.PACKAGE, published(minimal), published(""))

    assert told[1] == f'{HEAD} version="1" state="partial" entity="{AOR}">{minimal}</dialog-info>'
    assert '<dialog id="p0"><state>terminated</state></dialog>' in told[2]


def test_line_that_was_seized_and_released_can_be_seized_again() -> None:
    seized = f'<dialog id="line2"><state>trying</state>{LINE}</dialog>'
    idle = seized.replace("trying", "terminated")
    call = seized.replace('id="line2"', 'id="line2" call-id="c1" local-tag="l" remote-tag="r"')
    busy, over = call.replace("trying", "confirmed"), call.replace("trying", "terminated")

    told = notified(dialog_sla.PACKAGE, *map(published, (seized, busy, over, seized, idle, seized)))

    words = [etree.fromstring(document.encode())[0][0].text for document in told[1:]]
    assert words == ["trying", "confirmed", "terminated", "trying", "terminated", "trying"]
    assert all('<param pname="x-line-id" pval="2"/>' in document for document in told[1:])


def test_call_that_ended_on_a_shared_line_stays_ended() -> None:
    call = '<dialog id="line2" call-id="c1" local-tag="l" remote-tag="r"><state>terminated</state></dialog>'

    told = notified(dialog_sla.PACKAGE, published(call), published(call.replace("terminated", "early")))

    assert "early" not in told[2]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ([], "dialog"),
        ([("sla", "")], "dialog;sla"),
        ([("ma", ""), ("sla", "")], "dialog;sla"),
        ([("id", "1")], "dialog"),
    ],
)
def test_event_header_says_which_package_it_is(parameters: list[tuple[str, str]], name: str) -> None:
    package = discover().resolve("dialog", parameters)

    assert package is not None
    assert package.name == name


def test_watchers_of_dialogs_can_be_watched() -> None:
    registry = discover()

    assert "dialog.winfo" in registry
    assert registry.names().count("dialog") == 1
