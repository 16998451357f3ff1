"""Reading what a rule gives: sub-handling and what is provided of the document (RFC 5025 §3.2, §3.3).

Rule 1: only what is said in the words of the schema is given; anything else gives nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from event_packages.rules.identity import XML_SPACE
from event_packages.rules.names import ATTRIBUTES, OMA_ATTRIBUTES, OMA_PRES_RULES, PRES_RULES
from event_packages.rules.permissions import ALL, ALL_ATTRIBUTES, NOTHING, Permissions, Selector, UserInput
from event_packages.rules.ruleset import Handling
from event_packages.xml import Element

_HANDLINGS = {
    **{one.name.lower().replace("_", "-"): one for one in Handling},
    **{str(one.value): one for one in Handling},
}
_TRUE = ("true", "1")
_USER_INPUTS = {one.name.lower(): one for one in UserInput}

_SERVICES = {
    f"{PRES_RULES}class": "class",
    f"{PRES_RULES}occurrence-id": "occurrence-id",
    f"{PRES_RULES}service-uri": "service-uri",
    f"{PRES_RULES}service-uri-scheme": "service-uri-scheme",
    f"{OMA_PRES_RULES}service-id": "service-id",
}
_PERSONS = {f"{PRES_RULES}class": "class", f"{PRES_RULES}occurrence-id": "occurrence-id"}
_DEVICES = {**_PERSONS, f"{PRES_RULES}deviceID": "deviceID"}
_BOOLEANS = {
    **{f"{PRES_RULES}provide-{name}": name for name in ATTRIBUTES},
    **{f"{OMA_PRES_RULES}provide-{name}": name for name in OMA_ATTRIBUTES},
}


def handling_of(actions: Iterable[Element]) -> Handling | None:
    """Return the highest sub-handling in words that are known; None without one."""
    words = (_word(child) for action in actions for child in action.iterchildren(f"{PRES_RULES}sub-handling"))
    return max((_HANDLINGS[word] for word in words if word in _HANDLINGS), default=None)


def permissions_of(transformations: Iterable[Element]) -> Permissions:
    """Return what is provided; nothing without transformations."""
    provided = _Provided()
    for element in transformations:
        for child in element:
            provided.add(child)
    return provided.permissions()


@dataclass(slots=True, kw_only=True)
class _Provided:
    services: set[Selector] = field(default_factory=set)
    persons: set[Selector] = field(default_factory=set)
    devices: set[Selector] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    user_input: UserInput = UserInput.FALSE
    unknown: set[tuple[str, str]] = field(default_factory=set)

    def add(self, element: Element) -> None:
        """Take a child of `transformations`."""
        tag = str(element.tag)
        name = _BOOLEANS.get(tag)
        if name is not None:
            self.attributes.update((name,) if _word(element) in _TRUE else ())
        elif tag in _OTHERS:
            _OTHERS[tag](self, element)

    def permissions(self) -> Permissions:
        """Return what was taken."""
        if not (self.services or self.persons or self.devices or self.attributes or self.user_input or self.unknown):
            return NOTHING
        return Permissions(
            services=frozenset(self.services),
            persons=frozenset(self.persons),
            devices=frozenset(self.devices),
            attributes=frozenset(self.attributes),
            user_input=self.user_input,
            unknown=frozenset(self.unknown),
        )


def _add_services(provided: _Provided, element: Element) -> None:
    provided.services.update(_selectors(element, f"{PRES_RULES}all-services", _SERVICES))


def _add_persons(provided: _Provided, element: Element) -> None:
    provided.persons.update(_selectors(element, f"{PRES_RULES}all-persons", _PERSONS))


def _add_devices(provided: _Provided, element: Element) -> None:
    provided.devices.update(_selectors(element, f"{PRES_RULES}all-devices", _DEVICES))


def _add_user_input(provided: _Provided, element: Element) -> None:
    provided.user_input = max(provided.user_input, _USER_INPUTS.get(_word(element) or "", UserInput.FALSE))


def _add_unknown(provided: _Provided, element: Element) -> None:
    name = str(element.get("name", "")).strip(XML_SPACE)
    if name and _word(element) in _TRUE:
        provided.unknown.add((str(element.get("ns", "")).strip(XML_SPACE), name))


def _add_geopriv(provided: _Provided, element: Element) -> None:
    provided.attributes.update(("geopriv",) if _word(element) == "full" else ())


def _add_all(provided: _Provided, element: Element) -> None:
    """Provide every attribute there is, `user-input` too (RFC 5025 §3.3.2.15)."""
    if _is_there(element):
        provided.attributes.add(ALL_ATTRIBUTES)
        provided.user_input = UserInput.FULL


_OTHERS: dict[str, Callable[[_Provided, Element], None]] = {
    f"{PRES_RULES}provide-services": _add_services,
    f"{PRES_RULES}provide-persons": _add_persons,
    f"{PRES_RULES}provide-devices": _add_devices,
    f"{PRES_RULES}provide-user-input": _add_user_input,
    f"{PRES_RULES}provide-unknown-attribute": _add_unknown,
    f"{PRES_RULES}provide-all-attributes": _add_all,
    f"{OMA_PRES_RULES}provide-geopriv": _add_geopriv,
}


def _selectors(element: Element, everything: str, kinds: dict[str, str]) -> Iterable[Selector]:
    for child in element:
        tag = str(child.tag)
        if tag == everything:
            if _is_there(child):
                yield ALL
        elif tag in kinds and (value := _word(child)):
            yield Selector(kinds[tag], value)


def _is_there(element: Element) -> bool:
    """Return whether an element that is empty by the schema is so, or says yes."""
    return _word(element) in ("", *_TRUE)


def _word(element: Element) -> str | None:
    """Return an element's text without the space around it; None for one with elements inside."""
    return None if len(element) else (element.text or "").strip(XML_SPACE)
