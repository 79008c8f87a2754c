"""`vitrine-haproxy`: Serve's file as the installed Serve writes it, rendered."""

import os
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from app.deployments import haproxy_config
from app.deployments.haproxy_config import (
    APP_NAME,
    PROGRAM,
    find_program,
    list_program_variables,
    main,
    write_configuration,
)
from app.deployments.haproxy_folder import FILES
from app.deployments.haproxy_template import parse_sections, render
from app.deployments.serve_environment import VARIABLES, list_serve_variables, list_variables
from app.errors import StartupError
from app.settings import Settings
from tests.support.serve_haproxy import write_serve_file

PORTS = (8000, 9000, 9101, 8404)
REPLACED = ("bind ", "errorfile ", "stats socket ")
VANISHED = " tcp-ut 6s"
"""What a server of this application has beside what Serve says: when it is given up."""

INHERITED = ("mode http", "log global")
"""Lines that Serve repeats in sections, and the template has once, in `defaults`."""


@pytest.fixture
def serve_file(tmp_path: Path) -> Path:
    """Serve's file of a node with two replicas of each of two applications."""
    return write_serve_file(tmp_path, PORTS, replicas=2)


@pytest.mark.parametrize("replicas", [0, 2])
def test_every_line_of_serves_file_is_taken_or_replaced(tmp_path: Path, replicas: int) -> None:
    """A directive that is new in Serve shows here; rules keep their order."""
    text = write_serve_file(tmp_path, PORTS, replicas).read_text()
    serve, rendered = parse_sections(text), parse_sections(render(text, tmp_path))
    assert rendered.keys() == serve.keys()
    for name, lines in serve.items():
        added = VANISHED if "vitrine" in name else ""
        rendered[name] = [line.removesuffix(added) for line in rendered[name]]
        kept = [line for line in lines if not line.startswith(REPLACED) and line not in INHERITED]
        assert set(kept) <= set(rendered[name]), name
        for directive in ("http-request", "use_backend", "server"):
            rules = [line for line in kept if line.startswith(f"{directive} ")]
            assert [line for line in rendered[name] if line in rules] == rules


def test_a_machine_that_has_vanished_is_given_up(serve_file: Path) -> None:
    """On each server's own line: in `default-server` HAProxy 2.8 takes no notice of it."""
    sections = parse_sections(render(serve_file.read_text(), serve_file.parent))
    lines = [line for name in sections if "vitrine" in name for line in sections[name]]
    servers = [line for line in lines if line.startswith("server ")]
    assert len(servers) == 6
    assert all(line.endswith(VANISHED) for line in servers)


def test_a_file_that_is_rendered_twice_is_the_same(serve_file: Path) -> None:
    """As when Serve starts HAProxy again with the file that it wrote before."""
    once = render(serve_file.read_text(), serve_file.parent)
    assert render(once, serve_file.parent) == once


def test_backends_of_other_applications_stay_as_they_are(serve_file: Path) -> None:
    """They get none of this application's rules."""
    text = serve_file.read_text()
    serve, rendered = parse_sections(text), parse_sections(render(text, serve_file.parent))
    others = [name for name in serve if name.startswith("backend ") and "vitrine" not in name]
    assert len(others) == 5
    assert [rendered[name] for name in others] == [serve[name] for name in others]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("", "127.0.0.1:8000"),
        ("a-b.c", "a-b.c:8000"),
        ("::", "[::]:8000"),
        ("::1", "[::1]:8000 v6only"),
    ],
)
def test_only_the_front_listens_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, serve_file: Path, host: str, address: str
) -> None:
    """Without HAPROXY_VITRINE_HOST the front is where Serve has it."""
    monkeypatch.setenv("HAPROXY_VITRINE_HOST", host)
    sections = parse_sections(render(serve_file.read_text(), serve_file.parent))
    assert [line for lines in sections.values() for line in lines if line.startswith("bind ")] == [
        "bind 127.0.0.1:9101",
        f"bind {address}",
        f"bind {address.replace('8000', '9000')} proto h2",
        "bind 127.0.0.1:8404",
    ]


@pytest.mark.parametrize(("replicas", "limit"), [(1, 1024), (2, 2048)])
def test_capacity_grows_with_the_replicas(tmp_path: Path, replicas: int, limit: int) -> None:
    """Calls are bounded for each ingress replica, and images come as all replicas answer them.

    The fallback proxy is no replica.
    """
    sections = parse_sections(
        render(write_serve_file(tmp_path, PORTS, replicas).read_text(), tmp_path)
    )
    assert sections["backend grpc-vitrine"][0].endswith(f"{{ be_conn gt {limit} }}")
    assert any(f",div({replicas})" in line for line in sections["backend http-vitrine"])


