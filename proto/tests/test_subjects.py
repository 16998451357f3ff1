"""Subjects are made of fixed words and instance names, and of nothing that a user chose."""

import inspect
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter_proto import subjects

BUILDERS: list[Callable[[str], str]] = [
    function
    for name, function in inspect.getmembers(subjects, inspect.isfunction)
    if function.__module__ == subjects.__name__ and name != "check_instance"
]


@pytest.mark.parametrize("build", BUILDERS)
def test_subject_takes_an_instance_name_and_nothing_else(build: Callable[[str], str]) -> None:
    (parameter,) = inspect.signature(build).parameters

    assert parameter in {"core", "edge", "notifier", "xcap_sync"}


@pytest.mark.parametrize("build", BUILDERS)
@given(name=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_subject_of_a_checked_name_has_it_as_its_last_token(build: Callable[[str], str], name: str) -> None:
    tokens = build(subjects.check_instance(name)).split(".")

    assert tokens[:2] == subjects.PREFIX.split(".")
    assert tokens[4:] == [name]


def test_subjects_of_one_name_are_all_different() -> None:
    fixed = {subjects.NOTIFY, subjects.XCAP}

    assert len({build("x") for build in BUILDERS} | fixed) == len(BUILDERS) + len(fixed)


@pytest.mark.parametrize(
    "name", ["", "a.b", "*", ">", "a b", "alice@example.com", "sip:alice", "ä", "x\n", "x" * 65], ids=repr
)
def test_instance_name_that_is_no_subject_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an instance name"):
        subjects.check_instance(name)
