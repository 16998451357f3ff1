"""A message for tests, and an ear that keeps what it hears."""

from lamplighter_proto import FrameCodec, Message


class Note(Message, frozen=True):
    """What tests send."""

    number: int
    text: str = ""


class Stranger(Message, frozen=True):
    """What no reader of notes understands."""

    name: str


NOTES = FrameCodec[Note](Note)


class Ear:
    """A handler: the frames it got, in order."""

    def __init__(self) -> None:
        self.frames: list[list[Note]] = []

    def __call__(self, notes: list[Note]) -> None:
        self.frames.append(notes)

    @property
    def numbers(self) -> list[int]:
        return [note.number for frame in self.frames for note in frame]
