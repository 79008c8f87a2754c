"""Read a Dockerfile: its stages, and the instructions of each. It runs nothing."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        name: such as `RUN`.
        value: what follows, in one line.
    """

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """The words of `COPY`, or of the array of `CMD` and `HEALTHCHECK`."""
        found = re.search(r"\[.*\]$", self.value)
        words: list[str] = json.loads(found[0]) if found else shlex.split(self.value)
        return words

    @property
    def variables(self) -> dict[str, str]:
        """The variables of `ENV` and `ARG`; of one without a default the value is empty."""
        pairs = (word.partition("=") for word in shlex.split(self.value))
        return {name: value for name, _, value in pairs}


Stage = list[Instruction]


def read_stages(path: Path) -> list[Stage]:
    """Read the stages in order; each begins with its `FROM`."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    stages: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "FROM":
            stages.append([])
        if name and stages:
            stages[-1].append(Instruction(name, value.strip()))
    return stages


def list_variables(stage: Stage, name: str) -> dict[str, str]:
    """List the variables of all `ENV` or all `ARG` of a stage."""
    found = (one.variables for one in stage if one.name == name)
    return {key: value for variables in found for key, value in variables.items()}


def find_instruction(stage: Stage, name: str) -> Instruction:
    """Find the last instruction of a name, which counts; raises LookupError where there is none."""
    for one in reversed(stage):
        if one.name == name:
            return one
    raise LookupError(name)
