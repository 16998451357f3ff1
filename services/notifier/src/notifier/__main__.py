"""`python -m notifier`: runs the service until a signal."""

import sys

from lamplighter_runtime.signals import end_at_once

if __name__ == "__main__":
    # What follows takes a second to import, and a container may be stopped meanwhile.
    end_at_once()
    from lamplighter_runtime.lifecycle import run_service
    from notifier.service import build

    sys.exit(run_service(build))
