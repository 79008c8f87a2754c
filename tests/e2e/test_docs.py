"""/docs in a real browser that can reach nothing but the service."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.support.browser import launch_chromium, open_docs
from tests.support.service import ANN, Service

_UPLOADS = ("predict", "predict_raw", "predict_batch", "explain", "explain_raw")
_JSON = ("predict_json", "predict_batch_json", "explain_json", "classify_task", "model_infer")
_PAGES = ("labels", "health", "livez", "readyz")
_PROTOCOL = ("server_metadata", "server_live", "server_ready", "model_metadata", "model_ready")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with launch_chromium() as running:
        yield running


def test_the_docs_work_offline_by_any_name(browser: Browser, service: Service) -> None:
    """With the network cut, and under a name that is not local, an upload is classified."""
    with open_docs(browser, f"http://vitrine.test:{service.port}") as visit:
        assert urlsplit(visit.page.url).path == "/docs"
        assert json.loads(visit.try_out("predict", 200))["predictions"][0]["label"] == "7"
        assert (visit.blocked, visit.errors) == ([], [])


def test_every_route_can_be_tried(browser: Browser, service: Service) -> None:
    """What is filled in will do, but for files."""
    with open_docs(browser, service.url) as visit:
        names = (*_UPLOADS, *_JSON, *_PAGES, *_PROTOCOL)
        answers = {name: visit.try_out(name, 200) for name in names}
        assert len(answers) == visit.page.locator(".opblock").count()
        assert (visit.blocked, visit.errors) == ([], [])
    for name in ("predict", "predict_raw"):
        assert json.loads(answers[name])["predictions"][0]["label"] == "7"
    for name in ("predict_batch", "predict_batch_json"):
        assert all("result" in item for item in json.loads(answers[name])["results"])
    assert "predictions" in json.loads(answers["predict_json"])
    assert "score" in json.loads(answers["classify_task"])[0]
    assert len(json.loads(answers["model_infer"])["outputs"][0]["data"]) == 3
    assert json.loads(answers["health"])["status"] == "ok"


def test_authorize_takes_a_key(browser: Browser, closed: Service) -> None:
    """A person who was refused presses Authorize, types a key, and is answered."""
    with open_docs(browser, closed.url) as visit:
        page = visit.page
        assert (
            json.loads(visit.try_out("predict", 401))["type"] == "urn:vitrine:problem:unauthorized"
        )
        page.locator(".auth-wrapper").get_by_role("button", name="Authorize").click()
        form = page.locator(".auth-container").filter(has=page.locator("#auth-bearer-value"))
        form.locator("#auth-bearer-value").fill(ANN)
        form.get_by_role("button", name="Apply credentials").click()
        page.locator(".btn-done").first.click()
        assert json.loads(visit.try_out("predict", 200))["predictions"][0]["label"] == "7"
        stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
        assert ANN not in stored
        assert all("Content Security Policy" not in error for error in visit.errors)
