"""The inspection of a request before anybody decides about it (RFC 3261 §8.2), as pure functions.

Rule 1: the order is that of RFC 3261 §8.2: method, Request-URI, (merged requests,) Require.
Rule 2: Route fields that are left after our own give no reason to refuse: a server is no proxy, and a request whose
Request-URI it serves has arrived, by whatever name its operator calls the way (load balancer, DNS name, NAT).
"""

from dataclasses import dataclass

from sip.errors import ParseError
from sip.fields import parse_name_addr
from sip.message import Request
from sip_edge.reading import name_addr
from sip_edge.refusals import BadExtension, BadRequest, CallDoesNotExist, MethodNotAllowed, NotFound, TooManyHops
from sip_edge.targets import Target, Targets

METHODS = ("PUBLISH", "SUBSCRIBE", "OPTIONS")
PRESENTITY_METHODS = ("PUBLISH", "SUBSCRIBE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """What we can do, as responses say it."""

    methods: frozenset[str]
    allow: str

    @classmethod
    def of(cls, *, registrar: bool) -> "Manners":
        """Return the manners of an edge with or without a registrar."""
        methods = (*METHODS, "REGISTER") if registrar else METHODS
        return cls(methods=frozenset(methods), allow=", ".join(methods))


def inspect(request: Request, manners: Manners, targets: Targets) -> Target:
    """Return what the request is for; a Refusal when it cannot get any further."""
    method = request.method
    if method not in manners.methods:
        if method == "CANCEL":
            raise CallDoesNotExist()
        raise MethodNotAllowed(manners.allow)
    target = targets.judge(request.uri)
    check_served(request, target)
    check_hops(request, target)
    check_require(request)
    return target


def check_text(request: Request) -> None:
    """Refuse what is no UTF-8 outside the body (RFC 3261 §7.3.1, §25.1): no service could take it."""
    try:
        request.uri.encode()
        for _, value in request.headers:
            value.encode()
    except UnicodeEncodeError as error:
        raise ParseError("Not UTF-8", head=request) from error


def check_served(request: Request, target: Target) -> None:
    """Refuse other domains, and ourselves as a presentity.

    In a dialog the Request-URI is the Contact of an edge: this one, another, or one that is gone.
    """
    nobody = target.contact and request.method in PRESENTITY_METHODS
    if (nobody or not target.served) and not name_addr(request, "To").tag:
        raise NotFound()


def check_hops(request: Request, target: Target) -> None:
    """Refuse what has used up its hops; OPTIONS with none left asks the last hop, us (RFC 3261 §11.2)."""
    hops = request.headers.get("Max-Forwards")
    if hops is None or hops == "70":
        return
    if not (hops.isascii() and hops.isdecimal()) or len(hops) > 3 or int(hops) > 255:
        raise BadRequest("Bad Max-Forwards")
    if int(hops) == 0 and not (request.method == "OPTIONS" and target.ours):
        raise TooManyHops()


def check_require(request: Request) -> None:
    """Refuse every required extension: there is none that we support yet (RFC 3261 §8.2.2.3)."""
    if request.headers.get("Require") and (options := request.headers.values("Require")):
        raise BadExtension(options)


def strip_own_routes(request: Request, targets: Targets) -> None:
    """Take off the Route values at the top that name us: clients preload them (RFC 3261 §16.4, §8.1.2)."""
    if request.headers.get("Route") is None:
        return
    routes = request.headers.values("Route")
    while routes and targets.is_ours(parse_name_addr(routes[0]).uri):
        routes.pop(0)
    request.headers.remove("Route")
    for route in routes:
        request.headers.add("Route", route)
