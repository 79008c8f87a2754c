"""All scenarios, by what happens."""

from collections.abc import Callable
from functools import partial

from bench.chaos.faults import kill_one_of_two, kill_the_only, reload_under_load, stop_under_load
from bench.chaos.floods import (
    leave_beside_others,
    leave_in_flight,
    overload,
    send_bad_images,
    send_huge_bodies,
)
from bench.chaos.redeploy import redeploy_under_load
from bench.chaos.rows import PICTURE, Row, name_vitrine
from bench.compare.peers import make_litserve
from bench.kit.images import make_picture
from bench.kit.models import find_checkpoint
from bench.kit.servers import Server
from tests.support import forgeries
from tests.support.bombs import BOMBS
from tests.support.mutations import make_mutant

Flood = Callable[[Server], Row]
LEAVE, HUGE = 1000, 1 << 30
PEER = "LitServe"


def name_litserve(model: str = "digits") -> Server:
    """Return the peer with the same checkpoint."""
    return make_litserve(find_checkpoint(model))


def make_bad_images() -> dict[str, bytes]:
    """Make bombs, headers that lie, damaged images, and what is none."""
    makes = BOMBS | {f"{name} header": make for name, make in forgeries.HUGE.items()}
    bad = {name: make() for name, make in makes.items()}
    mutants = map(make_mutant, range(20))
    return (
        bad | {mutant.name: mutant.data for mutant in mutants} | {"text": b"no image", "empty": b""}
    )


FLOODS: dict[str, Flood] = {
    "10x overload": lambda server: overload(server, PICTURE, 60),
    "1,000 clients leave in mid-flight": lambda server: leave_in_flight(server, LEAVE),
    "clients leave beside others that stay": lambda server: leave_beside_others(server, 15),
    "bodies of 1 GB": lambda server: send_huge_bodies(server, HUGE),
    "bad images": lambda server: send_bad_images(server, make_bad_images()),
}
"""What any server can be put through."""

MODELS = {"10x overload": "tiny"}
"""A model that the clients, on the same cores, can send ten times too much to."""

FAULTS: dict[str, Callable[[], Row]] = {
    "one of two classifiers killed": lambda: kill_one_of_two("Classifier", 20),
    "one of two ingress replicas killed": lambda: kill_one_of_two("Ingress", 20),
    "one of two ingress replicas killed, images of 12 megapixels": lambda: kill_one_of_two(
        "Ingress", 20, make_picture("12mp")
    ),
    "the only classifier killed": lambda: kill_the_only("Classifier", 40),
    "the only ingress killed": lambda: kill_the_only("Ingress", 40),
    "rolling redeploy": lambda: redeploy_under_load(60),
    "reload of the weights": lambda: reload_under_load(15),
    "stop under load, HAProxy": lambda: stop_under_load("haproxy"),
    "stop under load, Python proxy": lambda: stop_under_load("python"),
}


def list_scenarios() -> dict[str, Callable[[], Row]]:
    """List all scenarios by name; the floods on Vitrine and on LitServe."""
    scenarios: dict[str, Callable[[], Row]] = {}
    for name, flood in FLOODS.items():
        model = MODELS.get(name, "digits")
        scenarios[name] = partial(_flood, flood, name_vitrine, model)
        scenarios[f"{name}, {PEER}"] = partial(_flood, flood, name_litserve, model)
    return scenarios | FAULTS


def _flood(flood: Flood, name_server: Callable[[str], Server], model: str) -> Row:
    """Put a server through a flood; LitServe's venv is made only when it is its turn."""
    return flood(name_server(model))
