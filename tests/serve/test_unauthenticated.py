"""A service with keys that listens on the network: who may call, what listens, what is logged."""

import http.client
import json
import re
import subprocess
from contextlib import closing
from pathlib import Path

import grpc
import httpx
import pytest

from app.auth.keys import hash_key
from app.errors import UnauthorizedError
from tests.support.listeners import Listener, list_listeners
from tests.support.problems import read_problem
from tests.support.raw_requests import send
from tests.support.service import (
    ANN,
    BOB,
    EVERYWHERE,
    ORIGIN,
    ROOT,
    SEVEN,
    Service,
    run_cli,
)
from tests.support.uploads import make_upload

RAYS_METHODS = [
    ("gcs_server", "/ray.rpc.InternalKVGcsService/InternalKVKeys"),
    ("raylet", "/ray.rpc.NodeManagerService/GetNodeStats"),
    ("raylet", "/ray.rpc.ObjectManagerService/Push"),
    ("ray::DashboardAgent", "/ray.rpc.ReporterService/GetTraceback"),
    *(
        (process, "/ray.rpc.CoreWorkerService/PushTask")
        for process in (
            "ray::HAProxyManager",
            "ray::ProxyActor",
            "ray::ServeController",
            "replica Classifier",
            "replica Ingress",
            "vitrine serve",
        )
    ),
    ("replica Classifier", "/ray.serve.ASGIService/HandleRequest"),
    ("replica Ingress", "/ray.serve.ASGIService/HandleRequest"),
]
NOT_ALWAYS = {"ray::IDLE", "dashboard.py", "monitor.py", "replica Explainer"}
"""What listens now and then, or on a port that another Ray on the machine may have."""

_ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def upload(service: Service, headers: dict[str, str] | None = None) -> httpx.Request:
    """Make the upload of a 7."""
    return make_upload(SEVEN.read_bytes(), "", headers, url=service.url)


def list_documented() -> set[str]:
    """List the processes of the table in docs/security.md."""
    return set(_ROW.findall((ROOT / "docs" / "security.md").read_text("utf-8")))


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {ANN}"}, {"X-API-Key": BOB}], ids=["ann", "bob"]
)
def test_a_key_is_accepted(closed: Service, headers: dict[str, str]) -> None:
    """With a key, as itself or by its hash, a 7 is a 7."""
    response = send(upload(closed, headers))
    assert response.json()["predictions"][0]["label"] == "7"


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {ANN}x"}], ids=["none", "bad"])
@pytest.mark.parametrize("path", ["/predict", "/labels", "/health", "/nothing"])
def test_a_client_without_a_key_is_refused(
    closed: Service, path: str, headers: dict[str, str]
) -> None:
    """Without a key, or with a wrong one, every route that serves data answers 401."""
    request = upload(closed, headers) if path == "/predict" else None
    request = request or httpx.Request("GET", closed.url + path, headers=headers)
    read_problem(send(request), UnauthorizedError)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json"])
def test_some_paths_stay_open(closed: Service, path: str) -> None:
    """Orchestrators ask without a key, and people read."""
    assert httpx.get(closed.url + path).status_code == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_without_a_key_is_refused_early(
    closed: Service, tmp_path: Path, *, chunked: bool
) -> None:
    """30 MB without a key get the typed 401, however they are sent."""
    file = tmp_path / "large.jpg"
    file.write_bytes(bytes(30_000_000))
    command = ["curl", "--silent", "--form", f"file=@{file}", f"{closed.url}/predict"]
    command += ["--header", "Transfer-Encoding: chunked"] if chunked else []
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["type"] == "urn:vitrine:problem:unauthorized"


def test_a_client_without_a_key_need_not_send_the_body(closed: Service) -> None:
    """The answer comes while the announced body has not."""
    with closing(http.client.HTTPConnection("127.0.0.1", closed.port, timeout=10)) as client:
        client.putrequest("POST", "/predict")
        client.putheader("Content-Type", "multipart/form-data; boundary=cut")
        client.putheader("Content-Length", "1000000")
        client.endheaders()
        assert client.getresponse().status == 401


