"""What a watcher sees of a presence document: what no rule provides is withheld (RFC 5025 §3.3).

Rule 1: of a service, person or device that is provided, id, timestamp, basic status, contact, service class, OMA's
service description and a device's own device id are shown (§3.3.2); all else in it, known or not, is an attribute that
a permission has to name.
Rule 2: an attribute that is not provided is withheld wherever it stands, also inside of one that is.
Rule 3: where nothing is left, and where nothing was, the neutral document is seen: neither tells that there are rules.
"""

from collections.abc import Sequence

from lxml import etree

from event_packages.base import View
from event_packages.documents import pidf
from event_packages.documents.pidf_parts import Part
from event_packages.documents.pidf_reading import DATA_MODEL, PIDF, RPID
from event_packages.documents.pidf_selectors import OMA_PRES, Selectors
from event_packages.errors import BadRequest
from event_packages.rules.permissions import ALL_ATTRIBUTES, Permissions, UserInput
from event_packages.xml import Element, local_name

GEOPRIV = "urn:ietf:params:xml:ns:pidf:geopriv10"

_ATTRIBUTES = {
    f"{{{PIDF}}}note": "note",
    f"{{{DATA_MODEL}}}note": "note",
    f"{{{DATA_MODEL}}}deviceID": "deviceID",
    f"{{{GEOPRIV}}}geopriv": "geopriv",
    f"{{{OMA_PRES}}}overriding-willingness": "willingness",
    **{
        f"{{{RPID}}}{name}": name
        for name in (
            *("activities", "class", "mood", "place-is", "place-type", "privacy", "relationship", "sphere"),
            *("status-icon", "time-offset", "user-input"),
        )
    },
    **{
        f"{{{OMA_PRES}}}{name}": name
        for name in ("willingness", "network-availability", "session-participation", "registration-state")
    },
    f"{{{OMA_PRES}}}barring-state": "barring-state",
}
"""Elements and the permissions behind `provide-` that are for them (RFC 5025 §3.3.2; OMA-TS-Presence_SIMPLE_XDM)."""

_ROOT_NOTE, _TUPLE, _STATUS, _BASIC, _CONTACT, _TIMESTAMP = (
    f"{{{PIDF}}}{name}" for name in ("note", "tuple", "status", "basic", "contact", "timestamp")
)
_PERSON, _DEVICE, _DEVICE_ID, _DM_TIMESTAMP = (
    f"{{{DATA_MODEL}}}{name}" for name in ("person", "device", "deviceID", "timestamp")
)
_USER_INPUT = f"{{{RPID}}}user-input"
_SERVICE_CLASS, _SERVICE_DESCRIPTION = f"{{{RPID}}}service-class", f"{{{OMA_PRES}}}service-description"

_SHOWN = {
    _TUPLE: frozenset({_CONTACT, _TIMESTAMP, _SERVICE_CLASS, _SERVICE_DESCRIPTION}),
    _STATUS: frozenset({_BASIC}),
    _PERSON: frozenset({_DM_TIMESTAMP}),
    _DEVICE: frozenset({_DEVICE_ID, _DM_TIMESTAMP}),
}
"""What needs no permission, by the element that it is a child of."""

_KEPT_OF_USER_INPUT = {UserInput.BARE: frozenset[str](), UserInput.THRESHOLDS: frozenset({"idle-threshold"})}

_parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, collect_ids=False)


def see(state: object, view: View) -> bytes:
    """Return what a view leaves of a composed document; equal views see equal documents."""
    document = _document(state)
    permissions = view.permissions
    if permissions is None or permissions.complete or pidf.is_neutral(document):
        return document
    root = etree.fromstring(document, _parser)
    _Filter(permissions).filter(root)
    return pidf.write(str(root.get("entity")), _parts_of(root))


def removed(state: object, view: View) -> Sequence[str]:
    """Return what a view takes, in words, each once: which part, and what of it."""
    document = _document(state)
    permissions = view.permissions
    if permissions is None or permissions.complete or pidf.is_neutral(document):
        return ()
    filter_ = _Filter(permissions)
    filter_.filter(etree.fromstring(document, _parser))
    return tuple(dict.fromkeys(filter_.taken))


def _document(state: object) -> bytes:
    if not isinstance(state, bytes):
        raise TypeError(f"not a presence document: {type(state).__name__}")
    return state


def _parts_of(root: Element) -> Sequence[Part]:
    """Return the parts of what is left; nothing where it can no longer be written."""
    try:
        return pidf.document_of(root).parts
    except BadRequest:
        return ()


class _Filter:
    """Takes out of a document what permissions do not provide, and keeps account of it."""

    __slots__ = ("_permissions", "_selectors", "taken")

    def __init__(self, permissions: Permissions) -> None:
        self._permissions = permissions
        self._selectors = {
            _TUPLE: ("service", Selectors(permissions.services)),
            _PERSON: ("person", Selectors(permissions.persons)),
            _DEVICE: ("device", Selectors(permissions.devices)),
        }
        self.taken: list[str] = []

    def filter(self, root: Element) -> None:
        """Filter a whole document."""
        for child in list(root):
            selected = self._selectors.get(str(child.tag))
            if selected is None:
                self._filter_attribute(child, "presence")
                continue
            kind, selectors = selected
            name = f"{local_name(child)[1]} {child.get('id')}"
            if selectors.select(child):
                self._filter_children(child, name)
            else:
                self.taken.append(f"{name} ({kind} not provided)")
                root.remove(child)

    def _filter_children(self, element: Element, name: str) -> None:
        """Filter a service, person or device that is provided, or a status."""
        shown = _SHOWN[str(element.tag)]
        for child in list(element):
            tag = str(child.tag)
            if tag == _STATUS:
                self._filter_children(child, name)
            elif tag not in shown:
                self._filter_attribute(child, name)
            else:
                self._filter_inside(child, name)

    def _filter_attribute(self, element: Element, name: str) -> None:
        if not self._is_provided(element):
            self._take(element, name)
            return
        if element.tag == _USER_INPUT:
            self._filter_user_input(element, name)
        self._filter_inside(element, name)

    def _filter_inside(self, element: Element, name: str) -> None:
        """Filter what stands in an element that is provided: there only what has a permission needs it."""
        for child in list(element):
            if child.tag in _ATTRIBUTES:
                self._filter_attribute(child, name)
            else:
                self._filter_inside(child, name)

    def _is_provided(self, element: Element) -> bool:
        if self._is_provided_as_unknown(element):
            return True
        if element.tag == _USER_INPUT:
            return self._permissions.user_input > UserInput.FALSE
        return _ATTRIBUTES.get(str(element.tag)) in self._permissions.attributes

    def _is_provided_as_unknown(self, element: Element) -> bool:
        """Return whether it is provided whole, whatever it is."""
        return ALL_ATTRIBUTES in self._permissions.attributes or local_name(element) in self._permissions.unknown

    def _filter_user_input(self, element: Element, name: str) -> None:
        """Leave the XML attributes of `user-input` that its level provides (RFC 5025 §3.3.2.12)."""
        kept = _KEPT_OF_USER_INPUT.get(self._permissions.user_input)
        if kept is None or self._is_provided_as_unknown(element):
            return
        for attribute in [str(key) for key in element.attrib if key not in kept]:
            self.taken.append(f"{name}: {attribute} of user-input")
            del element.attrib[attribute]

    def _take(self, element: Element, name: str) -> None:
        namespace, local = local_name(element)
        self.taken.append(f"{name}: {_ATTRIBUTES.get(str(element.tag)) or f'{local} ({namespace})'}")
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)
