"""Files become chunks and documents, and only what differs is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision import knowledge
from provision.domain.knowledge import (
    Document,
    DocumentPlan,
    Source,
    StoredDocument,
    cut,
    holds,
    not_set_aside,
    plan_documents,
    probe,
)
from provision.domain.settings import KnowledgeSettings

TEXT = "字a。. \n#！\t"


def chunks(text: str, size: int) -> list[str]:
    return list(cut(text, size))


@given(st.text(alphabet=TEXT, max_size=300), st.integers(50, 80))
def test_no_chunk_is_too_long_and_nothing_is_lost(text: str, size: int) -> None:
    found = chunks(text, size)
    assert all(0 < len(chunk) <= size and "\n\n" not in chunk for chunk in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_paragraphs_share_a_chunk_and_a_heading_goes_with_what_follows() -> None:
    text = "# 手册\n\n第一段。\n\n第二段有二十个字左右的内容。\n\n## 第二章\n\n第三段也有二十个字左右的内容。"
    assert chunks(text, 30) == [
        "# 手册\n第一段。\n第二段有二十个字左右的内容。",
        "## 第二章\n第三段也有二十个字左右的内容。",
    ]


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    assert chunks("一二三四五。六七八九十。甲乙丙丁戊。", 13) == ["一二三四五。六七八九十。", "甲乙丙丁戊。"]
    assert chunks("First one. Second 1.5 one. Third.", 20) == ["First one.", "Second 1.5 one.", "Third."]
    assert chunks("字" * 25, 10) == ["字" * 10, "字" * 10, "字" * 5]


def document(path: str = "a.md", text: str = "机房在三楼。") -> Document:
    return Document.of(Source(path, text), 100)


def stored(
    of: Document, status: str = "completed", key: str = "1", *, enabled: bool = True, archived: bool = False
) -> StoredDocument:
    return StoredDocument(key, of.name, status, enabled, archived)


def test_the_name_says_path_and_content() -> None:
    assert document().name.startswith("a.md · ")
    assert document().name == document().name != document(text="机房在四楼。").name
    assert document("b.md").name.partition(" · ")[2] == document().name.partition(" · ")[2]


def test_what_is_there_is_left_alone() -> None:
    plan = plan_documents([document()], [stored(document())])
    assert plan == DocumentPlan()
    assert str(plan) == ""


def test_changed_deleted_and_new_files() -> None:
    old, gone, new = document(), document("gone.md"), document(text="机房在四楼。")
    there = [stored(old, key="1"), stored(gone, key="2")]
    plan = plan_documents([new], there)
    assert plan == DocumentPlan(add=(new,), remove=tuple(there))
    assert str(plan) == f"to index: a.md; to remove: {old.name}, {gone.name}"


def test_others_documents_are_left_alone() -> None:
    by_hand = StoredDocument("1", "by hand.pdf", "completed")
    assert plan_documents([], [by_hand]) == DocumentPlan()


def test_what_a_killed_run_sent_is_awaited() -> None:
    waiting = stored(document(), "waiting")
    assert plan_documents([document()], [waiting]) == DocumentPlan(unfinished=(waiting,))


@pytest.mark.parametrize("status", ["error", "paused"])
def test_what_is_broken_is_replaced(status: str) -> None:
    broken = stored(document(), status)
    assert plan_documents([document()], [broken]) == DocumentPlan(add=(document(),), broken=(broken,))
    good = stored(document(), key="2")
    assert plan_documents([document()], [broken, good]) == DocumentPlan(broken=(broken,))


@pytest.mark.parametrize(
    ("enabled", "archived", "status"),
    [(False, False, "completed"), (True, True, "completed"), (True, True, "error")],
)
def test_what_a_person_took_out_of_the_search_stays_out(enabled: bool, archived: bool, status: str) -> None:
    aside = stored(document(), status, enabled=enabled, archived=archived)
    left_alone = DocumentPlan(set_aside=(aside,))
    changed = document(text="机房在四楼。")
    for wanted in ([document()], [changed], []):
        assert plan_documents(wanted, [aside]) == left_alone
    assert str(left_alone) == ""
    other = document("b.md")
    assert not_set_aside([changed, other], [aside]) == [other], "what is searched for is not in the others"


def test_a_file_is_known_again_when_a_person_takes_its_document_back() -> None:
    old, changed = stored(document()), document(text="机房在四楼。")
    aside = stored(document(), key="2", archived=True)
    assert plan_documents([changed], [old, aside]) == DocumentPlan(
        add=(changed,), remove=(old,), set_aside=(aside,)
    )


def test_the_second_of_two_goes() -> None:
    both = [stored(document(), "indexing", "1"), stored(document(), "completed", "2")]
    assert plan_documents([document()], both) == DocumentPlan(remove=(both[0],))


def test_the_probe_is_a_sentence_of_one_document() -> None:
    twice, once = "这一句话在两个文件里都有的。", "机房的钥匙在管理员那里。"
    found = probe([document(text=twice + once), document("b.md", twice)])
    assert found
    assert (found.document, found.sentence) == (document(text=twice + once).name, once)
    assert probe([document(text="短。")]) is None
    assert holds("机房的钥匙\n在管理员 那里。好", once)


def test_the_probe_survives_what_dify_does_to_symbols() -> None:
    assert holds("员工手册》每年一月由人事部发布。", "《员工手册》每年一月由人事部发布。")
    assert holds("Backups** of the nave < a > run", "**Backups** of the naïve <| a |> run")
    assert not holds("Backups of the rack", "**Backups** of the base")
    ruled = "| --- | --- | --- | --- |"
    assert probe([document(text=ruled)]) is None, "it has no letters"
    with_marks = [document(text="《机房的钥匙在管理员》那里。"), document("b.md", "机房的钥匙在管理员那里！")]
    assert probe(with_marks) is None, "without symbols they are the same"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(knowledge, "ROOT", tmp_path)
    (tmp_path / "knowledge" / "handbook" / "deep").mkdir(parents=True)
    return tmp_path / "knowledge" / "handbook"


HANDBOOK = KnowledgeSettings(folders=["handbook"])


def test_files_below_the_folder_are_read(root: Path) -> None:
    (root / "b.md").write_text("乙。", encoding="utf-8")
    (root / "deep" / "a.TXT").write_bytes("\ufeff甲。\r\n\r\n丙。".encode())
    (root / ".hidden.md").write_text("x")
    found = knowledge.documents(HANDBOOK, "handbook")
    assert [(each.path, each.text) for each in found] == [("b.md", "乙。"), ("deep/a.TXT", "甲。\n丙。")]
    assert list(knowledge.problems(HANDBOOK)) == []


def test_what_cannot_be_known_is_told(root: Path) -> None:
    assert list(knowledge.problems(KnowledgeSettings(folders=["none"]))) == [
        "knowledge/none/ does not exist; make it and put .md and .markdown and .txt files into it"
    ]
    assert list(knowledge.problems(HANDBOOK)) == ["knowledge/handbook has no file of .md, .markdown, .txt"]
    (root / "a.pdf").write_bytes(b"%PDF")
    (root / "empty.md").write_text(" \n")
    long = f"{'x' * 190}.md"
    (root / long).write_text("x")
    assert list(knowledge.problems(HANDBOOK)) == [
        "knowledge/handbook/a.pdf is neither of .md, .markdown, .txt; convert it, or take it out",
        "knowledge/handbook/empty.md is empty",
        f"knowledge/handbook/{long}: its path has more than 180 characters; shorten it",
    ]
    (root / "gbk.md").write_bytes("中文".encode("gbk"))
    assert "a file is not UTF-8; save it as UTF-8" in list(knowledge.problems(HANDBOOK))[-1]
