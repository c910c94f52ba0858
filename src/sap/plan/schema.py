"""The JSON Schema of a plan, made from its model, for editors."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from sap.plan.model import Plan

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """Keys keep the order of the model, in which an editor offers them, and have no second name."""

    def sort(self, value: Any, parent_key: str | None = None) -> Any:  # noqa: ARG002 - pydantic's
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def schema_text() -> str:
    """The schema as JSON.

    An editor sees with it keys, types, ranges, words and descriptions; what two values say together,
    and what a text names, `sap plan check` alone sees.
    """
    made = Plan.model_json_schema(schema_generator=_Schema)
    head = {"$schema": DIALECT, "title": "Statistical analysis plan"}
    return json.dumps({**head, **{k: v for k, v in made.items() if k != "title"}}, indent=1) + "\n"
