import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from lamplighter_runtime import logs

logger = logging.getLogger("sample.part")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def configured(log_format: str, level: str = "INFO") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, log_format, {"instance": "edge-1"}, stream)
    return stream


def test_log_line_as_json_has_time_level_logger_message_and_fields() -> None:
    stream = configured("json")

    logger.info("publish rejected", extra={"status": 412, "call_id": "a84b@pc33"})

    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "level": "INFO",
        "logger": "sample.part",
        "message": "publish rejected",
        "instance": "edge-1",
        "status": 412,
        "call_id": "a84b@pc33",
    }


def test_log_line_as_json_begins_with_the_time() -> None:
    stream = configured("json")

    logger.warning("notify gave up")

    assert stream.getvalue().startswith('{"timestamp": "')


def test_log_line_of_an_exception_is_one_line_with_the_traceback() -> None:
    stream = configured("json")

    try:
        raise RuntimeError("lamp broke")
    except RuntimeError:
        logger.exception("command failed")

    (text,) = stream.getvalue().splitlines()
    assert "lamp broke" in json.loads(text)["exc_info"]


def test_log_line_as_text_has_the_fields_behind_the_message() -> None:
    stream = configured("text")

    logger.warning("notify gave up", extra={"status": 408, "reason": "Request Timeout"})

    text = stream.getvalue()
    assert text.endswith('Z WARNING sample.part: notify gave up status=408 reason="Request Timeout"\n')


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_log_line_with_a_line_end_in_a_field_stays_one_line(log_format: str) -> None:
    stream = configured(log_format)

    logger.info("odd call-id", extra={"call_id": "a\nERROR:forged"})

    assert len(stream.getvalue().splitlines()) == 1


def test_log_line_below_the_level_is_not_written() -> None:
    stream = configured("json", "WARNING")

    logger.info("publish accepted")

    assert stream.getvalue() == ""


def test_log_of_a_library_at_info_is_not_written() -> None:
    stream = configured("json")

    logging.getLogger("uvicorn.error").info("Started server process [1]")

    assert stream.getvalue() == ""


def test_logs_configured_twice_write_each_line_once() -> None:
    configured("json")
    stream = configured("json")

    logger.info("ready")

    assert len(stream.getvalue().splitlines()) == 1
