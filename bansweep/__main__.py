"""The command `bansweep`, and `python -m bansweep`."""

from bansweep.import_path import leave_working_directory

# Before anything else is imported: a file of the working directory could take its name.
leave_working_directory(started_as_module=__name__ == "__main__")

from bansweep.cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
