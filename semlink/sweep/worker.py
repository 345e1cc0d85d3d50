"""A worker makes rows: sender, channel and receiver in one process, with models that are loaded once.

What does not depend on a task's noise is computed once and cached for later tasks: the packets of a picture at one
rate, the settings of a point's channel, and the measures of one set of received streams.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from receiver.metrics.reporter import Measures
from semlink.pipeline.channel_uses import fit_container
from semlink.pipeline.coding_spec import ChannelCode
from semlink.pipeline.pipeline import Pipeline, Transmitted, receive
from semlink.pipeline.separate_coding import FileCache, choose_best_mcs, mean_colour, send_file
from semlink.pipeline.spec_decoding import decode_as_specified
from semlink.sweep.outcome import INVENTED, LOST, REBUILT, TOO_SMALL, Outcome, Shown, kept_file, pixel_digest, row_of
from sender.packets import make_packets
from shared.codecs.registry import codec_named
from shared.errors import BudgetError
from shared.picture import load_picture
from shared.pixels import grey_to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from channel.config import ChannelConfig
    from receiver.metrics.reporter import Reference
    from semlink.sweep.plan import Task
    from shared.bitstream import Bitstream
    from shared.codecs.recipe import Codec
    from shared.picture import Picture

T = TypeVar("T")

KEPT_RESULTS: Final = 256
KEPT_PICTURES: Final = 2
INDEX_DIGITS: Final = 15
"""Of the picture's hash, in hexadecimal, that make its index, by which the channel's noise is drawn."""


@dataclass(slots=True)
class WorkerResult:
    """Rows, and the pictures to keep: WebP files by the hash of their pixels."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)


class Kept:
    """The newest results by key."""

    def __init__(self, most: int = KEPT_RESULTS) -> None:
        self._most = most
        self._results: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of ``make``, made once while the key is held; a BudgetError counts as a result."""
        if key not in self._results:
            try:
                self._results[key] = make()
            except BudgetError as error:
                self._results[key] = error
            if len(self._results) > self._most:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        result: Any = self._results[key]
        if isinstance(result, BudgetError):
            raise result
        return result  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Channel:
    """What a point's packets meet, for seed 0, and the repair that the profile asks for."""

    config: ChannelConfig
    overheads: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _Sent:
    """A picture's packets, the bytes of its container, and the kinds of its streams."""

    packets: tuple[bytes, ...]
    container_bytes: int
    kinds: tuple[str, ...]


