"""The physical layer's coding and modulation: Sionna blocks around one size of transport block.

Transmitter: CRC-24A (TS 38.212, 5.1) → LDPC or Polar code → QAM mapping (TS 38.211, 5.1), symbols of unit mean energy.
Receiver: a-posteriori demapping → decoding → CRC check. LLRs (log-likelihood ratios) follow Sionna: log p(1) / p(0).
Every block gets its precision and device explicitly, so that nothing here depends on Sionna's process-wide ``config``.
Importing this module imports Sionna, which takes seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from channel.phy.demapper import AxisDemapper
from channel.phy.ldpc import LdpcCode
from channel.phy.polar import PolarCode
from channel.phy.sionna_import import Constellation, CRCDecoder, CRCEncoder, Mapper
from shared.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.phy.mcs import Mcs, TransportBlock
    from channel.propagation.base import ChannelModel, PacketKeys

MAX_CHAINS = 32


class Chain:
    """The Sionna blocks for one scheme and one size of transport block, with an LDPC or a Polar code.

    ``batch_limit`` is the most packets to decode at once.
    """

    def __init__(
        self, scheme: Mcs, block: TransportBlock, *, bp_iterations: int, device: str, polar: bool = False
    ) -> None:
        self.block = block
        self.device = device
        where: dict[str, Any] = {"precision": "single", "device": device}
        order = scheme.modulation_order
        constellation = Constellation("qam", order, **where)
        self._crc = CRCEncoder("CRC24A", k=8 * block.payload_bytes, **where)
        self._crc_check = CRCDecoder(self._crc, **where)
        self._mapper = Mapper(constellation=constellation, **where)
        self._demapper = AxisDemapper(constellation.points, device)
        self.code: LdpcCode | PolarCode = (
            PolarCode(block, where) if polar else LdpcCode(block, order, iterations=bp_iterations, where=where)
        )
        self.batch_limit = self.code.batch_limit

    def add_crc(self, payloads: NDArray[np.uint8]) -> torch.Tensor:
        """Return the information bits ``[packets, k]``, float32, of ``payloads`` ``[packets, payload_bytes]``."""
        bits: torch.Tensor = self._crc(torch.from_numpy(np.unpackbits(payloads, axis=1)).to(self.device, torch.float32))
        return bits

    def encode(self, payloads: NDArray[np.uint8]) -> torch.Tensor:
        """Return the coded bits ``[packets, n]``, float32, of ``payloads`` ``[packets, payload_bytes]``."""
        return self.code.encode(self.add_crc(payloads))

    def modulate(self, coded: torch.Tensor) -> torch.Tensor:
        """Return the complex symbols ``[packets, bits / Qm]`` of ``coded`` bits ``[packets, bits]``."""
        symbols: torch.Tensor = self._mapper(coded)
        return symbols

    def demap(self, received: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        """Return log p(1) / p(0) ``[packets, bits]`` of the ``received`` symbols ``[packets, symbols]``.

        ``variance`` is that of their noise, one value for all symbols or one per symbol.
        """
        return self._demapper(received, variance)

    def decode(self, llrs: torch.Tensor) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the payloads ``[packets, payload_bytes]`` for ``llrs`` and whether each one's CRC-24A holds."""
        bits, valid = self.code.decode(llrs, self._crc_check)
        return np.packbits(bits, axis=1), valid

    def transmit(
        self, payloads: NDArray[np.uint8], model: ChannelModel, keys: PacketKeys
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Send ``payloads`` ``[packets, payload_bytes]`` over ``model``; return what ``decode`` makes of the result."""
        with torch.inference_mode():
            return self.decode(self.demap(*model.apply(self.modulate(self.encode(payloads)), keys)))


class ChainCache:
    """The most recently used chains, each built when first asked for. Safe to share between threads."""

    def __init__(self, max_chains: int = MAX_CHAINS) -> None:
        self._max_chains = max_chains
        self._chains: OrderedDict[tuple[int, int, int, str, bool], Chain] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._chains)

    def chain(
        self, scheme: Mcs, block: TransportBlock, *, bp_iterations: int, device: str, polar: bool = False
    ) -> Chain:
        """Return the chain for ``block`` under ``scheme``, with an LDPC or a Polar code.

        Raises:
            ConfigError: ``device`` is not on this machine.
        """
        key = (scheme.index, block.payload_bytes, bp_iterations, device, polar)
        with self._lock:
            chain = self._chains.pop(key, None)
            if chain is None:
                _check_device(device)
                chain = Chain(scheme, block, bp_iterations=bp_iterations, device=device, polar=polar)
            self._chains[key] = chain
            while len(self._chains) > self._max_chains:
                self._chains.popitem(last=False)
        return chain


def _check_device(device: str) -> None:
    kind, _, number = device.partition(":")
    if kind == "cuda" and int(number) >= torch.cuda.device_count():
        raise ConfigError(f"device = {device!r}: this machine has {torch.cuda.device_count()} CUDA devices; take 'cpu'")
