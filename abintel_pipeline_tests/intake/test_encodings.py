"""Text files in other encodings: nothing is altered, and what can't be decoded costs its line."""

import codecs
import gzip
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from abintel_pipeline.intake import DeliveryError
from abintel_pipeline.intake import text_files as encodings
from abintel_pipeline_tests.intake.conftest import DAY, GOOD, HEADER, Landing

CSV = "transactions/2025-04-24.csv"
GOOD_ROW = ("001", "T1", DAY, Decimal("12.50"), "P1")
LONG = HEADER.replace("\n", ",note\n")


def line(customer: str, note: str = "") -> str:
    return f"{customer},T1,2025-04-24,12.50,P1,{note}\n"


@pytest.mark.parametrize(
    ("encoding", "letters"),
    [
        ("utf-8", "Größe € 中 😀"),
        ("utf-8-sig", "Größe € 中 😀"),
        ("cp1252", "Größe € ÿ"),
        ("latin-1", "Größe ÿ"),
        ("utf-16", "Größe € 中 😀"),
        ("utf-16-le", "Größe € 中 😀"),
        ("utf-32", "Größe 😀"),
        ("cp1250", "Žluťoučký"),
        ("cp1251", "Размер"),
        ("shift_jis", "表示ソ"),
        ("gb18030", "尺寸 €"),
        ("cp437", "Größe"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_in_its_encoding(
    landing: Landing, encoding: str, letters: str, end: str
) -> None:
    text = LONG + line(letters) + "x\n" + line(f'"{letters}\n{letters}"', letters)
    landing.put(CSV, text.replace("\n", end).encode(encoding))
    taken = landing.take(encoding=encoding)
    assert [row[0] for row in taken.accepted] == [letters, f"{letters}{end}{letters}"]
    assert taken.places == [(CSV, 3)]


@pytest.mark.parametrize(
    ("encoding", "spoilt", "shown"),
    [
        ("cp1252", b"caf\x81", r"caf\x81"),
        ("ascii", b"caf\xc3\xa9", r"caf\xc3\xa9"),
        ("utf-16-le", "caf".encode("utf-16-le") + b"\x00\xd8", r"caf\x00\xd8"),
        ("utf-8", b"caf\xe9", r"caf\xe9"),
    ],
)
def test_bytes_that_cannot_be_decoded_cost_their_line(
    landing: Landing, encoding: str, spoilt: bytes, shown: str
) -> None:
    before, behind = (HEADER + GOOD).encode(encoding), (",T2,2025-04-24,1,P1\n" + GOOD)
    landing.put(CSV, before + spoilt + behind.encode(encoding))
    taken = landing.take(encoding=encoding)
    told = "UTF-8" if encoding == "utf-8" else encoding
    assert taken.accepted == [GOOD_ROW] * 2
    assert taken.places == [(CSV, 3)]
    assert taken.reasons == [[f"line: not {told}"]]
    assert taken.raw == [{"line": f"{shown},T2,2025-04-24,1,P1"}]


def test_an_odd_byte_at_the_end_of_utf_16_is_rejected(landing: Landing) -> None:
    landing.put(CSV, (HEADER + GOOD).encode("utf-16") + b"a")
    taken = landing.take(encoding="utf-16")
    assert (taken.accepted, taken.raw) == ([GOOD_ROW], [{"line": r"\x61"}])
    assert taken.reasons == [["line: not utf-16"]]


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029", "\x0b", "\x0c"])
def test_only_cr_and_lf_end_a_line(landing: Landing, mark: str) -> None:
    text = LONG + line("001", f"a{mark}b") + "x\n"
    for encoding in ("utf-8", "utf-16"):
        landing.put(CSV, text.encode(encoding))
        taken = landing.take(encoding=encoding)
        assert (taken.accepted, taken.places) == ([GOOD_ROW], [(CSV, 3)])


def test_zipped_files_and_json_lines_have_the_encoding_too(landing: Landing) -> None:
    text = line("é").encode("cp1252")
    folder = "transactions/2025-04-24"
    landing.put(f"{folder}/a.csv.gz", gzip.compress(LONG.encode() + text + b"\x81\n"))
    row = dict(zip(HEADER.strip().split(","), line("ü").split(","), strict=False))
    content = json.dumps(row, ensure_ascii=False).encode("cp1252")
    landing.put(f"{folder}/b.jsonl", content + b"\n\x81\n")
    taken = landing.take(encoding="cp1252")
    assert [row[0] for row in taken.accepted] == ["é", "ü"]
    assert taken.places == [(f"{folder}/a.csv.gz", 3), (f"{folder}/b.jsonl", 2)]
    assert taken.reasons == [["line: not cp1252"]] * 2
    assert taken.raw == [{"line": r"\x81"}] * 2


def test_a_file_that_says_it_is_utf_8_is_not_read_as_something_else(landing: Landing) -> None:
    landing.put(CSV, codecs.BOM_UTF8 + (HEADER + GOOD).encode())
    with pytest.raises(DeliveryError, match="begins with the mark of UTF-8"):
        landing.take(encoding="cp1252")


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_character_may_stand_across_two_blocks(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(encodings, "_BLOCK", size)
    for encoding in ("utf-16", "shift_jis", "cp1252"):
        letters = "ソ表" if encoding == "shift_jis" else "éü"
        landing.put(CSV, (HEADER + GOOD.replace("001", letters)).encode(encoding))
        assert [row[0] for row in landing.take(encoding=encoding).accepted] == [letters]


@given(data=st.binary(max_size=40), encoding=st.sampled_from(["cp1252", "ascii", "cp1250"]))
@trying(max_examples=300, deadline=None)
def test_what_is_decoded_is_what_python_decodes_and_the_rest_is_not_utf_8(
    data: bytes, encoding: str
) -> None:
    turned = data.decode(encoding, "abintel_marked").encode("utf-8", "abintel_marked")
    try:
        expected = data.decode(encoding)
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            turned.decode()
        assert encodings.shown(turned, encoding).count("\\x") >= 1
    else:
        assert turned.decode() == expected