class Worker:
    """The models and caches of one worker. Decoders and measures compute on ``device``: cpu, cuda ...

    A row depends on its task only, not on earlier tasks or on how tasks are shared among workers.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._pipeline = Pipeline(device)
        self._measures: dict[tuple[str, ...], Measures] = {}
        self._files = FileCache()
        self._pictures, self._originals = Kept(KEPT_PICTURES), Kept(KEPT_PICTURES)
        self._channels, self._bitstreams, self._sent = Kept(), Kept(), Kept()
        self._transmitted, self._shown = Kept(), Kept()

    def make_rows(self, data: bytes, tasks: Sequence[Task]) -> WorkerResult:
        """Return the rows of ``tasks``, which all send the picture in the file ``data``.

        Raises:
            LinkError: a task cannot be carried out, for instance because weights are missing.
        """
        result = WorkerResult()
        for task in tasks:
            started_s = time.perf_counter()
            picture = self._pictures.get(task.picture.digest, lambda: load_picture(data))
            outcome, shown = (self._file if task.point.codec.is_classical else self._streams)(picture, task)
            if task.keep:
                result.pictures[shown.digest] = shown.file
            result.rows.append(row_of(task, outcome, shown, {"wall_s": time.perf_counter() - started_s}))
        return result

    def _streams(self, picture: Picture, task: Task) -> tuple[Outcome, Shown]:
        """Return what becomes of a picture as streams of guidance."""
        channel = self._channel(task)
        try:
            sent = self._packets_of(picture, task, channel)
        except BudgetError:
            return Outcome(channel.config.mcs), self._shown_without(picture, task, TOO_SMALL)
        config = channel.config.model_copy(update={"run_seed": task.seed})
        transmitted, received = self._transmitted.get(  # codecs that differ in decoding only share it
            (task.picture.digest, config.model_dump_json(), sent.packets),
            lambda: self._transmit(sent.packets, config, picture_index(task)),
        )
        complete = received.streams if received else ()
        outcome = Outcome(
            config.mcs,
            transmitted.report.packets,
            transmitted.report.outcomes,
            transmitted.report.cost.total.channel_uses,
            sent.container_bytes,
            sent.kinds,
            tuple(one.kind.name for one in complete),
        )
        if received is None:
            return outcome, self._shown_without(picture, task, LOST)
        key = (task.picture.digest, task.point.codec.source, task.point.measures, received.pack())
        return outcome, self._shown.get(key, lambda: self._decoded(picture, task, received))

    def _transmit(
        self, packets: Sequence[bytes], config: ChannelConfig, index: int
    ) -> tuple[Transmitted, Bitstream | None]:
        transmitted = self._pipeline.transmit(packets, config, picture_index=index)
        return transmitted, receive(transmitted.arrivals, picture_index=index).bitstream()

    def _file(self, picture: Picture, task: Task) -> tuple[Outcome, Shown]:
        """Return what becomes of a picture as one file of a classical codec."""
        config = self._channel(task).config.model_copy(update={"run_seed": task.seed})
        coded = send_file(
            grey_to_rgb(picture.pixels),
            task.point.codec,
            config,
            channel_uses=uses_allowed(task),
            picture_index=picture_index(task),
            chains=self._pipeline.chains(),
            files=self._files,
        )
        packets = coded.cost.total.packets if coded.cost else 0
        outcome = Outcome(coded.mcs_index, packets, coded.packet_outcomes, coded.channel_uses, coded.file_bytes)
        ending = REBUILT if coded.complete else LOST if coded.channel_uses else TOO_SMALL
        return outcome, self._measured(picture, task, coded.pixels, ending)

    def _packets_of(self, picture: Picture, task: Task, channel: _Channel) -> _Sent:
        """Return what the sender sends; made once per picture, codec, rate and scheme.

        Raises:
            BudgetError: nothing fits.
        """
        point, config = task.point, channel.config
        key: tuple[Hashable, ...] = (task.picture.digest, point.codec.source, point.rate_kind, point.rate)
        key += (point.packet_bytes, tuple(sorted(channel.overheads.items())))
        if uses_allowed(task):
            schemes = tuple(sorted(config.stream_mcs.items()))
            key += (config.mcs, schemes, config.propagation.model_dump_json())
        return self._sent.get(key, lambda: self._packetised(picture, task, channel))

    def _packetised(self, picture: Picture, task: Task, channel: _Channel) -> _Sent:
        codec = codec_named(task.point.codec.codec)

        def make(budget: int) -> tuple[_Sent, tuple[bytes, ...]]:
            bitstream = self._bitstream(picture, task, codec, budget)
            packets = make_packets(
                bitstream,
                packet_bytes=task.point.packet_bytes,
                picture_index=picture_index(task),
                order=codec.streams,
                repair_overheads=channel.overheads,
            ).all
            kinds = tuple(stream.kind.name for stream in bitstream.streams)
            return _Sent(packets, len(bitstream.pack()), kinds), packets

        if uses_allowed(task):
            return fit_container(make, uses_allowed(task), channel.config, task.point.packet_bytes)
        return make(int(task.point.rate))[0]

    def _bitstream(self, picture: Picture, task: Task, codec: Codec, budget: int) -> Bitstream:
        return self._bitstreams.get(
            (task.picture.digest, codec.name, budget),
            lambda: self._pipeline.encode(picture, codec, budget),
        )

    def _decoded(self, picture: Picture, task: Task, received: Bitstream) -> Shown:
        """Return what the receiver makes of ``received``, measured."""
        rebuilt = decode_as_specified(self._pipeline, task.point.codec, received)
        if rebuilt.pixels is None:
            return self._shown_without(picture, task, LOST)
        return self._measured(picture, task, rebuilt.pixels, INVENTED if rebuilt.invented else REBUILT)

    def _shown_without(self, picture: Picture, task: Task, ending: str) -> Shown:
        """Return what stands in for a picture that there is not."""
        return self._measured(picture, task, mean_colour(grey_to_rgb(picture.pixels)), ending)

    def _measured(self, picture: Picture, task: Task, pixels: NDArray[np.uint8], ending: str) -> Shown:
        measures, digest = task.point.measures, pixel_digest(pixels)

        def measured() -> Shown:
            measuring = self._measures_named(measures)
            original: Reference = self._originals.get(
                (task.picture.digest, measures), lambda: measuring.reference(grey_to_rgb(picture.pixels))
            )
            found = measuring.compare(grey_to_rgb(pixels), original)
            return Shown(digest, ending, found, kept_file(pixels))

        shown = self._shown.get((task.picture.digest, measures, digest), measured)
        return replace(shown, ending=ending)

    def _measures_named(self, names: tuple[str, ...]) -> Measures:
        """Return what computes the measures ``names``, loaded once.

        Raises:
            SetupError: weights are not installed, or damaged.
        """
        if names not in self._measures:
            measures = Measures(names, self._device)
            measures.require_all()
            self._measures[names] = measures
        return self._measures[names]

    def _channel(self, task: Task) -> _Channel:
        def resolved() -> _Channel:
            profile = task.point.load_profile()
            config = profile.resolve().config
            if task.point.codec.channel_code is ChannelCode.BEST:
                index = choose_best_mcs(uses_allowed(task), config).index
                config = config.model_copy(update={"mcs": index})
            return _Channel(config, {int(kind): one for kind, one in profile.repair_overheads().items()})

        size = task.picture.width, task.picture.height
        return self._channels.get((task.point.key, size), resolved)


def uses_allowed(task: Task) -> int:
    """Return the channel uses that a picture may take, 0 where bytes are what is bounded."""
    point, picture = task.point, task.picture
    if point.rate_kind == "cbr":
        return int(point.rate * 3 * picture.width * picture.height)
    return int(point.rate) if point.rate_kind == "channel_uses" else 0


def picture_index(task: Task) -> int:
    """Return the index by which a picture's noise is drawn: its own, whatever list it stands in."""
    return int(task.picture.digest[:INDEX_DIGITS], 16)
