"""Become a program that dies with its parent: `python -I -S leash.py PARENT SIGNAL USER GROUP PROGRAM [ARGUMENT…]`.

Rule 1: only the standard library, and little of it: this runs before every process that we start.
Rule 2: the user is changed first: a change of user forgets the signal of the parent's death (prctl(2)).
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def _become(user: int, group: int) -> None:
    if user >= 0:
        os.setgroups([group])
        os.setgid(group)
        os.setuid(user)


def _die_with(parent: int, signal_number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main(arguments: list[str]) -> None:
    """Change into the program; return never."""
    parent, signal_number, user, group = map(int, arguments[:4])
    _become(user, group)
    _die_with(parent, signal_number)
    os.execv(arguments[4], arguments[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
