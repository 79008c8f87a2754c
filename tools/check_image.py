"""Run the steps of deploy/Dockerfile in a clean folder, without a container engine, and test it.

    python -m tools.check_image [--arg NAME=VALUE ...]

Every path of the image becomes one below that folder. What needs an engine is not run: the base
image (this machine's Python is used), the user, the owners of files, and the read-only root.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tools.dockerfile import Stage, find_instruction, list_variables, read_stages

ROOT = Path(__file__).parents[1]
PLACES = ("/opt/vitrine", "/src", "/var/cache/vitrine")
SAMPLE = ROOT / "app" / "demo" / "samples" / "7-0.png"
KEY, PORT = "a-key-for-this-check", "18765"
START_S, STOP_S = 120, 30


def main() -> None:
    """Build, serve, ask and stop; ends with an error where one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arg", metavar="NAME=VALUE", action="append", default=[])
    given = dict(one.split("=", 1) for one in parser.parse_args().arg)
    build, final = read_stages(ROOT / "deploy" / "Dockerfile")
    with tempfile.TemporaryDirectory(prefix="i") as folder:
        started = time.monotonic()
        run_steps(build, Path(folder), given)
        print(f"built in {time.monotonic() - started:.0f} s", flush=True)
        with serve(final, Path(folder)) as environment:
            wait_until_healthy(final, Path(folder), environment)
            check_answers()
    print("deploy/Dockerfile: built, healthy, asks for a key, answers, stops")


def run_steps(stage: Stage, folder: Path, given: dict[str, str]) -> None:
    """Run the steps of a stage in order, with the given build arguments."""
    variables = list_variables(stage, "ARG") | given | list_variables(stage, "ENV")
    work = folder
    for step in stage:
        if step.name == "WORKDIR":
            work = Path(move(step.value, folder))
            work.mkdir(parents=True)
        elif step.name == "COPY":
            copy(step.words, work)
        elif step.name == "RUN":
            print(f"RUN {step.value}", flush=True)
            command = ["sh", "-ec", move(step.value, folder)]
            subprocess.run(command, cwd=work, env=list_outside() | variables, check=True)  # noqa: S603


def copy(words: list[str], work: Path) -> None:
    """Copy from the build's context."""
    *sources, target = words
    for source in map(ROOT.joinpath, sources):
        if source.is_dir():
            shutil.copytree(source, work / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, work / target)


@contextlib.contextmanager
def serve(stage: Stage, folder: Path) -> Iterator[dict[str, str]]:
    """Start what the image starts, with its environment and a key; stop it as an engine does."""
    path = move(list_variables(stage, "ENV")["PATH"], folder).replace("$PATH", os.environ["PATH"])
    environment = {key: move(value, folder) for key, value in list_variables(stage, "ENV").items()}
    environment = list_outside() | environment | {"PATH": path, "HOME": str(folder)}
    environment |= {"VITRINE_PORT": PORT, "VITRINE_API_KEYS": f"check:{KEY}"}
    command = [str(shutil.which(find_instruction(stage, "CMD").words[0], path=path))]
    command += find_instruction(stage, "CMD").words[1:]
    process = subprocess.Popen(command, cwd=folder, env=environment)  # noqa: S603
    try:
        yield environment
    finally:
        process.terminate()
        exit_code = process.wait(STOP_S)
    if exit_code != 0:
        sys.exit(f"it ended with {exit_code}")


def wait_until_healthy(stage: Stage, folder: Path, environment: dict[str, str]) -> None:
    """Run the health check of the image until it succeeds."""
    command = find_instruction(stage, "HEALTHCHECK").words
    command[0] = str(shutil.which(command[0], path=environment["PATH"]))
    deadline = time.monotonic() + START_S
    while subprocess.run(command, cwd=folder, env=environment, check=False, stderr=-3).returncode:  # noqa: S603
        if time.monotonic() > deadline:
            sys.exit(f"it is not healthy after {START_S} s")
        time.sleep(1)


def check_answers() -> None:
    """Send one image, without a key and with one."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/predict/raw",
        SAMPLE.read_bytes(),
        {"Content-Type": "image/png"},
    )
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(request)  # noqa: S310
        sys.exit("it answers without a key")
    request.add_header("Authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(request) as response:  # noqa: S310
        label = json.load(response)["predictions"][0]["label"]
    if label != "7":
        sys.exit(f"it takes a 7 for {label}")


def move(text: str, folder: Path) -> str:
    """Put the paths of the image below a folder."""
    for place in PLACES:
        text = text.replace(place, f"{folder}{place}")
    return text


def list_outside() -> dict[str, str]:
    """List what this process has in its environment, without settings, Ray's and Python's."""
    ours = ("VITRINE_", "RAY_", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


if __name__ == "__main__":
    main()