def test_a_page_of_a_listed_origin_may_call(closed: Service) -> None:
    """A preflight comes through the proxy, and so does the leave to read the answer."""
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    first = httpx.options(f"{closed.url}/predict", headers=headers)
    second = send(upload(closed, {"Origin": ORIGIN, "X-API-Key": ANN}))
    assert (first.status_code, second.status_code) == (200, 200)
    for response in (first, second):
        assert response.headers["access-control-allow-origin"] == ORIGIN


def test_the_log_names_the_key_and_never_shows_it(closed: Service) -> None:
    """The line of a request has the name; nothing that was written has a key or its hash."""
    send(upload(closed, {"X-API-Key": BOB, "X-Request-ID": "named-1"}))
    log = closed.wait_for_log("named-1")
    (line,) = (one for one in map(json.loads, log.splitlines()) if "named-1" in one.values())
    assert line["key_name"] == "bob"
    for text in (log, closed.output.read_text()):
        assert not any(secret in text for secret in (ANN, BOB, hash_key(BOB)))


def test_keys_end_the_warning(closed: Service) -> None:
    """With keys there is nothing to warn of."""
    assert "VITRINE_API_KEYS" not in closed.read_log()


def test_only_the_front_is_on_the_network(service: Service, closed: Service) -> None:
    """What is not the front listens on 127.0.0.1, and by default the front does too."""
    public = {one for one in list_listeners(closed) if one.address != "127.0.0.1"}
    ports = (closed.port, closed.grpc_port, closed.metrics_port)
    assert public == {Listener("haproxy", EVERYWHERE, port) for port in ports}
    assert [one for one in list_listeners(service) if one.address != "127.0.0.1"] == []


def test_the_docs_list_what_listens(service: Service, closed: Service) -> None:
    """docs/security.md names every process that listens, and none that does not."""
    documented = list_documented()
    found = {one.process for running in (service, closed) for one in list_listeners(running)}
    assert found - documented == set()
    assert documented - found <= NOT_ALWAYS


@pytest.mark.parametrize(("process", "method"), RAYS_METHODS)
def test_ray_asks_for_a_token(closed: Service, process: str, method: str) -> None:
    """Who reaches Ray's ports on this machine, but does not know the token, is refused."""
    codes = set()
    for one in list_listeners(closed):
        if one.process == process:
            with grpc.insecure_channel(f"{one.address}:{one.port}") as channel:
                codes.add(channel.unary_unary(method).future(b"", timeout=10).code())
    assert grpc.StatusCode.UNAUTHENTICATED in codes
    assert grpc.StatusCode.OK not in codes


def test_no_process_and_no_file_shows_a_secret(closed: Service) -> None:
    """Command lines and Ray's folder, which every user can read, hold no key, hash or token."""
    processes = closed.list_processes()
    (token,) = {process.environ().get("RAY_AUTH_TOKEN", "") for process in processes} - {""}
    secrets = [ANN, BOB, hash_key(ANN), hash_key(BOB), token]
    lines = " ".join(word for process in processes for word in process.cmdline())
    assert not any(secret in lines for secret in secrets)
    (folder,) = set(re.findall(r"/\S*/session_[\d_-]+", lines))
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), path


def test_the_proxys_own_paths_tell_little(closed: Service) -> None:
    """What HAProxy answers without a key: that it is up, and that there is one app."""
    assert httpx.get(f"{closed.url}/-/healthz").text == "success"
    assert httpx.get(f"{closed.url}/-/routes").json() == {"/": "vitrine"}


def test_a_wrong_key_is_refused_and_not_shown() -> None:
    """A key that cannot be read is told in one line, with exit code 2."""
    done = run_cli("serve", api_keys="ann:short")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "VITRINE_API_KEYS" in line
    assert "short" not in line


def test_a_key_is_made() -> None:
    """`vitrine key` prints a key and the hash that stands for it."""
    done = run_cli("key")
    words = [line.split() for line in done.stdout.splitlines()]
    assert [word for word, _ in words] == ["key", "hash"]
    assert hash_key(words[0][1]) == words[1][1]
    assert done.stderr == ""
