"""The Helm chart renders, its objects are Kubernetes', and it agrees with docker-compose.yml and the settings."""

import copy
import json
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

import config
import engine.config
from scripts.option_tables import SET_BY_CHART
from tests.support.helm import CHART, HAS_HELM, ROOT, lint, rendered

pytestmark = pytest.mark.skipif(not HAS_HELM, reason="no wheel of Helm's library for this machine")
LARGE = {
    "existingSecret": "thumbnails",
    "database": "postgresql",
    "settings": {
        "CAPTURE_API": "engine,snapsharp",
        "S3_BUCKET": "thumbs",
        "ORIGINALS": "s3",
        "ORIGINALS_MAX_BYTES": 21474836480,
        "CAPTURE_TIMEOUT": 59.5,
        "GALLERY_PUBLIC": True,
    },
    "web": {"replicas": 3},
    "worker": {"replicas": 2},
    "engine": {
        "autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 5},
        "seccomp": {"install": False, "localhostProfile": "thumbnails.json"},
        "tolerations": [{"key": "captures", "operator": "Exists"}],
        "nodeSelector": {"pool": "captures"},
        "settings": {"ENGINE_DEADLINE": 45},
        "existingSecret": "engine",
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["traces"]}],
    },
    "redis": {"enabled": False},
    "networkPolicy": {"engineTo": [{"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [{"port": 4318}]}]},
    "ingress": {"enabled": True, "host": "thumbs.example.com", "className": "nginx"},
    "imagePullSecrets": [{"name": "registry"}],
    "metrics": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "alerts": {"enabled": True, "labels": {"release": "prometheus"}},
    },
}
HOSTED = {
    "engine": {"enabled": False},
    "settings": {"CAPTURE_API": "snapsharp", "TRUSTED_PROXIES": 2},
    "existingSecret": "thumbnails",
    "persistence": {"existingClaim": "mine"},
    "metrics": {"enabled": False},
    "ingress": {"enabled": True, "host": "thumbs.example.com", "tls": {"enabled": False}},
}
SHARED = {
    "existingSecret": "thumbnails",
    "database": "postgresql",
    "persistence": {"accessMode": "ReadWriteMany", "storageClass": "nfs"},
    "web": {"autoscaling": {"enabled": True}},
    "networkPolicy": {"enabled": False},
    "engine": {"isolation": "auto", "seccomp": {"type": "RuntimeDefault"}},
}
CASES = {"defaults": {}, "large": LARGE, "hosted": HOSTED, "shared": SHARED}
REFUSED = [
    ({"database": "postgresql"}, "DATABASE_URL in a Secret"),
    ({"web": {"replicas": 2}}, "need database: postgresql"),
    ({"worker": {"replicas": 2}}, "need database: postgresql"),
    ({"web": {"autoscaling": {"enabled": True}}}, "need database: postgresql"),
    ({"persistence": {"accessMode": "ReadWriteMany"}}, "needs a local disk"),
    ({"database": "postgresql", "existingSecret": "s", "web": {"replicas": 2}}, "set settings.S3_BUCKET"),
    (
        {"database": "postgresql", "existingSecret": "s", "web": {"replicas": 2}, "settings": {"S3_BUCKET": "b"}},
        "settings.ORIGINALS to s3 or redis",
    ),
    ({"settings": {"ORIGINALS": "s3"}}, "needs settings.S3_BUCKET"),
    ({"redis": {"enabled": False}}, "REDIS_URL and STATE_REDIS_URL"),
    ({"engine": {"enabled": False}}, "CAPTURE_API"),
    ({"settings": {"CAPTURE_URL": "http://engines"}}, "engine.enabled to false"),
    ({"settings": {"CAPTURE_API": "snapsharp,hermesforge"}}, "does not name our engine"),
    ({"engine": {"seccomp": {"type": "RuntimeDefault"}}}, "refuses the user namespaces"),
    ({"engine": {"seccomp": {"install": False}}}, "localhostProfile"),
    ({"ingress": {"enabled": True}}, "needs ingress.host"),
    ({"settings": {"S3_BUKET": "b"}}, "S3_BUKET"),
    ({"settings": {"API_KEYS": "cms:a-secret-key"}}, "API_KEYS"),
    ({"settings": {"ENGINE_QUEUE": 3}}, "ENGINE_QUEUE"),
    ({"engine": {"settings": {"ENGINE_PORT": 3}}}, "ENGINE_PORT"),
    ({"web": {"replica": 2}}, "replica"),
    ({"metrics": {"enabled": False, "podMonitor": {"enabled": True}}}, "metrics.enabled: true"),
]


@pytest.fixture(scope="module")
def answers():
    """Everything is rendered by one process, since Helm's library takes a moment to load."""
    return rendered([*CASES.values(), *(values for values, _ in REFUSED)])


@pytest.fixture(scope="module")
def charts(answers):
    return dict(zip(CASES, answers, strict=False))


@pytest.fixture(params=CASES)
def chart(request, charts):
    return charts[request.param]


def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def containers(chart):
    return [
        (part, container)
        for part, pod in chart.pods().items()
        for container in [*pod["containers"], *pod.get("initContainers", [])]
    ]


def environ(chart, part):
    """The variables that the chart sets for a part by their values, and by name those that come from elsewhere."""
    (container,) = chart.pods()[part]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}


