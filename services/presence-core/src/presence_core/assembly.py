"""A core put together: which part knows which. The service gives it NATS and PostgreSQL, a test what it likes."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from event_packages.registry import Registry
from lamplighter_runtime.bus import Bus
from lamplighter_runtime.membership import Directory
from presence_core.answers import Answers
from presence_core.authorizing import Authorizer
from presence_core.commit import Committer
from presence_core.commits import Commits, Gathered
from presence_core.composing import Composer
from presence_core.deliver import Teller
from presence_core.handlers import Handlers
from presence_core.loading import Loader
from presence_core.metrics import Metrics
from presence_core.outbox import Outbox, Sender
from presence_core.parts import Parts
from presence_core.presentities import Presentities
from presence_core.publishing import Publishing
from presence_core.registering import Registering
from presence_core.serving import Serving
from presence_core.settings import Settings
from presence_core.shards import Shards
from presence_core.store import Store
from presence_core.subscribing import Subscribing
from presence_core.turns import Worker
from presence_core.watching import Watchers
from presence_core.xcap import XcapDocuments


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts that somebody outside has to drive or ask."""

    packages: Registry
    shards: Serving
    parts: Parts


def assemble(
    settings: Settings,
    packages: Registry,
    bus: Bus,
    store: Store,
    directory: Directory,
    metrics: Metrics,
    *,
    new_id: Callable[[], str],
) -> Core:
    """Return a core that serves nothing yet. `new_id` returns 128 random bits as 32 hex digits."""

    def parts(committer: Commits, bus: Sender = bus) -> Parts:
        return _parts(settings, packages, bus, store, metrics, committer, new_id)

    if settings.store == "database":
        presentities = Presentities(settings, bus, store, directory, metrics)
        workers = [_worker(parts, bus) for _ in range(settings.database_connections)]
        front = _front(parts, bus)
        presentities.use(front, workers)
        return Core(packages=packages, shards=presentities, parts=front.parts)
    shards = Shards(settings, bus, store, directory)
    committer = Committer(
        store,
        metrics,
        committed=shards.on_committed,
        failed=shards.drop,
        period=settings.write_behind_seconds if settings.store == "write-behind" else 0.0,
        most=settings.write_behind_rows,
    )
    one = parts(committer)
    shards.use(one.handlers, one.teller, committer, one.loader, one.documents)
    return Core(packages=packages, shards=shards, parts=one)


def _worker(parts: Callable[[Commits, Sender], Parts], bus: Sender) -> Worker:
    gathered, outbox = Gathered(), Outbox(bus)
    return Worker(parts(gathered, outbox), gathered, outbox)


def _front(parts: Callable[[Commits, Sender], Parts], bus: Sender) -> Worker:
    """Return parts that say at once what needs no transaction."""
    gathered = Gathered()
    return Worker(parts(gathered, bus), gathered, Outbox(bus))


def _parts(
    settings: Settings,
    packages: Registry,
    bus: Sender,
    store: Store,
    metrics: Metrics,
    committer: Commits,
    new_id: Callable[[], str],
) -> Parts:
    composer = Composer(packages, derived=settings.presence_from_dialog_domains, waiting_days=settings.waiting_days)
    teller = Teller(
        bus,
        committer,
        composer,
        metrics,
        core=settings.instance,
        patience=settings.patience,
        silence=settings.notifier_silence_seconds,
        partial_events=settings.partial_state_events,
        document_limit=settings.document_limit_bytes,
        # From the database all watchers of a presentity are read, and told, in one turn.
        at_a_time=sys.maxsize if settings.store == "database" else settings.notifies_per_presentity,
    )
    watchers = Watchers(committer, teller, waiting_days=settings.waiting_days)
    authorizer = Authorizer(settings.watching, packages, committer, teller, watchers)
    teller.use(authorizer.recomposed, watchers.removed)
    answers = Answers(settings, packages, bus, metrics)
    documents = XcapDocuments(settings, packages, store, bus, teller, authorizer)
    handlers = Handlers(
        settings,
        packages,
        committer,
        teller,
        answers,
        Publishing(settings, bus, answers, committer, teller, new_id=new_id),
        Subscribing(settings, answers, committer, teller, authorizer, watchers, new_id=new_id),
        Registering(settings, answers, committer),
        authorizer,
        watchers,
        documents,
    )
    return Parts(
        committer=committer,
        composer=composer,
        teller=teller,
        authorizer=authorizer,
        watchers=watchers,
        handlers=handlers,
        documents=documents,
        loader=Loader(packages, composer, teller, authorizer, watchers, metrics),
    )
