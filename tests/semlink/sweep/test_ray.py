"""Ray actors make the same rows as this process. Ray is optional, and takes many seconds to start."""

import pytest

from semlink.sweep.plan import make_plan
from semlink.sweep.ray_executor import open_ray_executor
from semlink.sweep.run import run_sweep
from semlink.sweep.settings import load_sweep
from shared.errors import ConfigError, ServiceError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def ray():
    return pytest.importorskip("ray", reason="Ray is not installed: pip install ray")


@pytest.fixture
def two_nodes(ray):
    """The address of a cluster of two nodes of one core each, as two machines would be."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(**node)
        yield cluster.address
    finally:
        cluster.shutdown()


def test_two_nodes_make_the_rows_of_one_process(tmp_path, sweep_settings, sweep_folder, rows_in, two_nodes):
    with open_ray_executor(two_nodes, "cpu") as executor:
        assert executor.workers == 2
    run_sweep(make_plan(load_sweep(None, sweep_settings)), tmp_path, ray=two_nodes)
    assert rows_in(tmp_path) == rows_in(sweep_folder)


def test_ray_on_this_machine_makes_the_rows_of_one_process(tmp_path, sweep_settings, sweep_folder, rows_in):
    run_sweep(make_plan(load_sweep(None, sweep_settings)), tmp_path, ray="local")
    assert rows_in(tmp_path) == rows_in(sweep_folder)


def test_an_address_where_nothing_answers_is_refused(tmp_path, sweep_settings):
    with pytest.raises(ServiceError, match=r"no Ray cluster answers at 127.0.0.1:1 "):
        run_sweep(make_plan(load_sweep(None, sweep_settings)), tmp_path, ray="127.0.0.1:1")


def test_a_malformed_address_is_refused(tmp_path, sweep_settings):
    with pytest.raises(ConfigError, match=r"--ray cluster: give HOST:PORT"):
        run_sweep(make_plan(load_sweep(None, sweep_settings)), tmp_path, ray="cluster")
