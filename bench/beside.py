"""What the benches of isolation share: a server of their own, presload as referee, and a table."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
HTTP_PORTS = 4
"""One for each service."""
DOMAIN = "example.test"
"""presload's."""
POINTS = ("p50", "p99", "max")
Result = dict[str, object]


def compile_presload(folder: Path) -> Path:
    """Return presload, compiled."""
    program = folder / "presload"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "presload" / "presload.c"), "-lm"], check=True)
    return program


def presload(program: Path, sip: int, *options: str) -> Result:
    """Return what presload says of a run."""
    command = [str(program), *options[:1], f"127.0.0.1:{sip}", *options[1:], "--grace", "10", "-q"]
    report = program.with_suffix(".json")
    subprocess.run([*command, "--json", str(report)], check=False, capture_output=True)
    result: Result = json.loads(report.read_text())
    return result


@contextmanager
def server(data: Path, settings: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run `lamplighter up` for as long as the block lasts; yield its SIP port."""
    sip = free_ports(1 + HTTP_PORTS)
    program = str(HERE.parent / ".venv" / "bin" / "lamplighter")
    options = ["--sip", f"127.0.0.1:{sip}", "--http", f"127.0.0.1:{sip + 1}", "--data", str(data)]
    variables = [f"{name}={value}" for name, value in (settings or {}).items()]
    with open(f"{data}.log", "w") as log:
        process = subprocess.Popen(
            ["env", *variables, program, "up", *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        if not any(line.startswith("lamplighter ready") for line in process.stdout):
            raise SystemExit(Path(f"{data}.log").read_text())
        yield sip
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def free_ports(number: int) -> int:
    """Return the first of so many consecutive ports that nobody has just now."""
    while True:
        with ExitStack() as stack:
            first = int(stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1])
            try:
                stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", first))
                for port in range(first + 1, first + number):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first


def subscribe(presentity: str, watcher: str, number: int, host: str, port: int, transport: str = "UDP") -> bytes:
    """Return a SUBSCRIBE for a dialog of its own, with a Contact at `host:port`."""
    uri, name = f"sip:{presentity}@{DOMAIN}", f"{os.getpid()}-{number}-{port}"
    lines = [
        f"SUBSCRIBE {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {host}:{port};branch=z9hG4bK{name};rport",
        f"From: <sip:{watcher}@{DOMAIN}>;tag={name}",
        f"To: <{uri}>",
        f"Call-ID: {name}",
        "CSeq: 1 SUBSCRIBE",
        "Max-Forwards: 70",
        f"Contact: <sip:{watcher}@{host}:{port};transport={transport.lower()}>",
        "Event: presence",
        "Expires: 3600",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def figures(runs: list[Result]) -> list[str]:
    """Return medians, least to most behind them, and how many runs were clean."""
    delays = [told for one in runs if (told := one["latency_ms"].get("publish_notify"))]  # type: ignore[attr-defined]
    spreads = [spread([delay[point] for delay in delays]) if delays else "-" for point in POINTS]
    return [*spreads, f"{sum(bool(one['ok']) for one in runs)} of {len(runs)}"]


def spread(values: list[float]) -> str:
    """Return median, least and most."""
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"
