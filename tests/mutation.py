"""Mutation testing: one small change of the code at a time, each against the quick tests of its stem.

`make mutation ROOM=results FILE=ctc N=150 SEED=1` takes a seeded sample of the possible changes
("mutants") of a room, or of one file of it, applies one at a time to a copy of the repository under
build/mutation/, and runs its doctests and the tests that tests/mutation.yml names for
that file (else tests/test_<stem>.py) until one fails. A mutant that no test notices has survived.
build/mutation/<room>.json holds every mutant with its result; the survivors are printed. The exit code
is 1 when more than LIMIT_PCT of a room survive.

A mutant that changes no behaviour is listed in tests/mutation.yml with the reason; it is run as well,
and fails the run when a test notices it after all.
"""

import argparse
import ast
import contextlib
import copy
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

HOME = Path(__file__).parents[1]
ROOMS = ("methods", "derivations", "results", "contracts", "bundle", "formats", "oc")
LIMIT_PCT = 8.0
QUICK = "not (slow or r or browser or shared or clock or long)"
MEMORY = 8 << 30  # bytes that the tests of one mutant may use
SHORTEST = 20.0  # seconds of processor time that the tests of a mutant have at least
# Imported once before the tests of the mutants are forked off; nothing of `sap` is among them.
PRELOADED = (
    "pandas", "scipy.stats", "scipy.optimize", "statsmodels.api", "pydantic", "duckdb", "pyarrow",
    "matplotlib.pyplot", "typer.testing", "jsonschema",
)  # fmt: skip

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
TWINS = {"min": "max", "any": "all", "idxmin": "idxmax", "floor": "ceil", "first": "last"}
TWINS |= {two: one for one, two in TWINS.items()}


