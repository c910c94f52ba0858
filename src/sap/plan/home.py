"""The folder of the study files: `analysis/`, `data-contracts/`, `_quarto.yml` and the root documents."""

from pathlib import Path


def project_home() -> Path:
    """The folder that holds `analysis/` and `data-contracts/`.

    1. The source checkout this package runs from, when it is one.
    2. Else the copy that the wheel carries.

    It does not depend on the working directory.
    """
    checkout = Path(__file__).parents[3]
    if (checkout / "data-contracts").is_dir() and (checkout / "analysis").is_dir():
        return checkout
    return Path(__file__).parents[1] / "_project"