def test_helm_finds_nothing_to_complain_about():
    report = lint()
    assert report["errors"] == []
    assert {each["error"] for each in report["messages"]} <= {"icon is recommended"}


def test_every_object_is_one_of_kubernetes(chart):
    assert chart.error == ""
    assert len(chart.objects) > 5
    for each in chart.objects:
        if each["apiVersion"] == "monitoring.coreos.com/v1":  # the Prometheus Operator's own, tested below
            continue
        kubernetes_validate.validate(copy.deepcopy(each), "1.31", strict=True)


@pytest.mark.parametrize("case", range(len(REFUSED)), ids=[said for _, said in REFUSED])
def test_values_that_cannot_work_are_refused_with_what_to_do(answers, case):
    assert REFUSED[case][1] in answers[len(CASES) + case].error


def test_each_part_runs_what_it_runs_in_compose(charts):
    services = compose()
    for part, pod in charts["defaults"].pods().items():
        if part in ("seccomp", "redis", "state"):
            continue
        service = services[part]
        command = service.get("command", ["python", "-m", "engine"])  # the engine's is that of its image
        assert pod["containers"][0]["command"] == command, part
        assert pod["containers"][0]["image"].partition(":")[0] == service["image"]
    ours = {name for name, service in services.items() if service["image"].startswith("thumbnails-")}
    assert charts["defaults"].pods().keys() == ours - {"migrate"} | {"redis", "state", "seccomp"}


@pytest.mark.parametrize("part", ["redis", "state"])
def test_redis_is_started_as_in_compose(charts, part):
    (container,) = charts["defaults"].pods()[part]["containers"]
    service = compose()[part]
    assert " ".join(word or '""' for word in container["command"]) == service["command"]
    assert container["image"] == service["image"]
    security = charts["defaults"].pods()[part]["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == service["user"]
    assert container["resources"]["limits"]["memory"].removesuffix("Mi") + "m" == service["mem_limit"]


@pytest.mark.parametrize("part", ["web", "worker", "beat", "engine", "egress"])
def test_ports_of_metrics_are_those_of_compose(charts, part):
    chart = charts["defaults"]
    (container,) = chart.pods()[part]["containers"]
    port = int(compose()[part]["environment"]["METRICS_PORT"])
    assert environ(chart, part)["METRICS_PORT"] == str(port)
    assert {"name": "metrics", "containerPort": port} in container["ports"]
    (annotations,) = [
        each["spec"]["template"]["metadata"]["annotations"]
        for each in chart.objects
        if each["kind"] in ("Deployment", "StatefulSet") and each["metadata"]["name"].endswith(f"-{part}")
    ]
    assert annotations["prometheus.io/port"] == str(port)


def relabelled(labels, rules):
    """Return what Prometheus makes of the labels of a target, or None if it drops it."""
    labels = dict(labels)
    for written in rules:
        rule = {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): each for key, each in written.items()}
        assert rule.keys() <= {"source_labels", "regex", "action", "target_label", "replacement"}
        value = ";".join(labels.get(name, "") for name in rule.get("source_labels", []))
        matched = re.fullmatch(rule.get("regex", "(.*)"), value)
        if rule.get("action") in ("keep", "drop") and (rule["action"] == "keep") != bool(matched):
            return None
        if rule.get("action", "replace") == "replace" and matched:
            labels[rule["target_label"]] = matched.expand(rule.get("replacement", "$1").replace("$1", r"\1"))
    return {name: value for name, value in labels.items() if not name.startswith("__")}


