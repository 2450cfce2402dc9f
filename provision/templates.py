"""The files of ``templates/``, rendered."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path("templates")
ROOT = Path(__file__).resolve().parent.parent

_environment = Environment(
    loader=FileSystemLoader(ROOT / FOLDER),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - configuration files, no HTML
)


def render(name: str, **values: object) -> str:
    """Render ``templates/NAME``; a missing value is an error, never an empty string."""
    return _environment.get_template(name).render(**values)


def text(path: str) -> str:
    """A file of the project, such as the bot's prompt.

    Args:
        path: relative to the project's root, or absolute.
    """
    return (ROOT / path).read_text(encoding="utf-8")