def test_no_line_goes_to_serves_default_log(serve_file: Path) -> None:
    """It would hold each path and query; another log target stays, and the socket is private."""
    text = serve_file.read_text()
    (socket, *_) = parse_sections(render(text, serve_file.parent))["global"]
    assert socket.startswith(f"stats socket {serve_file.parent}/admin.sock mode 600 ")
    other = text.replace("127.0.0.1:514", "/dev/log")
    assert "log /dev/log local0 info" in parse_sections(render(other, serve_file.parent))["global"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("listen stats", "listen more", "'listen more'"),
        ("frontend http_frontend", "frontend http", "'frontend http'"),
        ("bind 127.0.0.1:8000", "", "'address'"),
        ("bind 127.0.0.1:8000", "bind /run/front.sock", "'bind /run/front.sock'"),
        ("stats socket", "stats", "'admin_socket'"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(
    serve_file: Path, before: str, after: str, message: str
) -> None:
    """Serve's file stays as it is."""
    changed = serve_file.read_text().replace(before, after, 1)
    serve_file.write_text(changed)
    with pytest.raises(StartupError, match=message):
        write_configuration(serve_file)
    assert serve_file.read_text() == changed
    assert not (serve_file.parent / "late.http").exists()


def test_what_the_proxy_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, as each replica says what it lacks."""
    monkeypatch.setenv("HAPROXY_VITRINE_HOST", "127.0.0.1")
    for name, value in (list_serve_variables(1000, PROGRAM) | list_variables("node")).items():
        monkeypatch.setenv(name, value)
    run_main(monkeypatch, "-v")
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("RAY_SERVE_HAPROXY_RETRIES")
    run_main(monkeypatch, "-v")
    (line,) = capsys.readouterr().err.splitlines()
    assert "RAY_SERVE_HAPROXY_RETRIES (" in line


def test_refusals_are_written_where_somebody_reads_them(tmp_path: Path) -> None:
    """To the descriptor of its reader, also where the file is rendered twice; else nowhere."""
    text = write_serve_file(tmp_path, PORTS, 2, is_measured=False).read_text()
    assert "fd@" not in render(text, tmp_path)
    rendered = render(text, tmp_path, 7)
    assert rendered.count("\n    log fd@7 ") == 2  # the fronts of HTTP and gRPC
    assert rendered.count("\n    http-response set-log-level silent\n") == 2
    assert render(rendered, tmp_path, 7) == rendered


@pytest.mark.parametrize("is_measured", [True, False])
def test_what_is_logged_elsewhere_is_not_silenced(tmp_path: Path, *, is_measured: bool) -> None:
    """Serve's metrics get each request, and so does another log target."""
    text = write_serve_file(tmp_path, PORTS, 2, is_measured=is_measured).read_text()
    rendered = render(
        text if is_measured else text.replace("127.0.0.1:514", "/dev/log"), tmp_path, 7
    )
    assert "http-response set-log-level" not in rendered
    assert "fd@" not in rendered


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """Run the program; gives the command that it becomes."""
    commands: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", [PROGRAM, *arguments])
    monkeypatch.setenv("VITRINE_LOG_LEVEL", "warning")  # else it forks: this process here
    monkeypatch.setattr(os, "execv", lambda _path, command: commands.append(command))
    main()
    return commands[0]


@pytest.mark.parametrize("start", [["-db"], [], ["-dR", "-sf", "7", "-x", "socket"]])
def test_the_file_is_found_after_its_flag(
    monkeypatch: pytest.MonkeyPatch, serve_file: Path, start: list[str]
) -> None:
    """Wherever -f stands, the file is rendered and HAProxy gets the same arguments."""
    monkeypatch.setenv("HAPROXY_VITRINE_BINARY", "/elsewhere/haproxy")
    arguments = [*start, "-f", str(serve_file), "-q"]
    assert run_main(monkeypatch, *arguments) == ["/elsewhere/haproxy", *arguments]
    assert "timeout http-request 30s" in serve_file.read_text()


def test_haproxy_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve's variable names the program, which does not start itself; -v needs no file."""
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", sys.executable)
    binary, *arguments = run_main(monkeypatch, "-v")
    assert (Path(binary).name, arguments) == ("haproxy", ["-v"])


def test_the_folder_is_kept_from_other_users(serve_file: Path) -> None:
    """Nobody else gets at the file or the admin socket, whatever the folder's mode was."""
    serve_file.parent.chmod(0o777)
    write_configuration(serve_file)
    assert stat.S_IMODE(serve_file.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to another user")
def test_a_folder_of_another_user_is_refused(serve_file: Path) -> None:
    """That user could put another file in the place of HAProxy's."""
    os.chown(serve_file.parent, 1234, 1234)
    with pytest.raises(StartupError, match="belongs to another user") as caught:
        write_configuration(serve_file)
    assert [name for name in FILES if name not in str(caught.value)] == []


def test_a_refused_folder_is_left_by_all_files_that_serve_puts_there() -> None:
    """Sockets and states too: what the line names is what `vitrine serve` sets."""
    rows = [row for row in VARIABLES if row.name.startswith("RAY_SERVE_HAPROXY_")]
    assert list(FILES) == [row.name for row in rows if row.value.startswith("{folder}")]


def test_the_rules_are_for_the_application_of_our_name() -> None:
    """Serve names backends by the application; under another name none of the rules would hold."""
    template = Path(haproxy_config.__file__).with_name("haproxy.cfg").read_text()
    named = [line for line in template.splitlines() if line.startswith("backend ")]
    assert {f"backend {kind}-{APP_NAME}" for kind in ("http", "grpc")} < set(named)


def test_a_folder_behind_a_link_is_refused(serve_file: Path, tmp_path: Path) -> None:
    """Another user could have made the link, and lead it elsewhere."""
    link = tmp_path / "link"
    link.symlink_to(serve_file.parent)
    with pytest.raises(StartupError, match="belongs to another user"):
        write_configuration(link / serve_file.name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["-W", "-db"], "-W"), (["-Ws", "-db"], "-W"), (["-f", "/nowhere"], "/nowhere")],
)
def test_a_wrong_start_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    serve_file: Path,
    arguments: list[str],
    message: str,
) -> None:
    """Serve logs what its HAProxy says when it ends."""
    with pytest.raises(SystemExit) as caught:
        run_main(monkeypatch, *arguments, "-f", str(serve_file))
    line = str(caught.value.code)
    assert line.startswith(f"{PROGRAM}: ")
    assert message in line
    assert "\n" not in line


