from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from service.settings import load_settings
from tests.helm.chart import CHART, FULL_VALUES, SERVICE_FILE, container, environment, helm, refusal, render

pytestmark = pytest.mark.helm

FROM_FILE = ("--set-file", f"configFile={SERVICE_FILE}")
FROM_VALUES = ("--values", str(FULL_VALUES))
EITHER = pytest.mark.parametrize("given", [FROM_FILE, FROM_VALUES], ids=["file", "values"])


def test_chart_passes_helms_own_check() -> None:
    """Helm finds nothing to say against the chart."""
    said = helm("lint", "--strict", CHART, *FROM_VALUES)

    assert said.returncode == 0, said.stdout


@EITHER
def test_rendered_service_file_is_accepted_by_the_service(given: tuple[str, ...], tmp_path: Path) -> None:
    """What helm writes is what the service reads; numbers, `null` and dotted keys come through."""
    objects = render(*given)
    file = tmp_path / "tidemill.yaml"
    file.write_text(objects["ConfigMap"]["data"]["tidemill.yaml"])
    variables = environment(objects)
    variables.pop("TIDEMILL_SECRETS_DIR", None)  # mounted by Kubernetes, not here

    settings = load_settings(file, environment=variables).settings

    assert (settings.name, settings.admin.port) == ("fraud", 8081)
    assert str(settings.model_store_path) in [m["mountPath"] for m in container(objects)["volumeMounts"]]


def test_service_file_is_passed_on_word_for_word() -> None:
    """A file that works on a laptop is the file in the pod, comments and all."""
    assert render(*FROM_FILE)["ConfigMap"]["data"]["tidemill.yaml"].strip() == SERVICE_FILE.read_text().strip()


def test_values_come_through_unchanged() -> None:
    """Settings given as values arrive with their types."""
    rendered = yaml.safe_load(render(*FROM_VALUES)["ConfigMap"]["data"]["tidemill.yaml"])
    amount, country = rendered["features"]["fields"]

    assert (rendered["batch"]["max_records"], float(amount["min"]), country["default"]) == (1_000_000, 0.00001, "no")


@EITHER
def test_pods_are_allowed_in_a_restricted_namespace(given: tuple[str, ...]) -> None:
    """The pod security standard `restricted` is met, with a read-only root on top."""
    objects = render(*given)
    pod = objects["StatefulSet"]["spec"]["template"]["spec"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@EITHER
def test_probes_ask_what_the_service_answers(given: tuple[str, ...]) -> None:
    """Life is the main loop, readiness is a model and a place in the group; both on the port that is opened."""
    only = container(render(*given))

    asked = {name: only[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in asked.values()} == {"/livez", "/readyz"}
    assert {probe["port"] for probe in asked.values()} == {port["name"] for port in only["ports"]}


def test_pod_restarts_when_its_service_file_changes() -> None:
    """The pod template carries the digest of the ConfigMap."""
    templates = [render(*FROM_FILE, "--set", f"files.a={text}")["StatefulSet"]["spec"]["template"] for text in "xy"]

    assert templates[0]["metadata"]["annotations"] != templates[1]["metadata"]["annotations"]


def test_secret_is_mounted_and_named_to_the_service() -> None:
    """Passwords come from an existing Secret, as files."""
    objects = render(*FROM_FILE, "--set", "existingSecret=kafka-credentials")
    mounts = {mount["name"]: mount["mountPath"] for mount in container(objects)["volumeMounts"]}
    volumes = objects["StatefulSet"]["spec"]["template"]["spec"]["volumes"]

    assert environment(objects)["TIDEMILL_SECRETS_DIR"] == mounts["secrets"]
    assert {"name": "secrets", "secret": {"secretName": "kafka-credentials"}} in volumes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "there is no service file"),
        ((*FROM_FILE, *FROM_VALUES), "both given"),
        ((*FROM_FILE, "--set", "terminationGracePeriodSeconds=24"), "make it at least 25"),
        ((*FROM_VALUES, "--set", "config.transaction.timeout=2m"), "make it at least 130"),
        ((*FROM_FILE, "--set", "replicas=3"), "replicas"),
        ((*FROM_FILE, "--set-string", "replicaCount=three"), "replicaCount"),
    ],
    ids=["nothing", "both", "grace", "grace-values", "unknown", "type"],
)
def test_chart_refuses_what_cannot_work(given: tuple[str, ...], said: str) -> None:
    """A wrong value stops the install with a line that says which, not a pod later on."""
    assert said in refusal(*given)
