"""What the edge asks of the core: PUBLISH, SUBSCRIBE and REGISTER as commands, and the answer.

The edge has checked SIP (RFC 3261) and canonicalised addresses; the core decides what is wrong with events.
"""

from lamplighter_proto.contract import Message

ANSWER_SECONDS = 1.0
"""For how long a core takes what an edge says about a command for true (ADR 0010)."""


class Transaction(Message, frozen=True):
    """What makes a request the same request wherever and how often it arrives (RFC 3261 §8.1.1, §17.2.3).

    A core answers a command whose transaction it knows with the answer that it gave before.
    """

    call_id: str
    cseq: int
    from_tag: str


class Flow(Message, frozen=True):
    """The way back to a client: which edge, which transport, which addresses.

    `transport` is the word of a Via, UDP or TCP. `local` and `remote` are `host:port` (IPv6 in brackets). `connection`
    numbers a TCP connection of that edge process, 0 for UDP. A UDP flow outlives its edge process: any process on that
    address can serve it.
    """

    edge: str
    transport: str
    local: str
    remote: str
    connection: int = 0


class Publish(Message, frozen=True, tag="publish"):
    """A PUBLISH request (RFC 3903 §6)."""

    id: int
    edge: str
    shard: int
    transaction: Transaction
    presentity: str
    event: str
    expires: int | None
    """None when the header was absent or unreadable."""
    if_match: tuple[str, ...]
    """Every SIP-If-Match value; more than one is the core's to refuse."""
    content_type: str
    body: bytes
    sender: str
    event_params: tuple[tuple[str, str], ...] = ()
    """All parameters of Event in their order."""
    deadline: float = 0.0
    """When the edge gives the request up, by its clock; 0: not said (ADR 0010)."""
    asked: float = 0.0
    """What the Moved said that this answers; 0: it answers none."""


class DialogRoute(Message, frozen=True):
    """Where requests inside a dialog go (RFC 3261 §12.1.1): contact of the peer and route set, in order."""

    remote_target: str
    route_set: tuple[str, ...]
    contact: str
    """Our own Contact value for this dialog, as it stands in the 2xx and in every NOTIFY."""


class Subscribe(Message, frozen=True, tag="subscribe"):
    """A SUBSCRIBE request, initial (`to_tag` empty) or in a dialog (RFC 6665 §4.2.1)."""

    id: int
    edge: str
    shard: int
    transaction: Transaction
    presentity: str
    """Canonical AOR of the Request-URI; in a dialog the AOR of To."""
    watcher: str
    event: str
    event_id: str
    event_params: tuple[tuple[str, str], ...]
    """All parameters of Event in their order: what every NOTIFY echoes."""
    to_tag: str
    expires: int | None
    accept: tuple[str, ...] | None
    """Media ranges; None without an Accept header."""
    from_uri: str
    """URI of From as received; the remote URI of the dialog."""
    to_uri: str
    """URI of To as received; the local URI of the dialog."""
    route: DialogRoute
    flow: Flow
    content_type: str
    body: bytes
    display_name: str = ""
    """Of From, unquoted; "" without one."""
    deadline: float = 0.0
    """When the edge gives the request up, by its clock; 0: not said (ADR 0010)."""
    asked: float = 0.0
    """What the Moved said that this answers; 0: it answers none."""


class Binding(Message, frozen=True):
    """One Contact of a REGISTER (RFC 3261 §10.2.1)."""

    contact: str
    """The URI, without header parameters."""
    expires: int | None
    q: str = ""
    instance: str = ""


class Register(Message, frozen=True, tag="register"):
    """A REGISTER request for the small registrar (RFC 3261 §10.3)."""

    id: int
    edge: str
    shard: int
    transaction: Transaction
    aor: str
    bindings: tuple[Binding, ...]
    remove_all: bool
    """`Contact: *`; valid only with Expires 0."""
    expires: int | None
    deadline: float = 0.0
    """When the edge gives the request up, by its clock; 0: not said (ADR 0010)."""
    asked: float = 0.0
    """What the Moved said that this answers; 0: it answers none."""


class Answer(Message, frozen=True, tag="answer"):
    """The final response that the core decided; the edge adds what SIP itself needs."""

    id: int
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    to_tag: str = ""


class Moved(Message, frozen=True, tag="moved"):
    """This core does not own the command's shard (any more): the edge asks the owner.

    Or (`asked` is not 0) it does, but the command is so old that the edge may have given it up: if not, it comes again.
    """

    id: int
    shard: int
    asked: float = 0.0
    """The clock of the core when it asked."""


Command = Publish | Subscribe | Register
Reply = Answer | Moved
