"""The physical layer's coding and modulation: Sionna blocks around one size of transport block.

Transmitter: CRC-24A (TS 38.212, 5.1) → LDPC with rate matching and bit interleaving (5.3.2, 5.4.2) → QAM mapping
(TS 38.211, 5.1), symbols of unit mean energy. Receiver: a-posteriori demapping → belief propagation → CRC check.
LLRs follow Sionna: log p(1) / p(0). Every block gets its precision and device explicitly, so that nothing here
depends on Sionna's process-wide ``config``. Importing this module imports Sionna, which takes seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.fec.polar import Polar5GDecoder, Polar5GEncoder
from sionna.phy.mapping import Constellation, Demapper, Mapper

from shared.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.phy.mcs import Mcs, TransportBlock
    from channel.propagation.base import ChannelModel, PacketKeys

MAX_CHAINS = 32

# A decoder iteration walks several float32 tensors of one message per edge. On a CPU batches beyond the cache are
# several times slower per packet (benchmarks/channel/phy_throughput.py), on a GPU small ones are.
_MESSAGES_PER_BATCH = {"cpu": 500_000, "cuda": 64_000_000}
_ITERATIONS_PER_CHECK = 5
_LIST_SIZE = 8
_POLAR_BATCH = 256  # packets of at most 1,088 coded bits


class Chain:
    """The Sionna blocks for one scheme and one size of transport block."""

    def __init__(self, scheme: Mcs, block: TransportBlock, *, bp_iterations: int, device: str) -> None:
        self.block = block
        self.bp_iterations = bp_iterations
        self.device = device
        where: dict[str, Any] = {"precision": "single", "device": device}
        order = scheme.modulation_order
        constellation = Constellation("qam", order, **where)
        self.crc = CRCEncoder("CRC24A", k=8 * block.payload_bytes, **where)
        self.crc_check = CRCDecoder(self.crc, **where)
        self.mapper = Mapper(constellation=constellation, **where)
        self.demapper = Demapper("app", constellation=constellation, **where)
        self.batch_limit = self._built_code(order, where)

    def _built_code(self, modulation_order: int, where: dict[str, Any]) -> int:
        """Build encoder and decoder, and return the most packets to decode at once."""
        block = self.block
        self.encoder = LDPC5GEncoder(
            block.information_bits, block.coded_bits, num_bits_per_symbol=modulation_order, check_input=False, **where
        )
        self.decoder = LDPC5GDecoder(self.encoder, return_state=True, **where)
        # Sionna pads every node to the largest degree.
        messages: int = self.decoder._cn_gather_idx.numel() + self.decoder._vn_gather_idx.numel()  # noqa: SLF001
        return max(1, _MESSAGES_PER_BATCH[self.device.partition(":")[0]] // messages)

    def codewords(self, payloads: NDArray[np.uint8]) -> torch.Tensor:
        """Return the coded bits ``[packets, n]``, float32, of ``payloads`` ``[packets, payload_bytes]``."""
        bits = torch.from_numpy(np.unpackbits(payloads, axis=1)).to(self.device, torch.float32)
        coded: torch.Tensor = self.encoder(self.crc(bits))
        return coded

    def symbols(self, coded: torch.Tensor) -> torch.Tensor:
        """Return the complex symbols ``[packets, bits / Qm]`` of ``coded`` bits ``[packets, bits]``."""
        mapped: torch.Tensor = self.mapper(coded)
        return mapped

    def llrs(self, received: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        """Return log p(1) / p(0) ``[packets, bits]`` of the ``received`` symbols ``[packets, symbols]``.

        ``variance`` is that of their noise, one for all or one for each.
        """
        demapped: torch.Tensor = self.demapper(received, variance)
        return demapped

    def decoded(self, llrs: torch.Tensor) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the payloads ``[packets, payload_bytes]`` behind ``llrs`` and whether each one's CRC-24A holds.

        Belief propagation stops early for packets whose CRC already holds: Sionna's decoder takes its own messages
        back and goes on where it was, so that the others end exactly as in one run of all iterations.
        """
        payloads = np.empty((len(llrs), self.block.payload_bytes), dtype=np.uint8)
        valid = np.zeros(len(llrs), dtype=np.bool_)
        pending, messages = np.arange(len(llrs)), None
        for done in range(0, self.bp_iterations, _ITERATIONS_PER_CHECK):
            iterations = min(_ITERATIONS_PER_CHECK, self.bp_iterations - done)
            hard, messages = self.decoder(llrs, num_iter=iterations, msg_v2c=messages)
            bits, crc_holds = self.crc_check(hard)
            holds = crc_holds[:, 0].cpu().numpy()
            ends = holds | (done + iterations >= self.bp_iterations)
            if not ends.any():
                continue  # nothing to put away, and nothing to leave out of the next round
            payloads[pending[ends]] = np.packbits(bits.to("cpu", torch.uint8).numpy()[ends], axis=1)
            valid[pending[ends]] = holds[ends]
            if ends.all():
                break
            pending = pending[~ends]
            goes_on = torch.from_numpy(~ends).to(llrs.device)
            llrs, messages = llrs[goes_on], messages[goes_on]
        return payloads, valid

    def transmit(
        self, payloads: NDArray[np.uint8], model: ChannelModel, keys: PacketKeys
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Send ``payloads`` ``[packets, payload_bytes]`` over ``model`` and return ``decoded`` of what arrives."""
        with torch.inference_mode():
            return self.decoded(self.llrs(*model.apply(self.symbols(self.codewords(payloads)), keys)))


class PolarChain(Chain):
    """The same with the Polar code of TS 38.212, 5.3.1, and its uplink rate matching (5.4.1) instead of LDPC.

    CRC-aided list decoding with 8 paths. The Polar code's own CRC of 11 bits serves the list; the CRC-24A still says
    whether a packet is right.
    """

    def _built_code(self, modulation_order: int, where: dict[str, Any]) -> int:
        del modulation_order
        self.encoder = Polar5GEncoder(self.block.information_bits, self.block.coded_bits, check_input=False, **where)
        self.decoder = Polar5GDecoder(self.encoder, dec_type="SCL", list_size=_LIST_SIZE, **where)
        return _POLAR_BATCH

    def decoded(self, llrs: torch.Tensor) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the payloads ``[packets, payload_bytes]`` behind ``llrs`` and whether each one's CRC-24A holds."""
        bits, crc_holds = self.crc_check(self.decoder(llrs))
        return np.packbits(bits.to("cpu", torch.uint8).numpy(), axis=1), crc_holds[:, 0].cpu().numpy()


class ChainCache:
    """The most recently used chains, built when first asked for. Safe to share between threads."""

    def __init__(self, max_chains: int = MAX_CHAINS) -> None:
        self._max_chains = max_chains
        self._chains: OrderedDict[tuple[int, int, int, str, bool], Chain] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._chains)

    def chain(
        self, scheme: Mcs, block: TransportBlock, *, bp_iterations: int, device: str, polar: bool = False
    ) -> Chain:
        """Return the chain for ``block`` under ``scheme``, with LDPC or with a Polar code.

        Raises:
            ConfigError: ``device`` is not on this machine.
        """
        key = (scheme.index, block.payload_bytes, bp_iterations, device, polar)
        with self._lock:
            chain = self._chains.pop(key, None) or _built_chain(scheme, block, bp_iterations, device, polar=polar)
            self._chains[key] = chain
            while len(self._chains) > self._max_chains:
                self._chains.popitem(last=False)
        return chain


def _built_chain(scheme: Mcs, block: TransportBlock, bp_iterations: int, device: str, *, polar: bool) -> Chain:
    kind, _, number = device.partition(":")
    if kind == "cuda" and int(number) >= torch.cuda.device_count():
        raise ConfigError(f"device = {device!r}: this machine has {torch.cuda.device_count()} CUDA devices; take 'cpu'")
    return (PolarChain if polar else Chain)(scheme, block, bp_iterations=bp_iterations, device=device)
