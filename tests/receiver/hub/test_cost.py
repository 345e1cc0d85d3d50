"""What decoding with a profile is estimated to take, and what a service admits by it."""

from __future__ import annotations

import asyncio

import pytest

from receiver import service
from receiver.decoders.upsample import UpsampleDecoder
from receiver.hub.decoder import HubDecoder
from receiver.pocket.decoder import PocketDecoder
from receiver.service import ReceiverService
from shared.bitstream import PictureHeader
from shared.errors import LimitError, SetupError
from shared.rpc.lanes import SMALL_WORK
from shared.rpc.limits import ServiceLimits

MIB = 1 << 20


def test_memory_follows_the_working_size_and_the_widths_of_the_base(decoders):
    decoder, small = decoders.make(), PictureHeader(64, 64)
    start = PocketDecoder("cpu").cost(small, 0)
    assert decoder.cost(small, 0) == start
    large = [decoder.cost(PictureHeader(side, side), 1).memory_bytes for side in (1024, 2048, 4096)]
    assert large[1] - large[0] > 100 * 3 * 1024**2
    assert large[2] - large[1] == 4 * (large[1] - large[0])  # tiles bound the rest
    wide = HubDecoder(decoder._profile, "cpu")
    wide.load().model.autoencoder.register_to_config(block_out_channels=(128, 256, 512, 512))
    tile = wide.cost(PictureHeader(1024, 1024), 1).memory_bytes
    assert 5.6 * 1024**3 < tile < 8 * 1024**3  # 5,648 bytes per pixel were measured (docs/models.md)
    odd, even = (wide.cost(PictureHeader(side, side), 1).memory_bytes for side in (1025, 1040))
    assert odd == even  # sides are padded to multiples of 16


def test_work_follows_steps_prompts_and_weights(decoders):
    header = PictureHeader(512, 512)
    plain, guided = decoders.make(), decoders.make(guidance_scale=6.0)
    work = [plain.cost(header, steps).work for steps in (0, 1, 2, 3)]
    assert work[0] == UpsampleDecoder().cost(header, 0).work
    assert work[1] > 3 * work[0]  # never among the small
    assert work[1] > SMALL_WORK
    assert work[3] - work[2] == work[2] - work[1]
    assert guided.cost(header, 2).work - work[2] == work[3] - work[1]


def test_a_service_takes_the_weights_from_the_memory_of_its_calls(monkeypatch):
    kept, fault = {"tiny": 100 * MIB, "large": 4000 * MIB, "lost": 10 * MIB}, SetupError("damaged")
    monkeypatch.setattr(service, "weights_bytes", lambda name, device: kept[name])
    receiver = ReceiverService("cpu", limits=ServiceLimits(memory_bytes=1000 * MIB))

    def load(name):
        if name == "lost":
            raise fault
        return name

    receiver._decoders.lazy = lambda name: lambda: load(name)

    async def run():
        assert [await receiver._get_decoder("tiny") for _ in range(2)] == ["tiny", "tiny"]
        with pytest.raises(LimitError, match=r"decoder large takes about 4000 MiB .* raise SEMLINK_CALLS_MEMORY_MIB"):
            await receiver._get_decoder("large")
        with pytest.raises(SetupError):
            await receiver._get_decoder("lost")

    asyncio.run(run())
    with receiver._budget.share() as share:
        share.grow(900 * 7 // 8 * MIB)
        with pytest.raises(LimitError):
            share.grow(1 * MIB)