class Mutant(NamedTuple):
    """One change: where, the line it changes, what becomes of what, and the changed source."""

    file: str
    line: int
    content: str
    change: str
    nth: int  # of several equal changes of equal lines in one file
    source: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.content, self.change


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    """Every other form of one expression or statement."""
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.BinOp() if type(node.op) in ARITHMETIC and not _of_text(node):
            yield ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
        case ast.UnaryOp(ast.Not() | ast.Invert() | ast.USub()):
            yield node.operand
        case ast.Constant(bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(int() | float()):
            yield ast.Constant(node.value + 1)
        case ast.Return(ast.expr()) if ast.unparse(node) != "return None":
            yield ast.Return(ast.Constant(None))
        case ast.Call():
            yield from _twin_calls(node)


def _comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    """The comparison with its boundary moved, and turned round."""
    for place, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:
            new = copy.deepcopy(node)
            new.ops[place] = other()
            yield new


def _of_text(node: ast.BinOp) -> bool:
    """Texts joined: another operator would only raise TypeError."""
    sides = (node.left, node.right)
    return any(isinstance(s, ast.JoinedStr) for s in sides) or any(
        isinstance(s, ast.Constant) and isinstance(s.value, str) for s in sides
    )


def _twin_calls(node: ast.Call) -> Iterator[ast.AST]:
    """The call of the opposite function: min for max, any for all."""
    name = node.func
    if isinstance(name, ast.Name) and name.id in TWINS:
        yield ast.Call(ast.Name(TWINS[name.id]), node.args, node.keywords)
    elif isinstance(name, ast.Attribute) and name.attr in TWINS:
        yield ast.Call(ast.Attribute(name.value, TWINS[name.attr]), node.args, node.keywords)


def _nodes(node: ast.AST, *, within: bool = False) -> Iterator[ast.AST]:
    """What may be changed: no annotation, no type alias, no f-string (its places are not exact)."""
    if isinstance(node, ast.JoinedStr):
        return
    union = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
    if within or not union:
        yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_comment", "decorator_list"):
            continue
        inside = within or isinstance(node, ast.FunctionDef | ast.Lambda)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _nodes(child, within=inside)


def _place(lines: list[bytes], line: int, column: int) -> int:
    return sum(map(len, lines[: line - 1])) + column


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Every mutant of one file, in the order of its lines.

    >>> [m.change for m in mutants_of("a.py", "def f(a, b):\\n    return a < b + 1\\n")]
    ['return a < b + 1 -> return None', 'a < b + 1 -> a <= b + 1', 'a < b + 1 -> a > b + 1', \
'b + 1 -> b - 1', '1 -> 2']
    """
    raw = source.encode()
    lines = raw.splitlines(keepends=True)
    counts: dict[tuple[str, str], int] = {}
    mutants = []
    for node in _nodes(ast.parse(source)):
        for new in _changed(node):
            start = _place(lines, node.lineno, node.col_offset)
            end = _place(lines, node.end_lineno or 0, node.end_col_offset or 0)
            text = ast.unparse(ast.fix_missing_locations(new))
            put = text if isinstance(new, ast.Return | ast.Constant) else f"({text})"
            changed = (raw[:start] + put.encode() + raw[end:]).decode()
            content = lines[node.lineno - 1].decode().strip()
            change = f"{ast.unparse(node)} -> {text}"
            nth = counts[content, change] = counts.get((content, change), -1) + 1
            mutants.append(Mutant(file, node.lineno, content, change, nth, changed))
    return mutants


def files_of(room: str) -> list[Path]:
    """The modules of a room; the room `formats` is the one module that rounds."""
    if room == "formats":
        return [HOME / "src/sap/displays/formats.py"]
    return [p for p in sorted((HOME / "src/sap" / room).glob("*.py")) if p.name != "__init__.py"]


def sample(room: str, only: str, size: int, seed: int) -> list[Mutant]:
    """`size` mutants of a room's files, by file; a changed line leaves the rest of the sample."""
    mutants: list[Mutant] = []
    for path in (path for path in files_of(room) if only in ("", path.stem)):
        mutants += mutants_of(str(path.relative_to(HOME)), path.read_text(encoding="utf-8"))

    def order(mutant: Mutant) -> bytes:
        return hashlib.sha256(repr((seed, *mutant.key, mutant.nth)).encode()).digest()

    return sorted(sorted(mutants, key=order)[:size], key=lambda m: (m.file, m.line))


def settings() -> tuple[dict[str, list[str]], dict[tuple[str, str, str], str]]:
    """Of tests/mutation.yml: the tests of the files that it names, and the equivalent mutants."""
    content = yaml.safe_load((HOME / "tests" / "mutation.yml").read_text(encoding="utf-8"))
    equivalent = {(e["file"], e["line"], e["change"]): e["reason"] for e in content["equivalent"]}
    return content["tests"], equivalent


def files_for(file: str, named: dict[str, list[str]]) -> list[str]:
    """The test files whose quick tests must notice a change of a file, and the file with its doctests.

    The file comes last: the tests import its package first, so that pytest takes the module that they have
    and makes no second one.
    """
    stems = named.get(file, [f"test_{Path(file).stem}"])
    missing = [stem for stem in stems if not (HOME / "tests" / f"{stem}.py").exists()]
    if missing:
        raise SystemExit(
            f"no tests/{missing[0]}.py for {file}: name its tests in tests/mutation.yml"
        )
    # Collecting a module without doctests would put the module in place of a function of its name.
    doctests = [file] if ">>>" in (HOME / file).read_text(encoding="utf-8") else []
    return [*(f"tests/{stem}.py" for stem in stems), *doctests]


# ---- running -------------------------------------------------------------------------------------

tree = Path()  # the copy of the repository in which this process works


def prepare(folder: Path) -> None:
    """Make this process's copy of the repository, and import what every test needs."""
    global tree
    tree = folder / f"tree-{os.getpid()}"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=HOME, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (HOME / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HOME / name, tree / name)
    # By content: a change within one second must not meet the compiled file of before.
    compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"]
    subprocess.run([*compiled, "src"], cwd=tree, check=True)
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree / "src")
    sys.path.insert(0, str(tree / "src"))
    for name in PRELOADED:
        __import__(name)


def _child(tests: list[str], log: Path, seconds: float, *, write: bool) -> None:
    """In the fork: the quick tests of one mutant until one fails. Does not return."""
    os.setsid()
    out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.dont_write_bytecode = not write
    os.environ["PYTHONDONTWRITEBYTECODE"] = "" if write else "1"
    import pytest

    code = 3
    try:
        ignored = "ignore::pytest.PytestAssertRewriteWarning"
        call = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", ignored, "-m", QUICK]
        code = pytest.main([*call, *tests])
    finally:
        sys.stdout.flush()
        os._exit(int(code))


