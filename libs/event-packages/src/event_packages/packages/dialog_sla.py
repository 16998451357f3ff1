"""The event package `dialog` with the parameter `sla`: lines that several phones share (draft-anil-sipping-bla-03).

A phone that seizes a line publishes a dialog without Call-ID under the line's id, again and again with the same id:
such dialogs are never over for good.
"""

from dataclasses import replace

from event_packages.packages import dialog

PACKAGE = replace(dialog.PACKAGE, name="dialog;sla", winfo=False)
