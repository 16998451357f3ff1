"""`python -m presence_core [migrate]`: runs the service until a signal, or brings the database up to date and ends."""

import sys
from collections.abc import Sequence

from lamplighter_runtime.signals import end_at_once


def main(arguments: Sequence[str]) -> int:
    """Return the exit code of the service or of the migration."""
    # What follows takes a second to import, and a container may be stopped meanwhile.
    end_at_once()
    from lamplighter_runtime.lifecycle import WRONG_SETTINGS, run_job, run_service
    from presence_core.migrating import Migration
    from presence_core.service import PresenceCore

    match arguments:
        case []:
            return run_service(PresenceCore)
        case ["migrate"]:
            return run_job(Migration)
        case _:
            print("usage: python -m presence_core [migrate]", file=sys.stderr)
            return WRONG_SETTINGS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
