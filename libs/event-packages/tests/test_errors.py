"""Every refusal is an answer: status, reason phrase, headers."""

import pytest

from event_packages import errors
from event_packages.errors import Headers, Rejection

ANSWERS = [
    (errors.BadRequest(), 400, "Bad Request", ()),
    (errors.BadRequest("No body"), 400, "Bad Request", (("Warning", '399 lamplighter "No body"'),)),
    (errors.Forbidden(), 403, "Forbidden", ()),
    (errors.NotFound(), 404, "Not Found", ()),
    (errors.NotAcceptable(), 406, "Not Acceptable", ()),
    (errors.ConditionalRequestFailed(), 412, "Conditional Request Failed", ()),
    (errors.RequestEntityTooLarge(), 413, "Request Entity Too Large", ()),
    (errors.UnsupportedMediaType(("a/b", "c/d")), 415, "Unsupported Media Type", (("Accept", "a/b, c/d"),)),
    (errors.IntervalTooBrief(60), 423, "Interval Too Brief", (("Min-Expires", "60"),)),
    (errors.NoSuchDialog(), 481, "Subscription does not exist", ()),
    (errors.BadEvent(["dialog", "presence"]), 489, "Bad Event", (("Allow-Events", "dialog, presence"),)),
    (errors.StaleCSeq(3), 500, "Server Internal Error", (("Retry-After", "3"),)),
    (errors.ServiceUnavailable(10), 503, "Service Unavailable", (("Retry-After", "10"),)),
]


def public() -> set[type[Rejection]]:
    found: set[type[Rejection]] = set()
    left = Rejection.__subclasses__()
    while left:
        one = left.pop()
        left += one.__subclasses__()
        if not one.__name__.startswith("_") and one.__module__ == errors.__name__:
            found.add(one)
    return found


@pytest.mark.parametrize(("rejection", "status", "reason", "headers"), ANSWERS)
def test_rejection_each_has_its_answer(rejection: Rejection, status: int, reason: str, headers: Headers) -> None:
    answer = (rejection.status, rejection.reason, rejection.headers())

    assert answer == (status, reason, headers)


def test_rejection_all_classes_are_in_the_table_and_in_the_tree_of_the_docstring() -> None:
    tested = {type(rejection) for rejection, *_ in ANSWERS}

    assert public() == tested
    assert all(f"{one.__name__} " in (errors.__doc__ or "") for one in tested)


def test_rejection_without_words_is_shown_by_its_reason() -> None:
    shown = str(errors.ConditionalRequestFailed())

    assert shown == "Conditional Request Failed"


@pytest.mark.parametrize("why", ['say "no"', "back\\slash", "line\r\nbreak: x"])
def test_rejection_with_words_from_outside_cannot_break_out_of_the_header(why: str) -> None:
    ((_, value),) = errors.BadRequest(why).headers()
    quoted = value.removeprefix("399 lamplighter ")

    assert not set(value) & {"\r", "\n"}
    assert quoted[0] == quoted[-1] == '"'
    assert '"' not in quoted[1:-1].replace("\\\\", "").replace('\\"', "")
