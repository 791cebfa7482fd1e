"""What the places in Kubernetes are made of, as the cluster would see it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from prefect.settings import Settings
from prefect_redis.cleanup_queue import RedisWorkerCleanupQueueSettings
from prefect_redis.client import RedisMessagingSettings

from deployments import render
from deployments.deploy import CHECKOUT, read

Json = dict[str, Any]
VERSIONS = ("1.31", "1.34", "1.37")
PLACES = {place: render.render(place) for place in render.PLACES}
UNITS = {"": 1, "m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

each_place = pytest.mark.parametrize("manifests", PLACES.values(), ids=PLACES)


def quantity(text: str) -> Decimal:
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text)
    assert found, text
    return Decimal(found[1]) * UNITS[found[2]]


def of_kind(manifests: list[Json], *kinds: str) -> dict[str, Json]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


def pods(manifests: list[Json]) -> dict[str, tuple[Json, Json]]:
    """Labels and specification of each pod, by kind and name."""
    found = {}
    for each in manifests:
        if spec := render.pod_spec(each):
            job = each["spec"].get("jobTemplate", each)["spec"]
            found[f"{each['kind']} {each['metadata']['name']}"] = (
                job["template"]["metadata"]["labels"],
                spec,
            )
    return found


def references(value: Any, kind: str) -> Iterator[Json]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == kind:
                yield inner
            yield from references(inner, kind)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner, kind)


@pytest.fixture(scope="module", autouse=True)
def schemas_are_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents)
        )
        yield


@pytest.mark.parametrize("version", VERSIONS)
@each_place
def test_each_manifest_is_valid_in_three_versions_of_kubernetes(manifests: list[Json], version: str) -> None:
    for each in manifests:
        assert kubernetes_validate.validate(each, version, strict=True) == version


def test_the_example_of_secrets_is_valid_too() -> None:
    for each in render.documents(render.KUBERNETES / "secrets.example.yaml"):
        assert kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("place", render.PLACES)
def test_the_command_prints_what_it_renders(place: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "deployments.render", place],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert list(yaml.safe_load_all(printed.stdout)) == PLACES[place]


@each_place
def test_nothing_is_there_twice_and_all_of_it_is_in_the_namespace(manifests: list[Json]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(set(names)) == len(names)
    for each in manifests:
        if each["kind"] not in {"Namespace", "PriorityClass"}:
            assert each["metadata"]["namespace"] == "fair-models"


@each_place
def test_pods_get_nothing_that_they_do_not_need(manifests: list[Json]) -> None:
    for name, (_, spec) in pods(manifests).items():
        context = spec["securityContext"]
        assert context["runAsNonRoot"], name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is name.startswith("Deployment worker-"), name
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["requests"]), name
            assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"]), name


@each_place
def test_what_serves_says_when_it_is_ready_and_when_it_hangs(manifests: list[Json]) -> None:
    for name, each in of_kind(manifests, "Deployment", "StatefulSet").items():
        [container] = render.pod_spec(each)["containers"]
        if name == "prefect-services":  # has no port to ask
            continue
        assert "livenessProbe" in container, name
        assert "readinessProbe" in container or name.startswith("worker-"), name
        ports = {port["name"] for port in container["ports"]}
        for probe in (container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")):
            for way in ("httpGet", "tcpSocket"):
                assert probe.get(way, {}).get("port", next(iter(ports))) in ports, name


@each_place
def test_images_are_pinned_and_named_in_one_place(manifests: list[Json]) -> None:
    pinned = {render.pinned(name, PINS) for name in PINS}
    for each in manifests:
        for container in render.containers(each):
            assert container["image"] in pinned
            assert re.search(r"(:[\w.-]*\d[\w.-]*|@sha256:[0-9a-f]{64})$", container["image"])


PINS = render.pins(render.KUBERNETES / "images")


@each_place
def test_secrets_come_by_reference_and_are_all_in_the_example(manifests: list[Json]) -> None:
    example = {
        each["metadata"]["name"]: each["stringData"]
        for each in render.documents(render.KUBERNETES / "secrets.example.yaml")
    }
    used = [*references(manifests, "secretKeyRef")]
    assert used
    for reference in used:
        assert reference["key"] in example[reference["name"]]
    assert not of_kind(manifests, "Secret")
    for secret in example.values():
        for value in secret.values():
            assert "change-me" in value
    for container in (one for each in manifests for one in render.containers(each)):
        for variable in container.get("env", ()):
            if re.search("PASSWORD|SECRET|KEY|AUTH", variable["name"]):
                assert "value" not in variable, variable["name"]


@each_place
def test_what_is_referred_to_exists(manifests: list[Json]) -> None:
    maps, accounts = of_kind(manifests, "ConfigMap"), of_kind(manifests, "ServiceAccount")
    priorities = of_kind(manifests, "PriorityClass")
    for kind in ("configMapKeyRef", "configMapRef"):
        for reference in references(manifests, kind):
            assert reference["name"] in maps
            assert (
                "key" not in reference
                or reference.get("optional")
                or reference["key"] in maps[reference["name"]]["data"]
            )
    for name, (_, spec) in pods(manifests).items():
        assert spec["serviceAccountName"] in accounts, name
        assert spec["priorityClassName"] in priorities, name
        volumes = {volume["name"] for volume in spec.get("volumes", ())}
        kind, _, own = name.partition(" ")
        claims = of_kind(manifests, kind)[own]["spec"].get("volumeClaimTemplates", ())
        volumes |= {claim["metadata"]["name"] for claim in claims}
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes, name


@each_place
def test_selectors_find_pods(manifests: list[Json]) -> None:
    labels = [found for found, _ in pods(manifests).values()]
    for each in manifests:
        if each["kind"] == "Service":
            assert any(each["spec"]["selector"].items() <= found.items() for found in labels), each
        if each["kind"] in {"Deployment", "StatefulSet"}:
            selector = each["spec"]["selector"]["matchLabels"].items()
            assert selector <= each["spec"]["template"]["metadata"]["labels"].items()
        if each["kind"] == "PodDisruptionBudget":
            assert any(matches(each["spec"]["selector"], found) for found in labels), each


def matches(selector: Json, labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", ())
    )


def allowed(manifests: list[Json], source: dict[str, str], target: dict[str, str], port: int) -> bool:
    """Whether the policies let a pod with these labels reach one with those, within the namespace."""
    policies = of_kind(manifests, "NetworkPolicy").values()

    def lets(policy: Json, way: str, other: dict[str, str]) -> bool:
        peers = [
            (rule, peer)
            for rule in policy["spec"].get(way, ())
            for peer in rule["from" if way == "ingress" else "to"]
        ]
        return any(
            "podSelector" in peer
            and "namespaceSelector" not in peer
            and matches(peer["podSelector"], other)
            and any(each["port"] == port for each in rule.get("ports", [{"port": port}]))
            for rule, peer in peers
        )

    out = [each for each in policies if matches(each["spec"]["podSelector"], source)]
    into = [each for each in policies if matches(each["spec"]["podSelector"], target)]
    return any(lets(each, "egress", target) for each in out) and any(
        lets(each, "ingress", source) for each in into
    )


RUN = {"fair-models": "run", "reaches": "web"}


@each_place
def test_the_network_lets_through_what_is_needed_and_nothing_else(manifests: list[Json]) -> None:
    app = {name.partition(" ")[2]: labels for name, (labels, _) in pods(manifests).items()}
    for source, target, port in [
        (RUN, "prefect-server", 4200),
        (RUN, "postgres", 5432),
        (RUN, "zenml", 8080),
        (RUN, "mlflow", 5000),
        (RUN, "registry", 8000),
        (app["worker-train"], "prefect-server", 4200),
        (app["prefect-server"], "redis", 6379),
        (app["prefect-services"], "redis", 6379),
        (app["prefect-services"], "postgres", 5432),
        (app["mlflow"], "postgres", 5432),
        (app["registry"], "postgres", 5432),
        (app["registry"], "prefect-server", 4200),
        (app["zenml"], "mysql", 3306),
        (app["setup-catalog"], "postgres", 5432),
        (app["setup-deployments"], "prefect-server", 4200),
        (app["backup-postgres"], "postgres", 5432),
        (app["backup-mysql"], "mysql", 3306),
    ]:
        assert allowed(manifests, source, app[target], port), (source, target)
    for source, target, port in [
        (RUN, "redis", 6379),
        (RUN, "mysql", 3306),
        (app["worker-train"], "postgres", 5432),
        (app["registry"], "redis", 6379),
        (app["zenml"], "postgres", 5432),
        (app["mlflow"], "prefect-server", 4200),
    ]:
        assert not allowed(manifests, source, app[target], port), (source, target)
    for name in ("bucket",) if "bucket" in app else ():
        for source in (RUN, app["registry"], app["mlflow"], app["setup-buckets"], app["backup-mysql"]):
            assert allowed(manifests, source, app[name], 9000)
        assert not allowed(manifests, app["zenml"], app[name], 9000)


@each_place
def test_all_services_and_one_run_of_each_pool_fit_into_the_quota(manifests: list[Json]) -> None:
    quota = of_kind(manifests, "ResourceQuota")["everything"]["spec"]["hard"]
    limits = of_kind(manifests, "LimitRange")["containers"]["spec"]["limits"][0]["max"]
    pools = read(CHECKOUT / "deployments" / "kubernetes.yaml")["work_pools"]
    template = read(CHECKOUT / "deployments" / "kubernetes" / "base-job-template.yaml")
    defaults = {name: each.get("default") for name, each in template["variables"]["properties"].items()}
    runs = [{**defaults, **pool["job_defaults"]} for pool in pools.values()]
    for resource, variable in [
        ("requests.cpu", "cpu_request"),
        ("requests.memory", "memory_request"),
        ("limits.memory", "memory_limit"),
        ("requests.ephemeral-storage", "ephemeral_storage_request"),
    ]:
        part, _, what = resource.partition(".")
        taken = sum(quantity(run[variable]) for run in runs)
        assert max(quantity(run[variable]) for run in runs) <= quantity(limits[what])
        for each in manifests:
            if each["kind"] in {"Deployment", "StatefulSet"}:
                replicas = each["spec"]["replicas"]
                taken += replicas * sum(
                    quantity(one["resources"][part][what]) for one in render.pod_spec(each)["containers"]
                )
        assert taken <= quantity(quota[resource]), resource


@each_place
def test_each_pool_has_a_worker(manifests: list[Json]) -> None:
    workers = {}
    for name, each in of_kind(manifests, "Deployment").items():
        if name.startswith("worker-"):
            arguments = render.pod_spec(each)["containers"][0]["args"]
            workers[arguments[arguments.index("--pool") + 1]] = arguments[arguments.index("--type") + 1]
    pools = read(CHECKOUT / "deployments" / "kubernetes.yaml")["work_pools"]
    assert workers == {name: pool["type"] for name, pool in pools.items()}


@each_place
def test_a_worker_may_start_jobs_and_read_no_secret(manifests: list[Json]) -> None:
    rules = of_kind(manifests, "Role")["workers"]["rules"]
    may = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert {("jobs", "create"), ("jobs", "delete"), ("pods", "watch"), ("pods/log", "get")} <= may
    assert not {resource for resource, _ in may} & {"secrets", "configmaps", "pods/exec", "*"}
    assert not of_kind(manifests, "ClusterRole", "ClusterRoleBinding")


@each_place
def test_every_database_is_backed_up_every_day(manifests: list[Json]) -> None:
    dumped = set()
    for each in of_kind(manifests, "CronJob").values():
        assert re.fullmatch(r"\d+ \d+ \* \* \*", each["spec"]["schedule"])
        assert each["spec"]["concurrencyPolicy"] == "Forbid"
        for container in render.pod_spec(each)["initContainers"]:
            dumped.add(container["command"][-1])
    made = re.findall(
        r"CREATE DATABASE (\w+)", of_kind(manifests, "ConfigMap")["postgres-start"]["data"]["databases.sh"]
    )
    assert dumped == {*made, "zenml"}


def known_settings() -> set[str]:
    """Every variable that Prefect and prefect-redis know."""
    known = set()

    def walk(model: Any) -> None:
        prefix = model.model_config.get("env_prefix", "")
        for name, field in model.model_fields.items():
            known.add(f"{prefix}{name}".upper())
            for alias in getattr(field.validation_alias, "choices", ()):
                if isinstance(alias, str):
                    known.add(alias.upper())
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                walk(field.annotation)

    from prefect_kubernetes.settings import KubernetesSettings

    for model in (Settings, RedisMessagingSettings, RedisWorkerCleanupQueueSettings, KubernetesSettings):
        walk(model)
    return known


def variables(manifests: list[Json]) -> set[str]:
    names = {key for each in of_kind(manifests, "ConfigMap").values() for key in each["data"]}
    for each in manifests:
        names |= {one["name"] for container in render.containers(each) for one in container.get("env", ())}
    return names


@each_place
def test_prefect_knows_each_variable_that_is_set_for_it(manifests: list[Json]) -> None:
    ours = {name for name in variables(manifests) if name.startswith("PREFECT_")} - {"PREFECT_PASSWORD"}
    assert len(ours) > 10
    assert ours <= known_settings()


@each_place
def test_each_setting_of_ours_exists(manifests: list[Json]) -> None:
    from fair_models.settings import Settings as Ours

    named = {name.removeprefix("FAIR_").lower() for name in variables(manifests) if name.startswith("FAIR_")}
    named |= {
        key.removeprefix("FAIR_").lower()
        for each in render.documents(render.KUBERNETES / "secrets.example.yaml")
        for key in each["stringData"]
        if key.startswith("FAIR_")
    }
    assert {"home", "store", "catalog"} <= named
    assert named <= set(Ours.model_fields)


def test_modules_that_prefect_is_told_to_use_can_be_imported() -> None:
    import importlib

    told = of_kind(PLACES["small"], "ConfigMap")["prefect"]["data"]
    for value in told.values():
        if value.startswith("prefect_redis."):
            importlib.import_module(value)


def test_a_patch_for_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [one.yaml]\npatches: [{path: other.yaml}]\n")
    (tmp_path / "one.yaml").write_text("{kind: Service, metadata: {name: one}}\n")
    (tmp_path / "other.yaml").write_text("{kind: Service, metadata: {name: two}}\n")
    with pytest.raises(SystemExit, match="changes Service two, which does not exist"):
        render.build(tmp_path)


def test_words_of_kustomize_that_are_not_understood_are_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\nreplacements: []\n")
    with pytest.raises(SystemExit, match="replacements"):
        render.build(tmp_path)


def test_patches_merge_as_kubernetes_does(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [one.yaml]\npatches: [{path: p.yaml}]\n")
    pod = {
        "containers": [
            {"name": "a", "image": "i", "args": ["1", "2"], "env": [{"name": "X", "value": "1"}], "tty": True}
        ]
    }
    (tmp_path / "one.yaml").write_text(
        yaml.safe_dump(
            {"kind": "Deployment", "metadata": {"name": "one"}, "spec": {"template": {"spec": pod}}}
        )
    )
    change = {"containers": [{"name": "a", "args": ["3"], "env": [{"name": "Y", "value": "2"}], "tty": None}]}
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump(
            {"kind": "Deployment", "metadata": {"name": "one"}, "spec": {"template": {"spec": change}}}
        )
    )
    [made] = render.build(tmp_path)
    assert render.pod_spec(made) == {
        "containers": [
            {
                "name": "a",
                "image": "i",
                "args": ["3"],
                "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
            }
        ]
    }


def test_an_unknown_place_is_told_the_known_ones() -> None:
    with pytest.raises(SystemExit, match="small, production"):
        render.render("large")


@each_place
def test_the_registry_takes_requests_only_while_what_it_reads_answers(manifests: list[Json]) -> None:
    deployment = of_kind(manifests, "Deployment")["registry"]
    assert deployment["spec"]["replicas"] == 2
    [container] = render.pod_spec(deployment)["containers"]
    asked = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
    assert {kind: each["path"] for kind, each in asked.items()} == {
        "startup": "/health/live",
        "readiness": "/health/ready?part=catalogue&part=store",
        "liveness": "/health/live",
    }
    for each in asked.values():  # it answers to its own names alone, and not to the address of the pod
        assert each["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


@each_place
def test_the_registry_asks_who_it_is_and_keeps_that_in_a_database_that_all_share(
    manifests: list[Json],
) -> None:
    said = of_kind(manifests, "ConfigMap")["registry"]["data"]
    assert said["FAIR_WEB_AUTH"] in {"tokens", "oidc"}
    [secret] = [
        each
        for each in render.documents(render.KUBERNETES / "secrets.example.yaml")
        if each["metadata"]["name"] == "registry"
    ]
    assert secret["stringData"]["FAIR_WEB_DATABASE_URL"].startswith("postgresql://web:")


def test_the_ingress_publishes_the_registry_and_nothing_else() -> None:
    [ingress] = render.documents(render.KUBERNETES / "ingress.example.yaml")
    [rule] = ingress["spec"]["rules"]
    services = {path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert services == {"registry"}
    for place in render.PLACES:
        assert [each for each in render.render(place) if each["kind"] == "Ingress"] == []
    public = of_kind(render.render("production"), "ConfigMap")["registry"]["data"]["FAIR_PUBLIC_URL"]
    assert public == f"https://{rule['host']}"


def lets_ask_for_names(manifests: list[Json], peer: Json, port: int) -> bool:
    rules = of_kind(manifests, "NetworkPolicy")["names-for-all"]["spec"]["egress"]
    wanted = [{"port": port, "protocol": "UDP"}, {"port": port, "protocol": "TCP"}]
    return any(peer in rule["to"] and all(each in rule["ports"] for each in wanted) for rule in rules)


@each_place
def test_names_are_found_by_each_kind_of_dns(manifests: list[Json]) -> None:
    def pods_of(namespace: str) -> Json:
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}

    assert lets_ask_for_names(manifests, pods_of("kube-system"), 53)
    assert lets_ask_for_names(manifests, {"ipBlock": {"cidr": "169.254.20.10/32"}}, 53)
    assert lets_ask_for_names(manifests, pods_of("openshift-dns"), 5353)


@each_place
def test_addresses_of_items_lead_out_of_the_cluster(manifests: list[Json]) -> None:
    host = urlsplit(of_kind(manifests, "ConfigMap")["runs"]["data"]["FAIR_CATALOG_API_URL"]).hostname
    assert host not in of_kind(manifests, "Service")
    assert host is not None
    assert not host.endswith((".svc", ".cluster.local"))


@each_place
def test_keys_of_buckets_outside_may_be_roles_of_service_accounts(manifests: list[Json]) -> None:
    example = render.documents(render.KUBERNETES / "secrets.example.yaml")
    for name in (each["metadata"]["name"] for each in example if "AWS_ACCESS_KEY_ID" in each["stringData"]):
        for reference in references(manifests, "secretKeyRef"):
            if reference["name"] == name and reference["key"].startswith("AWS_"):
                assert reference.get("optional") is True, reference
    used = pods(manifests)
    reach = {"Deployment mlflow": "mlflow"}
    reach |= dict.fromkeys(("CronJob backup-postgres", "CronJob backup-mysql"), "backups")
    assert {name: used[name][1]["serviceAccountName"] for name in reach} == reach
    others = {spec["serviceAccountName"] for name, (_, spec) in used.items() if name not in reach}
    assert not others & {"mlflow", "backups", "runs"}


def test_what_is_applied_from_a_file_alone_goes_into_no_namespace_by_chance() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "docs").rglob("*.md"))
    commands = re.findall(r"kubectl apply ([^\n`]*-f (deployments/[\w./-]+))", text)
    assert commands
    for command, file in commands:
        for each in render.documents(CHECKOUT / file):
            there = each["kind"] in {"Namespace", "PriorityClass"} or "namespace" in each["metadata"]
            assert there or "-n fair-models" in command, f"{command}: {each['kind']}"
