"""`python -m bansweep`: the command, without having to find its script."""

from bansweep.cli.app import main

if __name__ == "__main__":
    main()
