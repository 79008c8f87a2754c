"""deploy/rayservice.yaml: it agrees with the rest of deploy/, and with what Kubernetes takes."""

import copy
import re
import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]

from app.deployments.application import STANDALONE_SETTINGS
from tests.support.service import ROOT, make_environment
from tools.dockerfile import find_instruction, read_stages

TEXT = (ROOT / "deploy" / "rayservice.yaml").read_text()
DOCUMENTS: list[Any] = list(yaml.safe_load_all(TEXT))
(SERVICE,) = (one for one in DOCUMENTS if one["kind"] == "RayService")
CLUSTER = SERVICE["spec"]["rayClusterConfig"]
GROUPS = {one["groupName"]: one for one in CLUSTER["workerGroupSpecs"]}
CONFIG = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])
(APPLICATION,) = CONFIG["applications"]
SCHEMA = kubernetes_validate.latest_version()

_VALIDATE = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
ServeDeploySchema.model_validate(yaml.safe_load(sys.stdin))
"""

each_pod = pytest.mark.parametrize(
    "group", [CLUSTER["headGroupSpec"], *GROUPS.values()], ids=["head", *GROUPS]
)


def make_pod(group: Any) -> Any:  # noqa: ANN401 - YAML
    """Make the pod of a group's template, as far as it is written here."""
    metadata = {"name": "one"} | group["template"]["metadata"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata} | {
        "spec": group["template"]["spec"]
    }


def find_container(group: Any) -> Any:  # noqa: ANN401 - YAML
    """Find the container in which Ray runs."""
    (container,) = group["template"]["spec"]["containers"]
    return container


def test_kubernetes_takes_its_own_kinds() -> None:
    """By the schemas of Kubernetes, which know no other field."""
    own = [one for one in DOCUMENTS if one is not SERVICE]
    assert {one["kind"] for one in own} == {"NetworkPolicy", "PodDisruptionBudget"}
    for one in own:
        kubernetes_validate.validate(one, SCHEMA, strict=True)
        broken = copy.deepcopy(one) | {"specs": {}}
        with pytest.raises(kubernetes_validate.ValidationError, match="specs"):
            kubernetes_validate.validate(broken, SCHEMA, strict=True)


@each_pod
def test_kubernetes_takes_the_pods(group: Any) -> None:  # noqa: ANN401 - YAML
    """KubeRay makes them of the templates, and adds to them."""
    kubernetes_validate.validate(make_pod(group), SCHEMA, strict=True)


@each_pod
def test_a_pod_may_change_nothing_but_its_temporary_folder(group: Any) -> None:  # noqa: ANN401
    """Not root, no rights, a read-only root; the number is that of the image's user."""
    user = find_instruction(read_stages(ROOT / "deploy" / "Dockerfile")[-1], "USER").value
    context = group["template"]["spec"]["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert context["runAsNonRoot"] is True
    container = find_container(group)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]  # noqa: S108


@each_pod
def test_live_is_the_node_and_ready_is_its_proxy(group: Any) -> None:  # noqa: ANN401 - YAML
    """A pod without a replica is not ready, and is not restarted for that."""
    container = find_container(group)
    assert container["livenessProbe"]["httpGet"] == {"path": "/api/healthz", "port": 52365}
    ready = container["readinessProbe"]["httpGet"]
    is_head = group is CLUSTER["headGroupSpec"]
    proxy = {"path": "/-/healthz", "port": CONFIG["http_options"]["port"]}
    assert ready == (container["livenessProbe"]["httpGet"] if is_head else proxy)


def test_serve_takes_the_configuration() -> None:
    """By Serve's own schema."""
    done = subprocess.run(
        [sys.executable, "-c", _VALIDATE],
        input=SERVICE["spec"]["serveConfigV2"],
        env=make_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_configuration_is_that_of_a_cluster() -> None:
    """deploy/serve.yaml, but for the keys (from the Secret) and the GPUs."""
    other = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text())
    (application,) = other.pop("applications")
    assert {name: value for name, value in CONFIG.items() if name != "applications"} == other
    args, own = application.pop("args"), dict(APPLICATION)
    own_args, deployments = own.pop("args"), own.pop("deployments")
    del application["deployments"]  # a surge of pods with GPUs is for the cluster's owner to allow
    assert own == application
    assert args.pop("api_keys") == "ann:sha256:HASH"
    assert {name: own_args[name] for name in args} == args
    assert own_args.keys() - args.keys() == {"device"}
    assert not own_args.keys() & STANDALONE_SETTINGS.keys()
    assert [one["name"] for one in deployments] == ["Classifier", "Explainer"]


