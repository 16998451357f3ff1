"""`python -m lamplighter_cli`: the `lamplighter` command."""

from lamplighter_cli.main import main

if __name__ == "__main__":
    main()
