"""From a request that is in order to the command of its method."""

from lamplighter_proto import Command
from sip.message import Request
from sip_edge.arrival import Arrival
from sip_edge.methods import publish, register, subscribe
from sip_edge.targets import Targets


def to_command(request: Request, arrival: Arrival, targets: Targets) -> Command:
    """Return what a PUBLISH, SUBSCRIBE or REGISTER asks of a core; raise a Refusal or ParseError when it is wrong."""
    if request.method == "PUBLISH":
        return publish.to_command(request, arrival)
    if request.method == "SUBSCRIBE":
        return subscribe.to_command(request, arrival)
    return register.to_command(request, arrival, register.registered(request, targets))
