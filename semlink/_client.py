"""The calls of the Python API: encode, link, decode and send, in this process or over services."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from semlink._inputs import name_picture, picture_file
from semlink._previews import make_previews
from semlink._values import Encoded, Transfer, container_bytes, encoded_from, received_from, reconstruction_from
from shared.bitstream import Bitstream
from shared.errors import BudgetError, ConfigError, NothingReceivedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from semlink._inputs import ChannelInput, PictureInput
    from semlink._previews import Preview
    from semlink._values import Received, Reconstruction, StreamInput
    from semlink.client.session import Session
    from shared.rpc.semlink.v1 import channel_pb2, sender_pb2
    from shared.streams import StreamKind

FILE_CODEC, LINK_CODEC = "hci", "resilient"
"""Default codecs of ``encode``, which makes a file, and of ``send``, which has a link."""
DEFAULT_CHANNEL = "awgn"


class Client:
    """The link by one set of calls; ``connect`` returns one. Use as ``with``, or call ``close``.

    Several threads may call. In this process models load at their first use and stay loaded.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to services."""
        self._session.close()

    def encode(
        self,
        picture: PictureInput,
        *,
        codec: str = FILE_CODEC,
        max_bytes: int | None = None,
        caption: str | None = None,
        captioner: str = "",
        tokens: int | None = None,
        latent_channels: int | None = None,
        trade_off: tuple[float, float] | None = None,
        levels: str = "full",
        link: Link | ChannelInput | None = None,
        expected_loss: float | None = None,
    ) -> Encoded:
        """Encode a picture into the bytes of a ``.sem`` container (docs/bitstream.md).

        Args:
            picture: a path, the bytes of a picture file, a Pillow image, or an array ``[H, W, 3]`` or ``[H, W]`` of
                uint8, or of uint16 or floating point.
            codec: one of ``codecs()``.
            max_bytes: most bytes of the container; None: the codec's default rate.
            caption: words to send instead of the captioner's sentence; "": none.
            captioner: model profile whose captioner describes the picture and finds its regions: a name, or a path
                that ends in .yaml (docs/models.md); "": those that ship.
            tokens: most semantic tokens, 8 to 64; None: the codec's number.
            latent_channels: most latent channels, 1, 2, 4, 8 or 16; None: the codec's number.
            trade_off: alpha and beta of GSC's equation (2), which then chooses the latent channels.
            levels: values that become black and white where there are more than 8 bits: "full", "auto" or "LOW:HIGH"
                (docs/pictures.md).
            link: for the codec ``resilient``, the link that the picture is for: a ``Link``, or a channel as ``Link``
                takes it. Its size of packets, its repair packets and its predicted loss decide into how many slices
                the picture is cut.
            expected_loss: for the codec ``resilient``, the share of packets that are lost before repair, 0 to 1; None:
                what ``link`` predicts, and none without a link.

        Raises:
            PictureError, InputError: the picture cannot be read or carried.
            BudgetError: not even the smallest encoding fits ``max_bytes``.
            UnknownNameError, ConfigError: there is no such codec or link, or a setting is outside its rule.
        """
        from semlink.client.settings import send_settings  # noqa: PLC0415 - imports protobuf

        settings = send_settings(
            codec,
            _check_max_bytes(max_bytes),
            caption=caption,
            tokens=tokens,
            latent_channels=latent_channels,
            trade_off=None if trade_off is None else _check_trade_off(trade_off),
            expected_loss=expected_loss,
            captioner=captioner,
        )
        if link is not None:
            settings = self._over(link).prepare(settings)
        file = picture_file(picture, levels)
        with name_picture(picture):
            report = self._session.encode(file.data, settings)
        return encoded_from(report, self._orders().get(report.codec, ()), file.notes)

    def link(self, channel: ChannelInput = DEFAULT_CHANNEL, **options: Any) -> Link:
        """Return a ``Link`` over ``channel`` whose packets go through this client; options as ``Link`` has them."""
        return Link(channel, **options, client=self)

    def _over(self, link: Link | ChannelInput) -> Link:
        return link if isinstance(link, Link) else self.link(link)

    def decode(
        self,
        stream: StreamInput,
        *,
        decoder: str = "pocket",
        steps: int | None = None,
        fidelity: float | None = None,
        seed: int = 0,
    ) -> Reconstruction:
        """Decode what was received, or an encoded picture.

        Args:
            stream: what ``Link.send`` or ``encode`` returns, a ``Bitstream``, the bytes of a container, or its path.
            decoder: ``pocket`` (diffusion), ``hci`` (the image up-sampled, nothing added), or a model profile, by its
                name or YAML file.
            steps: steps of the decoder, 0 to 4 for ``pocket``; None: the decoder's default.
            fidelity: how far the picture is pulled back to the received image, 0 to 1; None: the decoder's choice.
            seed: seed of the decoder's noise.

        Raises:
            NothingReceivedError: there is nothing that the decoder can start from.
            BitstreamError: the bytes are not a ``.sem`` container.
            UnknownNameError, ConfigError, SetupError: no such decoder, an option outside its rule, missing weights.
        """
        from shared.rpc.semlink.v1 import receiver_pb2  # noqa: PLC0415 - imports protobuf
        from shared.rpc.wire import make_message  # noqa: PLC0415

        chosen = {"steps": steps, "fidelity": fidelity}
        settings = make_message(
            receiver_pb2.DecodeSettings,
            decoder=decoder,
            seed=seed,
            trust_map=True,
            **{name: value for name, value in chosen.items() if value is not None},
        )
        return reconstruction_from(self._session.decode(container_bytes(stream), settings))

    def previews(self, received: Received, *, decoder: str = "pocket", draft_decoder: str = "hci") -> Iterator[Preview]:
        """Yield the picture after each packet that completed a stream, or one unit of a stream in several units.

        A preview has all that a decoded picture has, and ``packet``, ``arrival_s``, ``bytes_received`` and ``units``.
        After a packet that leaves nothing to start from there is none, so a lost picture has no previews.

        Args:
            received: what ``Link.send`` returns.
            decoder: as ``decode`` takes it, for the last preview, which is the picture that ``decode`` returns.
            draft_decoder: decoder of the previews before. ``hci`` takes milliseconds and makes no trust map.

        Raises:
            InputError, UnknownNameError, SetupError: as ``decode``.
        """
        return make_previews(received, self.decode, decoder=decoder, draft_decoder=draft_decoder)

    def send(
        self,
        picture: PictureInput,
        link: Link | ChannelInput = DEFAULT_CHANNEL,
        *,
        codec: str = LINK_CODEC,
        max_bytes: int | None = None,
        captioner: str = "",
        decoder: str = "pocket",
        levels: str = "full",
    ) -> Transfer:
        """Encode a picture, send it over a link and decode what arrives.

        Args:
            picture: as ``encode`` takes it.
            link: a ``Link``, or a channel as ``Link`` takes it.
            codec: one of ``codecs()``. ``resilient`` cuts the picture into slices that decode alone where the link
                loses packets, and sends what ``hci`` sends where it loses none.
            max_bytes: as ``encode`` takes it.
            captioner: as ``encode`` takes it.
            decoder: as ``decode`` takes it.
            levels: as ``encode`` takes them.

        Returns:
            What was encoded and received, and the picture; ``picture`` is None where nothing can be decoded.

        Raises:
            LinkError: as ``encode``, ``Link.send`` and ``decode``.
        """
        over = self._over(link)
        encoded = self.encode(picture, codec=codec, max_bytes=max_bytes, captioner=captioner, levels=levels, link=over)
        received = over.send(encoded)
        try:
            return Transfer(encoded, received, self.decode(received, decoder=decoder))
        except NothingReceivedError:
            return Transfer(encoded, received, None)

    def codecs(self) -> dict[str, str]:
        """Return the codecs by name, with a sentence on each."""
        return {one.name: one.summary for one in self._session.codecs().codecs}

    def channels(self) -> dict[str, str]:
        """Return the channels by name, with a sentence on each; one that cannot be used has the reason."""
        return {one.name: one.fault or one.summary for one in self._session.channels().channels}

    def _orders(self) -> dict[str, tuple[StreamKind, ...]]:
        """Return the kinds of stream of every codec, the most important first."""
        from shared.streams import StreamKind  # noqa: PLC0415

        return {one.name: tuple(map(StreamKind, one.streams)) for one in self._session.codecs().codecs}


class Link:
    """A channel that packets are sent over, simulated to the last symbol by Sionna.

    Args:
        channel: a name of ``channels()``, a path that ends in ``.yaml``, or a profile as a mapping (docs/profiles.md).
        snr_db: signal-to-noise ratio in dB, Es/N0 unless the profile says otherwise; None: the profile's.
        mcs: row of TS 38.214 table 5.1.3.1-1, or "auto"; None: the profile's.
        seed: seed of noise, fading and losses. The same seed, picture index and packets give the same result.
        settings: further settings of the profile by dotted name, such as ``{"propagation.speed_m_s": 30}``.
        packet_bytes: most bytes of one packet, 32 to 1024.
        client: whose channel service carries the packets; None: this process.

    A link keeps no state: to send several pictures over different noise, give each its own ``picture_index``.
    """

    def __init__(
        self,
        channel: ChannelInput = DEFAULT_CHANNEL,
        *,
        snr_db: float | None = None,
        mcs: int | str | None = None,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        packet_bytes: int = 256,
        client: Client | None = None,
    ) -> None:
        if settings is not None and not isinstance(settings, Mapping):
            raise ConfigError(f"settings = {settings!r}: give a mapping, such as {{'propagation.speed_m_s': 30}}")
        self._channel = channel
        self._options = {"snr_db": snr_db, "mcs": mcs, **(settings or {})}
        self._seed, self._packet_bytes = _index("seed", seed), _whole_number("packet_bytes", packet_bytes)
        self._client = client

    def send(self, stream: Encoded | Bitstream | bytes | str | Path, *, picture_index: int = 0) -> Received:
        """Send an encoded picture; return what arrived of it.

        ``picture_index`` numbers the pictures of a run; noise and losses follow from it and the seed.

        Raises:
            BitstreamError: the bytes are not a ``.sem`` container.
            UnknownNameError, ConfigError: there is no such channel, or a setting is outside its rule.
        """
        from sender.packets import make_packets  # noqa: PLC0415 - imports RaptorQ

        index = _index("picture_index", picture_index)
        bitstream = Bitstream.unpack(container_bytes(stream))
        settings = self._channel_settings(index)
        packets = make_packets(
            bitstream,
            packet_bytes=self._packet_bytes,
            picture_index=index,
            order=stream.order if isinstance(stream, Encoded) else (),
            repair_overheads=self._session.describe(settings).repair_overheads,
        )
        return received_from(self._session.transmit(packets.all, settings), index)

    def describe(self) -> dict[str, str]:
        """Return every setting of the channel with its value and unit, and what they come to.

        Raises:
            UnknownNameError, ConfigError: as ``send``.
        """
        described = self._session.describe(self._channel_settings(0))
        settings = {one.name: f"{one.value} {one.unit}".strip() for one in described.parameters}
        return settings | {"mcs": str(described.mcs), "es_n0_db": f"{described.es_n0_db:.2f}"}

    @property
    def packet_bytes(self) -> int:
        """Most bytes of one packet."""
        return self._packet_bytes

    def prepare(self, settings: sender_pb2.SendSettings) -> sender_pb2.SendSettings:
        """Return the sender's ``settings`` with those that follow from this link."""
        from semlink.pipeline.settings_over import settings_over  # noqa: PLC0415

        told = settings_over(self._session.describe(self._channel_settings(0)), settings)
        told.packet_bytes = self._packet_bytes
        return told

    def predict_loss(self) -> float:
        """Return the predicted share of packets that the link loses, 0 to 1, before repair.

        Raises:
            UnknownNameError, ConfigError: as ``send``.
        """
        return self._session.describe(self._channel_settings(0)).packet_loss

    @property
    def _session(self) -> Session:
        return (self._client or default_client())._session  # noqa: SLF001 - a link is a part of its client

    def _channel_settings(self, picture_index: int) -> channel_pb2.ChannelSettings:
        from semlink.client.settings import channel_settings  # noqa: PLC0415 - imports protobuf

        return channel_settings(self._channel, self._options, run_seed=self._seed, picture_index=picture_index)


