"""Picture grids: rows of pictures, each with a caption beneath, on one sheet."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

TILE_WIDTH = 320
CAPTION_LINES = 2
FONT_SIZE = 13
MARGIN = 8
BACKGROUND = (250, 250, 250)
INK = (30, 30, 30)
LOST_FILL = (62, 66, 74)
LOST_INK = (235, 235, 235)


@dataclass(frozen=True, slots=True)
class Tile:
    """One cell: a picture file, or the reason why there is none, with up to two lines of caption."""

    picture: bytes
    caption: tuple[str, ...]
    lost: str = ""


def picture_grid(titles: list[str], rows: list[list[Tile]]) -> bytes:
    """Return the grid as a PNG file. ``titles`` head the columns; every row has one tile per column.

    All tiles are as wide as each other; a row is as high as its first tile, the original, asks for.
    """
    line = FONT_SIZE + 5
    font = ImageFont.load_default(FONT_SIZE)
    heights = [_height_of(row[0].picture) for row in rows]
    width = MARGIN + len(titles) * (TILE_WIDTH + MARGIN)
    height = 2 * MARGIN + line + sum(tile + CAPTION_LINES * line + 2 * MARGIN for tile in heights)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((_left(column), MARGIN), title, INK, font)
    top = 2 * MARGIN + line
    for row, tile_height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(_pasted(tile, tile_height, font), (_left(column), top))
            for position, text in enumerate(tile.caption[:CAPTION_LINES]):
                draw.text((_left(column), top + tile_height + 3 + position * line), text, INK, font)
        top += tile_height + CAPTION_LINES * line + 2 * MARGIN
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _left(column: int) -> int:
    return MARGIN + column * (TILE_WIDTH + MARGIN)


def _height_of(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return max(1, round(image.height * TILE_WIDTH / image.width))


def _pasted(tile: Tile, height: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """Return the tile's picture at tile size, or a dark field that says what was lost."""
    if tile.picture:
        with Image.open(io.BytesIO(tile.picture)) as image:
            return image.convert("RGB").resize((TILE_WIDTH, height), Image.Resampling.LANCZOS)
    field = Image.new("RGB", (TILE_WIDTH, height), LOST_FILL)
    ImageDraw.Draw(field).text((TILE_WIDTH / 2, height / 2), tile.lost, LOST_INK, font, anchor="mm", align="center")
    return field