def targets(chart):
    """The labels by which Prometheus discovers the ports of all pods."""
    for each in chart.objects:
        if "template" not in each.get("spec", {}):
            continue
        labels = {
            "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name): value
            for name, value in each["spec"]["template"]["metadata"]["labels"].items()
        }
        for container in each["spec"]["template"]["spec"]["containers"]:
            for port in container.get("ports", []):
                yield labels | {"__meta_kubernetes_pod_container_port_name": port["name"], "job": "thumbnails"}


def roles():
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    return sorted((job["job_name"], group["labels"]["role"]) for group in job["static_configs"])


def test_prometheus_finds_all_processes_by_the_roles_that_alerts_name(charts):
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.kubernetes.yml").read_text(encoding="utf-8"))["scrape_configs"]
    found = [relabelled(labels, job["relabel_configs"]) for labels in targets(charts["defaults"])]
    assert sorted((each["job"], each["role"]) for each in found if each) == roles()
    for phase, seen in (("Failed", False), ("Succeeded", False), ("Pending", True), ("Running", True)):
        ended = [labels | {"__meta_kubernetes_pod_phase": phase} for labels in targets(charts["defaults"])]
        assert any(relabelled(labels, job["relabel_configs"]) for labels in ended) == seen, phase
    assert job["kubernetes_sd_configs"] == [{"role": "pod"}]