def _check_max_bytes(max_bytes: int | None) -> int:
    """Return the budget of the wire contract, in which 0 is the codec's default rate."""
    if max_bytes is None:
        return 0
    if not 1 <= _whole_number("max_bytes", max_bytes) < 1 << 32:
        raise BudgetError(f"max_bytes = {max_bytes!r}: give a whole number of at least 1, or None for the codec's rate")
    return _whole_number("max_bytes", max_bytes)


def _whole_number(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ConfigError(f"{name} = {value!r}: give a whole number") from None


def _index(name: str, value: Any) -> int:
    number = _whole_number(name, value)
    if not 0 <= number < 2**64:
        raise ConfigError(f"{name} = {value!r}: give a whole number from 0 to 2^64 - 1")
    return number


def _check_trade_off(trade_off: tuple[float, float]) -> tuple[float, float]:
    try:
        alpha, beta = map(float, trade_off)
    except (TypeError, ValueError):
        raise ConfigError(f"trade_off = {trade_off!r}: give two numbers, alpha and beta, as (1, 0.001)") from None
    return alpha, beta


@lru_cache(maxsize=1)
def default_client() -> Client:
    """Return the client in this process, so that models load once; it holds nothing that changes a result."""
    from semlink.pipeline.session import LocalSession  # noqa: PLC0415 - imports numpy and more

    return Client(LocalSession())


def connect(
    *, sender: str = "", channel: str = "", receiver: str = "", device: str = "", timeout_s: float = 300.0
) -> Client:
    """Return a client of services at ``host:port``; a service without an address runs in this process.

    Args:
        sender: address of the sender.
        channel: address of the channel.
        receiver: address of the receiver.
        device: where decoders in this process compute, ``cpu``, ``cuda`` ...; empty: CUDA where there is one.
        timeout_s: deadline of every call to a service, in seconds.

    Raises:
        ConfigError: a ``device``, although the receiver runs elsewhere.
        ServiceError: by the calls, if a service cannot be reached.
    """
    from semlink.client.addresses import Addresses  # noqa: PLC0415
    from semlink.client.session import RemoteSession  # noqa: PLC0415
    from semlink.pipeline.session import LocalSession  # noqa: PLC0415 - imports numpy and more

    addresses = Addresses(sender, channel, receiver)
    if not addresses.given:
        return Client(LocalSession(device))
    return Client(RemoteSession(addresses, device=device, timeout_s=timeout_s))
