"""Picture grids: rows of pictures on one sheet, each with a caption below."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

TILE_WIDTH = 320
CAPTION_LINES = 2
FONT_SIZE = 13
MARGIN = 8
BACKGROUND = (250, 250, 250)
INK = (30, 30, 30)
LOST_FILL = (62, 66, 74)
LOST_INK = (235, 235, 235)
BANNER_FILL = (150, 20, 20)


@dataclass(frozen=True, slots=True)
class Tile:
    """One cell of a grid.

    Args:
        picture: a picture file; empty if there is no picture.
        caption: up to two lines below the picture.
        lost: text in place of a picture that there is not.
        banner: warning across the top of the picture, for instance that it was not received.
    """

    picture: bytes
    caption: tuple[str, ...]
    lost: str = ""
    banner: str = ""


def draw_picture_grid(
    titles: list[str],
    rows: list[list[Tile]],
    tile_width: int = TILE_WIDTH,
    *,
    row_titles: Sequence[str] = (),
    font_size: int = FONT_SIZE,
) -> bytes:
    """Return the grid as a PNG file. ``titles`` are the headings of the columns; every row has one tile per column.

    All tiles are ``tile_width`` pixels wide. The first tile of a row, the original, sets the row's height.
    ``row_titles`` stand above the rows.
    """
    line = font_size + 5
    font = ImageFont.load_default(font_size)
    sizes = [(tile_width, _tile_height(row[0].picture, tile_width)) for row in rows]
    width = MARGIN + len(titles) * (tile_width + MARGIN)
    above = line if row_titles else 0
    height = 2 * MARGIN + line + sum(above + high + CAPTION_LINES * line + 2 * MARGIN for _, high in sizes)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    lefts = [MARGIN + column * (tile_width + MARGIN) for column in range(len(titles))]
    for left, title in zip(lefts, titles, strict=True):
        draw.text((left, MARGIN), title, INK, font)
    top = 2 * MARGIN + line
    for row, size, row_title in zip(rows, sizes, row_titles or [""] * len(rows), strict=True):
        draw.text((MARGIN, top), row_title, INK, font, stroke_width=0.4, stroke_fill=INK)
        top += above
        under = top + size[1]
        for left, tile in zip(lefts, row, strict=True):
            sheet.paste(_draw_tile(tile, size, font, font_size), (left, top))
            for position, text in enumerate(tile.caption[:CAPTION_LINES]):
                draw.text((left, under + 3 + position * line), text, INK, font)
        top = under + CAPTION_LINES * line + 2 * MARGIN
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _tile_height(picture: bytes, tile_width: int) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return max(1, round(image.height * tile_width / image.width))


def _draw_tile(
    tile: Tile, size: tuple[int, int], font: ImageFont.FreeTypeFont | ImageFont.ImageFont, font_size: int
) -> Image.Image:
    """Return the tile's picture at tile size, or a dark field with the text ``lost``."""
    width, height = size
    if tile.picture:
        with Image.open(io.BytesIO(tile.picture)) as image:
            picture = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        if tile.banner:
            draw = ImageDraw.Draw(picture)
            high = font_size + 7
            draw.rectangle((0, 0, width, high), BANNER_FILL)
            draw.text((width / 2, high / 2), tile.banner, LOST_INK, font, anchor="mm")
        return picture
    field = Image.new("RGB", size, LOST_FILL)
    ImageDraw.Draw(field).text((width / 2, height / 2), tile.lost, LOST_INK, font, anchor="mm", align="center")
    return field
