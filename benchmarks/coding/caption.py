"""The caption stream on captioned pictures: bytes of captions, quality of the captioner, settings of its search.

Costs and scores are of val.parquet. The search was chosen on the pictures that training/caption holds out of the
training files (`--search` measures its settings on them). Writes docs/results/caption.md and caption.json.

    python -m benchmarks.coding.caption --search
"""

from __future__ import annotations

import json
import math
import time
import zlib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import skimage.data
import torch

from benchmarks.common.arguments import make_parser
from benchmarks.common.report import make_table, write_report
from sender.extractors.captioner import Captioner, Search, best_captions, caption_network
from sender.extractors.features import FeatureExtractor
from shared.caption.coder import caption_coder
from shared.caption.text import parse
from training.caption.__main__ import HELD_OUT, RUNS, load_training_set
from training.caption.pictures import compute_features, read_captioned
from training.caption.scores import bleu, cider, split_words
from training.data import TRAIN, VALIDATION_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.caption.pictures import Captioned

SEARCHES = (
    Search(beams=1),
    Search(beams=3, length_power=0.0),
    Search(beams=3),
    Search(beams=3, length_power=1.0),
    Search(beams=3, bit_price=0.1),
)
SHOWN = ("astronaut", "chelsea", "coffee", "rocket", "camera")
Row = dict[str, float | int | str]


def make_coder_rows(pictures: list[Captioned]) -> list[Row]:
    """Mean bytes of the pictures' captions by length in words."""
    captions = [caption for picture in pictures for caption in picture.captions]
    lengths = [len(split_words(caption)) for caption in captions]
    rows = [make_cost_row("all", captions)]
    for low, high in pairwise((1, 6, 9, 10, 11, 13, 16, 21, 99)):
        chosen = [caption for caption, length in zip(captions, lengths, strict=True) if low <= length < high]
        if chosen:
            rows.append(make_cost_row(str(low) if high == low + 1 else f"{low} to {high - 1}", chosen))
    return rows


def make_cost_row(name: str, captions: list[str]) -> Row:
    coder = caption_coder()
    sizes = [len(coder.encode(caption)) for caption in captions]
    sentences = [parse(caption)[1] for caption in captions]
    return {
        "words": name,
        "captions": len(captions),
        "bits": round(mean([coder.bits(caption) for caption in captions]), 1),
        "bytes": round(mean(sizes), 2),
        "at_most_12": round(mean([size <= 12 for size in sizes]), 3),
        "uniform": round(mean([count_uniform_bytes(words) for words in sentences]), 2),
        "zlib": round(mean([len(zlib.compress(caption.encode(), 9)) for caption in captions]), 2),
        "deflate": round(mean([len(deflate(caption)) for caption in captions]), 2),
        "utf8": round(mean([len(caption.encode()) for caption in captions]), 2),
    }


def count_uniform_bytes(words: list[str]) -> int:
    """Bytes of a code in which END, an escape and all words are equally long; 8 bits a letter after an escape."""
    coder = caption_coder()
    known = set(coder.words)
    bits = (len(words) + 1) * math.log2(2 + len(known))
    return math.ceil((bits + sum(8 * (len(word.encode()) + 1) for word in words if word not in known)) / 8)


