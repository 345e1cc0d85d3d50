"""Which tasks are requested, and when a point stops early. Rows are invented here, since only counts matter."""

import math

import pytest

from semlink.sweep.plan import make_plan
from semlink.sweep.schedule import ALL_SEEDS, Schedule
from semlink.sweep.settings import load_sweep


@pytest.fixture
def plan(sweep_settings):
    def make(**further):
        return make_plan(load_sweep(None, sweep_settings | {"snr_db": [0], "seeds": 6} | further))

    return make


def invent_row(task, delivered, psnr_db=20.0):
    return {
        "key": task.key,
        "point": task.point.key,
        "picture": task.picture.name,
        "seed": task.seed,
        "packets": 100,
        "delivered": delivered,
        "psnr_db": psnr_db,
    }


def run_all(schedule, make_row):
    """Run all batches. Return the tasks in the order in which they ran."""
    tasks = []
    while (batch := schedule.next_batch()) is not None:
        assert len({task.picture for task in batch.tasks}) == 1
        schedule.add_rows([make_row(task) for task in batch.tasks])
        tasks += batch.tasks
    return tasks


def test_without_an_early_stop_every_seed_runs(plan):
    planned = plan()
    schedule = Schedule(planned, {})
    tasks = run_all(schedule, lambda task: invent_row(task, 100))
    assert len(tasks) == len({task.key for task in tasks}) == planned.task_count == 12
    assert schedule.stop_reason(planned.points[0]) == ALL_SEEDS
    assert schedule.remaining == 0


def test_a_point_stops_at_its_interval_after_complete_seeds(plan):
    planned = plan(stop={"measure": "psnr_db", "half_width": 0.5})
    schedule = Schedule(planned, {})
    tasks = run_all(schedule, lambda task: invent_row(task, 100, 20 + 0.01 * task.seed))
    assert {task.seed for task in tasks} == {0, 1, 2}
    assert schedule.stop_reason(planned.points[0]).startswith("psnr_db ±")


def test_a_wide_interval_requests_one_more_seed_at_a_time(plan):
    planned = plan(stop={"measure": "bler", "half_width": 0.03})
    schedule = Schedule(planned, {})
    tasks = run_all(schedule, lambda task: invent_row(task, 50))
    # Wilson's half width of a half falls below 0.03 from 1,064 packets on: 6 seeds of 200 packets.
    assert [task.seed for task in tasks] == [0, 1, 2, 0, 1, 2, 3, 3, 4, 4, 5, 5]
    assert schedule.stop_reason(planned.points[0]).startswith("BLER ±")


def test_what_is_not_a_number_is_not_narrow_enough(plan):
    planned = plan(stop={"measure": "psnr_db", "half_width": 0.5})
    schedule = Schedule(planned, {})
    run_all(schedule, lambda task: invent_row(task, 100, math.inf if task.seed else 20.0))
    assert schedule.stop_reason(planned.points[0]) == ALL_SEEDS


def test_enough_errors_stop_a_point(plan):
    planned = plan(stop={"half_width": 1e-6, "errors": 500})
    schedule = Schedule(planned, {})
    run_all(schedule, lambda task: invent_row(task, 0))
    assert schedule.stop_reason(planned.points[0]) == "500 errors"


def test_known_rows_are_reused_and_the_point_stops_at_the_same_seed(plan):
    planned = plan(stop={"measure": "psnr_db", "half_width": 0.5})
    made = {}

    def make(task):
        made[task.key] = invent_row(task, 100, 20 + 0.01 * task.seed)
        return made[task.key]

    first = Schedule(planned, {})
    run_all(first, make)
    known = dict(list(made.items())[:3])
    resumed = Schedule(planned, known)
    tasks = run_all(resumed, make)
    assert not {task.key for task in tasks} & set(known)
    assert resumed.reused == 3
    assert sorted(resumed.rows, key=str) == sorted(first.rows, key=str)


def test_keys_depend_on_configuration_picture_and_seed(plan):
    def keys(planned):
        return {task.key for point in planned.points for task in planned.tasks_of(point, planned.sweep.seeds[0])}

    first = keys(plan())
    assert keys(plan()) == first
    for further in (
        {"channel_uses": [1501]},
        {"snr_db": [1]},
        {"codecs": ["hci-learned@hci+ldpc:best"]},
        {"seeds": [7]},
        {"channels": ["awgn"]},
        {"set": {"max_bp_iterations": 10}},
        {"measures": ["ms_ssim"]},
    ):
        assert not keys(plan(**further)) & first


def test_machines_that_share_the_seeds_make_the_rows_of_one_machine(plan):
    def keys(seeds):
        planned = plan(seeds=seeds)
        return {task.key for seed in planned.sweep.seeds for task in planned.tasks_of(planned.points[0], seed)}

    assert keys([0, 1, 2]) | keys([4, 3]) == keys(5)
    assert not keys([0, 1, 2]) & keys([4, 3])
