"""Ports that tests and benchmarks use belong to no one else."""

from ray.scripts.scripts import start

from app.standalone.isolation import PORT_BLOCKS
from tests.support.ports import PORTS, find_port


def test_a_port_for_a_server_is_none_that_ray_gives_to_its_workers() -> None:
    """A worker of Ray's that starts meanwhile would take it, or Ray would not start."""
    defaults = {option.name: option.default for option in start.params}
    workers = range(defaults["min_worker_port"], defaults["max_worker_port"] + 1)
    assert len(workers) > 1000
    assert not set(PORTS) & set(workers)
    assert not set(PORTS) & set(range(PORT_BLOCKS.start, PORT_BLOCKS.stop))


def test_no_port_is_given_twice_in_a_row() -> None:
    """Who asks for four, for one server, has four."""
    assert len({find_port() for _ in range(100)}) == 100
