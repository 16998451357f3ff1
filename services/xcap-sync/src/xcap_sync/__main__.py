"""`python -m xcap_sync`: runs the service until a signal."""

import sys

from lamplighter_runtime.lifecycle import run_service
from xcap_sync.service import build

if __name__ == "__main__":
    sys.exit(run_service(build))
