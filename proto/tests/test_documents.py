"""The numbers of the `xcap` table, server by server."""

import pytest

from lamplighter_proto.documents import (
    DIALOG_RULES,
    OMA_PRES_RULES,
    PIDF_MANIPULATION,
    PRES_RULES,
    RESOURCE_LISTS,
    RLS_SERVICES,
    USAGES,
    Dialect,
    doc_type,
)

NUMBERS: dict[Dialect, dict[str, int | None]] = {
    "opensips": {OMA_PRES_RULES: 32, DIALOG_RULES: None},
    "kamailio": {OMA_PRES_RULES: 2, DIALOG_RULES: None},
    "openxcap": {OMA_PRES_RULES: 32, DIALOG_RULES: 128},
}
COMMON: dict[str, int | None] = {PRES_RULES: 2, RESOURCE_LISTS: 4, RLS_SERVICES: 8, PIDF_MANIPULATION: 16}
DIALECTS = pytest.mark.parametrize("dialect", list(NUMBERS))


@DIALECTS
def test_doc_type_of_every_usage_is_the_number_of_that_server(dialect: Dialect) -> None:
    expected = COMMON | NUMBERS[dialect]

    assert {usage: doc_type(usage, dialect) for usage in expected} == expected


@DIALECTS
def test_doc_type_of_a_usage_that_nobody_knows_is_none(dialect: Dialect) -> None:
    assert doc_type("xcap-caps", dialect) is None


@DIALECTS
def test_usages_by_number_lead_back_to_their_number(dialect: Dialect) -> None:
    assert {number: doc_type(usage, dialect) for number, usage in USAGES[dialect].items()} == {
        number: number for number in USAGES[dialect]
    }


def test_usages_of_all_dialects_are_described() -> None:
    assert set(USAGES) == set(NUMBERS)


@pytest.mark.parametrize("number", [32, 64, 128])
def test_usages_of_kamailio_have_none_of_the_numbers_that_it_gives_to_others(number: int) -> None:
    # 32 is xcap-caps there, 64 user-profile, 128 pres-content.
    assert number not in USAGES["kamailio"]


@DIALECTS
def test_usages_have_no_number_that_two_servers_understand_differently(dialect: Dialect) -> None:
    # 0 is a test application, 64 is pres-content for OpenXCAP.
    assert not {0, 64} & set(USAGES[dialect])
