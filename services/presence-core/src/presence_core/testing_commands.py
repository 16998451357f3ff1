"""Builders of commands, every one a request of its own: for tests alone."""

from collections.abc import Sequence
from itertools import count

from lamplighter_proto import Dialog, DialogRoute, Flow, Publish, Register, Subscribe, Transaction
from lamplighter_proto.commands import Binding
from lamplighter_proto.ownership import shard_of

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"
FLOW = Flow(edge="edge-1", transport="UDP", local="192.0.2.1:5060", remote="192.0.2.9:5061")
ROUTE = DialogRoute(remote_target="sip:bob@192.0.2.9:5061", route_set=(), contact="<sip:192.0.2.1:5060>")


class Commands:
    """Builds commands."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def publish(
        self,
        body: bytes = b"open",
        *,
        if_match: str | Sequence[str] = (),
        expires: int | None = 3600,
        content_type: str = "text/test",
        presentity: str = ALICE,
        event: str = "presence",
        event_params: Sequence[tuple[str, str]] = (),
        transaction: Transaction | None = None,
    ) -> Publish:
        """Return a PUBLISH."""
        number = next(self._numbers)
        return Publish(
            id=number,
            edge="edge-1",
            shard=shard_of(presentity, 64),
            transaction=transaction or Transaction(call_id=f"publish-{number}", cseq=1, from_tag="f"),
            presentity=presentity,
            event=event,
            event_params=tuple(event_params),
            expires=expires,
            if_match=(if_match,) if isinstance(if_match, str) else tuple(if_match),
            content_type=content_type if body else "",
            body=body,
            sender=presentity,
        )

    def pidf(self, body: bytes, *, if_match: str = "", expires: int = 3600) -> Publish:
        """Return a PUBLISH of a presence document."""
        return self.publish(body, content_type="application/pidf+xml", if_match=if_match or (), expires=expires)

    def dialogs(
        self,
        body: bytes,
        *,
        if_match: str = "",
        expires: int = 3600,
        presentity: str = ALICE,
        event: str = "dialog",
        event_params: Sequence[tuple[str, str]] = (),
    ) -> Publish:
        """Return a PUBLISH of a document of dialogs."""
        return self.publish(
            body,
            content_type="application/dialog-info+xml",
            if_match=if_match or (),
            expires=expires,
            presentity=presentity,
            event=event,
            event_params=event_params,
        )

    def subscribe(
        self,
        *,
        to_tag: str = "",
        cseq: int = 1,
        call_id: str = "",
        expires: int | None = 3600,
        accept: Sequence[str] | None = None,
        presentity: str = ALICE,
        watcher: str = BOB,
        display_name: str = "",
        event: str = "presence",
        event_id: str = "",
        event_params: Sequence[tuple[str, str]] = (),
        from_tag: str = "w",
        route: DialogRoute = ROUTE,
        flow: Flow = FLOW,
    ) -> Subscribe:
        """Return a SUBSCRIBE."""
        number = next(self._numbers)
        return Subscribe(
            id=number + 100_000,
            edge="edge-1",
            shard=shard_of(presentity, 64),
            transaction=Transaction(call_id=call_id or f"call-{number}", cseq=cseq, from_tag=from_tag),
            presentity=presentity,
            watcher=watcher,
            display_name=display_name,
            event=event,
            event_id=event_id,
            event_params=(*event_params, *((("id", event_id),) if event_id else ())),
            to_tag=to_tag,
            expires=expires,
            accept=None if accept is None else tuple(accept),
            from_uri=watcher,
            to_uri=presentity,
            route=route,
            flow=flow,
            content_type="",
            body=b"",
        )

    def register(
        self,
        *bindings: Binding,
        expires: int | None = None,
        remove_all: bool = False,
        call_id: str = "register",
        cseq: int = 1,
        aor: str = ALICE,
    ) -> Register:
        """Return a REGISTER."""
        return Register(
            id=cseq + 200_000,
            edge="edge-1",
            shard=shard_of(aor, 64),
            transaction=Transaction(call_id=call_id, cseq=cseq, from_tag="r"),
            aor=aor,
            bindings=bindings,
            remove_all=remove_all,
            expires=expires,
        )


def dialog(local_tag: str = "tag", flow: Flow = FLOW, event: str = "presence") -> Dialog:
    """Return a dialog of Bob, who watches Alice."""
    return Dialog(
        call_id="call",
        local_tag=local_tag,
        remote_tag="w",
        local_uri=ALICE,
        remote_uri=BOB,
        event=event,
        route=ROUTE,
        flow=flow,
    )
