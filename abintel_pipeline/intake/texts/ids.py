r"""Ids: one rule for every format.

Outer white space and characters without width go, letters with accents are composed (NFC), and a
whole number that a program wrote as a float is its digits: `17850.0` is `17850`. Nothing else is
changed: `001` stays `001`. What can't be an id is null, and `id_problem` says why.
"""

import string

from abintel_pipeline.engine.sql import Names, first_case, quoted_list
from abintel_pipeline.settings import Settings

CHANGED = "ids_changed"
"""The sequence that counts the ids which were changed; a counter is free where none is."""

_PLAIN = string.ascii_letters + string.digits + "_/"
LETTERS = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u0481\u048a-\u052f"
    "\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
)
"""Letters of Latin, Cyrillic and East Asian scripts; any text of them is composed already."""

_OUTER = r"[\s\p{Z}\x{0085}\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}\x{FEFF}]+"
_NO_WIDTH = r"[\x{200B}\x{2060}\x{FEFF}]"
_FLOAT = r"(0|-?[1-9]\d*)\.0+"
_SCIENTIFIC = r"[+-]?\d([.,]\d+)?[eE]\+\d{2,}"
_LARGEST_FLOAT = 2**53

SCIENTIFIC = (
    "in scientific notation, its digits are lost: format the column as text in Excel and export"
    " again"
)
TOO_LARGE = "a float of 2**53 or more, its last digits are lost: export it as text"


def id_typed(text: str, settings: Settings, names: Names) -> str:
    """SQL of an id from its text; null where there is none, or none that can be told.

    Counts those that it changes; DuckDB calls a counter for all rows but for `coalesce` around it.

    Nearly all ids are plain letters and digits: one pattern lets them through as they are. What a
    word for missing begins with is plain only in texts that are longer than any such word.
    """
    starts = "".join(word.strip()[:1] for word in settings.missing_words)
    first = "".join(c for c in _PLAIN if c not in starts) or "0"
    letters = LETTERS if starts.isascii() else ""
    longest = max((len(word.strip()) for word in settings.missing_words), default=0)
    any_letter = f"[{_PLAIN}{LETTERS}]"
    behind = f"[{_PLAIN}{LETTERS}-]"
    shapes = f"[{first}{letters}]{behind}*|{any_letter}{behind}{{{longest},}}"
    plain = names(f"coalesce(regexp_full_match({text}, '{shapes}'), true)")
    normal = names(id_normal(text, settings, names, f"NOT {plain}"))
    counted = f"CASE WHEN coalesce(nextval('{CHANGED}'), 1) > 0 THEN {normal} END"
    changed = f"CASE WHEN {normal} = {text} THEN {normal} ELSE {counted} END"
    return f"(CASE WHEN {plain} THEN {text} WHEN {normal} IS NOT NULL THEN {changed} END)"


def id_problem(text: str, settings: Settings) -> str:
    """SQL of why a text is no id; null where it is one."""
    found = trimmed(text)
    scientific = f"regexp_full_match({found}, '{_SCIENTIFIC}')"
    cases = [(scientific, SCIENTIFIC), (_too_large(found), TOO_LARGE)]
    return first_case([*missing_cases(text, settings), *cases])


def missing_cases(text: str, settings: Settings) -> list[tuple[str, str]]:
    """Conditions under which a text brings no value, and what is told of each."""
    found = trimmed(text)
    return [
        (f"{text} IS NULL", "missing"),
        (f"{found} = ''", "blank"),
        (_is_word(found, settings), "missing"),
    ]


def trimmed(text: str) -> str:
    """SQL of a text without outer white space and characters that have no width."""
    outer = f"regexp_replace({text}, '^{_OUTER}|{_OUTER}$', '', 'g')"
    return f"regexp_replace({outer}, '{_NO_WIDTH}', '', 'g')"


def is_missing(text: str, settings: Settings) -> str:
    """SQL: whether a text is missing, blank, or a word for missing."""
    found = trimmed(text)
    return f"({text} IS NULL OR {found} = '' OR {_is_word(found, settings)})"


def id_normal(text: str, settings: Settings, names: Names, where: str = "true") -> str:
    """The same without counting, in rows where a condition holds; null in others."""
    found = names(f"CASE WHEN {where} THEN {trimmed(text)} END")
    return (
        f"(CASE WHEN NOT ({where}) THEN NULL"
        f" WHEN regexp_full_match({text}, '{_FLOAT}') AND NOT {_too_large(text)}"
        f" THEN split_part({text}, '.', 1)"
        f" WHEN {found} = '' OR {_is_word(found, settings)} THEN NULL"
        f" WHEN regexp_full_match({found}, '{_SCIENTIFIC}') OR {_too_large(found)} THEN NULL"
        f" WHEN regexp_full_match({found}, '{_FLOAT}') THEN split_part({found}, '.', 1)"
        f" ELSE nfc_normalize({found}) END)"
    )


def _too_large(text: str) -> str:
    whole = f"abs(TRY_CAST(split_part({text}, '.', 1) AS HUGEINT))"
    return (
        f"(regexp_full_match({text}, '{_FLOAT}') AND coalesce({whole} >= {_LARGEST_FLOAT}, true))"
    )


def _is_word(text: str, settings: Settings) -> str:
    """By position: DuckDB makes a join of a long `IN (…)`, which trimmed every text in advance,
    also those that are plain, and cost as much as the rest of the screening."""
    words = quoted_list([word.strip() for word in settings.missing_words if word.strip()])
    return f"(list_position([{words}], {text}) IS NOT NULL)" if words else "false"
