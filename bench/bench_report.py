"""The study report of a run: without a cache, with a complete cache, and after one sentence changed.

    python bench/bench_report.py build/report

Beside each the time `quarto render` takes for the same chapters, where Quarto is installed. The
chapters are read from a copy of the study, whose cache begins empty; the run is not changed.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from sap.plan import project_home

COPIED = ("src", "analysis", "data-contracts")
EDITED = "analysis/chapters/12-safety.qmd"
WANTED = {"cold": 60.0, "one sentence changed": 10.0}


def study_in(folder: Path) -> Path:
    """A copy of the study, and a Python whose `sap` is the copy; gives that Python."""
    home = project_home()
    for name in COPIED:
        shutil.copytree(home / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in home.iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True
    )
    (packages,) = (folder / ".venv").glob("lib/python*/site-packages")
    lines = [str(folder / "src"), sysconfig.get_path("purelib")]
    (packages / "study.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    python = folder / ".venv" / "bin" / "python"
    subprocess.run([python, "-m", "compileall", "-q", str(folder / "src")], check=True)
    return python


def seconds(command: Sequence[str | Path], folder: Path) -> float:
    start = perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return perf_counter() - start


def main(run: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sap-bench-") as name:
        study, copied = Path(name) / "study", Path(name) / "run"
        study.mkdir()
        python = study_in(study)
        copied.mkdir()
        shutil.copyfile(run / "ard.csv", copied / "ard.csv")
        for part in ("adam", "tables"):
            shutil.copytree(run / part, copied / part)
        report = [python, "-m", "sap", "report", copied]
        times = {"cold": seconds(report, study), "warm": seconds(report, study)}
        chapter = study / EDITED
        with chapter.open("a", encoding="utf-8") as file:
            file.write("\nThis sentence is new.\n")
        times["one sentence changed"] = seconds(report, study)
        times["without a cache"] = seconds([*report, "--no-cache"], study)
        if quarto := os.environ.get("QUARTO_PATH") or shutil.which("quarto"):
            os.environ |= {"QUARTO_PATH": quarto, "QUARTO_PYTHON": str(python)}
            times["quarto render"] = seconds([*report, "--engine", "quarto"], study)
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load at the end {load:.1f}")
    print(f"{'study report, HTML and PDF':28} {'seconds':>8} {'wanted':>8}")
    for label, time in times.items():
        wanted = f"< {WANTED[label]:.0f}" if label in WANTED else ""
        print(f"{label:28} {time:8.1f} {wanted:>8}")
    if "quarto render" not in times:
        print("quarto is not installed here")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/report"))
