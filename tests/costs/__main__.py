"""`python -m tests.costs [--write]`: today's costs of the hot path beside the limits; `--write` sets new limits."""

from .limits import main

if __name__ == "__main__":
    main()
