"""Reading conditions (RFC 4745 §7, OMA-TS-XDM_Core §6.6.2).

Rule 1: what cannot be read must not make a rule match: an exception that nobody understands excepts everybody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from event_packages.rules.anchors import Anchor, anchor_of
from event_packages.rules.identity import NOBODY, XML_SPACE, Identities, Identity, identities, identity_of
from event_packages.rules.names import COMMON_POLICY, OMA_COMMON_POLICY
from event_packages.rules.ruleset import MAX_SHOWN, IdentityCondition, Many, Sphere, Validity, shown
from event_packages.rules.times import epoch_of
from event_packages.xml import Element, local_name
from sip.errors import ParseError
from sip.uri import canonical_host, split_host_port

_LONGEST_DOMAIN = 255


@dataclass(slots=True, kw_only=True)
class Conditions:
    """What a rule's conditions are; filled while they are read."""

    identity: list[IdentityCondition] = field(default_factory=list)
    external: list[tuple[Anchor, ...]] = field(default_factory=list)
    anonymous: bool = False
    other: bool = False
    sphere: list[Sphere] = field(default_factory=list)
    validity: list[Validity] = field(default_factory=list)
    unknown: str = ""

    def add(self, element: Element) -> None:
        """Take a child of `conditions`; one that is not known is remembered by its name."""
        add = _CONDITIONS.get(str(element.tag))
        if add is not None:
            add(self, element)
        else:
            self.unknown = self.unknown or local_name(element)[1][:MAX_SHOWN]


def _add_identity(conditions: Conditions, element: Element) -> None:
    one = [who for child in element.iterchildren(f"{COMMON_POLICY}one") if (who := _one(child)) is not None]
    many = tuple(_many(child) for child in element.iterchildren(f"{COMMON_POLICY}many"))
    conditions.identity.append(IdentityCondition(one=identities(one) if one else NOBODY, many=many))


def _add_external(conditions: Conditions, element: Element) -> None:
    anchors = (anchor_of(_trimmed(entry, "anc")) for entry in element.iterchildren(f"{OMA_COMMON_POLICY}entry"))
    conditions.external.append(tuple(anchor for anchor in anchors if anchor is not None))


def _add_anonymous(conditions: Conditions, element: Element) -> None:
    conditions.anonymous = True


def _add_other(conditions: Conditions, element: Element) -> None:
    conditions.other = True


def _add_sphere(conditions: Conditions, element: Element) -> None:
    conditions.sphere.append(Sphere(value=_trimmed(element, "value")))


def _add_validity(conditions: Conditions, element: Element) -> None:
    """Take pairs of `from` and the `until` right behind it (RFC 4745 §7.3)."""
    names = [str(child.tag).removeprefix(COMMON_POLICY) for child in element]
    if names != ["from", "until"] * (len(names) // 2):
        conditions.validity.append(Validity(unreadable="what is not pairs of from and until"))
        return
    texts = [(child.text or "").strip(XML_SPACE) for child in element]
    times = [epoch_of(text) for text in texts]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        conditions.validity.append(Validity(unreadable=shown(texts[times.index(None)])))
    else:
        conditions.validity.append(Validity(periods=tuple(zip(known[::2], known[1::2], strict=True))))


_CONDITIONS: dict[str, Callable[[Conditions, Element], None]] = {
    f"{COMMON_POLICY}identity": _add_identity,
    f"{COMMON_POLICY}sphere": _add_sphere,
    f"{COMMON_POLICY}validity": _add_validity,
    f"{OMA_COMMON_POLICY}external-list": _add_external,
    f"{OMA_COMMON_POLICY}anonymous-request": _add_anonymous,
    f"{OMA_COMMON_POLICY}other-identity": _add_other,
}


def _trimmed(element: Element, name: str) -> str:
    return str(element.get(name, "")).strip(XML_SPACE)


def _one(element: Element) -> Identity | None:
    """Return who is meant; None for what cannot be read or has a restriction inside that nobody here knows."""
    return None if len(element) else _identity(_trimmed(element, "id"))


def _identity(uri: str) -> Identity | None:
    try:
        return identity_of(uri)
    except ParseError:
        return None


def _domain(text: str) -> str | None:
    try:
        host, port = split_host_port(text)
        return None if port is not None or len(host) > _LONGEST_DOMAIN else canonical_host(host)
    except ParseError:
        return None


def _many(element: Element) -> Many:
    excepted = _Excepted()
    for child in element:
        excepted.add(child)
    domain = _domain(_trimmed(element, "domain")) if "domain" in element.attrib else ""
    if domain is None:
        excepted.unreadable = f"many domain={shown(_trimmed(element, 'domain'))}"
    return Many(
        domain=domain or "",
        except_ids=_set(excepted.ids),
        except_domains=frozenset(excepted.domains),
        unreadable=excepted.unreadable,
    )


def _set(members: list[Identity]) -> Identities:
    return identities(members) if members else NOBODY


@dataclass(slots=True, kw_only=True)
class _Excepted:
    """Who is not one of the many; every `except` has to be understood (RFC 4745 §7.1.2)."""

    ids: list[Identity] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    unreadable: str = ""

    def add(self, element: Element) -> None:
        """Take a child of `many`."""
        names = {"id", "domain"} & set(element.attrib)
        if element.tag != f"{COMMON_POLICY}except" or len(element) or not names:
            self.unreadable = self.unreadable or local_name(element)[1][:MAX_SHOWN]
        if "id" in names:
            self._add_id(_trimmed(element, "id"))
        if "domain" in names:
            self._add_domain(_trimmed(element, "domain"))

    def _add_id(self, text: str) -> None:
        identity = _identity(text)
        if identity is None:
            self.unreadable = self.unreadable or f"except id={shown(text)}"
        else:
            self.ids.append(identity)

    def _add_domain(self, text: str) -> None:
        domain = _domain(text)
        if domain is None:
            self.unreadable = self.unreadable or f"except domain={shown(text)}"
        else:
            self.domains.append(domain)
