"""Request bodies and queries: checked as pydantic checks them in the real one, with its texts.

Source of the texts: recording (steps "extra key", "bad model_type", "name too long" …).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import FieldError, invalid_param

HELP = "    For further information visit https://errors.pydantic.dev/2.12/v/"


@dataclass(frozen=True)
class Field:
    """One expected key.

    Args:
        name: key; a dot leads into a nested object.
        kind: Python type of the value; ``int`` accepts digits in a text, as in a query.
        required: absent is an error.
        options: the values that are allowed.
        literal: whether the options are a Literal (an Enum otherwise): only the text of the error differs.
    """

    name: str
    kind: type = str
    required: bool = True
    options: tuple[str, ...] = ()
    literal: bool = False
    shortest: int = 0
    longest: int = 0
    most: int = 0


def check(
    model: str, given: Mapping[str, Any], fields: Sequence[Field], closed: bool = False
) -> dict[str, Any]:
    """The given values, once they fit.

    Args:
        model: name of the model class, part of the text.
        closed: refuse keys that are not among the fields.

    Raises:
        ApiError: 400 ``invalid_param`` naming every field that does not fit.
    """
    problems = [problem for field in fields if (problem := _problem(field, given))]
    if closed:
        known = {field.name.partition(".")[0] for field in fields}
        problems += [
            _text(key, "Extra inputs are not permitted", "extra_forbidden", value)
            for key, value in given.items()
            if key not in known
        ]
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''}"
        refused = invalid_param(f"{count} for {model}\n" + "\n".join(problems))
        wrong = next((field for field in fields if _problem(field, given)), None)
        if wrong is None:
            raise refused
        raise FieldError(refused.body, wrong.name, _said_before_1_11_0(wrong, given))
    return {**given, **{f.name: int(given[f.name]) for f in fields if f.kind is int and f.name in given}}


def _problem(field: Field, given: Mapping[str, Any]) -> str | None:
    value: Any = given
    for part in field.name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _text(field.name, "Field required", "missing", given) if field.required else None
        value = value[part]
    if value is None and not field.required:
        return None
    return _misfit(field, value)


def _misfit(field: Field, value: Any) -> str | None:
    if field.kind is int:
        return _number(field, value)
    if field.options and value not in field.options:
        *first, last = (f"'{option}'" for option in field.options)
        kind = "literal_error" if field.literal else "enum"
        return _text(field.name, f"Input should be {', '.join(first)} or {last}", kind, value)
    if not isinstance(value, field.kind):
        named = {str: "string", dict: "dictionary", list: "list", bool: "boolean"}[field.kind]
        kind = {str: "string_type", dict: "dict_type", list: "list_type", bool: "bool_type"}[field.kind]
        return _text(field.name, f"Input should be a valid {named}", kind, value)
    if isinstance(value, str) and len(value) < field.shortest:
        plural = "" if field.shortest == 1 else "s"
        return _text(
            field.name,
            f"String should have at least {field.shortest} character{plural}",
            "string_too_short",
            value,
        )
    if isinstance(value, str) and field.longest and len(value) > field.longest:
        return _text(
            field.name, f"String should have at most {field.longest} characters", "string_too_long", value
        )
    return None


def _number(field: Field, value: Any) -> str | None:
    try:
        number = int(value)
    except (TypeError, ValueError):
        return _text(
            field.name,
            "Input should be a valid integer, unable to parse string as an integer",
            "int_parsing",
            value,
        )
    if field.most and number > field.most:
        return _text(
            field.name, f"Input should be less than or equal to {field.most}", "less_than_equal", value
        )
    if number < 1:
        return _text(field.name, "Input should be greater than or equal to 1", "greater_than_equal", value)
    return None


def _text(name: str, message: str, kind: str, value: Any) -> str:
    shown = repr(value)
    if len(shown) > 50:
        shown = f"{shown[:25]}...{shown[-24:]}"
    told = f"type={kind}, input_value={shown}, input_type={type(value).__name__}"
    return f"{name}\n  {message} [{told}]\n{HELP}{kind}"


def _said_before_1_11_0(field: Field, given: Mapping[str, Any]) -> str:
    value = given.get(field.name)
    if value is None:
        return "Missing required parameter in the JSON body"
    if field.options:
        return f"The value {value!r} is not a valid choice for {field.name!r}."
    if field.longest:
        return f"Invalid argument: {value}. argument cannot exceed length {field.longest}"
    return str(value)
