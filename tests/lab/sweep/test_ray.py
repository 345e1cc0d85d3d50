"""Ray's actors make the rows of this process. Ray is optional, and starting it takes many seconds."""

import pytest

from lab.sweep.command import sweep
from lab.sweep.rows import lasting, read_rows
from shared.errors import ConfigError, ServiceError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def ray():
    return pytest.importorskip("ray", reason="Ray is not installed: pip install 'semlink[ray]'")


def test_actors_make_the_rows_of_one_process(tmp_path, settings, swept):
    sweep(None, settings, tmp_path, workers=1, ray="local", device="cpu", as_json=True)
    assert [lasting(row) for row in read_rows([tmp_path])] == [lasting(row) for row in read_rows([swept])]


def test_an_address_where_nothing_answers(tmp_path, settings):
    with pytest.raises(ServiceError, match=r"no Ray cluster answers at 127.0.0.1:1 "):
        sweep(None, settings, tmp_path, workers=1, ray="127.0.0.1:1", device="cpu", as_json=True)


def test_what_is_no_address(tmp_path, settings):
    with pytest.raises(ConfigError, match=r"--ray cluster: give HOST:PORT"):
        sweep(None, settings, tmp_path, workers=1, ray="cluster", device="cpu", as_json=True)
