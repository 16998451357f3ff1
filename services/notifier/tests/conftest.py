"""One watcher of one presentity, as the core tells of it."""

import pytest

from lamplighter_proto import Dialog, DialogRoute, Flow, Notify, Target


@pytest.fixture
def dialog() -> Dialog:
    return Dialog(
        call_id="3848276298220188511@watcher.example.com",
        local_tag="0badcafe" + "5" * 32,
        remote_tag="1928301774",
        local_uri="sip:alice@example.com",
        remote_uri="sip:bob@example.com",
        event="dialog;id=7",
        route=DialogRoute(
            remote_target="sip:bob@192.0.2.4:5062", route_set=(), contact="<sip:192.0.2.1:5060;transport=udp>"
        ),
        flow=Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote="192.0.2.4:5062"),
    )


@pytest.fixture
def target(dialog: Dialog) -> Target:
    return Target(
        shard=3, presentity="sip:alice@example.com", dialog=dialog, cseq=12, version=4, state="active", expires=3599
    )


@pytest.fixture
def notify(target: Target) -> Notify:
    return Notify(
        core="core-1",
        event="dialog",
        content_type="application/dialog-info+xml",
        document=b"<dialog-info/>",
        targets=(target,),
    )
