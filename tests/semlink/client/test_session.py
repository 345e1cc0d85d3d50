"""Sessions over services: which calls have a time limit."""

from __future__ import annotations

import pytest

from semlink.client.addresses import Addresses
from semlink.client.session import open_session
from shared.errors import ServiceError


def test_a_service_in_this_process_has_no_time_limit():
    with open_session(Addresses(sender="127.0.0.1:1"), timeout_s=1e-6) as session:
        assert any(one.name == "awgn" for one in session.channels().channels)  # the channel runs here
        with pytest.raises(ServiceError):
            session.codecs()
