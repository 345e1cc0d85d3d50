"""The LDPC code of TS 38.212 (low-density parity check), by Sionna, with decoding that stops early.

Importing this module imports Sionna, which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from channel.phy.sionna_import import LDPC5GDecoder, LDPC5GEncoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from channel.phy.mcs import TransportBlock
    from channel.phy.sionna_import import CRCDecoder

# A decoder iteration walks several float32 tensors of one message per edge. On a CPU, batches beyond the cache are
# several times slower per packet (benchmarks/channel/phy_throughput.py); on a GPU, small batches are slow.
_MESSAGES_PER_BATCH = {"cpu": 500_000, "cuda": 64_000_000}
_ITERATIONS_PER_CHECK = 5


class LdpcCode:
    """LDPC with rate matching and bit interleaving (TS 38.212, 5.3.2 and 5.4.2), decoded by belief propagation.

    ``batch_limit`` is the most packets to decode at once.
    """

    def __init__(self, block: TransportBlock, modulation_order: int, *, iterations: int, where: dict[str, Any]) -> None:
        self._iterations = iterations
        self._payload_bits = 8 * block.payload_bytes
        self._encoder = LDPC5GEncoder(
            block.information_bits, block.coded_bits, num_bits_per_symbol=modulation_order, check_input=False, **where
        )
        self._decoder = LDPC5GDecoder(self._encoder, return_state=True, **where)
        # Sionna pads every node to the largest degree.
        messages: int = self._decoder._cn_gather_idx.numel() + self._decoder._vn_gather_idx.numel()  # noqa: SLF001
        self.batch_limit = max(1, _MESSAGES_PER_BATCH[where["device"].partition(":")[0]] // messages)

    def encode(self, information_bits: torch.Tensor) -> torch.Tensor:
        """Return coded bits ``[packets, n]`` for ``information_bits`` ``[packets, k]``, CRC included; float32."""
        coded: torch.Tensor = self._encoder(information_bits)
        return coded

    def decode(self, llrs: torch.Tensor, crc_check: CRCDecoder) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return payload bits ``[packets, payload_bits]`` for ``llrs`` ``[packets, n]``, and whether each CRC holds.

        Belief propagation stops early for packets whose CRC holds already. Sionna's decoder accepts its own messages
        and continues from them, so that the other packets end exactly as in one run of all iterations.
        """
        payloads = np.empty((len(llrs), self._payload_bits), dtype=np.uint8)
        valid = np.zeros(len(llrs), dtype=np.bool_)
        pending, messages = np.arange(len(llrs)), None
        for done in range(0, self._iterations, _ITERATIONS_PER_CHECK):
            iterations = min(_ITERATIONS_PER_CHECK, self._iterations - done)
            hard, messages = self._decoder(llrs, num_iter=iterations, msg_v2c=messages)
            bits, crc_holds = crc_check(hard)
            holds = crc_holds[:, 0].cpu().numpy()
            ends = holds | (done + iterations >= self._iterations)
            if not ends.any():
                continue  # nothing to store, and no packet to leave out of the next round
            payloads[pending[ends]] = bits.to("cpu", torch.uint8).numpy()[ends]
            valid[pending[ends]] = holds[ends]
            if ends.all():
                break
            pending = pending[~ends]
            continues = torch.from_numpy(~ends).to(llrs.device)
            llrs, messages = llrs[continues], messages[continues]
        return payloads, valid
