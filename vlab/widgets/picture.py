"""What stands for a widget where none runs: GitHub, PDF, a notebook that is only read."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.util import find_spec
from io import BytesIO
from itertools import chain
from pathlib import Path
from textwrap import wrap
from typing import Any

SIZE = 22
MARGIN = 24
WIDEST = 120
CAPTION = "A picture of a live widget: run the cell to use it."
INK, PAPER, ACCENT = "#1a1a1a", "#ffffff", "#0072B2"


def html(title: str, lines: list[str]) -> str:
    """Return the lines as HTML."""
    text = escape("\n".join(lines))
    return (
        f'<div role="img" aria-label="{escape(title)}"><b>{escape(title)}</b>'
        f"<pre>{text}</pre><i>{CAPTION}</i></div>"
    )


def captioned(drawn: bytes) -> bytes:
    """Return a picture with a line below it that says what it is."""
    from PIL import Image, ImageDraw

    with Image.open(BytesIO(drawn)) as opened:
        above = opened.convert("RGB")
    image = Image.new("RGB", (above.width, above.height + int(1.6 * SIZE)), PAPER)
    image.paste(above)
    at = (MARGIN, above.height + SIZE // 6)
    ImageDraw.Draw(image).text(at, CAPTION, fill=ACCENT, font=_font())
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def png(title: str, lines: list[str]) -> bytes:
    """Return the lines as a picture, in a typeface of fixed width."""
    from PIL import Image, ImageDraw

    wrapped = (wrap(line, WIDEST, drop_whitespace=False) or [""] for line in lines)
    rows = [title, "", *chain.from_iterable(wrapped)]
    font = _font()
    width = int(max(font.getlength(row) for row in rows)) + 2 * MARGIN
    height = int(1.35 * SIZE)
    image = Image.new("RGB", (width, height * len(rows) + 2 * MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    for n, row in enumerate(rows):
        draw.text((MARGIN, MARGIN + n * height), row, fill=INK if n else ACCENT, font=font)
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=ACCENT, width=2)
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


@cache
def _font() -> Any:
    from PIL import ImageFont

    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    fonts = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(str(fonts / "DejaVuSansMono.ttf"), SIZE)
