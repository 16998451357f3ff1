"""`python -m tests.simulation`: see `soak`."""

import sys

from .soak import main

if __name__ == "__main__":
    sys.exit(main())
