"""`python -m lamplighter_runtime.healthcheck [PORT]`: ask the service of this container whether it is ready.

Exit codes: 0 ready; 1 not ready, or no answer within two seconds; 2 it is not known whom to ask.

Rule 1: without an argument the port is that of the one variable whose name ends in `_HTTP_PORT`.
Rule 2: nothing but the standard library's cheapest modules; this program starts every few seconds.
"""

import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence

READY, NOT_READY, UNKNOWN = 0, 1, 2
TIMEOUT_SECONDS = 2.0

_VARIABLE = re.compile(r"[A-Z_]+_HTTP_PORT")
_QUESTION = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"
_ENOUGH_BYTES = 65_536


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return the exit code, after a line on stderr that says why when it is not 0."""
    ports = [*arguments] or [value for name, value in environ.items() if _VARIABLE.fullmatch(name)]
    if len(ports) != 1 or not ports[0].isdecimal() or not 0 < int(ports[0]) < 65_536:
        print("give a port, or set one variable *_HTTP_PORT", file=sys.stderr)
        return UNKNOWN
    try:
        answer = ask(int(ports[0]))
    except OSError as error:
        print(f"port {ports[0]}: {error}", file=sys.stderr)
        return NOT_READY
    if _is_ok(answer):
        return READY
    print(answer.decode(errors="replace"), file=sys.stderr)
    return NOT_READY


def ask(port: int, *, timeout: float = TIMEOUT_SECONDS) -> bytes:
    """Return what `/readyz` on this machine's `port` answers; OSError when it does not within `timeout` seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(_QUESTION)
        answer = b""
        while len(answer) < _ENOUGH_BYTES and (piece := connection.recv(_ENOUGH_BYTES)):
            answer += piece
    return answer


def _is_ok(answer: bytes) -> bool:
    return re.match(rb"HTTP/1\.[01] 200 ", answer) is not None


if __name__ == "__main__":
    # Reading it through the settings would import as much as a service does.
    sys.exit(main(sys.argv[1:], os.environ))  # noqa: TID251
