"""Between the core's values and the rows of the tables (those of 2010 with their columns, our own behind them)."""

from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any, TypeAlias

import asyncpg

from lamplighter_proto import Dialog, DialogRoute, Flow, Transaction
from presence_core.domain.documents import XcapDocument
from presence_core.domain.publication import Publication
from presence_core.domain.registration import Contact
from presence_core.domain.sharing import shared_accept, shared_flow, shared_route
from presence_core.domain.subscription import Status, Subscription
from presence_core.domain.watcher import KnownWatcher, WatcherKey
from presence_core.store import (
    Ending,
    EndingKey,
    Progress,
    StoredContact,
    StoredPublication,
    StoredSubscription,
    StoredWatcher,
)

Row: TypeAlias = asyncpg.Record | dict[str, Any]
Columns = list[list[object]]

_SEPARATOR = "\n"
"""Between the values of a list in one column; no header value holds it."""


def split_aor(aor: str) -> tuple[str, str]:
    """Return username and domain of a canonical AOR; a tel: URI has no domain."""
    scheme, _, rest = aor.partition(":")
    if scheme == "tel":
        return rest, ""
    user, at, host = rest.rpartition("@")
    return (user, host) if at else ("", rest)


def join_aor(username: str, domain: str) -> str:
    """Return the canonical AOR of a row."""
    if not domain:
        return f"tel:{username}"
    return f"sip:{username}@{domain}" if username else f"sip:{domain}"


def columns(rows: Iterable[Sequence[object]], width: int) -> Columns:
    """Return rows as columns, for unnest."""
    table: Columns = [list(column) for column in zip(*rows, strict=True)]
    return table or [[] for _ in range(width)]


def publication_row(stored: StoredPublication) -> tuple[object, ...]:
    """Return the columns of save_publications."""
    one = stored.publication
    return (
        *split_aor(stored.aor),
        stored.event,
        one.pub,
        one.etag,
        one.expires,
        one.received,
        one.body,
        stored.shard,
        one.content_type,
        one.sender,
        one.transaction.call_id,
        one.transaction.cseq,
        one.transaction.from_tag,
        one.modified,
    )


def publication(row: Row) -> StoredPublication:
    """Return the publication of a row; its document is not parsed yet."""
    return StoredPublication(
        shard=row["shard"],
        aor=join_aor(row["username"], row["domain"]),
        event=row["event"],
        publication=Publication(
            pub=row["pub"],
            etag=row["etag"],
            expires=row["expires"],
            received=row["received_time"],
            modified=row["modified"],
            transaction=Transaction(call_id=row["callid"], cseq=row["cseq"], from_tag=row["from_tag"]),
            content_type=row["content_type"],
            body=row["body"],
            sender=row["sender"],
            document=None,
        ),
    )


def subscription_row(stored: StoredSubscription) -> tuple[object, ...]:
    """Return the columns of save_subscriptions."""
    one = stored.subscription
    dialog, route, flow = one.dialog, one.dialog.route, one.dialog.flow
    return (
        one.presentity,
        *split_aor(one.watcher),
        *split_aor(one.presentity),
        one.event,
        one.event_id or None,
        dialog.local_tag,
        dialog.remote_tag,
        dialog.call_id,
        stored.cseq_limit,
        stored.cseq_limit - 1,
        one.remote_cseq,
        route.remote_target,
        _SEPARATOR.join(route.route_set) or None,
        one.expires,
        int(one.status),
        one.reason,
        f"{flow.transport}:{flow.local}",
        route.contact,
        stored.shard,
        one.watcher,
        dialog.local_uri,
        dialog.remote_uri,
        dialog.event,
        None if one.accept is None else _SEPARATOR.join(one.accept),
        flow.edge,
        flow.remote,
        flow.connection,
        one.display_name,
        one.since,
        one.cause,
    )


