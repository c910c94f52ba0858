"""Reading of the package's own YAML files."""

from importlib.resources import files
from typing import Any


def file_content(name: str) -> Any:
    """The content of a file of `sap.catalogue`, by its name."""
    import yaml

    # libyaml reads ten times faster than Python does; not every build of PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(files("sap.catalogue").joinpath(name).read_text("utf-8"), loader)
