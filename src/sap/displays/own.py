"""Displays that only one study has: a function or a data frame becomes a numbered, captioned display.

Number, title, population and audience are in `analysis/study/displays.yml` of the study, the function in a
file of `analysis/study/`, and a chapter there shows it. What the function computes is the study's own: the
second computation does not make it again.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import pandas as pd

from sap.displays import formats
from sap.displays.ard_lookup import Number
from sap.displays.figure import Figure
from sap.displays.table import Cell, Column, Row, Table
from sap.errors import RenderError
from sap.plan.home import study_home
from sap.plan.study import OWN


def display(
    display_id: str, of: str | pd.DataFrame, *, decimals: int | None = None, absent: str = ""
) -> Table | Figure:
    """A display of the study.

    Parameters
    ----------
    display_id
        Its id in `analysis/study/displays.yml`.
    of
        A data frame, or "file.function": a function without arguments of `analysis/study/file.py` that
        returns a data frame, a `Table` or a `Figure`. The first column of a data frame has the labels
        of the rows; its cells are texts, whole numbers, other numbers, or numbers of the ARD with their
        address (`sap.displays.ard_lookup.results`).
    decimals
        How many decimals numbers have that are not whole; required where there are such.
    absent
        What is printed where the data frame has no row; required there.

    Raises
    ------
    RenderError
        There is no such file or function, it returns something else, a cell is missing, or a number
        is not whole and `decimals` is not given.
    """
    made = function(of)() if isinstance(of, str) else of
    if isinstance(made, Table | Figure):
        if made.id != display_id:
            raise RenderError(f"{of} makes {made.id}, and the chapter shows {display_id}.")
        return made
    if not isinstance(made, pd.DataFrame) or len(made.columns) < 1:
        raise RenderError(
            f"{display_id}: {of if isinstance(of, str) else 'the value'} is a {type(made).__name__}: "
            "give a data frame with the labels of the rows in its first column, a Table or a Figure."
        )
    stub, *heads = map(str, made.columns)
    rows = [
        Row(
            str(label),
            [_cell(value, decimals, f"{display_id}: row {i}") for value in values],
        )
        for i, (label, *values) in enumerate(made.itertuples(index=False, name=None), start=1)
    ]
    columns = [
        Column(head, numeric=all(_is_number(value) for value in made.iloc[:, j]))
        for j, head in enumerate(heads, start=1)
    ]
    return Table(display_id, stub, columns, rows, absent=absent)


def function(name: str) -> Callable[[], Any]:
    """A function of a file of the study, by "file.function"; the file is run, and nothing is left by it.

    Raises
    ------
    RenderError
        There is no such file or function.
    """
    file, _, wanted = name.rpartition(".")
    path = study_home() / OWN / f"{file}.py"
    if not file or not path.is_file():
        raise RenderError(
            f"{name}: there is no {OWN}/{file or '...'}.py. Name it as file.function."
        )
    names: dict[str, Any] = {"__name__": file, "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)  # noqa: S102
    made = names.get(wanted)
    if not callable(made):
        raise RenderError(f"{name}: {OWN}/{file}.py has no function {wanted}.")
    return made  # type: ignore[no-any-return]


def table_of(name: str) -> pd.DataFrame:
    """A data file of the study, `analysis/study/NAME.csv`, every cell as text.

    Raises
    ------
    RenderError
        There is no such file.
    """
    path = study_home() / OWN / f"{name}.csv"
    if not path.is_file():
        raise RenderError(f"There is no {OWN}/{name}.csv.")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, Number | Cell | Real)


def _cell(value: Any, decimals: int | None, place: str) -> Cell | Number | str:
    """A cell; the first case that applies.

    1. A number of the ARD, a cell or a text: as it is.
    2. Missing: refused.
    3. A whole number: its digits.
    4. Another number: with `decimals`, rounded half away from zero.
    """
    if isinstance(value, Number | Cell | str):
        return value
    if value is None or pd.isna(value):
        raise RenderError(f"{place} has a missing cell: give the word that is to be printed.")
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real) and decimals is not None:
        return formats.fixed(float(value), decimals)
    what = "a number that is not whole" if isinstance(value, Real) else f"a {type(value).__name__}"
    raise RenderError(f"{place} has {what}: give `decimals`, or make a text of it.")
