"""Which function makes which analysis: each says so itself, and is held to it."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import NamedTuple, ParamSpec, TypeVar, cast

import pandas as pd

from sap.catalogue.reporting import analysis
from sap.errors import ResultError
from sap.plan.model import Plan

NO_DATASET = ("plan", "cut_off", "references")
P = ParamSpec("P")
R = TypeVar("R", pd.DataFrame, list[pd.DataFrame])


class Maker(NamedTuple):
    """The function that makes an analysis: its full name, its docstring, the datasets it reads."""

    function: str
    doc: str
    datasets: tuple[str, ...]


_MAKERS: dict[str, Maker] = {}


def makers() -> Mapping[str, Maker]:
    """The functions of all loaded modules, by the key of the analysis in the catalogue."""
    return MappingProxyType(_MAKERS)


def maker_of(name: str) -> Maker | None:
    """The function that makes an analysis; None where no loaded module does."""
    return _MAKERS.get(analysis(name).id)


def _parts(rows: pd.DataFrame | list[pd.DataFrame]) -> list[pd.DataFrame]:
    return rows if isinstance(rows, list) else [rows]


def makes(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare the analyses that a function makes; rows of any other are refused when it runs.

    Parameters
    ----------
    names
        Keys of the catalogue, patterns as they are written there.

    Raises
    ------
    ResultError
        The catalogue has no such analysis, or two functions make the same.

    Notes
    -----
    A function none of whose analyses the plan has is not called and makes no row. The arguments of
    the function are named for the datasets they hold (`adsl`, `adtte`), so that
    the address of each number can name them.
    """

    def declared(function: Callable[P, R]) -> Callable[P, R]:
        reads = [name for name in inspect.signature(function).parameters if name not in NO_DATASET]
        full_name = f"{function.__module__}.{function.__qualname__}"
        for name in names:
            key = analysis(name).id
            if key in _MAKERS and _MAKERS[key].function != full_name:
                raise ResultError(f"{key} is made by {_MAKERS[key].function} and by {full_name}.")
            _MAKERS[key] = Maker(full_name, inspect.getdoc(function) or "", tuple(reads))

        signature = inspect.signature(function)

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            plan = signature.bind(*args, **kwargs).arguments.get("plan")
            left_out = isinstance(plan, Plan) and not any(analysis(n).is_in(plan) for n in names)
            if left_out:
                return cast(R, [])
            rows = function(*args, **kwargs)
            for part in _parts(rows):
                for name in part["analysis"].unique():
                    if analysis(str(name)).id not in {analysis(own).id for own in names}:
                        raise ResultError(f"{full_name} makes {name} and does not declare it.")
            return rows

        return checked

    return declared
