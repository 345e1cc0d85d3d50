"""The hash of the code covers all that a row depends on, and nothing that only presents rows."""

import grimp
import pytest

from semlink.sweep.version import FOLDERS, PACKAGES

HASHED = (*PACKAGES, *(f"semlink.{folder}" for folder in FOLDERS))


@pytest.fixture(scope="module")
def modules_of_a_row():
    """All modules of the project that the worker imports, also inside functions and through other modules."""
    graph = grimp.build_graph("semlink", *PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    return graph.find_upstream_modules("semlink.sweep.worker") | {"semlink.sweep.worker"}


def test_every_module_that_makes_rows_is_hashed(modules_of_a_row):
    unhashed = {
        one for one in modules_of_a_row if not any(one == name or one.startswith(f"{name}.") for name in HASHED)
    }
    assert unhashed == set()
    assert {"receiver.pocket.networks", "channel.phy.coding", "semlink.pipeline.pipeline"} <= modules_of_a_row


def test_rows_do_not_depend_on_what_presents_them(modules_of_a_row):
    assert not [one for one in modules_of_a_row if one.startswith(("semlink.cli", "semlink.report"))]
