"""The two weights of ``--trade-off``."""

from __future__ import annotations

from shared.errors import ConfigError


def parse_trade_off(text: str) -> tuple[float, float] | None:
    """Return alpha and beta of ``ALPHA:BETA``; None for an empty text.

    Raises:
        ConfigError: the text is not two numbers with a colon between.
    """
    if not text:
        return None
    alpha, _, beta = text.partition(":")
    try:
        return float(alpha), float(beta)
    except ValueError:
        raise ConfigError(f"--trade-off {text}: give two numbers with a colon between, such as 1:0.001") from None