def subscription(row: Row) -> StoredSubscription:
    """Return the subscription of a row."""
    accept = row["accept"]
    one = Subscription(
        presentity=intern(row["presentity_uri"]),
        event=intern(row["event"]),
        event_id=row["event_id"] or "",
        watcher=intern(row["watcher_uri"]),
        dialog=_dialog(row),
        remote_cseq=row["remote_cseq"],
        expires=row["expires"],
        accept=shared_accept(None if accept is None else tuple(accept.split(_SEPARATOR)) if accept else ()),
        status=Status(row["status"]),
        reason=intern(row["reason"]),
        display_name=intern(row["display_name"]),
        since=row["inserted_time"],
        cause=intern(row["cause"]),
    )
    return StoredSubscription(
        shard=row["shard"], subscription=one, cseq_limit=row["local_cseq"], notified=row["notified"]
    )


def _dialog(row: Row) -> Dialog:
    transport, _, local = row["socket_info"].partition(":")
    return Dialog(
        call_id=row["callid"],
        local_tag=row["to_tag"],
        remote_tag=row["from_tag"],
        local_uri=intern(row["local_uri"]),
        remote_uri=intern(row["remote_uri"]),
        event=intern(row["event_header"]),
        route=shared_route(
            DialogRoute(
                remote_target=row["contact"],
                route_set=tuple((row["record_route"] or "").split(_SEPARATOR)) if row["record_route"] else (),
                contact=row["local_contact"],
            )
        ),
        flow=shared_flow(
            Flow(
                edge=row["edge"],
                transport=transport,
                local=local,
                remote=row["flow_remote"],
                connection=row["flow_connection"],
            )
        ),
    )


def progress_row(progress: Progress) -> tuple[object, ...]:
    """Return the columns of save_progress."""
    return (progress.local_tag, progress.cseq_limit, progress.notified)


def contact_row(stored: StoredContact) -> tuple[object, ...]:
    """Return the columns of save_contacts."""
    one = stored.contact
    return (
        *split_aor(stored.aor),
        one.uri,
        one.expires,
        one.q,
        one.instance,
        one.call_id,
        one.cseq,
        stored.shard,
    )


def contact(row: Row) -> StoredContact:
    """Return the binding of a row."""
    return StoredContact(
        shard=row["shard"],
        aor=join_aor(row["username"], row["domain"]),
        contact=Contact(
            uri=row["contact"],
            expires=row["expires"],
            q=row["q"],
            instance=row["instance"],
            call_id=row["callid"],
            cseq=row["cseq"],
        ),
    )


def watcher_row(stored: StoredWatcher) -> tuple[object, ...]:
    """Return the columns of save_watchers."""
    one = stored.watcher
    return (
        one.presentity,
        *split_aor(one.watcher),
        one.event,
        int(one.status),
        one.reason or None,
        one.inserted,
        stored.shard,
        one.watcher,
        one.id,
        one.display_name,
    )


def watcher_key(key: WatcherKey) -> tuple[str, ...]:
    """Return the columns of delete_watchers."""
    presentity, watcher, event = key
    return (presentity, *split_aor(watcher), event)


def watcher(row: Row) -> StoredWatcher:
    """Return the watcher of a row; a row that another program brought has no watcher_uri."""
    one = KnownWatcher(
        presentity=row["presentity_uri"],
        watcher=row["watcher_uri"] or join_aor(row["watcher_username"], row["watcher_domain"]),
        event=row["event"],
        status=Status(row["status"]),
        reason=row["reason"] or "",
        inserted=row["inserted_time"],
        id=row["watcher_id"],
        display_name=row["display_name"],
    )
    return StoredWatcher(shard=row["shard"], watcher=one)


def ending_row(ending: Ending) -> tuple[object, ...]:
    """Return the columns of save_endings."""
    return (*split_aor(ending.aor), ending.event, ending.name, ending.until, ending.shard)


def ending_key(key: EndingKey) -> tuple[str, ...]:
    """Return the columns of delete_endings."""
    aor, event, name = key
    return (*split_aor(aor), event, name)


def ending(row: Row) -> Ending:
    """Return the ending of a row."""
    return Ending(
        shard=row["shard"],
        aor=join_aor(row["username"], row["domain"]),
        event=row["event"],
        name=row["name"],
        until=row["until"],
    )


def document(row: Row, usage: str) -> XcapDocument:
    """Return the XCAP document of a row."""
    return XcapDocument(usage=usage, uri=row["doc_uri"], etag=row["etag"], body=row["doc"])