def test_prometheus_takes_the_configuration_for_kubernetes(tmp_path):
    """Debian's Prometheus is built without the discovery of Kubernetes, which is put aside."""
    text = (ROOT / "deploy/prometheus.kubernetes.yml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(
        text.replace("kubernetes_sd_configs: [{role: pod}]", "static_configs: []"), encoding="utf-8"
    )
    (tmp_path / "alerts.yml").symlink_to(ROOT / "deploy/alerts.yml")
    command = ["promtool", "check", "config", "--lint=all", "--lint-fatal", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_so_does_the_operators_prometheus(charts):
    """https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor."""
    monitor = charts["large"]["PodMonitor", "monitoring"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    chosen = [
        labels | {"job": "pictures/try-thumbnails-monitoring"}
        for labels in targets(charts["large"])
        if labels["__meta_kubernetes_pod_container_port_name"] == endpoint["port"]
        and all(
            labels["__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", name)] == value
            for name, value in monitor["spec"]["selector"]["matchLabels"].items()
        )
    ]
    found = [relabelled(labels, endpoint["relabelings"]) for labels in chosen]
    # The Job that migrates PostgreSQL has no port.
    assert sorted((each["job"], each["role"]) for each in found) == roles()


def test_the_operators_alerts_are_ours(charts):
    rule = charts["large"]["PrometheusRule", "monitoring"]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/alerts.yml").read_text(encoding="utf-8"))
    assert not {"PodMonitor", "PrometheusRule"} & {each["kind"] for each in charts["defaults"].objects}


def test_every_variable_is_a_setting(chart):
    of_web = {name.upper() for name in config.Settings.model_fields}
    of_engine = {name.upper() for name in engine.config.EngineSettings.model_fields}
    of_engine |= {name for name in of_web if name.startswith("OTEL_")}  # read by OpenTelemetry itself
    for part in chart.pods().keys() - {"redis", "state", "seccomp"}:
        known = of_engine if part in ("engine", "egress") else of_web
        assert environ(chart, part).keys() <= known, part
    assert chart["ConfigMap", "settings"]["data"].keys() <= of_web


def test_variables_that_the_chart_sets_cannot_be_set_twice(charts):
    """What is set by the environment of a container would win silently over the settings of the user."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]
    fixed = environ(charts["defaults"], "web").keys() | environ(charts["defaults"], "worker").keys()
    assert fixed & schema["settings"]["properties"].keys() == {"CAPTURE_URL"}, "which a guard refuses beside an engine"
    assert fixed - {"CAPTURE_URL"} <= SET_BY_CHART
    assert (
        not environ(charts["defaults"], "engine").keys()
        & schema["engine"]["properties"]["settings"]["properties"].keys()
    )


def test_numbers_reach_the_service_as_they_were_written(charts):
    data = charts["large"]["ConfigMap", "settings"]["data"]
    assert data["ORIGINALS_MAX_BYTES"] == "21474836480"
    assert data["CAPTURE_TIMEOUT"] == "59.5"
    assert data["GALLERY_PUBLIC"] == "true"
    assert environ(charts["large"], "engine")["ENGINE_DEADLINE"] == "45"
    config.Settings.of(**{name.lower(): value for name, value in data.items()}, snapsharp_api_key="sk_live_1")


def test_behind_an_ingress_the_service_believes_it_and_knows_its_own_address(charts):
    assert "TRUSTED_PROXIES" not in charts["defaults"]["ConfigMap", "settings"]["data"]
    assert charts["large"]["ConfigMap", "settings"]["data"]["TRUSTED_PROXIES"] == "1"
    assert charts["large"]["ConfigMap", "settings"]["data"]["PUBLIC_URL"] == "https://thumbs.example.com"
    assert charts["hosted"]["ConfigMap", "settings"]["data"]["TRUSTED_PROXIES"] == "2", "unless it was set"
    assert charts["hosted"]["ConfigMap", "settings"]["data"]["PUBLIC_URL"] == "http://thumbs.example.com"
    (tls,) = charts["large"]["Ingress", "web"]["spec"]["tls"]
    assert tls == {"hosts": ["thumbs.example.com"], "secretName": "try-thumbnails-tls"}


def test_all_pods_but_the_one_that_writes_the_profile_keep_to_the_restricted_standard(chart):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    for part, pod in chart.pods().items():
        if part == "seccomp":
            continue
        assert pod["securityContext"]["runAsNonRoot"], part
        assert pod["securityContext"]["seccompProfile"]["type"] in ("RuntimeDefault", "Localhost"), part
        assert all(volume.keys() & {"emptyDir", "persistentVolumeClaim"} for volume in pod.get("volumes", [])), part
        assert pod["automountServiceAccountToken"] is False, part
    for part, container in containers(chart):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, part
        assert security["readOnlyRootFilesystem"] is True, part
        assert security["capabilities"] == {"drop": ["ALL"]}, part
        assert container["resources"]["limits"]["memory"], part
        assert container["resources"]["requests"], part


def test_our_images_run_as_their_own_user(chart):
    for part, pod in chart.pods().items():
        if part not in ("redis", "state", "seccomp"):
            assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (10001, 10001), part


def test_a_browser_has_its_sandbox_or_there_is_no_engine(charts):
    chart = charts["defaults"]
    assert environ(chart, "engine")["ENGINE_ISOLATION"] == "namespace"
    profile = chart.pods()["engine"]["securityContext"]["seccompProfile"]
    (write,) = chart.pods()["seccomp"]["initContainers"]
    written = chart["ConfigMap", "seccomp"]["data"]["seccomp.json"]
    assert profile["type"] == "Localhost"
    assert write["command"][-1] == f"/seccomp/{profile['localhostProfile']}"
    assert json.loads(written) == json.loads((ROOT / "deploy" / "seccomp.json").read_text(encoding="utf-8"))
    assert (
        charts["large"].pods()["engine"]["securityContext"]["seccompProfile"]["localhostProfile"] == "thumbnails.json"
    )
    assert "seccomp" not in charts["large"].pods()


def test_an_engine_finds_its_outlet_without_a_name_server(charts):
    """Kubelet writes the address of a Service into the environment, and replaces it in other variables."""
    chart = charts["defaults"]
    name = re.fullmatch(r"\$\((\w+)_SERVICE_HOST\):1080", environ(chart, "engine")["ENGINE_EGRESS"])[1]
    assert name == chart["Service", "egress"]["metadata"]["name"].upper().replace("-", "_")
    pod = chart.pods()["engine"]
    assert pod["enableServiceLinks"] is True
    assert (pod["dnsPolicy"], pod["dnsConfig"]) == ("None", {"nameservers": ["127.0.0.1"]})


def test_the_one_outlet_is_large_enough_for_all_engines(charts):
    assert environ(charts["defaults"], "egress")["ENGINE_CONCURRENCY"] == "2"
    assert environ(charts["large"], "egress")["ENGINE_CONCURRENCY"] == "10"
    for part in ("egress", "beat"):
        spec = charts["large"]["Deployment", part]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_each_engine_can_be_chosen_by_its_own_address(charts):
    """The name of a pod of a StatefulSet, below that of its headless Service."""
    urls = environ(charts["large"], "web")["CAPTURE_URL"].split(", ")
    service = charts["large"]["Service", "engine"]
    assert urls == [f"http://try-thumbnails-engine-{number}.try-thumbnails-engine:8001" for number in range(5)]
    assert service["spec"]["clusterIP"] == "None"
    assert charts["large"]["StatefulSet", "engine"]["spec"]["serviceName"] == service["metadata"]["name"]
    assert (
        environ(charts["defaults"], "worker")["CAPTURE_URL"]
        == "http://try-thumbnails-engine-0.try-thumbnails-engine:8001"
    )
    settings = {"capture_url": ", ".join(urls), "capture_api": "engine,snapsharp", "snapsharp_api_key": "sk_live_1"}
    assert list(config.Settings.of(**settings).apis[0].urls) == urls


def test_our_engine_takes_the_captures_unless_the_settings_name_another_api(charts):
    """A SnapSharp key in the Secret alone would make SnapSharp the default, at the engine's address."""
    assert charts["defaults"]["ConfigMap", "settings"]["data"]["CAPTURE_API"] == "engine"
    assert charts["large"]["ConfigMap", "settings"]["data"]["CAPTURE_API"] == "engine,snapsharp"
    assert charts["hosted"]["ConfigMap", "settings"]["data"]["CAPTURE_API"] == "snapsharp"


def test_beat_and_engine_get_no_secret_of_the_other_services(charts):
    secrets = {}
    for part, container in containers(charts["large"]):
        named = [each["secretRef"]["name"] for each in container.get("envFrom", []) if "secretRef" in each]
        keys = [
            each["valueFrom"]["secretKeyRef"]["key"]
            for each in container.get("env", [])
            if "secretKeyRef" in each.get("valueFrom", {})
        ]
        secrets[part] = named + keys
    assert secrets == {
        "web": ["thumbnails", "DATABASE_URL"],
        "worker": ["thumbnails", "DATABASE_URL"],
        "migrate": ["DATABASE_URL"],
        "beat": ["REDIS_URL", "STATE_REDIS_URL"],
        "engine": ["engine"],
        "egress": [],
    }


def callers(chart, part):
    """The parts that may connect to a part, without the scrapers of metrics."""
    policy = chart["NetworkPolicy", part]["spec"]
    rules = [rule for rule in policy["ingress"] if rule["ports"] != [{"port": "metrics"}]]
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in rules
        for peer in rule.get("from", [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "everybody"}}}])
    }


