"""The `lamplighter` command: up, watch, publish.

Exit codes: 0 done; 1 it did not work; 2 the command line is wrong.
"""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lamplighter_cli import presence_text, show
from lamplighter_cli.address import Address
from lamplighter_cli.data import default_folder
from lamplighter_cli.errors import CommandError
from lamplighter_cli.options import Options, Policy, Store, Xcap, problems
from lamplighter_cli.publish import Publishing, publish
from lamplighter_cli.tables import Table
from lamplighter_cli.up import up
from lamplighter_cli.watch import Notice, Watching, watch
from lamplighter_runtime import clock
from lamplighter_runtime.settings import environment
from sip.errors import ParseError
from sip.uri import parse_uri

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Lamplighter, a SIP presence and busy-lamp server.")

TUPLE = "lamplighter"
"""Always the same, so that what is published last is what watchers see of this command."""


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _server(text: str) -> Address:
    try:
        return Address.parse(text, 5060)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _uri(text: str) -> str:
    uri = text if ":" in text.partition("@")[0] else f"sip:{text}"
    try:
        return str(parse_uri(uri))
    except ParseError as error:
        raise typer.BadParameter(f"{text!r} is no SIP URI: {error.reason}") from None


Uri = Annotated[str, typer.Argument(metavar="URI", parser=_uri, help="Whose state; `sip:` may be left out.")]
Server = Annotated[Address, typer.Option(parser=_server, metavar="HOST:PORT", help="The SIP server.")]
Tcp = Annotated[bool, typer.Option("--tcp", help="Use TCP instead of UDP.")]


@app.command("up")
def up_command(
    sip: Annotated[
        Address,
        typer.Option(parser=_address, metavar="HOST:PORT", help="SIP over UDP and TCP; port 0 takes a free one."),
    ] = "127.0.0.1:5060",  # type: ignore[assignment]
    http: Annotated[
        Address,
        typer.Option(
            parser=_address, metavar="HOST:PORT", help="HTTP of presence-core; the others have the next ports."
        ),
    ] = "127.0.0.1:8080",  # type: ignore[assignment]
    data: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder of the embedded servers; else ~/.local/share/lamplighter, for root /var/lib/lamplighter.",
        ),
    ] = None,
    policy: Annotated[
        Policy, typer.Option(help="open: everybody may watch everybody; rules: whom XCAP documents allow.")
    ] = Policy.OPEN,
    xcap: Annotated[
        Xcap,
        typer.Option(help="Privacy documents; integrated: an XCAP server writes them into our database."),
    ] = Xcap.NONE,
    xcap_root: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="With --xcap client: where documents are fetched; may be repeated."),
    ] = None,
    store: Annotated[
        Store,
        typer.Option(
            help="A 2xx means: committed; write-behind: in memory, committed soon after; database: committed, and read "
            "from the database at each use."
        ),
    ] = Store.WRITE_THROUGH,
    edges: Annotated[int, typer.Option(min=1, max=64, help="The n-th listens 10 x (n - 1) SIP ports higher.")] = 1,
    cores: Annotated[int, typer.Option(min=1, max=64)] = 1,
    notifiers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    nats: Annotated[str, typer.Option(metavar="URL", help="A NATS server instead of the embedded one.")] = "",
    postgres: Annotated[str, typer.Option(metavar="DSN", help="A PostgreSQL instead of the embedded one.")] = "",
) -> None:
    """Run everything on this machine: PostgreSQL, NATS and the services."""
    environ = dict(environment())
    options = Options(
        sip=sip,
        http=http,
        data=(data or default_folder(environ)).absolute(),
        policy=policy,
        xcap=xcap,
        xcap_roots=tuple(xcap_root or ()),
        store=store,
        edges=edges,
        cores=cores,
        notifiers=notifiers,
        nats=nats,
        postgres=postgres,
    )
    if wrong := list(problems(options)):
        print(*(f"lamplighter: {problem}" for problem in wrong), sep="\n", file=sys.stderr)
        raise typer.Exit(2)
    _run(up(options, environ, Console(stderr=True)))


@app.command("watch")
def watch_command(
    uri: Uri,
    event: Annotated[str, typer.Option(help="presence, presence.winfo, dialog, message-summary, …")] = "presence",
    server: Server = "127.0.0.1:5060",  # type: ignore[assignment]
    watcher: Annotated[
        str, typer.Option("--as", parser=_uri, metavar="URI", help="Who watches.")
    ] = "sip:watcher@localhost",
    tcp: Tcp = False,
    expires: Annotated[int, typer.Option(min=1, help="Seconds that a subscription is asked to last.")] = 3600,
    raw: Annotated[bool, typer.Option("--raw", help="Print the bodies as they come.")] = False,
    count: Annotated[int, typer.Option(min=0, help="End after so many states.")] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="End after so many seconds; 1 if --count was not reached.")] = 0,
) -> None:
    """Subscribe to somebody's state and print it whenever it changes."""
    console, errors, table = Console(), Console(stderr=True), Table()
    wanted = Watching(
        uri=uri, event=event, watcher=watcher, server=server, tcp=tcp, expires=expires, count=count, seconds=seconds
    )

    def on_notice(notice: Notice) -> None:
        text = show.raw(notice) if raw else show.line(uri, notice, clock.wall(), table)
        console.print(text, soft_wrap=True, highlight=False)

    _run(watch(wanted, on_notice, lambda line: errors.print(line, style="yellow", markup=False, highlight=False)))


@app.command("publish")
def publish_command(
    uri: Uri,
    status: Annotated[str, typer.Option(help="open or closed.")] = "open",
    note: Annotated[str, typer.Option(help="A few words.")] = "",
    activity: Annotated[list[str] | None, typer.Option(help="busy, away, on-the-phone, …; may be repeated.")] = None,
    body: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Publish this file instead.")] = None,
    event: Annotated[str, typer.Option(help="Event package.")] = "presence",
    content_type: Annotated[str, typer.Option(help="Of the file.")] = presence_text.PIDF_TYPE,
    expires: Annotated[int, typer.Option(min=1, help="Seconds that it is asked to live.")] = 3600,
    server: Server = "127.0.0.1:5060",  # type: ignore[assignment]
    tcp: Tcp = False,
    keep: Annotated[bool, typer.Option("--keep", help="Refresh it until Ctrl-C, then remove it.")] = False,
) -> None:
    """Publish a state; without --keep it stays until it expires."""
    if status not in ("open", "closed"):
        raise typer.BadParameter("--status is open or closed")
    if body is None and event != "presence":
        raise typer.BadParameter(f"--event {event} needs --body")
    state = presence_text.State(basic=status, notes=(note,) if note else (), activities=tuple(activity or ()))
    document = body.read_bytes() if body else presence_text.write(uri, state, tuple_id=TUPLE)
    wanted = Publishing(
        uri=uri,
        event=event,
        content_type=content_type,
        body=document,
        expires=expires,
        server=server,
        tcp=tcp,
        keep=keep,
    )
    _run(publish(wanted, lambda line: print(line, flush=True)))


def _run(command: Coroutine[object, object, int]) -> None:
    try:
        code = asyncio.run(command)
    except CommandError as error:
        print(f"lamplighter: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


def main() -> None:
    """Run the command of this process's arguments."""
    app()
