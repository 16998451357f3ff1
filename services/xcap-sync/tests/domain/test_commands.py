import pytest

from xcap_sync.domain.commands import (
    Params,
    RefreshWatchers,
    RefreshXcapDoc,
    Refused,
    UnknownMethod,
    WrongParams,
    read,
)

WATCHERS = RefreshWatchers(presentity="sip:alice@example.com", event="presence", refresh_type=0)
DOC = RefreshXcapDoc(doc_uri="http://xcap.example.com/x", port=80)


@pytest.mark.parametrize(
    "method",
    [
        "refreshWatchers",
        "refresh_watchers",
        "presence:refresh_watchers",
        "presence.refreshWatchers",
        "presence.refresh_watchers",
        "REFRESHWATCHERS",
        "Presence:Refresh_Watchers",
    ],
)
def test_refresh_watchers_in_every_spelling_is_one_command(method: str) -> None:
    assert read(method, ["sip:alice@example.com", "presence", 0]) == WATCHERS


@pytest.mark.parametrize(
    "method",
    [
        "refreshXcapDoc",
        "xcap_client:refreshXcapDoc",
        "xcap_client.refreshXcapDoc",
        "refresh_xcap_doc",
        "refreshxcapdoc",
    ],
)
def test_refresh_xcap_doc_in_every_spelling_is_one_command(method: str) -> None:
    assert read(method, ["http://xcap.example.com/x", 80]) == DOC


@pytest.mark.parametrize(
    "method", ["", "refresh", "presence:cleanup", "xcap_client:refreshWatchers", "refreshWatchers "]
)
def test_other_method_is_unknown(method: str) -> None:
    with pytest.raises(UnknownMethod):
        read(method, [])


@pytest.mark.parametrize(
    "params",
    [
        ["sip:alice@example.com", "presence", "0"],
        [" sips:alice@EXAMPLE.com;x=y ", "presence", 0],
        ["alice@example.com", "presence", 0, "http://xcap.example.com/doc", "index"],
        {"presentity_uri": "sip:alice@example.com", "event": "presence", "refresh_type": 0},
        {"presentity_uri": "sip:alice@example.com", "event": "presence", "refresh_type": "0", "filename": "index"},
    ],
)
def test_refresh_watchers_takes_parameters_by_place_and_by_name(params: Params) -> None:
    assert read("refreshWatchers", params) == WATCHERS


@pytest.mark.parametrize("event", ["presence", "dialog", "dialog;sla", "message-summary", "presence.winfo"])
def test_refresh_watchers_takes_any_event(event: str) -> None:
    command = read("refreshWatchers", ["sip:alice@example.com", event, 1])

    assert command == RefreshWatchers(presentity="sip:alice@example.com", event=event, refresh_type=1)


@pytest.mark.parametrize(
    "params",
    [
        [],
        ["sip:alice@example.com", "presence"],
        ["sip:alice@example.com", "presence", 0, "", "", ""],
        {"presentity_uri": "sip:alice@example.com", "event": "presence"},
        {"presentity_uri": "sip:alice@example.com", "event": "presence", "refresh_type": 0, "other": 1},
        [None, "presence", 0],
        ["sip:alice@example.com", ["presence"], 0],
        ["sip:alice@example.com", "presence", True],
        ["sip:alice@example.com", "presence", 0.0],
    ],
)
def test_refresh_watchers_with_other_parameters_is_refused(params: Params) -> None:
    with pytest.raises(WrongParams):
        read("refreshWatchers", params)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        (["", "presence", 0], 404),
        (["sip:example.com", "presence", 0], 404),
        (["what is this", "presence", 0], 404),
        (["sip:\ud800@example.com", "presence", 0], 404),
        (["sip:a\0@example.com", "presence", 0], 404),
        (["sip:alice@example.com", "", 0], 400),
        (["sip:alice@example.com", "a b", 0], 400),
        (["sip:alice@example.com", "x" * 65, 0], 400),
        (["sip:alice@example.com", "presence", 3], 400),
        (["sip:alice@example.com", "presence", -1], 400),
        (["sip:alice@example.com", "presence", "rules"], 400),
        (["sip:alice@example.com", "presence", "9" * 5000], 400),
        (["sip:alice@example.com", "presence", "²"], 400),
    ],
)
def test_refresh_watchers_of_what_cannot_be_is_refused_with_its_status(params: Params, status: int) -> None:
    with pytest.raises(Refused) as refused:
        read("refreshWatchers", params)

    assert refused.value.status == status


@pytest.mark.parametrize("params", [["http://xcap.example.com/x"], {"doc_uri": "x"}, ["a", 1, 2]])
def test_refresh_xcap_doc_with_other_parameters_is_refused(params: Params) -> None:
    with pytest.raises(WrongParams):
        read("refreshXcapDoc", params)


@pytest.mark.parametrize("params", [["", 80], ["x", 65_536], ["x", "http"], ["\ud800", 80], ["\0", 80]])
def test_refresh_xcap_doc_of_no_address_is_refused(params: Params) -> None:
    with pytest.raises(Refused, match="400"):
        read("refreshXcapDoc", params)
