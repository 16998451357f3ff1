"""Basic rules (RFC 3261 §25.1)."""

import pytest

from sip.errors import ParseError
from sip.grammar import is_clean, is_token, parse_number, parse_params, quote, split_values, unquote


@pytest.mark.parametrize("text", ["", "presence", "a\tb c", "zażółć", "\u00a0", "\u200d", "\U0001f4a1"])
def test_text_that_anybody_can_take_is_clean(text: str) -> None:
    assert is_clean(text)
    text.encode()


@pytest.mark.parametrize("text", ["\0", "a\0", "a\r\nb", "a\n", "\x1b[2J", "\x7f", "\x85", "\x9f", "\udcff", "a\ud800"])
def test_text_with_controls_or_surrogates_is_not_clean(text: str) -> None:
    assert not is_clean(text)


@pytest.mark.parametrize(("text", "token"), [("z9hG4bK-._!%*+`'~", True), ("", False), ("a b", False), ("ä", False)])
def test_token_has_the_characters_of_the_rfc(text: str, token: bool) -> None:
    assert is_token(text) is token


@pytest.mark.parametrize("text", ["", "plain", 'a "b" \\ c', "\x00\x7f", "ä"])
def test_quoted_text_says_the_same(text: str) -> None:
    assert unquote(quote(text)) == text


@pytest.mark.parametrize("text", ['"', "a", 'a"', '"a'])
def test_text_that_is_not_quoted_stays_as_it_is(text: str) -> None:
    assert unquote(text) == text


def test_params_keep_their_order_and_quotes() -> None:
    assert parse_params(';B=1 ; a ;c="x;y\\"" ;ip=[::1]') == (
        ("b", "1"),
        ("a", None),
        ("c", '"x;y\\""'),
        ("ip", "[::1]"),
    )


@pytest.mark.parametrize("text", [";", ";;a", "a=1", ";a=", ";a=1 b", ";a;A", ';a="x', ';a="\\\0"'])
def test_params_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_params(text)


@pytest.mark.parametrize(
    ("line", "values"), [("a", ["a"]), (" a ,\tb ", ["a", "b"]), ('"a,b",<c,d>', ['"a,b"', "<c,d>"]), ("", [""])]
)
def test_line_is_parted_at_plain_commas(line: str, values: list[str]) -> None:
    assert split_values(line) == values


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("007", 7), ("10", 10), ("11", None), ("", None), ("-1", None), ("\u0661", None)]
)
def test_number_is_decimal_and_within_its_limit(text: str, number: int | None) -> None:
    assert parse_number(text, 10) == number
