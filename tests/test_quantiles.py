"""Quantiles by definition 5 of SAS, and summary statistics, against values worked by hand and R."""

import math
import shutil
import subprocess

import pytest

from sap.methods.quantiles import Summary, quantile, summary


@pytest.mark.parametrize(
    "values,q,expected",
    [
        # n q = 2 and 1: the mean of two neighbours; n q = 1.25, 2.5, 3.75: rounded up.
        ([10, 20, 30, 40], 0.50, 25.0),
        ([10, 20, 30, 40], 0.25, 15.0),
        ([10, 20, 30, 40], 0.75, 35.0),
        ([10, 20, 30, 40, 50], 0.25, 20.0),
        ([10, 20, 30, 40, 50], 0.50, 30.0),
        ([10, 20, 30, 40, 50], 0.75, 40.0),
        ([50, 10, 40, 20, 30], 0.75, 40.0),
        ([7], 0.25, 7.0),
        ([7, 9], 0.25, 7.0),
        ([7, 9], 0.75, 9.0),
        ([7, 9], 0.0, 7.0),
        ([7, 9], 1.0, 9.0),
        # 10 x 0.7 is 7.000000000000001 in binary and 7 by the definition: (7 + 8) / 2.
        (list(range(1, 11)), 0.7, 7.5),
        (list(range(1, 11)), 0.71, 8.0),
    ],
)
def test_quantile_by_hand(values, q, expected):
    assert quantile(values, q) == expected


@pytest.mark.r
def test_quantile_is_type_2_of_r():
    if shutil.which("Rscript") is None:
        pytest.skip("no Rscript")
    shares = [0.05, 0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9, 0.95]
    values = {n: [(37 * k) % 101 + k / 8 for k in range(n)] for n in range(1, 41)}
    lines = [
        f"cat(quantile(c({','.join(map(repr, each))}), c({','.join(map(repr, shares))}), type=2),"
        ' sep="\\n"); cat("\\n")'
        for each in values.values()
    ]
    done = subprocess.run(
        ["Rscript", "-"],
        input="options(digits=15)\n" + "\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [float(word) for word in done.stdout.split()]
    computed = [quantile(each, q) for each in values.values() for q in shares]
    assert computed == expected


def test_summary_by_hand():
    """2, 4, 6, 8: squares of the deviations 9, 1, 1, 9, so that the variance is 20 / 3."""
    expected = Summary(4, 2, 5.0, math.sqrt(20 / 3), 5.0, 3.0, 7.0, 2.0, 8.0)
    nan = float("nan")
    assert summary([8, nan, 2, 6, nan, 4]) == pytest.approx(expected, rel=1e-15)


def test_summary_of_one_value_has_no_standard_deviation():
    one = summary([3.5])
    assert math.isnan(one.sd)
    assert one._replace(sd=0.0) == (1, 0, 3.5, 0.0, 3.5, 3.5, 3.5, 3.5, 3.5)


@pytest.mark.parametrize("values,missing", [([], 0), ([float("nan")] * 3, 3)])
def test_summary_of_no_value_is_missing_throughout(values, missing):
    none = summary(values)
    assert none[:2] == (0, missing)
    assert all(math.isnan(value) for value in none[2:])


@pytest.mark.parametrize(
    "values,q,message",
    [
        ([], 0.5, "values"),
        ([1, float("nan")], 0.5, "values"),
        ([1, float("inf")], 0.5, "values"),
        ([[1, 2]], 0.5, "values"),
        ([1, 2], -0.1, "q"),
        ([1, 2], 1.1, "q"),
    ],
)
def test_quantile_refuses_what_has_none(values, q, message):
    with pytest.raises(ValueError, match=rf"^{message}: "):
        quantile(values, q)


@pytest.mark.parametrize("values", [[[1.0, 2.0]], [1.0, float("inf")]])
def test_summary_refuses_infinite_values_and_tables(values):
    with pytest.raises(ValueError, match=r"^values: "):
        summary(values)
