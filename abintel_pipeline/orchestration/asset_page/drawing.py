"""Draws pictures as small PNGs, with any text in them.

Names come from settings and reasons from deliveries, so they may hold anything. A `$` begins no
formula, a letter that the font lacks becomes a box, a long text is cut: without warning or error.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, DARK = "#4c78a8", "#333333"
DOTS_PER_INCH = 80
COLOURS = 64
MOST_LETTERS = 30
"""Of a label: the bars keep most of the width."""


@dataclass
class Picture:
    """A figure with its axes; its PNG once it is drawn."""

    figure: "Figure"
    axes: "Axes"
    png: bytes = b""


@contextmanager
def picture(title: str, across: str = "", up: str = "") -> Iterator[Picture]:
    """Axes to draw on; the PNG is made when the block ends."""
    import matplotlib as mpl  # a third of a second that only runs that draw need
    from matplotlib.figure import Figure

    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure = Figure(figsize=(7, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.spines[["top", "right"]].set_visible(False)
        begun = Picture(figure, axes)
        yield begun
        begun.png = _png(figure)


def in_short(text: str, most: int = MOST_LETTERS) -> str:
    """One line of at most so many letters, all of which can be drawn.

    >>> in_short("a\\nb"), in_short("x" * 40)
    ('a b', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxx…')
    """
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= most else line[: most - 1] + "…"


def bars(axes: "Axes", labels: Sequence[str], values: Sequence[float]) -> None:
    """Horizontal bars, the first on top, each with its value; two labels may be equal."""
    places = range(len(labels))
    drawn = axes.barh(places, values, color=BLUE)
    axes.set_yticks(places, labels, fontsize=8)
    axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=3, fontsize=8)
    axes.margins(x=0.12)
    axes.invert_yaxis()


def _png(figure: "Figure") -> bytes:
    """The figure in as many colours as it needs: a quarter of the bytes."""
    from PIL import Image

    drawn, written = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(written, "PNG", optimize=True)
    return written.getvalue()