def quick_tests(tests: list[str], seconds: float, *, write: bool) -> tuple[str, float]:
    """How the tests ended ("passed", "failed", "time", or what pytest could not do) and how long."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    pid = os.fork()
    if pid == 0:
        _child(tests, tree / "pytest.txt", seconds, write=write)
    ended = (0, 0)
    while ended[0] == 0 and time.monotonic() - began < 20 * seconds:
        ended = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if ended[0] == 0:
        os.waitpid(pid, 0)
        return "time", seconds
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    code = os.waitstatus_to_exitcode(ended[1])
    if code < 0:
        return "time" if -code in (signal.SIGXCPU, signal.SIGKILL) else "failed", used
    named = {0: "passed", 1: "failed", 2: "failed", 3: "failed", 4: "usage", 5: "no tests"}
    return named.get(code, "failed"), used


taken: dict[tuple[str, ...], float] = {}  # seconds of the tests on the unchanged code


def result(mutant: Mutant, tests: list[str]) -> tuple[Mutant, str, float]:
    """Whether the tests of its stem notice one mutant."""
    names = tuple(tests)
    if names not in taken:
        ended, used = quick_tests(tests, 900, write=True)
        if ended != "passed":
            tail = (tree / "pytest.txt").read_text(errors="replace").strip()[-300:]
            return mutant, f"the unchanged code: {ended}: {tail}", used
        taken[names] = used
    path = tree / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    try:
        ended, used = quick_tests(tests, SHORTEST + 5 * taken[names], write=False)
    finally:
        path.write_text(before, encoding="utf-8")
    judged = {"passed": "survived", "failed": "killed", "time": "killed"}
    return mutant, judged.get(ended, ended), used


def _job(job: tuple[Mutant, list[str]]) -> tuple[Mutant, str, float]:
    return result(*job)


def judged(folder: Path, mutants: list[Mutant], jobs: int) -> list[dict[str, object]]:
    """The mutants with what became of each; what was not killed is printed at once."""
    named, equivalent = settings()
    work = [(m, files_for(m.file, named)) for m in mutants]
    rows: list[dict[str, object]] = []
    with multiprocessing.get_context("fork").Pool(jobs, prepare, (folder,)) as pool:
        for mutant, ended, seconds in pool.imap(_job, work):
            if mutant.key in equivalent:
                ended = "equivalent" if ended == "survived" else f"{ended}, listed as equivalent"
            if ended != "killed":
                print(f"{ended:<11} {mutant.file}:{mutant.line}  {mutant.change}", flush=True)
            row = {**mutant._asdict(), "result": ended, "seconds": round(seconds, 1)}
            del row["source"]
            rows.append(row)
    return rows


def examined(room: str, only: str, size: int, seed: int, jobs: int) -> bool:
    """Run one room, write its results, print its counts; whether at most LIMIT_PCT survive."""
    folder = HOME / "build" / "mutation"
    shutil.rmtree(folder / room, ignore_errors=True)
    began = time.monotonic()
    rows = judged(folder / room, sample(room, only, size, seed), jobs)
    shutil.rmtree(folder / room)
    names = ("killed", "survived", "equivalent")
    counts = {name: sum(row["result"] == name for row in rows) for name in names}
    share = 100 * counts["survived"] / max(counts["killed"] + counts["survived"], 1)
    summary = {"room": room, "seed": seed, **counts, "survived_pct": share, "mutants": rows}
    (folder / f"{room}.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    others = len(rows) - sum(counts.values())
    print(
        f"{room}: {counts['killed']} killed, {counts['survived']} survived ({share:.1f} %, at most "
        f"{LIMIT_PCT:g} %), {counts['equivalent']} equivalent, {others} not judged; "
        f"{time.monotonic() - began:.0f} s",
        flush=True,
    )
    return share <= LIMIT_PCT and others == 0


def main() -> None:
    """Examine the rooms that the command line names."""
    parser = argparse.ArgumentParser(description="Mutation testing; see the head of the file.")
    parser.add_argument("--room", choices=[*ROOMS, "all"], default="all")
    parser.add_argument("--only", default="", help="the stem of one file of the room")
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--seed", type=int, default=128)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    rooms = ROOMS if given.room == "all" else (given.room,)
    good = [examined(room, given.only, given.size, given.seed, given.jobs) for room in rooms]
    raise SystemExit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
