"""Writes docs/reference/ from the models and the command line that it describes.

::

    python docs/generators/references.py           write the files that are not up to date
    python docs/generators/references.py --check   write nothing; exit status 1 where one is not
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import commands_reference
import sweep_file_reference

COMMAND = "python docs/generators/references.py"
FOLDER = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "sweep-file.md": sweep_file_reference.page,
    "commands.md": commands_reference.page,
}


def outdated() -> dict[Path, str]:
    """The files that do not say what they should, with what that is."""
    wanted = {FOLDER / name: page() for name, page in PAGES.items()}
    return {
        path: text for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def main() -> int:
    found = outdated()
    if "--check" in sys.argv[1:]:
        for path in found:
            print(f"{path} is not up to date; {COMMAND} writes it")
        return int(bool(found))
    FOLDER.mkdir(exist_ok=True)
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
