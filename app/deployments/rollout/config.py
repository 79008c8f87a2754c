"""A Serve config file: read and checked without a cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from pydantic import ValidationError
from ray.serve.schema import ServeApplicationSchema, ServeDeploySchema

from app.auth.keys import is_hashed
from app.deployments.application import check_arguments
from app.deployments.haproxy_config import APP_NAME
from app.errors import RolloutError, SettingsError
from app.settings.file import FileSettings
from app.settings.refusal import describe_refusal

IMPORT_PATH = "app.deployments:build"

_KEYS = "VITRINE_API_KEYS"

_SECRET = ("TOKEN", "SECRET", "PASSWORD")
"""How the names of variables end that hold a secret."""


@dataclass(frozen=True)
class ServeConfig:
    """A Serve config file that was checked.

    Attributes:
        schema: all of it.
        application: ours in it.
    """

    schema: ServeDeploySchema
    application: ServeApplicationSchema

    @property
    def args(self) -> dict[str, object]:
        """The settings in it, by name."""
        return dict(self.application.args)

    @property
    def runtime_env(self) -> dict[str, object]:
        """What a replica's process runs in: Serve's variables, and the application's own."""
        own = dict(self.application.runtime_env)
        return own | {"env_vars": self.serve_variables | own.get("env_vars", {})}

    @property
    def serve_variables(self) -> dict[str, str]:
        """Serve's variables in it."""
        options = self.schema.model_dump(exclude_unset=True).get("controller_options") or {}
        return dict((options.get("runtime_env") or {}).get("env_vars") or {})

    def find_override(self, deployment: str, option: str) -> float | None:
        """Find a number that the file sets for a deployment, or for the actors of one."""
        for one in self.application.model_dump(exclude_unset=True).get("deployments", []):
            options = one | (one.get("ray_actor_options") or {})
            value = options.get(option) if one["name"] == deployment else None
            if isinstance(value, int | float):
                return value
        return None

    def complete(self, variables: Mapping[str, str]) -> dict[str, object]:
        """Give what Serve is to get, with more of its variables."""
        document: dict[str, object] = self.schema.model_dump(exclude_unset=True)
        if variables:
            env_vars = self.serve_variables | dict(variables)
            document["controller_options"] = {"runtime_env": {"env_vars": env_vars}}
        return document


def read_config(path: Path) -> ServeConfig:
    """Read the file and refuse what no cluster could serve.

    Raises:
        RolloutError: the file cannot be read, is not a Serve config file, has not exactly one
            application of ours, gives ours another name, or holds a secret.
        SettingsError: an argument of the application is wrong.
    """
    document = _load(path)
    try:
        schema = ServeDeploySchema.model_validate(document)
    except ValidationError as exc:
        error = exc.errors(include_input=False)[0]
        where = ".".join(map(str, error["loc"])) or "the file"
        raise RolloutError(f"{path}: {where}: {error['msg']}") from exc
    ours = [one for one in schema.applications if one.import_path == IMPORT_PATH]
    if len(ours) != 1:
        message = f"{path}: one application must have import_path {IMPORT_PATH}, not {len(ours)}."
        raise RolloutError(message)
    if (name := ours[0].name) != APP_NAME:
        message = (
            f"{path}: the application with import_path {IMPORT_PATH} must be named {APP_NAME}, not "
            f"{name}: HAProxy's rules (limits, refusals, headers) are for that name alone."
        )
        raise RolloutError(message)
    _refuse_secrets(path, document)
    _check_args(path, ours[0].args)
    return ServeConfig(schema, ours[0])


def _load(path: Path) -> object:
    """Load YAML; what is said of a wrong file does not quote it, because it may hold a key."""
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise RolloutError(f"{path} cannot be read: {getattr(exc, 'strerror', exc)}.") from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise RolloutError(f"{path} is not YAML: there is a mistake{where}.") from exc


def _check_args(path: Path, args: Mapping[str, object]) -> None:
    """Check the arguments by themselves; raises SettingsError.

    What is wrong with them only beside other settings is found on the nodes, which have those.
    """
    try:
        check_arguments(args)
        FileSettings(**args)  # type: ignore[arg-type] # validated right here
    except ValidationError as exc:
        name, problem = describe_refusal(exc)
        if name in args:
            raise SettingsError(f"{path}: args.{name}: {problem}") from exc
    except SettingsError as exc:
        raise SettingsError(f"{path}: args: {exc}") from exc


def _refuse_secrets(path: Path, document: object) -> None:
    """Refuse secrets among variables, since Serve keeps the file; raises RolloutError.

    Names are compared without case, as settings are read.
    """
    for name, value in _find_variables(document):
        if name.upper() == _KEYS and value and not is_hashed(str(value)):
            instead = "Give keys as name:sha256:HASH (`vitrine key`)"
        elif name.upper().endswith(_SECRET):
            instead = "Remove it"
        else:
            continue
        message = (
            f"{path}: env_vars has a secret in {name}, and Serve keeps the file. {instead}; "
            "secrets are set in the environment of the nodes, before `ray start`."
        )
        raise RolloutError(message)


def _find_variables(node: object) -> Iterator[tuple[str, object]]:
    """Find every variable in the `env_vars` of a document, at any depth."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "env_vars" and isinstance(value, Mapping):
                yield from ((str(name), value) for name, value in value.items())
            yield from _find_variables(value)
    elif isinstance(node, list):
        for value in node:
            yield from _find_variables(value)
