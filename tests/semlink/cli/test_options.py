"""Options of the commands: groups, the settings that they build, and help texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from semlink.cli.main import COMMANDS, app
from semlink.cli.option_groups import expand_groups
from semlink.cli.options import ChannelOptions, Json, ReceiverOptions, ServiceOptions
from semlink.cli.sender_options import SenderOptions
from shared.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS_OF_SEND = {
    *("--codec", "--bytes", "--packet-bytes", "--sealed", "--caption", "--captioner", "--tokens", "--latent-channels"),
    *("--trade-off", "--levels"),
    *("--channel", "--snr", "--snr-kind", "--mcs", "--symbol-rate", "--delay", "--erasure", "--repair", "--protect"),
    *("--body", "--date", "--distance-km", "--set", "--time-scale", "--seed"),
    *(
        "--decoder",
        "--steps",
        "--fidelity",
        "--decode-seed",
        "--device",
        "--out",
        "--trust",
        "--trust-overlay",
        "--watch",
        "--watch-decoder",
    ),
    *("--sender", "--channel-at", "--receiver", "--timeout", "--json", "--help", "-h"),
}


@pytest.fixture
def run() -> Callable[..., list[object]]:
    """A function that runs a command with given arguments and returns the values of its parameters."""
    got: list[object] = []

    def command(
        sender: SenderOptions,
        channel: ChannelOptions,
        receiver: ReceiverOptions,
        at: ServiceOptions,
        text: Json = False,
    ) -> None:
        got.extend((sender, channel, receiver, at, text))

    # The annotations above are local names: typer reads them from the function.
    command.__annotations__ = {
        "sender": SenderOptions,
        "channel": ChannelOptions,
        "receiver": ReceiverOptions,
        "at": ServiceOptions,
        "text": Json,
    }
    one = typer.Typer()
    one.command()(expand_groups(command))

    def run_with(*args: str) -> list[object]:
        result = CliRunner().invoke(one, args)
        assert result.exit_code == 0, result.output
        return got

    return run_with


def test_a_command_gets_the_defaults_of_its_groups(run):
    sender, channel, receiver, at, as_json = run()
    assert (sender, receiver, at, as_json) == (SenderOptions(), ReceiverOptions(), ServiceOptions(), False)
    assert not channel.profile.given
    settings = channel.settings()
    assert (settings.profile, dict(settings.changes), settings.run_seed) == ("awgn", {}, 0)


def test_options_reach_the_settings_of_the_three_services(run):
    sender, channel, receiver, at, _ = run(
        *("--codec", "misc", "--caption", "", "--trade-off", "1:0.5"),
        *("--channel", "rayleigh", "--snr", "3", "--set", "snr_db=4", "--repair", "0.25", "--seed", "7"),
        *("--steps", "0", "--decode-seed", "9"),
        *("--channel-at", "h:1"),
    )
    send = sender.settings(900, packet_bytes=64)
    assert (send.codec, send.max_bytes, send.packet_bytes, send.caption) == ("misc", 900, 64, "")
    assert send.HasField("caption")
    assert not send.HasField("tokens")
    assert (send.trade_off.alpha, send.trade_off.beta) == (1, 0.5)
    over = channel.settings()
    assert (over.profile, over.run_seed) == ("rayleigh", 7)
    assert dict(over.changes) == {"snr_db": "4", "repair_overhead": "0.25"}
    receive = receiver.receive_settings()
    assert (receive.HasField("steps"), receive.steps, receive.seed, receive.progressive) == (True, 0, 9, False)
    assert receiver.decode_settings(progressive=True).progressive
    assert not receive.HasField("fidelity")
    assert (at.addresses.sender, at.addresses.channel) == ("", "h:1")


def test_a_number_that_its_field_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match=r"^max_bytes = 4294967296: give a whole number from 0 to 4294967295$"):
        SenderOptions().settings(2**32)


def test_the_options_of_send_keep_their_names():
    (command,) = (one for name, one in typer.main.get_command(app).commands.items() if name == "send")
    assert {name for parameter in command.params for name in parameter.opts if name.startswith("-")} | {
        "--help",
        "-h",
    } == OPTIONS_OF_SEND


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_in_whole_sentences(name):
    for parameter in typer.main.get_command(app).commands[name].params:
        text = str(parameter.help)
        assert text[0].isupper(), f"{name} {parameter.name}: {text}"
        assert text.endswith((".", "...")), f"{name} {parameter.name}: {text}"