def test_network_policies_part_the_pods_as_composes_networks_do(charts):
    """Compose's networks have no direction: each pair shares one if and only if one of them may connect to the other."""
    services = compose()
    chart = charts["defaults"]
    parts = chart.parts("NetworkPolicy")
    allowed = {frozenset((part, caller)) for part in parts for caller in callers(chart, part) - {"everybody"}}
    shared = {
        frozenset((one, other))
        for one in parts
        for other in parts
        if one != other and set(services[one]["networks"]) & set(services[other]["networks"])
    }
    # Neighbours that do not call each other: compose has no way to say so.
    idle = {frozenset(pair) for pair in (("web", "worker"), ("web", "beat"), ("worker", "beat"), ("redis", "state"))}
    assert allowed == shared - idle
    assert callers(chart, "web") == {"everybody"}


def test_a_page_that_breaks_out_of_the_browser_reaches_the_outlet_alone(charts):
    policy = charts["defaults"]["NetworkPolicy", "engine"]["spec"]
    (rule,) = policy["egress"]
    (peer,) = rule["to"]
    assert "Egress" in policy["policyTypes"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "egress"
    assert rule["ports"] == [{"port": "socks"}]
    assert [each["ports"][0]["port"] for each in charts["large"]["NetworkPolicy", "engine"]["spec"]["egress"]] == [
        "socks",
        4318,
    ]


def test_policies_select_pods_that_there_are(chart):
    labels = {
        json.dumps(
            {
                key: value
                for key, value in each["spec"]["template"]["metadata"]["labels"].items()
                if key in ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component")
            },
            sort_keys=True,
        )
        for each in chart.objects
        if "template" in each.get("spec", {})
    }
    for each in chart.objects:
        spec = each.get("spec", {})
        chosen = {
            "NetworkPolicy": lambda spec: [spec["podSelector"]["matchLabels"]],
            "PodDisruptionBudget": lambda spec: [spec["selector"]["matchLabels"]],
            "Service": lambda spec: [spec["selector"]],
            "Deployment": lambda spec: [spec["selector"]["matchLabels"]],
        }.get(each["kind"], lambda spec: [])(spec)
        assert {json.dumps(labels_, sort_keys=True) for labels_ in chosen} <= labels, each["metadata"]["name"]


def test_services_lead_to_ports_that_their_pods_have(chart):
    for part in chart.parts("Service"):
        (port,) = chart["Service", part]["spec"]["ports"]
        names = {each["name"]: each["containerPort"] for each in chart.pods()[part]["containers"][0]["ports"]}
        assert port["targetPort"] in names
        assert part == "web" or port["port"] == names[port["targetPort"]]


def test_web_process_and_worker_share_their_files_on_one_node_until_these_lie_elsewhere(charts):
    chart = charts["defaults"]
    for part in ("web", "worker"):
        assert {"name": "data", "persistentVolumeClaim": {"claimName": "try-thumbnails-data"}} in chart.pods()[part][
            "volumes"
        ]
        assert chart["Deployment", part]["spec"]["strategy"] == {"type": "Recreate"}
        assert chart.pods()[part]["initContainers"][0]["command"] == ["python", "-m", "sites.migrate"]
    (term,) = chart.pods()["worker"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "web"
    assert "PersistentVolumeClaim" not in {each["kind"] for each in charts["large"].objects}
    assert {"name": "data", "emptyDir": {}} in charts["large"].pods()["web"]["volumes"]
    assert "affinity" not in charts["shared"].pods()["worker"]
    assert charts["shared"]["PersistentVolumeClaim", "data"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "mine"}} in charts["hosted"].pods()["web"]["volumes"]


def test_postgresql_is_migrated_before_a_new_version_starts(charts):
    job = charts["large"]["Job", "migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["python", "-m", "sites.migrate"]
    assert "Job" not in {each["kind"] for each in charts["defaults"].objects}


def test_several_pods_are_never_all_drained_at_once(charts):
    assert charts["large"].parts("PodDisruptionBudget") == {"web", "worker", "engine"}
    assert charts["defaults"].parts("PodDisruptionBudget") == set(), "which would keep a node from being drained"
    assert charts["large"].parts("HorizontalPodAutoscaler") == {"engine"}
    scaled = charts["large"]["HorizontalPodAutoscaler", "engine"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("StatefulSet", "try-thumbnails-engine")
    assert "replicas" not in charts["large"]["StatefulSet", "engine"]["spec"], "or an upgrade would undo the autoscaler"


def test_no_probe_asks_the_dependencies(chart):
    """A Redis that is away must not make Kubernetes restart web processes and workers."""
    for part, container in containers(chart):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = container.get(probe, {}).get("httpGet", {}).get("path", "/health")
            assert path == "/health", part
        assert part != "worker" or "livenessProbe" not in container


def test_pods_may_end_their_work_as_in_compose(charts):
    pods = charts["defaults"].pods()
    for part in ("web", "worker", "engine"):
        grace = int(compose()[part]["stop_grace_period"].removesuffix("s"))
        sleeps = 5 if "lifecycle" in pods[part]["containers"][0] else 0  # until all nodes know
        assert pods[part]["terminationGracePeriodSeconds"] >= grace + sleeps, part


def test_notes_warn_of_what_is_open(charts):
    assert "no existingSecret" in charts["defaults"].notes
    assert "plain text" in charts["hosted"].notes
    assert "without its sandbox" in charts["shared"].notes
    assert "WARNING" not in charts["large"].notes


def test_the_charts_version_is_that_of_the_service():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
