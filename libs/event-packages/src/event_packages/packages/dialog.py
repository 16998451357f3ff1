"""The event package `dialog` (RFC 4235): what lights the lamps of busy lamp fields."""

from event_packages.base import EventPackage
from event_packages.documents import dialog_info
from event_packages.documents.dialog_info_views import PARAMETERS, removed, see

PACKAGE = EventPackage(
    name="dialog",
    content_types=(dialog_info.CONTENT_TYPE,),
    parse=dialog_info.parse,
    compose=dialog_info.compose,
    see=see,
    write=dialog_info.write,
    removed=removed,
    parameters=PARAMETERS,
    endings=dialog_info.endings,
    bury=dialog_info.bury,
    rules=("org.openxcap.dialog-rules",),
)
