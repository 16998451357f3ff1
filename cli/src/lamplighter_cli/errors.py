"""What can go wrong in the command.

CommandError
 ├── StartFailed       `up` cannot start, for a reason that an operator can mend
 ├── Unreachable       no answer from the SIP server
 └── Refused           an answer that leaves nothing to try
"""


class CommandError(Exception):
    """The command cannot go on; its text is what the user reads."""


class StartFailed(CommandError):
    """`lamplighter up` cannot start."""


class Unreachable(CommandError):
    """The SIP server does not answer."""


class Refused(CommandError):
    """The SIP server refuses for good."""
