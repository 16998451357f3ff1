"""Whatever happens to PUBLISHes on their way, the lamp is right in the end.

The server is modelled by what its core does: endings are remembered, documents of live publications buried and
composed. The phones here read documents by themselves: one looks at full documents only, one keeps a table by the rules
of RFC 4235 §4.3.
"""

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from event_packages.base import View
from event_packages.packages.dialog import PACKAGE

AOR = "sip:erika@example.net"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "dialog-info.xsd"))
STATES = ["trying", "proceeding", "early", "confirmed", "terminated"]
LAMPS = {"trying": "glows", "proceeding": "glows", "early": "blinks", "confirmed": "lit", "terminated": "dark"}
BRIGHTNESS = ["dark", "glows", "lit", "blinks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A dialog from its beginning to the state that it is in when all is over."""

    call: int
    number: int
    final: str
    tagged: bool
    """Whether it has both tags at its end, if that is before it rings."""
    named: bool = True
    """Whether the branches of its call have different ids."""

    @property
    def path(self) -> list[str]:
        """Return the states that it is in one after another."""
        return STATES[: STATES.index(self.final) + 1]

    def body(self, state: str) -> bytes:
        """Return what its publisher says; the remote tag is known when it rings."""
        tagged = STATES.index(state) >= 2 and (state != "terminated" or self.tagged)
        tag = f' remote-tag="r{self.number}"' if tagged else ""
        return (
            f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="{AOR}">'
            f'<dialog id="{self.call}-{self.number if self.named else 0}" call-id="call{self.call}" local-tag="l"{tag}>'
            f"<state>{state}</state></dialog></dialog-info>"
        ).encode()


@dataclass(slots=True)
class Server:
    """What the core does with publications of one presentity."""

    documents: dict[str, object] = field(default_factory=dict)
    endings: set[str] = field(default_factory=set)

    def publish(self, entity_tag: str, body: bytes) -> None:
        document = PACKAGE.parse(body)
        assert PACKAGE.endings is not None
        self.endings |= PACKAGE.endings(document)
        self.documents[entity_tag] = document

    def remove(self, entity_tag: str) -> None:
        self.documents.pop(entity_tag, None)

    def state(self, view: View = View()) -> object:  # noqa: B008
        assert PACKAGE.bury is not None
        buried = [PACKAGE.bury(document, self.endings) for document in self.documents.values()]
        return PACKAGE.seen(PACKAGE.compose(AOR, buried), view)


def written(state: object, base: object | None, version: int) -> bytes:
    body = PACKAGE.body(state, base, 0)
    assert body is not None
    document = b"%b%d%b" % (body.document[: body.version_at], version, body.document[body.version_at :])
    SCHEMA.assertValid(etree.fromstring(document))
    return document


class OutOfOrder(Exception):
    """A version is missing."""


@dataclass(slots=True)
class Phone:
    """Keeps a table of dialogs (RFC 4235 §4.3)."""

    version: int = -1
    table: dict[str, str] = field(default_factory=dict)

    def read(self, document: bytes) -> None:
        root = ElementTree.fromstring(document)
        version = int(root.attrib["version"])
        if root.attrib["state"] == "full":
            self.table.clear()
        elif version != self.version + 1:
            raise OutOfOrder
        self.version = version
        for element in root:
            state = element[0].text or ""
            self.table[element.attrib["id"]] = state
            if state == "terminated":
                del self.table[element.attrib["id"]]

    @property
    def lamp(self) -> str:
        return brightest(self.table.values())


def brightest(states: object) -> str:
    assert hasattr(states, "__iter__")
    return max((LAMPS[state] for state in states), key=BRIGHTNESS.index, default="dark")


def lamp_of(state: object) -> str:
    """Return the lamp of a phone that reads one full document."""
    root = ElementTree.fromstring(written(state, None, 0))
    return brightest([element[0].text for element in root])


@st.composite
def branches(draw: st.DrawFn, finals: list[str]) -> list[Branch]:
    """Return up to three calls, some of them forked; nobody can tell branches apart without tags and ids."""
    found = []
    for call in range(draw(st.integers(1, 3))):
        forks, named = draw(st.integers(1, 2)), draw(st.booleans())
        alive = [state for state in finals if forks == 1 or state not in STATES[:2]]
        for number in range(forks):
            tagged = draw(st.booleans()) if named or forks == 1 else True
            final = draw(st.sampled_from(alive))
            found.append(Branch(call=call, number=number, final=final, tagged=tagged, named=named))
    return found


@st.composite
def on_the_way(draw: st.DrawFn, sent: list[list[str]]) -> list[tuple[int, str]]:
    """Return what arrives of the states that were sent: in any order, some twice, some not at all but the last ones."""
    arriving: list[tuple[int, str]] = []
    for branch, path in enumerate(sent):
        for state in path[:-1]:
            arriving += [(branch, state)] * draw(st.integers(0, 2))
        arriving += [(branch, path[-1])] * draw(st.integers(1, 2))
    return draw(st.permutations(arriving))


@given(st.data())
def test_lamp_with_a_publication_for_every_state_is_right_in_the_end(data: st.DataObject) -> None:
    calls = data.draw(branches(STATES))
    server = Server()

    for number, (place, state) in enumerate(data.draw(on_the_way([branch.path for branch in calls]))):
        server.publish(f"etag{number}", calls[place].body(state))

    for view in (View(), View(single=True)):
        assert lamp_of(server.state(view)) == brightest([branch.final for branch in calls])


@given(st.data())
def test_lamp_with_one_publication_that_is_modified_is_dark_after_the_end(data: st.DataObject) -> None:
    calls = data.draw(branches(["terminated"]))
    server = Server()

    for place, state in data.draw(on_the_way([branch.path for branch in calls])):
        server.publish(f"etag{place}", calls[place].body(state))

    assert lamp_of(server.state()) == "dark"


@given(st.data())
def test_lamp_stays_dark_when_ended_publications_are_removed_and_late_ones_come(data: st.DataObject) -> None:
    calls = data.draw(branches(["terminated"]))
    server = Server()

    for number, (place, state) in enumerate(data.draw(on_the_way([branch.path for branch in calls]))):
        server.publish(f"etag{number}", calls[place].body(state))
        if state == "terminated":
            server.remove(f"etag{number}")

    assert lamp_of(server.state()) == "dark"


@given(st.data(), st.sampled_from([View(), View(single=True)]))
def test_phone_with_partial_documents_has_the_lamp_of_full_ones(data: st.DataObject, view: View) -> None:
    calls = data.draw(branches(STATES))
    server, phone = Server(), Phone()
    base = None
    version = 0

    for number, (place, state) in enumerate(data.draw(on_the_way([branch.path for branch in calls]))):
        server.publish(f"etag{number}", calls[place].body(state))
        if data.draw(st.integers(0, 3)) == 0:
            server.remove(f"etag{data.draw(st.integers(0, number))}")
        seen = server.state(view)
        if seen != base and data.draw(st.booleans()):
            phone.read(written(seen, base, version))
            base, version = seen, version + 1
            whole = Phone()
            whole.read(written(seen, None, 0))
            assert phone.table == whole.table
            assert phone.lamp == lamp_of(seen)


@given(st.data())
def test_state_does_not_depend_on_which_publication_was_modified_last(data: st.DataObject) -> None:
    calls = data.draw(branches(STATES))
    server, other = Server(), Server()
    arrived = data.draw(on_the_way([branch.path for branch in calls]))

    for number in range(len(arrived)):
        server.publish(f"etag{number}", calls[arrived[number][0]].body(arrived[number][1]))
    for number in data.draw(st.permutations(range(len(arrived)))):
        other.publish(f"etag{number}", calls[arrived[number][0]].body(arrived[number][1]))

    assert server.state() == other.state()


def test_lamp_early_after_terminated_over_another_connection_stays_dark() -> None:
    branch = Branch(call=1, number=1, final="terminated", tagged=True)
    server = Server()

    for number, state in enumerate(["trying", "terminated", "early"]):
        server.publish(f"etag{number}", branch.body(state))
    server.remove("etag1")

    assert lamp_of(server.state()) == "dark"


def test_lamp_of_a_forked_call_is_lit_when_the_other_branches_are_cancelled() -> None:
    winner = Branch(call=1, number=1, final="confirmed", tagged=True)
    loser = Branch(call=1, number=2, final="terminated", tagged=False)
    server = Server()

    for number, (branch, state) in enumerate(
        [(winner, "trying"), (loser, "trying"), (winner, "early"), (winner, "confirmed"), (loser, "terminated")]
    ):
        server.publish(f"etag{number}", branch.body(state))

    assert lamp_of(server.state()) == "lit"


def test_lamp_of_a_transferred_call_follows_the_second_dialog() -> None:
    held = Branch(call=1, number=1, final="terminated", tagged=True)
    consulted = Branch(call=2, number=1, final="terminated", tagged=True)
    server = Server()
    both = held.body("confirmed").replace(b"</dialog>", b"</dialog>" + _dialog_in(consulted.body("confirmed")))

    lamps = []
    for body in (
        held.body("confirmed"),
        both,
        both.replace(b"confirmed", b"terminated", 1),
        consulted.body("terminated"),
    ):
        server.publish("etag", body)
        lamps.append(lamp_of(server.state()))

    assert lamps == ["lit", "lit", "lit", "dark"]


def _dialog_in(body: bytes) -> bytes:
    return body[body.index(b"<dialog ") : body.index(b"</dialog-info>")]
