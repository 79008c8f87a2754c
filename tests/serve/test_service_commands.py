"""`vitrine load` and `vitrine top`, asking a whole service."""

import json

from tests.support.scrapes import add_up, scrape
from tests.support.service import ANN, SAMPLES, SEVEN, Service, run_cli


def test_what_was_sent_is_what_the_service_has_answered(service: Service) -> None:
    """With the warm-up, which the report leaves out."""
    before = scrape(service.url)
    options = ("--rate", "20", "--duration", "1.5", "--target", "30", "--json")
    done = run_cli("load", service.url, str(SAMPLES), *options)
    after = scrape(service.url)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    (rate,) = report["rates"]
    assert (report["images"], report["best_per_s"]) == (20, 20)
    assert rate["outcomes"] == {"200": rate["sent"]}
    assert rate["sent"] > 10
    name, wanted = "vitrine_requests_total", {"route": "/predict", "status": "200"}
    counted = add_up(after, name, **wanted) - add_up(before, name, **wanted)
    assert counted >= rate["sent"] + 20


def test_top_shows_every_part_of_a_service(service: Service) -> None:
    """The model, the routes, the stages, the replicas and the labels."""
    done = run_cli("load", service.url, str(SEVEN), "--rate", "5", "--duration", "0.5")
    assert done.returncode in {0, 1}
    done = run_cli("top", service.url, "--once", "--interval", "0.5")
    assert (done.returncode, done.stderr) == (0, "")
    words = set(done.stdout.split())
    parts = {"vitrine-digits", "/predict", "wait", "inference", "Ingress", "Classifier", "openvino"}
    assert parts <= words
    assert "silent" not in words


def test_a_service_with_keys_is_asked_with_one(closed: Service) -> None:
    """From VITRINE_API_KEY; without it both say so in a line, and nobody tells the key."""
    load = ("load", closed.url, str(SEVEN), "--rate", "5", "--duration", "0.5", "--target", "30")
    top = ("top", closed.url, "--once", "--interval", "0.5")
    for command in (load, top):
        refused = run_cli(*command)
        assert refused.returncode == 2
        assert "VITRINE_API_KEY or --key gives one." in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        done = run_cli(*command, api_key=ANN)
        assert (done.returncode, done.stderr) == (0, "")
        assert ANN not in done.stdout + refused.stderr
