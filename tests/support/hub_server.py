"""A small stand-in for the Hugging Face Hub: the routes that a download asks, over loopback."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
OLD_COMMIT = "decade" + "0" * 34

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository: its files by commit, and the commits that branches and tags name."""

    commits: dict[str, Files]
    refs: dict[str, str]
    gated: bool = False

    def find_commit(self, revision: str) -> str | None:
        """Find the commit of a branch, tag or commit."""
        commit = self.refs.get(revision, revision)
        return commit if commit in self.commits else None


@dataclass(slots=True)
class Hub:
    """The stand-in: what it holds, and what was asked of it."""

    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def add(self, repo_id: str, files: Files, old: Files | None = None) -> None:
        """Add a repository with a branch `main`, and a branch and tag of its older state."""
        commits = {COMMIT: files, OLD_COMMIT: old or {}}
        refs = {"main": COMMIT, "v1": OLD_COMMIT, "feature/old": OLD_COMMIT}
        self.repos[repo_id] = Repo(commits, refs)

    def add_gated(self, repo_id: str) -> None:
        """Add a repository that only some may read."""
        self.repos[repo_id] = Repo({COMMIT: {}}, {"main": COMMIT}, gated=True)

    def list_fetched(self) -> set[str]:
        """List the files of which the content was asked for."""
        return {
            request.rsplit("/", 1)[1]
            for request in self.requests
            if request.startswith("GET ") and "/resolve/" in request
        }


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve an empty stand-in on a free loopback port."""
    hub = Hub()

    class Handler(_HubHandler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _HubHandler(BaseHTTPRequestHandler):
    """Answers for a Hub."""

    served: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        """Say nothing; the hub keeps its own log."""

    def _answer(self) -> None:
        """Answer /api/models/ID[/revision/R][/tree/R] and /ID/resolve/R/FILE."""
        path = urlsplit(self.path).path
        self.served.requests.append(f"{self.command} {unquote(path)}")
        if path.startswith("/api/models/"):
            self._answer_api(path.removeprefix("/api/models/").split("/"))
        elif "/resolve/" in path:
            self._answer_file(path.removeprefix("/").split("/"))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "NotFound")

    def _answer_api(self, parts: list[str]) -> None:
        """Answer with the commit of a revision, or with the files of one."""
        repo_id, rest = "/".join(parts[:2]), parts[2:]
        revision = unquote(rest[1]) if rest else "main"
        found = self._find(repo_id, revision)
        if found is None:
            return
        commit, files = found
        if rest and rest[0] == "tree":
            self._send_json([_describe(name, content) for name, content in files.items()])
        else:
            siblings = [{"rfilename": name} for name in files]
            self._send_json({"id": repo_id, "sha": commit, "siblings": siblings})

    def _answer_file(self, parts: list[str]) -> None:
        """Answer with a file."""
        found = self._find("/".join(parts[:2]), unquote(parts[3]))
        if found is None:
            return
        commit, files = found
        content = files.get("/".join(parts[4:]))
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
            return
        self._send(content, {"X-Repo-Commit": commit, "ETag": f'"{_hash(content)}"'})

    def _find(self, repo_id: str, revision: str) -> tuple[str, Files] | None:
        """Find a commit and its files; answer with the Hub's error when there is none."""
        repo = self.served.repos.get(repo_id)
        if repo is None:
            self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound")
            return None
        commit = repo.find_commit(revision)
        if repo.gated:
            self._refuse(HTTPStatus.FORBIDDEN, "GatedRepo")
        elif commit is None:
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        else:
            return commit, repo.commits[commit]
        return None

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": f"no luck with {code}"}
        self._send(b'{"error": "no"}', headers, status)

    def _send_json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(
        self, content: bytes, headers: dict[str, str], status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _describe(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": _hash(content)}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:40]
