"""The analyses of the report: what each holds, in which words it is printed, and where it is checked.

`analyses/<stem>.yml` describes the analyses of one stem (the name that a module of `results`, `qc`,
`displays` and a test share). Results write the ids; tables, figures, prose, docs and exports take
labels and order from here. A label may hold a key of the plan in braces (`{biomarker.name}`), and
the label of a pattern the text that met it (`{0}`, or `{1}` for its first group).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from sap.catalogue.files import file_content
from sap.errors import ResultError

Axis = Literal["paramcd", "group", "level", "sublevel"]
PARAMETERS = "PARAMETERS"  # of a stem's file: its parameters by dataset, for sap.catalogue.adam
AXES: tuple[Axis, ...] = ("paramcd", "group", "level", "sublevel")
Second = Literal["raw", "datasets", "none"]

_NUMBER = re.compile(r"\{[a-z]+\}")
_PLACE = re.compile(r"\{([a-z_0-9.]+)\}")
_PART = re.compile(r"\[\[(?:(!?)([a-z_.&]+)\?)?(.*?)\]\]")
_FIELDS = {
    "label",
    "plan",
    "otherwise",
    "needs",
    "populations",
    "parameters",
    "groups",
    "levels",
    "sublevels",
    "variables",
    "statistics",
    "audience",
    "open",
    "open_decimals",
    "displays",
    "no_display",
    "second",
    "no_second",
}
CONTINUOUS = ("mean", "sd", "median", "q1", "q3", "min", "max")
_OPEN_AXES = ("populations", "parameters", "groups", "levels", "sublevels", "statistics")  # fmt: skip


def filled(label: str, plan: object, match: re.Match[str] | None = None) -> str:
    """A label with the plan's values in place of `{entry.key}`, and a pattern's text for `{0}`, `{1}`.

    The members of a list are alternatives: "a or b". A part in double brackets is printed where the plan
    has every entry that its keys name; `[[entry?...]]` where it has that entry, `[[!entry?...]]` where not;
    `[[one&other?...]]` where it has both.

    >>> from types import SimpleNamespace
    >>> filled("CTC ≥ {screening.least}", SimpleNamespace(screening=SimpleNamespace(least=3)))
    'CTC ≥ 3'
    >>> filled("treated[[{ctc.least} or more]][[!ctc? once]]", SimpleNamespace(ctc=None))
    'treated once'
    """
    label = applied(label, plan)

    def value(place: re.Match[str]) -> str:
        path = place[1]
        if path.isdecimal():
            return match[int(path)] if match is not None else place[0]
        here: Any = plan
        for part in path.split("."):
            here = here[int(part)] if part.isdecimal() else getattr(here, part)
        if isinstance(here, list | tuple):
            return " or ".join(str(one).lower() for one in here)
        return f"{here:g}" if isinstance(here, float) else str(here)

    return _PLACE.sub(value, label)


def applied(text: str, plan: object) -> str:
    """A text with those of its parts in double brackets that apply to a plan (`filled`)."""

    def part(place: re.Match[str]) -> str:
        absent, entry, words = place[1], place[2], place[3]
        there = all_in_plan(entry.split("&") if entry else entries_of(words), plan)
        return words if there != bool(absent) else ""

    return _PART.sub(part, text) if "[[" in text else text


def entries_of(label: str) -> tuple[str, ...]:
    """The entries of the plan that the keys in a label name, without those of its parts in double brackets.

    >>> entries_of("{biomarker.name} positive, {0}, CTC ≥ {biomarker.cell_count.minimum}")
    ('biomarker', 'biomarker.cell_count')
    """
    named = [path.rpartition(".")[0] for path in _PLACE.findall(_PART.sub("", label))]
    return tuple(dict.fromkeys(name for name in named if name))


def all_in_plan(entries: Iterable[str], plan: object) -> bool:
    """Whether the plan has all of these entries and parts of entries (`biomarker.cell_count`)."""
    for path in entries:
        here: Any = plan
        for name in path.split("."):
            here = here[int(name)] if name.isdecimal() else getattr(here, name)
            if here is None:
                return False
    return True


@dataclass(frozen=True)
class Item:
    """One value of an axis: its id, or the pattern of ids that the data or the plan give.

    `needs`: the entries without which a plan has no such rows, those that the label names included.
    """

    id: str
    label: str
    pattern: bool = False
    needs: tuple[str, ...] = ()

    def match(self, value: str) -> re.Match[str] | None:
        """The match of a value with this item."""
        return re.fullmatch(self.id if self.pattern else re.escape(self.id), value)


@dataclass(frozen=True)
class Analysis:
    """One analysis: the rows of the ARD that share the column `analysis`.

    Attributes
    ----------
    id, stem, label
        Its key (a number of the plan in it as `{days}`), the stem of its modules, its name in words.
    plan
        The entry of the plan whose SAP section its rows carry; without it there is no such analysis.
    otherwise
        The entry whose section its rows carry where the plan has not the first one.
    needs
        Further entries without which there is no such analysis.
    populations, statistics
        What may stand in these columns of the ARD.
    paramcd, group, level, sublevel
        The values of these columns in the order in which they are printed; none: the column is empty.
    variables
        By column of the ARD the variable of a dataset (`ADAE.AEDECOD`) whose values its values are.
    audience
        `open` when the open report of the monitoring board may hold it.
    open
        Of an open analysis the rows that this report may hold (`in_open_report`): by axis the patterns of
        allowed values.
    decimals
        By parameter, the decimals to which the open report limits its continuous statistics.
    displays, no_display
        The displays that show it, or why none does.
    second, no_second
        Whether it is computed a second time: from `raw` data, from our `datasets`, or `none`, and why.
    """

    id: str
    stem: str
    label: str
    plan: str
    otherwise: str
    needs: tuple[str, ...]
    populations: tuple[str, ...]
    statistics: tuple[str, ...]
    paramcd: tuple[Item, ...]
    group: tuple[Item, ...]
    level: tuple[Item, ...]
    sublevel: tuple[Item, ...]
    variables: Mapping[Axis, str]
    audience: Literal["open", "closed"]
    open: tuple[Mapping[str, tuple[str, ...]], ...]
    decimals: Mapping[str, int]
    displays: tuple[str, ...]
    no_display: str
    second: Second
    no_second: str

    def is_in(self, plan: object) -> bool:
        """Whether a plan has this analysis: it has the entries that the analysis needs."""
        own = () if self.otherwise else (self.plan,)
        return all_in_plan((*own, *self.needs), plan)

    def items(self, axis: Axis) -> tuple[Item, ...]:
        """The values of an axis in their order."""
        known: tuple[Item, ...] = getattr(self, axis)
        return known

    def item(self, axis: Axis, value: str) -> Item:
        """The item that a value is.

        Raises
        ------
        ResultError
            The catalogue has no such value on this axis of this analysis.
        """
        for item in self.items(axis):
            if item.match(value):
                return item
        raise ResultError(
            f"{self.id}: the catalogue has no {axis} {value!r}.\n"
            f"Add it to catalogue/analyses/{self.stem}.yml, with its label."
        )

    def text(self, axis: Axis, value: str, plan: object) -> str:
        """The label of a value, filled from the plan."""
        item = self.item(axis, value)
        return filled(item.label, plan, item.match(value))

    def in_open_report(self, row: Mapping[str, str]) -> bool:
        """Whether the open report may hold a row of this analysis, given as the columns of its key.

        1. Not: any row of a closed analysis.
        2. Without a list `open`: the pooled rows, those with an empty group.
        3. Else: the rows that meet an entry of the list. An axis that the entry names has a value that
           matches one of its patterns; an entry that names no `groups` takes the pooled rows.
        """
        if self.audience != "open":
            return False
        values = {
            "populations": row["population"], "parameters": row["paramcd"], "groups": row["group"],
            "levels": row["level"], "sublevels": row["sublevel"], "statistics": row["stat_name"],
        }  # fmt: skip
        return any(
            all(
                any(re.fullmatch(pattern, values[axis]) for pattern in patterns)
                for axis, patterns in ({"groups": ("",)} | dict(entry)).items()
            )
            for entry in self.open or ({},)
        )

    def open_decimals(self, row: Mapping[str, str]) -> int | None:
        """Decimals of a continuous statistic of a row in the open report; None: all digits."""
        is_continuous = row["stat_name"] in CONTINUOUS
        return self.decimals.get(row["paramcd"]) if is_continuous else None

    def in_order(self, axis: Axis, values: Iterable[str]) -> list[str]:
        """Distinct values in the order of the catalogue; those of one pattern as numbers or words."""

        def place(value: str) -> tuple[int, float, str]:
            items = self.items(axis)
            at = next((i for i, item in enumerate(items) if item.match(value)), len(items))
            digits = re.search(r"\d+(\.\d+)?", value)
            return at, float(digits[0]) if digits else 0.0, value

        return sorted(dict.fromkeys(values), key=place)


def _items(entries: Sequence[Any]) -> Iterator[Item]:
    for entry in entries:
        if isinstance(entry, Mapping):
            named = entry.get("id", entry.get("pattern"))
            label = entry.get("label", str(named) if "id" in entry else "{0}")
            needs = (*entries_of(str(label)), *entry.get("needs", ()))
            yield Item(str(named), str(label), "pattern" in entry, needs)
        else:
            yield Item(str(entry), str(entry))


@cache
def statistics() -> Mapping[str, Mapping[str, str]]:
    """Each name of a statistic with its `label` and `definition`."""
    known: Mapping[str, Mapping[str, str]] = file_content("statistics.yml")["statistics"]
    return known


@cache
def _sets_of_statistics() -> Mapping[str, Sequence[str]]:
    sets: Mapping[str, Sequence[str]] = file_content("statistics.yml")["sets"]
    return sets


def _analysis(key: str, stem: str, entry: Mapping[str, Any]) -> Analysis:
    unknown = sorted(set(entry) - _FIELDS)
    if unknown:
        raise ResultError(f"catalogue/analyses/{stem}.yml: {key} has no field {unknown[0]}.")
    if any(set(rule) - set(_OPEN_AXES) for rule in entry.get("open", [])):
        raise ResultError(f"catalogue/analyses/{stem}.yml: {key}: `open` names no axis of the ARD.")
    names: list[str] = []
    for name in entry["statistics"]:
        names += _sets_of_statistics().get(name, [name])
    parameters = entry.get("parameters", [])
    coded = [{"id": p, "label": p} if isinstance(p, str) else p for p in parameters]
    return Analysis(
        id=str(key),
        stem=stem,
        label=str(entry["label"]),
        plan=str(entry["plan"]),
        otherwise=str(entry.get("otherwise", "")),
        needs=tuple(entry.get("needs", ())),
        populations=tuple(entry["populations"]),
        statistics=tuple(dict.fromkeys(names)),
        paramcd=tuple(_items(coded)),
        group=tuple(_items(entry.get("groups", []))),
        level=tuple(_items(entry.get("levels", []))),
        sublevel=tuple(_items(entry.get("sublevels", []))),
        variables=dict(entry.get("variables", {})),
        audience=entry["audience"],
        open=tuple(
            {axis: tuple(map(str, patterns)) for axis, patterns in rule.items()}
            for rule in entry.get("open", [])
        ),
        decimals=dict(entry.get("open_decimals", {})),
        displays=tuple(entry.get("displays", [])),
        no_display=str(entry.get("no_display", "")),
        second=entry["second"],
        no_second=str(entry.get("no_second", "")),
    )


def stem_files() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each stem and the content of its file, in the order of the stems."""
    folder = files("sap.catalogue").joinpath("analyses")
    for file in sorted(folder.iterdir(), key=lambda path: path.name):
        if file.name.endswith(".yml"):
            yield file.name.removesuffix(".yml"), file_content(f"analyses/{file.name}")


