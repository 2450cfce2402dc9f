"""The owner's .env between two versions: whatever the three files are, what has to hold holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.domain.dotenv import last, meaning, values, written
from provision.domain.env_merge import ADDED, GONE, EnvFolder, merge

NAME = st.sampled_from([f"{letter}_{part}" for letter in "ABCD" for part in ("ONE", "TWO", "KEY")])
VALUE = st.sampled_from(["", "1", "2", "true", "two words", "it's", "$x", "a#b", "http://h/{id}"])
COMMENT = st.sampled_from(
    ["", "# about it\n", "\n# ----\n# Section\n# ----\n\n", "\n", "#OLD=1\n", "  # indented\n"]
)
RAW = st.one_of(VALUE.map(written), st.sampled_from(["'q'", '"q"', "${A_ONE:-d}", '"$B_ONE"', "''"]))
LINE = st.builds("{}{}{}={}".format, COMMENT, st.sampled_from(["", "", "", "export ", "  "]), NAME, RAW)
REST = st.sampled_from(["\n", "\n", "\n", " # mine\n", "  \n"])


@st.composite
def env(draw: st.DrawFn, *, unique: bool) -> str:
    """A file; an example has each name once, an owner's may have it several times, and other habits."""
    if unique:
        return "".join(
            f"{draw(COMMENT)}{name}={draw(RAW)}\n" for name in draw(st.lists(NAME, unique=True, max_size=8))
        )
    text = "".join(line + draw(REST) for line in draw(st.lists(LINE, max_size=8)))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    if draw(st.booleans()):
        text = text.removesuffix("\n").removesuffix("\r")
    return ("\ufeff" if draw(st.booleans()) else "") + text


EXAMPLE = st.builds(
    EnvFolder,
    env(unique=True),
    st.dictionaries(st.sampled_from(["envs/a.env", "envs/b.env"]), env(unique=True)),
)
OWNER = st.builds(EnvFolder, env(unique=False))
MANAGED = st.dictionaries(NAME, VALUE, max_size=3)


def reads(text: str) -> dict[str, str]:
    return {name: meaning(statement.raw) for name, statement in last(text).items()}


@given(EXAMPLE, OWNER)
def test_nothing_to_change_is_the_same_bytes(version: EnvFolder, owner: EnvFolder) -> None:
    merged = merge(version, owner, version, {})
    assert merged.text == owner.env
    assert merged.changes == ()


@given(EXAMPLE, OWNER, EXAMPLE, MANAGED)
def test_a_second_merge_changes_nothing(
    old: EnvFolder, owner: EnvFolder, new: EnvFolder, managed: dict[str, str]
) -> None:
    once = merge(old, owner, new, managed)
    done = EnvFolder(once.text)
    assert merge(new, done, new, managed).text == once.text
    assert merge(old, done, new, managed).text == once.text, "after a run that was killed in between"


@given(EXAMPLE, OWNER, EXAMPLE, MANAGED)
def test_each_variable_is_what_the_rules_say(
    old: EnvFolder, owner: EnvFolder, new: EnvFolder, managed: dict[str, str]
) -> None:
    merged = merge(old, owner, new, managed)
    before, after = reads(owner.env), reads(merged.text)
    for name in {*before, *after, *managed, *new.statements}:
        was, becomes = old.default(name), new.default(name)
        if name in managed:
            assert values(merged.text)[name] == managed[name]
        elif name not in before:
            came = name in new.statements and (
                name not in old.statements or meaning(old.statements[name].raw) != meaning(becomes or "")
            )
            assert after.get(name) == (meaning(becomes or "") if came else None)
        elif name in merged.names("removed"):
            assert name not in after
            assert name in old.names
            assert name not in new.names
        elif was is not None and becomes is not None and before[name] == meaning(was):
            assert after[name] == meaning(becomes)
        else:
            assert after[name] == before[name]


@given(EXAMPLE, OWNER, EXAMPLE, MANAGED)
def test_every_line_of_the_owner_is_still_there_in_its_order(
    old: EnvFolder, owner: EnvFolder, new: EnvFolder, managed: dict[str, str]
) -> None:
    merged = merge(old, owner, new, managed)
    touched = {change.name for change in merged.changes if change.reason not in ("kept", "new")}

    def others(text: str) -> list[str]:
        return [
            line for line in text.lstrip("\ufeff").splitlines() if not any(name in line for name in touched)
        ]

    remaining = iter(others(merged.text))
    assert all(line in remaining for line in others(owner.env))


@given(EXAMPLE, OWNER, EXAMPLE, MANAGED)
def test_line_ends_are_the_owners(
    old: EnvFolder, owner: EnvFolder, new: EnvFolder, managed: dict[str, str]
) -> None:
    text = merge(old, owner, new, managed).text
    if "\r\n" in owner.env:
        assert text.count("\n") == text.count("\r\n")
    else:
        assert "\r" not in text
    assert text.count("\ufeff") == owner.env.count("\ufeff")


