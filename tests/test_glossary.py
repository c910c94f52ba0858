"""The words that docs/glossary.md refuses are not used in code, texts and report."""

import ast
import re
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
GLOSSARY = HOME / "docs" / "glossary.md"
TEXTS = (".css", ".lua", ".md", ".py", ".qmd", ".typ", ".yaml", ".yml")
AT_MOST = 12


def files() -> list[Path]:
    """What is searched; titles of references (references.bib) and old keys (a CSV) are not."""
    roots = (HOME / "src", HOME / "analysis", HOME / "docs")
    texts = [path for root in roots for path in sorted(root.rglob("*")) if path.suffix in TEXTS]
    return [HOME / "README.md", *texts]


def text_of(path: Path) -> str:
    """The text of a file; of the glossary without the list itself."""
    text = path.read_text(encoding="utf-8")
    return text.partition("## Words that are not used")[0] if path == GLOSSARY else text


def names_in(source: str) -> list[tuple[int, str]]:
    """Every name that Python code binds or uses, with its line; leading underscores are dropped."""
    names = []
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                names.append((getattr(node, "lineno", 0), name.strip("_")))
    return names


def hits(refused) -> list[str]:
    """Each refused word with its place."""
    places = []
    for path in files():
        text, place = text_of(path), path.relative_to(HOME).as_posix()
        for number, line in enumerate(text.splitlines(), start=1):
            places += [f"{place}:{number}: {word}" for word in refused.within(line)]
        if path.suffix == ".py":
            names = names_in(text)
            places += [f"{place}:{line}: {name}" for line, name in names if name in refused.names]
            if path.stem in refused.modules:
                places.append(f"{place}: the name of the module")
    return places


def test_refused_words_are_not_used(refused_words):
    places = hits(refused_words)
    assert len(places) <= AT_MOST, "\n".join(places)


def test_the_list_is_read_and_a_hit_is_seen(refused_words):
    assert {"man", "told"} <= refused_words.anywhere
    assert "found" in refused_words.names - refused_words.anywhere
    assert "again" in refused_words.modules
    assert refused_words.within("Every man, Romania; a second opinion") == ["man", "second opinion"]
    names = names_in("def f(found):\n    return x._said")
    assert sorted(names) == [(1, "f"), (1, "found"), (2, "said"), (2, "x")]


def test_each_term_has_one_line():
    text = text_of(GLOSSARY)
    terms = re.findall(r"^\| (?!term \|)([^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    assert len(terms) > 50
    assert len(terms) == len(set(terms))


@pytest.mark.parametrize(
    "term", ["extract", "cut", "run", "bundle", "ARD", "address", "stem", "room", "register"]
)
def test_the_terms_of_the_product_are_explained(term):
    assert re.search(rf"^\| {term}[ ,|]", text_of(GLOSSARY), re.MULTILINE)
