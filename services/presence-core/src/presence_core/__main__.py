"""`python -m presence_core`."""

import sys

from lamplighter_runtime.lifecycle import run_service
from presence_core.service import PresenceCore

if __name__ == "__main__":
    sys.exit(run_service(PresenceCore))
