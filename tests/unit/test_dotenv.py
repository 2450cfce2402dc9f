"""``.env`` files are read as Docker Compose itself reads them: its own binary is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.domain.dotenv import (
    DotenvError,
    interpolated,
    last,
    meaning,
    parse,
    protected,
    references,
    replaced,
    values,
    written,
)

COMPOSE = Path(sys.executable).parent / "docker-compose"

READ_BY_COMPOSE = [
    "A=1\n",
    "A=\nB=2\n",
    "A=   \nB=2\n",
    "A=x y  \n",
    "A==1\n",
    "A=%Y-%m-%d %H:%M:%S\n",
    "A=Qazwsxedc!@#123\n",
    "A=你好\n",
    # comments
    "#A=1\n  # B=2\nC=3\n",
    "A=x#y\n",
    "A=x #y\n",
    "A=x\t#y\n",
    "A= # no value, hence no comment\n",
    "A=# nor here\n",
    # quotes
    "A='x' # y\nB=2\n",
    "A=\"x\"#y\nB='z'\n",
    "A='it\\'s'\nB=2\n",
    'A="say \\"x\\""\nB=2\n',
    "A='a\\b'\n",
    'A="a\\tb\\\\c"\n',
    "A='l1\n#l2\nl3'\nB=2\n",
    "A='x' B='y'\n",
    "A= 'x'\nB=''\nC=\"\"\n",
    "A=x 'y # z'\n",
    # dollars
    'A=$$x\nB=\'$$x\'\nC="$$x"\nD="\\$x"\nE=a$\nF=$1\n',
    "B=1\nA=$B-${B}-${C:-d}-${C-e}-${B:+p}-${C:-${B}}-${C+q}\n",
    "A=$B\nB=1\n",
    "E=\nA=${E-unset}/${E:-empty}\n",
    # export, other signs, names
    "export A=1\nexport\tB = 2\nexportC=3\n",
    "  A =1\nB: yaml\n",
    "A.b-c=1\n1D=2\nE=3\n",
    "A\nB=1\n",
    # duplicates
    "A=1\nB=$A\nA=2\n",
    # other line ends, byte order mark
    "A=1\r\nB='x\r\ny'\r\nC=\"z\" # c\r\n",
    "\ufeffA=1\nB=2\n",
    "A=1",
]


def read_by_compose(text: str, folder: Path) -> dict[str, str]:
    """What a compose file gets for each variable of an ``.env`` beside it (that it can name)."""
    names = [name for name in last(text) if name.isidentifier() and name.isascii()]
    service = {"image": "a", "environment": {name: f"${{{name}}}" for name in names}}
    (folder / ".env").write_text(text, newline="")
    (folder / "docker-compose.yaml").write_text(json.dumps({"services": {"a": service}}))
    done = subprocess.run(
        [COMPOSE, "config", "--format", "json"], cwd=folder, env={}, capture_output=True, timeout=60
    )
    assert done.stdout, done.stderr.decode()
    found = json.loads(done.stdout)["services"]["a"].get("environment", {})
    return {name: value.replace("$$", "$") for name, value in found.items()}  # printed to be read again


@pytest.mark.parametrize("text", READ_BY_COMPOSE)
def test_values_are_what_compose_reads(text: str, tmp_path: Path) -> None:
    found = read_by_compose(text, tmp_path)
    assert found
    assert {name: value for name, value in values(text).items() if name in found} == found


@pytest.mark.parametrize("text", ["A='x\n", 'B=1\nA="x\\"\n', "A B=1\n", "A=1\n'x'=2\n"])
def test_what_compose_refuses_is_refused_by_its_line(text: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(text)
    (tmp_path / "docker-compose.yaml").write_text("services: {a: {image: a}}")
    done = subprocess.run(
        [COMPOSE, "config", "--quiet"], cwd=tmp_path, env={}, capture_output=True, timeout=60
    )
    assert b"failed to read" in done.stderr
    with pytest.raises(DotenvError, match=r"^line [12]: "):
        parse(text)


def test_an_error_shows_nothing_of_the_file() -> None:
    with pytest.raises(DotenvError) as error:
        parse("PASSWORD='hunter2\n")
    assert str(error.value) == "line 1: the quote is not closed"


VALUE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)


@given(VALUE)
def test_what_is_written_is_what_is_read(value: str) -> None:
    assert values(f"A={written(value)}\n") == {"A": value}


def test_what_is_written_is_what_compose_reads(tmp_path: Path) -> None:
    odd = [
        "a b",
        "it's",
        'say "x"',
        "$HOME $$ ${X}",
        "a\\b",
        "#no comment",
        "a #b",
        "'",
        "\\",
        "é",
        "it's $5 \\",
        "",
    ]
    text = "".join(f"V{number}={written(value)}\n" for number, value in enumerate(odd))
    found = read_by_compose(text, tmp_path)
    assert [found[f"V{number}"] for number in range(len(odd))] == odd


@given(
    st.sampled_from(["", "bare", "'two words'", '"$X"', "${A:-b}", 'a\\"b']),
    st.sampled_from(["", " # c", "\t# c", "# c"]),
)
def test_a_value_keeps_its_meaning_in_front_of_a_comment(raw: str, rest: str) -> None:
    found = last(f"A={protected(raw, rest)}{rest}\n")["A"]
    assert meaning(found.raw) == meaning(raw)


def test_what_a_value_is_made_from() -> None:
    assert references("${A:-${B}}-$C-$$D") == {"A", "B", "C"}
    assert references("'$A'") == set()
    assert interpolated("x: ${A:-${B:-}} $C $$D ${E}") == {"A", "B", "C", "E"}


def test_edits_at_one_place_keep_their_order() -> None:
    assert replaced("abc", [(1, 2, "X"), (1, 1, "1"), (1, 1, "2"), (3, 3, "!")]) == "a12Xc!"