@given(EXAMPLE, OWNER, EXAMPLE)
def test_what_is_fixed_never_follows_upstream(old: EnvFolder, owner: EnvFolder, new: EnvFolder) -> None:
    fixed = {"A_KEY", "B_KEY"}
    merged = merge(old, owner, new, {}, fixed)
    before, after = reads(owner.env), reads(merged.text)
    assert all(after[name] == before[name] for name in fixed & before.keys() - set(merged.names("removed")))


OLD = """\
# Web
CONSOLE_API_URL=
DB_HOST=db

# Limits
STEPS=5
SSRF_PORT=8194
SECRET_KEY=published
"""
NEW = """\
# Web
CONSOLE_API_URL=
# What outside calls begin with
TRIGGER_URL=http://localhost
DB_HOST=db_postgres

# Limits
STEPS=99
SECRET_KEY=

# Agents
# Replace it.
AGENT_TOKEN=published
"""


def upgraded(owner: str, **managed: str) -> str:
    return merge(EnvFolder(OLD), EnvFolder(owner), EnvFolder(NEW), managed, {"SECRET_KEY"}).text


def test_an_untouched_file_follows_and_keeps_its_secret() -> None:
    assert upgraded(OLD) == (
        NEW.replace("SECRET_KEY=\n", "SECRET_KEY=published\n").replace(
            "STEPS=99\n", f"STEPS=99\n{GONE}SSRF_PORT=8194\n"
        )
    )


def test_new_variables_come_with_their_comments_to_their_places() -> None:
    text = upgraded("STEPS=7\nDB_HOST=db\nCONSOLE_API_URL=http://me # by hand\n")
    assert text == (
        "STEPS=7\nSECRET_KEY=\n\n# Agents\n# Replace it.\nAGENT_TOKEN=published\n"
        "DB_HOST=db_postgres\nCONSOLE_API_URL=http://me # by hand\n"
        "# What outside calls begin with\nTRIGGER_URL=http://localhost\n"
    )


def test_each_change_says_why() -> None:
    owner = OLD.replace("STEPS=5", "STEPS=7")
    merged = merge(EnvFolder(OLD), EnvFolder(owner), EnvFolder(NEW), {"CONSOLE_API_URL": "u"}, {"SECRET_KEY"})
    assert merged.names("ours") == ["CONSOLE_API_URL"]
    assert merged.names("new") == ["TRIGGER_URL", "AGENT_TOKEN"]
    assert merged.names("followed") == ["DB_HOST"]
    assert merged.names("kept") == ["STEPS", "SECRET_KEY"]
    assert merged.names("removed") == ["SSRF_PORT"]


def test_what_is_gone_stays_while_another_value_or_the_compose_file_reads_it() -> None:
    owner = EnvFolder(OLD + "MINE=x:${SSRF_PORT}\n")
    assert "\nSSRF_PORT=8194\n" in merge(EnvFolder(OLD), owner, EnvFolder(NEW), {}).text
    still_read = EnvFolder(NEW, compose="services: {ssrf: {environment: {PORT: '${SSRF_PORT:-8194}'}}}")
    assert merge(EnvFolder(OLD), EnvFolder(OLD), still_read, {}).names("removed") == []


def test_a_setting_that_moved_to_the_optional_files_is_no_removed_one() -> None:
    split = EnvFolder(
        "DB_HOST=db_postgres\n", {"envs/core.env": "STEPS=99\n", "envs/ssrf.env": "SSRF_PORT=8194\n"}
    )
    merged = merge(EnvFolder(OLD), EnvFolder(OLD), split, {})
    assert merged.names("removed") == ["CONSOLE_API_URL", "SECRET_KEY"]
    assert "\nSTEPS=99\nSSRF_PORT=8194\n" in merged.text


def test_what_an_optional_file_of_the_owner_sets_is_not_overruled() -> None:
    owner = EnvFolder(OLD, {"envs/core.env": "TRIGGER_URL=http://mine\n"})
    assert "TRIGGER_URL" not in merge(EnvFolder(OLD), owner, EnvFolder(NEW), {}).text


def test_the_last_of_several_counts() -> None:
    text = "STEPS=1\nSTEPS=5\n"
    assert merge(EnvFolder(OLD), EnvFolder(text), EnvFolder(OLD), {"STEPS": "7"}).text == "STEPS=1\nSTEPS=7\n"


def test_ours_that_upstream_does_not_list_stand_at_the_end() -> None:
    text = merge(EnvFolder(OLD), EnvFolder(OLD), EnvFolder(OLD), {"NEW": "1"}).text
    assert text == f"{OLD}\n{ADDED}\nNEW=1\n"


def test_a_value_in_front_of_a_comment_keeps_the_comment() -> None:
    owner = EnvFolder("STEPS='5'# few\n")
    text = merge(EnvFolder(OLD), owner, EnvFolder(OLD), {"STEPS": ""}).text
    assert text == 'STEPS=""# few\n'
