"""`python -m sip_edge`: runs the service until a signal."""

import sys

from lamplighter_runtime.lifecycle import run_service
from sip_edge.service import build

if __name__ == "__main__":
    sys.exit(run_service(build))
