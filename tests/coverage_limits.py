"""How much of each room the quick tests run, by branches; below LIMIT_PCT the exit code is 1.

`make coverage` runs the quick tests and then this on the JSON file of coverage.py.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOMS = ("methods", "derivations", "results", "contracts")
LIMIT_PCT = 97.0


def of_room(files: dict[str, Any], room: str) -> tuple[int, int, list[str]]:
    """Branches run, branches in all, and the ones not run as `file:line->line`.

    >>> file = {"summary": {"covered_branches": 3, "num_branches": 4}, "missing_branches": [[7, -2]]}
    >>> of_room({"src/sap/methods/cox.py": file}, "methods")
    (3, 4, ['src/sap/methods/cox.py:7->exit'])
    """
    run = total = 0
    missing = []
    for name, file in sorted(files.items()):
        if Path(name).parent.name == room:
            run += file["summary"]["covered_branches"]
            total += file["summary"]["num_branches"]
            for line, to in file["missing_branches"]:
                missing.append(f"{name}:{line}->{'exit' if to < 0 else to}")
    return run, total, missing


def main() -> None:
    """Print each room's share, then the branches that no test runs."""
    files = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["files"]
    below = False
    for room in ROOMS:
        run, total, missing = of_room(files, room)
        share = 100 * run / total if total else 0.0
        below |= share < LIMIT_PCT
        print(f"{room}: {run} of {total} branches run by the quick tests ({share:.1f} %)")
        print("".join(f"  not run: {branch}\n" for branch in missing), end="")
    if below:
        raise SystemExit(f"below {LIMIT_PCT:g} % of the branches of a room: add tests")


if __name__ == "__main__":
    main()
