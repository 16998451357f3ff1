"""The life of a subscription on the notifier's side: what a SUBSCRIBE makes of it (RFC 6665 §4.2.1, §4.4.1).

Rule 1: an ended subscription stays until its last NOTIFY is settled, so that a repeated SUBSCRIBE is known.
"""

import re
from math import ceil
from sys import intern

from msgspec.structs import replace

from event_packages.base import EventPackage
from event_packages.errors import BadRequest, NoSuchDialog, NotAcceptable, StaleCSeq
from lamplighter_proto import Dialog, DialogRoute, Subscribe
from presence_core.domain.lifetime import Bounds, grant
from presence_core.domain.sharing import shared_accept, shared_flow, shared_route
from presence_core.domain.subscription import Status, Subscribed, Subscription, ended

STALE_RETRY_SECONDS = 1


def decide_subscribe(
    known: Subscription | None, command: Subscribe, package: EventPackage, bounds: Bounds, *, local_tag: str, now: float
) -> Subscribed:
    """Decide a SUBSCRIBE; `known` is the subscription of its dialog or, for an initial one, of its Call-ID.

    Raises the Rejection that answers it (400, 406, 423, 481, 500).
    """
    if command.to_tag:
        return _in_dialog(known, command, package, bounds, now)
    if known is not None and known.remote_cseq == command.transaction.cseq:
        return _repeat(known, now)
    return _initial(command, package, bounds, local_tag, now)


def _repeat(known: Subscription, now: float) -> Subscribed:
    # What ended since, by a rule for one, is told by NOTIFY: the answer is the one that there was.
    lifetime = max(0, int(known.expires - now))
    return Subscribed(subscription=known, lifetime=lifetime, repeated=True)


def _initial(command: Subscribe, package: EventPackage, bounds: Bounds, local_tag: str, now: float) -> Subscribed:
    check_accept(command.accept, package)
    if not command.route.remote_target:
        raise BadRequest("A SUBSCRIBE needs a Contact")
    lifetime = grant(command.expires, bounds)
    subscription = Subscription(
        presentity=intern(command.presentity),
        event=intern(command.event),
        event_id=command.event_id,
        watcher=intern(command.watcher),
        dialog=Dialog(
            call_id=command.transaction.call_id,
            local_tag=local_tag,
            remote_tag=command.transaction.from_tag,
            local_uri=intern(command.to_uri),
            remote_uri=intern(command.from_uri),
            event=intern(event_header(command)),
            route=shared_route(command.route),
            flow=shared_flow(command.flow),
        ),
        remote_cseq=command.transaction.cseq,
        expires=ceil(now + lifetime),
        accept=shared_accept(command.accept),
        display_name=intern(command.display_name),
        since=int(now),
    )
    if lifetime:
        return Subscribed(subscription=subscription, lifetime=lifetime)
    return Subscribed(subscription=ended(subscription, "timeout"), lifetime=0, fetch=True)


def _in_dialog(
    known: Subscription | None, command: Subscribe, package: EventPackage, bounds: Bounds, now: float
) -> Subscribed:
    if known is None or known.dialog.remote_tag != command.transaction.from_tag:
        raise NoSuchDialog
    if command.transaction.cseq == known.remote_cseq:
        return _repeat(known, now)
    if known.status == Status.TERMINATED or (known.event, known.event_id) != (command.event, command.event_id):
        raise NoSuchDialog
    if command.transaction.cseq < known.remote_cseq:
        raise StaleCSeq(STALE_RETRY_SECONDS)
    check_accept(command.accept, package)
    lifetime = grant(command.expires, bounds)
    refreshed = replace(
        known,
        remote_cseq=command.transaction.cseq,
        expires=ceil(now + lifetime),
        accept=shared_accept(command.accept),
        dialog=_refreshed_dialog(known.dialog, command),
    )
    if lifetime:
        return Subscribed(subscription=refreshed, lifetime=lifetime)
    return Subscribed(subscription=ended(refreshed, "timeout"), lifetime=0)


def _refreshed_dialog(dialog: Dialog, command: Subscribe) -> Dialog:
    """Return the dialog with the target and flow of a refresh; its route set never changes (RFC 3261 §12.2)."""
    target = command.route.remote_target or dialog.route.remote_target
    return Dialog(
        call_id=dialog.call_id,
        local_tag=dialog.local_tag,
        remote_tag=dialog.remote_tag,
        local_uri=dialog.local_uri,
        remote_uri=dialog.remote_uri,
        event=dialog.event,
        route=DialogRoute(
            remote_target=intern(target), route_set=dialog.route.route_set, contact=intern(command.route.contact)
        ),
        flow=shared_flow(command.flow),
    )


def event_header(command: Subscribe) -> str:
    """Return the Event header's value as it must be echoed in every NOTIFY (RFC 6665 §4.2.2, §8.2.1)."""
    parameters = (f";{name}={value}" if value else f";{name}" for name, value in command.event_params)
    return command.event.partition(";")[0] + "".join(parameters)


def event_parameters(header: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters of an Event header as `event_header` writes it, names in lower case, values unquoted."""
    return tuple((name.strip().lower(), _unquoted(value.strip())) for name, value in _PARAMETER.findall(header))


_PARAMETER = re.compile(r""";([^=;]+)(?:=("(?:[^"\\]|\\.)*"|[^;]*))?""")


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' == value[-1:] and len(value) > 1 else value


def check_accept(accept: tuple[str, ...] | None, package: EventPackage) -> None:
    """Raise NotAcceptable when the watcher takes none of the package's types (RFC 6665 §3.1.3)."""
    if accept is not None and not any(accepts(accept, media_type) for media_type in package.content_types):
        raise NotAcceptable


def accepts(ranges: tuple[str, ...], media_type: str) -> bool:
    """Return whether one of the media ranges takes a media type (RFC 3261 §20.1)."""
    main = media_type.partition("/")[0]
    taken = {f"{media_type}", f"{main}/*", "*/*"}
    return any(_wanted(one) in taken for one in ranges)


def _wanted(media_range: str) -> str:
    """Return a media range without parameters, "" when its quality is zero."""
    name, *parameters = [part.strip().lower() for part in media_range.split(";")]
    refused = any(part.replace(" ", "") in {"q=0", "q=0.0", "q=0.00", "q=0.000"} for part in parameters)
    return "" if refused else name
