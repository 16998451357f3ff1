"""What every event package must do, whoever wrote it: runs for all that are registered."""

import re
from dataclasses import FrozenInstanceError

import pytest

from event_packages.base import EventPackage
from event_packages.errors import BadRequest
from event_packages.registry import discover

AOR = "sip:alice@example.com"
TOKEN = re.compile(r"[A-Za-z0-9!%*_+`'~-]+(\.[A-Za-z0-9!%*_+`'~-]+)*")
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

SAMPLES: dict[str, list[bytes]] = {
    "presence": [
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{AOR}"><tuple id="{name}"><status>'
        f"<basic>{basic}</basic></status></tuple></presence>".encode()
        for name, basic in (("desk", "open"), ("phone", "closed"))
    ],
}
"""Bodies of the packages; one without samples is tried with what it composes of nothing, if anything."""

pytestmark = pytest.mark.parametrize("package", list(discover()), ids=lambda package: package.name)


def bodies(package: EventPackage) -> list[bytes]:
    nothing = package.compose(AOR, [])
    return SAMPLES.get(package.name) or ([nothing] if nothing else [])


def test_package_name_is_a_token(package: EventPackage) -> None:
    assert TOKEN.fullmatch(package.name)


def test_package_content_types_are_bare_lower_case_media_types(package: EventPackage) -> None:
    assert package.content_types
    assert all(MEDIA_TYPE.fullmatch(content_type) for content_type in package.content_types)
    assert len(set(package.content_types)) == len(package.content_types)


def test_package_default_lifetime_is_within_its_limits(package: EventPackage) -> None:
    assert 0 < package.min_expires <= package.default_expires <= package.max_expires


def test_package_composes_nothing(package: EventPackage) -> None:
    composed = package.compose(AOR, [])

    assert composed is None or package.compose(AOR, [package.parse(composed)]) == composed


def test_package_reads_what_it_composed_and_composes_the_same(package: EventPackage) -> None:
    documents = [package.parse(body) for body in bodies(package)]

    composed = package.compose(AOR, documents)

    assert composed is None or package.compose(AOR, [package.parse(composed)]) == composed


def test_package_composes_the_same_each_time(package: EventPackage) -> None:
    first, second = ([package.parse(body) for body in bodies(package)] for _ in range(2))

    composed = [package.compose(AOR, documents) for documents in (first, second, tuple(first))]

    assert composed[0] == composed[1] == composed[2]


def test_package_documents_are_immutable_values(package: EventPackage) -> None:
    for body in bodies(package):
        document = package.parse(body)

        assert document == package.parse(body)
        assert hash(document) == hash(package.parse(body))


@pytest.mark.parametrize("body", [b"", b" ", b"\x00", b"<", b"\xff\xfe", b"<a/>", b"a: b", b"<a>" * 100_000])
def test_package_unreadable_body_is_a_bad_request_or_a_document(package: EventPackage, body: bytes) -> None:
    try:
        document = package.parse(body)
    except BadRequest:
        return
    package.compose(AOR, [document])


def test_package_is_frozen(package: EventPackage) -> None:
    with pytest.raises(FrozenInstanceError):
        package.name = "other"  # type: ignore[misc]