def deflate(caption: str) -> bytes:
    """The compression of zlib without its header and checksum, 6 bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(caption.encode()) + packer.flush()


def make_foreign_rows() -> list[Row]:
    coder = caption_coder()
    texts = {
        "English, word outside the vocabulary": "A quokka runs through the grass.",
        "German": "Ein Hund läuft über die Wiese.",
        "Russian": "Собака бежит по траве.",
        "Chinese": "一只狗在草地上奔跑。",
        "Arabic": "كلب يجري على العشب",
    }
    return [
        {"script": name, "text": text, "bytes": len(coder.encode(text)), "utf8": len(text.encode())}
        for name, text in texts.items()
    ]


def caption_pictures(search: Search, features: NDArray[np.float16]) -> list[str]:
    network = caption_network()
    maps = (torch.from_numpy(maps.astype(np.float32))[None] for maps in features)
    return [best_captions(network, picture, search)[0].text for picture in maps]


def make_score_row(name: str, captions: list[str], references: list[tuple[str, ...]]) -> Row:
    coder = caption_coder()
    return {
        "captions": name,
        **{f"bleu{order}": round(100 * bleu(captions, references, order), 1) for order in (1, 2, 3, 4)},
        "cider": round(100 * cider(captions, references), 1),
        "words": round(mean([len(split_words(caption)) for caption in captions]), 2),
        "bytes": round(mean([len(coder.encode(caption)) for caption in captions]), 2),
        "different": len(set(captions)),
    }


def make_captioner_rows(pictures: list[Captioned], captions: list[str]) -> list[Row]:
    """The captioner beside people, and beside itself with the pictures interchanged."""
    references = [picture.captions for picture in pictures]
    return [
        make_score_row("captioner", captions, references),
        make_score_row("captioner, of the next picture", captions[1:] + captions[:1], references),
        make_score_row("captioner, against four references", captions, [given[1:] for given in references]),
        make_score_row(
            "people: the first caption against the other four",
            [given[0] for given in references],
            [given[1:] for given in references],
        ),
    ]


def make_search_rows(data: Path, runs: Path) -> list[Row]:
    pictures, features = load_training_set(data, runs)
    references = [picture.captions for picture in pictures[-HELD_OUT:]]
    return [
        {
            "beams": search.beams,
            "bit_price": search.bit_price,
            "length_power": search.length_power,
            **make_score_row("", caption_pictures(search, features[-HELD_OUT:]), references),
        }
        for search in SEARCHES
    ]


def make_example_rows() -> list[Row]:
    captioner, coder = Captioner(), caption_coder()
    captions = {name: captioner(getattr(skimage.data, name)()) for name in SHOWN}
    return [{"picture": n, "caption": caption, "bytes": len(coder.encode(caption))} for n, caption in captions.items()]


def measure_seconds_per_picture(pictures: list[Captioned]) -> float:
    """Processor time of one caption, features and search, on one thread."""
    torch.set_num_threads(1)
    extractor, network = FeatureExtractor(), caption_network()
    spent = []
    for picture in pictures[:9]:
        started_s = time.process_time()
        best_captions(network, extractor(picture.pixels())[None], Search())
        spent.append(time.process_time() - started_s)
    return sorted(spent)[len(spent) // 2]


def mean(values: list[float] | list[int] | list[bool]) -> float:
    return sum(values) / len(values)


def table(rows: list[Row], titles: dict[str, str]) -> str:
    return make_table(list(titles.values()), [[row[name] for name in titles] for row in rows])


COSTS = {
    "words": "words",
    "captions": "captions",
    "bits": "bits",
    "bytes": "bytes",
    "at_most_12": "share of at most 12 bytes",
    "uniform": "uniform code",
    "zlib": "zlib",
    "deflate": "deflate",
    "utf8": "UTF-8",
}
SCORES = {
    **{f"bleu{order}": f"BLEU-{order}" for order in (1, 2, 3, 4)},
    "cider": "CIDEr-D",
    "words": "words",
    "bytes": "bytes",
    "different": "different captions",
}
REPORT = """# The caption stream

`python -m benchmarks.coding.caption` on the 405 pictures of `val.parquet` with five captions each; nothing was
trained or chosen on them.

## Bytes of a caption

Means over the captions as they stand in the file, capital letter and full stop included. Bits are the model's estimate,
bytes the payload. Uniform: END, escape and the vocabulary equally long, letters of other words in 8 bits. Deflate:
zlib without its header and checksum. Words are counted without punctuation.

{costs}

Other words and scripts:

{foreign}

## Quality of the captioner

BLEU and CIDEr-D (times 100) as in the COCO caption evaluation, with the document frequencies of these pictures.

{captioner}

One caption takes {seconds:.2f} s of processor time, features and search, on one thread of a shared x86-64 machine.

Pictures of scikit-image, which are unlike the training pictures:

{shown}

## Settings of the search

`--search`, on the {held_out} pictures that the captioner's training held out (the coder's tables know their captions).
Three beams, no price and 0.7 are the default. `bit_price`: what a bit on the wire costs, in bits of likelihood.
`length_power`: the score is divided by words to this power.

{search}
"""


def make_report(results: dict[str, list[Row]], seconds: float) -> str:
    settings = {name: name for name in ("beams", "bit_price", "length_power")}
    return REPORT.format(
        costs=table(results["coder"], COSTS),
        foreign=table(results["foreign"], {"script": "what", "text": "text", "bytes": "bytes", "utf8": "UTF-8"}),
        captioner=table(results["captioner"], {"captions": "captions", **SCORES}),
        seconds=seconds,
        shown=table(results["shown"], {"picture": "picture", "caption": "caption", "bytes": "bytes"}),
        held_out=HELD_OUT,
        search=table(results["search"], settings | SCORES),
    )


def main() -> None:
    parser = make_parser(__doc__, "caption.md")
    parser.add_argument("--data", type=Path, default=TRAIN, help="folder of the training files and val.parquet")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the pictures' features")
    parser.add_argument("--search", action="store_true", help="measure the search's settings anew")
    options = parser.parse_args()
    measured = options.out.with_suffix(".json")
    search = (
        make_search_rows(options.data, options.runs) if options.search else json.loads(measured.read_text())["search"]
    )
    pictures = read_captioned(options.data, VALIDATION_FILE)
    captions = caption_pictures(Search(), compute_features(pictures, options.runs / "features-val.npy"))
    results = {
        "coder": make_coder_rows(pictures),
        "foreign": make_foreign_rows(),
        "captioner": make_captioner_rows(pictures, captions),
        "shown": make_example_rows(),
        "search": search,
    }
    measured.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    write_report(make_report(results, measure_seconds_per_picture(pictures)), options.out)


if __name__ == "__main__":
    main()
