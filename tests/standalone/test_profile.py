"""py-spy writes flame graphs, or says in one line why it does not."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ProfileError
from app.standalone.profile import record_profiles
from app.standalone.profile_targets import Target
from tests.support.service import ROOT

IDLE = "import time; print(flush=True); time.sleep(60)\n"
BUSY = "def work():\n    while True: pass\nprint(flush=True)\nwork()"
HIDDEN = "import ctypes; ctypes.CDLL(None).prctl(4, 0); "
"""PR_SET_DUMPABLE: nobody but root may look into it, as with another user's."""


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Iterator[Target]:
    """A process that works, and that may be hidden."""
    code = getattr(request, "param", "") + BUSY
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield Target("reading", process.pid)
        process.kill()


def test_a_flame_graph_names_the_functions(busy: Target, tmp_path: Path) -> None:
    """It is one file for each process; one that has ended has a reason instead."""
    gone = Target("ingress", 2**22 - 1)
    good, bad = record_profiles([busy, gone], tmp_path / "new", seconds=1, rate=50)
    assert good.file == tmp_path / "new" / f"reading-{busy.pid}.svg"
    assert "work (" in good.file.read_text()
    assert int(good.about.split()[0]) > 10
    assert bad.file is None
    assert bad.about.endswith("Check that the process is running.")


@pytest.mark.parametrize("busy", [IDLE], indirect=True)
def test_an_idle_process_has_no_flame_graph(busy: Target, tmp_path: Path) -> None:
    """It is told, and is no failure of py-spy."""
    (made,) = record_profiles([busy._replace(kind="ingress")], tmp_path, seconds=1, rate=50)
    assert (made.file, made.about) == (None, "it was idle, so there are no samples")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("busy", [HIDDEN], indirect=True)
def test_a_process_that_may_not_be_read_is_told(busy: Target, tmp_path: Path) -> None:
    """With what to do; root without its capability is as any other user."""
    code = (
        "import sys; from pathlib import Path\n"
        "from app.standalone.profile import record_profiles, Target\n"
        f"(made,) = record_profiles([Target('x', {busy.pid})], Path({str(tmp_path)!r}), 1, 50)\n"
        "print(made.about)"
    )
    command = [sys.executable, "-c", code]
    if os.getuid() == 0:
        command = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "SYS_PTRACE" in done.stdout


def test_without_py_spy_it_says_how_to_install_it(
    busy: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, which Ray may not bring one day."""
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProfileError, match=r"pip install 'vitrine\[profile\]'"):
        record_profiles([busy], tmp_path)


def test_a_folder_that_cannot_be_made_is_told(busy: Target, tmp_path: Path) -> None:
    """Nothing is recorded."""
    (tmp_path / "file").touch()
    with pytest.raises(ProfileError, match="cannot be made"):
        record_profiles([busy], tmp_path / "file" / "folder")
