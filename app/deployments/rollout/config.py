"""A Serve config file: read and checked without a cluster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from pydantic import ValidationError
from ray.serve.schema import ServeApplicationSchema, ServeDeploySchema

from app.auth.keys import is_hashed
from app.deployments.application import read_arguments
from app.errors import RolloutError, SettingsError
from app.settings import Settings
from app.settings.refusal import describe_refusal

IMPORT_PATH = "app.deployments:build"


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
            application of ours, or a secret in clear.
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
    _refuse_secrets(path, document)
    _read_args(path, ours[0].args)
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


def _read_args(path: Path, args: Mapping[str, object]) -> Settings:
    """Read the settings among the arguments; raises SettingsError."""
    try:
        return read_arguments(args)
    except ValidationError as exc:
        name, problem = describe_refusal(exc)
        raise SettingsError(f"{path}: args.{name}: {problem}") from exc
    except SettingsError as exc:
        raise SettingsError(f"{path}: args: {exc}") from exc


def _refuse_secrets(path: Path, document: object) -> None:
    """Refuse keys and tokens as themselves among variables, since Serve keeps the file."""
    for variables in _find_variables(document):
        keys = variables.get("VITRINE_API_KEYS")
        if "RAY_AUTH_TOKEN" in variables or (keys and not is_hashed(str(keys))):
            message = (
                f"{path}: env_vars has a secret in clear, and Serve keeps the file. Give keys as "
                "name:sha256:HASH (`vitrine key`), and the token to the nodes alone."
            )
            raise RolloutError(message)


def _find_variables(node: object) -> Iterator[Mapping[str, object]]:
    """Find every `env_vars` in a document, at any depth."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "env_vars" and isinstance(value, Mapping):
                yield value
            yield from _find_variables(value)
    elif isinstance(node, list):
        for value in node:
            yield from _find_variables(value)
