"""The actors of a job."""

import pytest

from app.errors import StartupError
from app.ray_session import run_ray
from app.scoring.pool import Pool, plan_pool
from tests.support.ports import find_port


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([{"CPU": 1}], Pool(1, 1, 0, 1)),
        ([{"CPU": 2}], Pool(1, 2, 0, 1)),
        ([{"CPU": 12}], Pool(1, 8, 0, 1)),
        ([{"CPU": 64}], Pool(8, 8, 0, 8)),
        ([{"CPU": 16}, {"CPU": 4}, {}], Pool(5, 4, 0, 4)),
        ([{"CPU": 1}, {"CPU": 64}], Pool(8, 8, 0, 8)),
        ([{"CPU": 16, "GPU": 1}, {"CPU": 4}], Pool(1, 16, 1, 1)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 16, "GPU": 4}], Pool(6, 4, 1, 4)),
    ],
)
def test_no_core_and_no_gpu_is_taken_twice(nodes: list[dict[str, float]], expected: Pool) -> None:
    """Where there are GPUs each has an actor; else each eight cores have."""
    assert plan_pool(nodes, 1000, uses_gpu=True) == expected


def test_there_are_no_more_actors_than_parts() -> None:
    """An actor that has nothing to do does not load a model."""
    assert plan_pool([{"CPU": 64}], 3, uses_gpu=True).actors == 3


def test_a_gpu_that_the_settings_do_not_want_is_left_alone() -> None:
    """VITRINE_DEVICE=cpu runs on cores."""
    assert plan_pool([{"CPU": 8, "GPU": 1}], 9, uses_gpu=False) == Pool(1, 8, 0, 1)


def test_a_cluster_without_cores_is_refused() -> None:
    """A job would wait for ever."""
    with pytest.raises(StartupError, match="No machine of the cluster has a core"):
        plan_pool([{}], 9, uses_gpu=True)


def test_an_address_of_ray_client_is_refused() -> None:
    """Ray Data does not run over it, and would end with a traceback."""
    with pytest.raises(StartupError, match=r"not run over Ray Client\. Run the command"):
        run_ray("ray://127.0.0.1:10001", {}).__enter__()


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    """Ray itself would try for minutes."""
    address = f"127.0.0.1:{find_port()}"
    with pytest.raises(StartupError, match=f"--address {address} does not answer: .*refused"):
        run_ray(address, {}).__enter__()