@cache
def analyses() -> Mapping[str, Analysis]:
    """Every analysis by its key, stem after stem.

    >>> analyses()["psa_response"].stem
    'response'
    """
    known: dict[str, Analysis] = {}
    for stem, content in stem_files():
        for key, entry in content.items():
            if key.startswith(".") or key == PARAMETERS:  # "." are parts shared by YAML's anchors
                continue
            if key in known:
                raise ResultError(f"catalogue/analyses: {key} is described twice.")
            known[key] = _analysis(key, stem, entry)
    return known


@cache
def analysis(name: str) -> Analysis:
    """The analysis of a name, one with a number of the plan in its name included.

    Raises
    ------
    ResultError
        The catalogue has no such analysis.

    >>> analysis("psa_response_21d").id
    'psa_response_{days}d'
    """
    known = analyses()
    if name in known:
        return known[name]
    for entry in known.values():
        if "{" in entry.id and re.fullmatch(_NUMBER.sub(r"\\d+", entry.id), name):
            return entry
    raise ResultError(
        f"The catalogue has no analysis {name!r}.\nDescribe it in src/sap/catalogue/analyses."
    )


def is_in_plan(row: Sequence[str], plan: object) -> bool:
    """Whether a plan has a row: its analysis, population and the value of each axis are of its entries.

    Parameters
    ----------
    row
        Analysis, population, paramcd, group, level, sublevel; a value that the catalogue does not
        describe needs no entry.
    """
    from sap.catalogue.populations import populations

    name, population, *values = row
    entry = analysis(name)
    of_set = populations().get(population)
    if not entry.is_in(plan) or (of_set is not None and not all_in_plan(of_set.needs, plan)):
        return False
    for axis, value in zip(AXES, values, strict=True):
        item = next((one for one in entry.items(axis) if value and one.match(value)), None)
        if item is not None and not all_in_plan(item.needs, plan):
            return False
    return True


def faults(rows: Iterable[Sequence[str]]) -> list[str]:
    """What rows of the ARD hold that the catalogue does not describe, each named once.

    Parameters
    ----------
    rows
        Distinct tuples of analysis, population, paramcd, group, level, sublevel, stat_name.
    """
    named: dict[str, None] = {}
    for name, population, *values, statistic in rows:
        try:
            entry = analysis(name)
        except ResultError as error:
            named[str(error).partition("\n")[0]] = None
            continue
        if population not in entry.populations:
            named[f"{name}: no population {population}"] = None
        if statistic not in entry.statistics:
            named[f"{name}: no statistic {statistic}"] = None
        for axis, value in zip(AXES, values, strict=True):
            if value and not any(item.match(value) for item in entry.items(axis)):
                named[f"{name}: no {axis} {value!r}"] = None
    return list(named)