def test_a_pod_is_there_for_each_replica() -> None:
    """Ingresses and explainers fit only pods with a CPU, classifiers with a GPU; one a pod."""
    classifier, explainer = APPLICATION["deployments"]
    assert classifier["ray_actor_options"] == {"num_cpus": 0, "num_gpus": 1}
    assert explainer["ray_actor_options"] == {"num_cpus": 1}
    assert GROUPS["classifier"]["rayStartParams"]["num-cpus"] == "0"
    assert find_container(GROUPS["classifier"])["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert GROUPS["ingress"]["rayStartParams"]["num-cpus"] == "1"
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    args = APPLICATION["args"]
    explaining = {"ingress": args["explainer_replicas"], "classifier": 0}
    for name, group in GROUPS.items():
        assert group["minReplicas"] == args[f"min_{name}_replicas"]
        assert group["maxReplicas"] == args[f"max_{name}_replicas"] + explaining[name]


@each_pod
def test_keys_and_rays_token_come_from_the_secret(group: Any) -> None:  # noqa: ANN401 - YAML
    """Neither is in the file, and the image has all other variables."""
    assert CLUSTER["authOptions"] == {"mode": "token", "secretName": "vitrine"}
    reference = {"secretKeyRef": {"name": "vitrine", "key": "api_keys"}}
    assert find_container(group)["env"] == [{"name": "VITRINE_API_KEYS", "valueFrom": reference}]


def selects(selector: Any, labels: dict[str, str]) -> bool:  # noqa: ANN401 - YAML
    """Tell whether a selector of Kubernetes selects a pod with these labels."""
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ())
    )


def test_clients_reach_the_port_of_workers_alone() -> None:
    """Everything else is for the cluster's own pods, and the dashboard for KubeRay."""
    pods = {"head": CLUSTER["headGroupSpec"], **GROUPS}
    found: dict[str, set[tuple[str, int]]] = {name: set() for name in pods}
    for policy in (one["spec"] for one in DOCUMENTS if one["kind"] == "NetworkPolicy"):
        for name, group in pods.items():
            if selects(policy["podSelector"], group["template"]["metadata"]["labels"]):
                for rule in policy["ingress"]:
                    who = "some" if "from" in rule else "all"
                    found[name] |= {
                        (who, port["port"]) for port in rule.get("ports", [{"port": 0}])
                    }
    own = ("some", 0)  # all ports
    assert found["head"] == {own, ("some", 8265)}
    assert found["ingress"] == found["classifier"] == {own, ("all", 8000)}


@pytest.mark.parametrize("name", GROUPS)
def test_of_two_workers_one_stays(name: str) -> None:
    """A budget holds each group, and leaves a node that is drained one pod to take."""
    budgets = [one["spec"] for one in DOCUMENTS if one["kind"] == "PodDisruptionBudget"]
    labels = GROUPS[name]["template"]["metadata"]["labels"]
    (budget,) = (one for one in budgets if selects(one["selector"], labels))
    assert budget["minAvailable"] < GROUPS[name]["minReplicas"]


def test_it_is_the_ray_that_is_installed() -> None:
    """KubeRay chooses by it what it may ask for."""
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"\nray=={CLUSTER['rayVersion']}\n" in constraints


def test_the_incremental_upgrade_is_two_lines() -> None:
    """They replace the one above them; KubeRay wants the autoscaler, and steps within the surge."""
    pattern = r"    type: NewCluster .*\n    # (type: \S+) .*\n    # (clusterUpgradeOptions: .*)\n"
    text, count = re.subn(pattern, r"    \1\n    \2\n", TEXT)
    assert count == 1
    (service,) = (one for one in yaml.safe_load_all(text) if one["kind"] == "RayService")
    strategy = service["spec"]["upgradeStrategy"]
    options = strategy["clusterUpgradeOptions"]
    assert strategy["type"] == "NewClusterWithIncrementalUpgrade"
    assert options["stepSizePercent"] <= options["maxSurgePercent"]
    assert CLUSTER["enableInTreeAutoscaling"] is True
