import pytest

from xcap_sync.domain.addresses import (
    Addresses,
    Root,
    Usage,
    User,
    WrongAddress,
    aor_of,
    root_of,
    usages_of,
    user_of,
)

ROOT = "http://xcap.example.com:8000/xcap-root"
ALICE = User(username="alice", domain="example.com")


def addresses(
    *, xui: str = "sip:{user}@{domain}", filename: str = "index", roots: tuple[str, ...] = (ROOT,)
) -> Addresses:
    usages = usages_of(["pres-rules", "pidf-manipulation"], "opensips")
    return Addresses(roots=[root_of(root) for root in roots], usages=usages, xui=xui, filename=filename)


def test_places_of_a_user_are_each_usage_at_each_root() -> None:
    places = addresses(roots=(ROOT, "https://other.example.com/")).places(ALICE)

    assert [(place.uri, place.root.port, place.usage.doc_type) for place in places] == [
        (f"{ROOT}/pres-rules/users/sip:alice@example.com/index", 8000, 2),
        (f"{ROOT}/pidf-manipulation/users/sip:alice@example.com/index", 8000, 16),
        ("https://other.example.com/pres-rules/users/sip:alice@example.com/index", 443, 2),
        ("https://other.example.com/pidf-manipulation/users/sip:alice@example.com/index", 443, 16),
    ]


def test_places_of_some_usages_are_those_alone() -> None:
    [place] = addresses().places(ALICE, ["pres-rules"])

    assert place.usage == Usage(name="pres-rules", doc_type=2)


@pytest.mark.parametrize(
    ("username", "segment"),
    [("a/../b", "a%2F..%2Fb"), ("a?b#c", "a%3Fb%23c"), ("a%23b", "a%2523b"), ("a b", "a%20b"), ("ä", "%C3%A4")],
)
def test_place_of_a_user_with_strange_characters_stays_one_segment(username: str, segment: str) -> None:
    user = User(username=username, domain="example.com")

    [place, _] = addresses().places(user)

    assert place.uri == f"{ROOT}/pres-rules/users/sip:{segment}@example.com/index"
    assert addresses().place(place.uri) == place


def test_user_whose_segment_would_be_another_folder_has_no_documents() -> None:
    assert addresses(xui="{user}").places(User(username="..", domain="example.com")) == []


@pytest.mark.parametrize(
    "uri",
    [
        "http://elsewhere.example.com/pres-rules/users/sip:alice@example.com/index",
        f"{ROOT}x/pres-rules/users/sip:alice@example.com/index",
        f"{ROOT}/rls-services/users/sip:alice@example.com/index",
        f"{ROOT}/pres-rules/users/sip:alice@example.com/other",
        f"{ROOT}/pres-rules/users/sip:alice@example.com/index/~~/ruleset",
        f"{ROOT}/pres-rules/users/../sip:alice@example.com/index",
        f"{ROOT}/pres-rules/global/index",
        ROOT,
        "",
    ],
)
def test_address_that_is_none_of_ours_is_no_place(uri: str) -> None:
    assert addresses().place(uri) is None


@pytest.mark.parametrize(
    ("selectors", "usages"),
    [
        (["pres-rules/users/sip:alice@example.com/index"], {"pres-rules"}),
        (["/pres-rules/users/sip:alice@example.com/index"], {"pres-rules"}),
        ([f"{ROOT}/pres-rules/users/x/index", "/pidf-manipulation/users/x/index"], {"pres-rules", "pidf-manipulation"}),
        (["rls-services/users/x/index"], None),
        (["xpres-rules/users/x/index"], None),
        ([], None),
    ],
)
def test_selectors_name_usages_or_all(selectors: list[str], usages: set[str] | None) -> None:
    assert addresses().named(selectors) == usages


@pytest.mark.parametrize(
    "url",
    [
        "ftp://xcap.example.com/",
        "xcap.example.com",
        "http:///root",
        "http://user:secret@xcap.example.com/",
        "http://xcap.example.com/?a",
        "http://xcap.example.com/#a",
        "http://xcap.example.com:99999/",
    ],
)
def test_root_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(WrongAddress):
        root_of(url)


def test_root_has_the_port_of_its_scheme_and_no_final_slash() -> None:
    assert root_of("http://xcap.example.com/root/") == Root(url="http://xcap.example.com/root", port=80)


@pytest.mark.parametrize("xui", ["", "{domain}", "{user}{user}", "{user}@{host}", "{user", "{user}@{domain}{domain}"])
def test_template_that_does_not_name_the_user_once_is_refused(xui: str) -> None:
    with pytest.raises(WrongAddress):
        addresses(xui=xui)


def test_usage_that_the_dialect_has_no_number_for_is_refused() -> None:
    with pytest.raises(WrongAddress, match=r"kamailio dialect has no doc_type for org\.openxcap\.dialog-rules"):
        usages_of(["org.openxcap.dialog-rules"], "kamailio")


@pytest.mark.parametrize(
    "uri",
    [
        "sip:alice@example.com",
        "sips:alice@EXAMPLE.com",
        "alice@example.com",
        " sip:%61lice@example.com;transport=tcp ",
        "SIP:alice:secret@example.com:5060?subject=x",
    ],
)
def test_address_in_any_spelling_is_one_aor(uri: str) -> None:
    assert aor_of(uri) == "sip:alice@example.com"


@pytest.mark.parametrize("uri", ["", "sip:", "sip:example.com", "example.com", "http://example.com", "sip:a b@c", "\0"])
def test_address_without_a_user_has_no_aor(uri: str) -> None:
    assert aor_of(uri) == ""


def test_user_of_an_aor_has_its_two_halves() -> None:
    assert user_of("sip:alice@example.com") == ALICE
    assert user_of("sip:example.com") is None
    assert user_of("tel:+4930123") is None
    assert ALICE.aor == "sip:alice@example.com"