def test_the_program_imports_little() -> None:
    """Each reload of HAProxy waits for it."""
    code = "import sys, app.deployments.haproxy_config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"ray", "torch", "pydantic", "asyncio"} & set(done.stdout.split()) == set()


def test_another_haproxy_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another HAProxy that Serve was to start is the one that the program becomes."""
    for binary, more in (
        (f"/here/{PROGRAM}", {}),
        ("/elsewhere/haproxy", {"HAPROXY_VITRINE_BINARY": "/elsewhere/haproxy"}),
    ):
        monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", binary)
        variables = list_program_variables("::")
        assert variables == {"HAPROXY_VITRINE_HOST": "::"} | more
        (tmp_path / ".env").write_text("".join(f"{key}={variables[key]}\n" for key in variables))
        monkeypatch.chdir(tmp_path)
        assert Settings().host == "127.0.0.1"  # a .env with them is no error


FOLDERS = ("command", "python", "scripts", "path")


def put_program(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> Path:
    """Put the program into some of four folders where it may be; gives the first."""
    command, python, scripts, path = (folder / name for name in FOLDERS)
    command.mkdir()
    (command / "vitrine").touch()
    monkeypatch.setattr(sys, "argv", [str(command / "vitrine")])
    monkeypatch.setattr(sys, "executable", str(python / "python"))
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(scripts))
    monkeypatch.setenv("PATH", str(path))
    for name in names:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / PROGRAM).touch(0o700)
    return folder / names[0] / PROGRAM if names else folder


@pytest.mark.parametrize("first", range(4))
def test_the_program_is_found_wherever_pip_puts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: int
) -> None:
    """--user, --prefix and Debian's Python have folders of their own, which may lie on PATH."""
    program = put_program(monkeypatch, tmp_path, *FOLDERS[first:])
    assert find_program() == program


def test_a_program_that_is_not_found_is_told_with_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names each folder once, and what to do."""
    put_program(monkeypatch, tmp_path)
    with pytest.raises(StartupError, match=r"command, .*python, .*scripts or on PATH\. Install"):
        find_program()


def test_a_program_in_the_working_directory_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`python -c` names no file in `sys.argv`; whoever may write there must not run code."""
    put_program(monkeypatch, tmp_path)
    (tmp_path / PROGRAM).touch(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["-c"])
    with pytest.raises(StartupError, match="Install"):
        find_program()
