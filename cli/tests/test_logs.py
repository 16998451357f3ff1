import json
from io import StringIO

from rich.console import Console

from lamplighter_cli.logs import Screen, read, render


def shown(raw: str, instance: str = "edge-1") -> str:
    return render(instance, "cyan", read(raw), 0.0).plain


def test_log_line_of_a_service_shows_time_level_message_and_fields() -> None:
    raw = json.dumps(
        {
            "timestamp": "2026-01-31T12:00:00.123456Z",
            "level": "WARNING",
            "logger": "sip_edge.edge",
            "message": "notify gave up",
            "instance": "edge-1",
            "status": 481,
            "call_id": "a b",
        }
    )

    assert shown(raw) == '2026-01-31T12:00:00.123Z edge-1     WARNING notify gave up status=481 call_id="a b"'


def test_log_line_with_a_traceback_shows_it_below() -> None:
    raw = json.dumps({"level": "ERROR", "message": "service failed", "exc_info": "Traceback\n  boom"})

    assert shown(raw).splitlines()[1:] == ["Traceback", "  boom"]


def test_log_line_that_is_no_json_is_shown_as_it_is() -> None:
    assert shown("Killed").endswith("INFO    Killed")
    assert shown('{"half').endswith('INFO    {"half')
    assert shown('{"level": 1}').endswith('INFO    {"level": 1}')
    assert shown("{}").endswith("INFO    {}")


def test_log_line_cannot_move_the_cursor() -> None:
    raw = json.dumps({"level": "INFO", "message": "x\x1b[2J", "name": "\r\x1b]0;"})

    assert "\x1b" not in shown(raw)
    assert "\r" not in shown(raw)


def test_log_line_of_nats_is_quiet_unless_it_warns() -> None:
    info = read("[19748] 2026/11/25 06:31:24.009985 [INF] Server is ready")
    blank = read("[19748] 2026/11/25 06:31:24.009985 [INF]")
    error = read("[19748] 2026/11/25 06:31:24.009985 [ERR] no")

    assert (info.message, info.quiet) == ("Server is ready", True)
    assert blank.quiet
    assert (error.level, error.quiet) == ("ERROR", False)


def test_log_line_of_postgres_is_quiet_unless_it_warns() -> None:
    info = read("LOG:  database system is ready to accept connections")
    fatal = read('FATAL:  lock file "postmaster.pid" already exists')

    assert (info.message, info.quiet) == ("database system is ready to accept connections", True)
    assert (fatal.level, fatal.quiet) == ("ERROR", False)
    assert read("FATAL:  the database system is starting up").quiet


def test_screen_that_is_no_terminal_writes_plain_whole_lines() -> None:
    output = StringIO()
    screen = Screen(Console(file=output, width=40))

    screen.show("core-1", read(json.dumps({"level": "ERROR", "message": "[bold]" + "x" * 100})), 0.0)

    assert output.getvalue() == f"1970-01-01T00:00:00.000Z core-1     ERROR   [bold]{'x' * 100}\n"
