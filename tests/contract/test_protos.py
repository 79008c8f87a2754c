"""What is generated from the protos is what they say."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROTOS = sorted((ROOT / "schemas" / "rpc").glob("*.proto"))


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """`make protos` would change nothing."""
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    includes = ["-I.", f"-I{sysconfig.get_path('purelib')}"]
    names = [str(path.relative_to(ROOT)) for path in PROTOS]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *outputs, *names]
    subprocess.run(command, cwd=ROOT, check=True)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == 3 * len(PROTOS) == 6
    for path in made:
        assert path.read_text() == (ROOT / path.relative_to(tmp_path)).read_text(), path
