"""What the parts of a pipeline are called, so that several live in one code location.

>>> Names.under("north").key("customer_rfm").to_user_string()
'north/customer_rfm'
>>> Names.under("north").name("customer_snapshots")
'north_customer_snapshots'
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

KeyPrefix = str | Sequence[str]
"""The first part of the keys of a pipeline's assets: a word, or several, the outermost first."""

_WORD = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Names:
    """The names of one pipeline's assets, jobs, schedules, sensors and resources."""

    prefix: tuple[str, ...] = ()

    @classmethod
    def under(cls, key_prefix: KeyPrefix | None) -> "Names":
        """Raises ValueError on a word that can't be part of a job's name."""
        words = (key_prefix,) if isinstance(key_prefix, str) else tuple(key_prefix or ())
        for word in words:
            if not _WORD.fullmatch(word):
                raise ValueError(
                    f"key_prefix {word!r}: write letters, digits and underscores, as in 'north'"
                )
        return cls(words)

    def key(self, table: str) -> dg.AssetKey:
        """The key of a table's asset."""
        return dg.AssetKey([*self.prefix, table])

    def keys(self, tables: Iterable[str]) -> list[dg.AssetKey]:
        """The keys of several tables' assets."""
        return [self.key(table) for table in tables]

    def name(self, name: str) -> str:
        """The name of a job, schedule, sensor, resource, step or group."""
        return "_".join((*self.prefix, name))
