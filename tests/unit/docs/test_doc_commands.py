"""What runs the commands of the documents finds them all, and notices what cannot work."""

import pytest

from tests.support.doc_commands import PAGES, REAL, STAND_INS, Workshop, blocks
from tests.support.platforms import faults

PROGRAMS = {*REAL, *STAND_INS, "$", "#", "sudo", "psql", "nginx"}
WRONG = [
    "docker compose logs webb",
    "docker compose --profile watching up",
    "docker compose exec --nonsense web thumbnails doctor",
    "docker compose exec thumbnails doctor",
    "docker build --target worker .",
    "docker buildx bake --file deploy/cake.json --push",
    "docker run --rm thumbnails-web cat /app/nothing.json",
    "kubectl get pods --selector=app.kubernetes.io/instance=thumbs",
    "kubectl logs --selector=app.kubernetes.io/instance=thumbnails,app.kubernetes.io/component=queue",
    "kubectl exec --container=engine deploy/thumbnails-web -- thumbnails doctor",
    "kubectl create secret generic thumbnails --from-literal=SIGNING_KEY=x",
    "kubectl scale deploy/thumbnails-queue --replicas=0",
    "helm install thumbnails deploy/helm --values none.yaml",
    "helm install thumbs deploy/helm --values values.yaml",
    "fly deploy --config deploy/fly.worker.toml",
    "fly secrets set --app thumbnails-web SIGNING_KEY=x",
    "fly scale count web=2 queue=1 --app thumbnails-web",
    "fly logs --app thumbnails",
    "gcloud run services replace deploy/cloud.yaml",
    "gcloud run jobs deploy migrate --image X --command python --args=-m,sites.migrations",
    "gcloud run jobs deploy x --set-secrets DATABASE_URI=database-url:latest",
    "systemctl enable --now thumbnails-queue",
    "journalctl --unit=thumbnails --lines=5 --output=cat",
    "systemd-analyze security thumbnails-nginx",
    "install --mode=0755 /opt/thumbnails/deploy/systemd/nothing /usr/local/bin/",
    "cp -r /opt/thumbnails/deploy/units/*.service /etc/systemd/system/",
    "npm install ./clients/ruby",
    "pip install thumbnails",
    "python -m bench.nights",
    "prometheus --config.file=deploy/nothing.yml",
    "git clone https://git.example.com/thumbnails.git /srv/thumbnails",
]
RIGHT = [
    "docker compose exec -T web thumbnails backup --no-pictures -",
    "docker compose --profile monitoring up --detach",
    "kubectl exec --stdin --container=web deploy/thumbnails-web -- thumbnails purge --all",
    "kubectl scale deploy/thumbnails-worker deploy/thumbnails-beat --replicas=0",
    "fly scale count web=2 worker=2 beat=1 --app thumbnails-web",
    "systemctl restart thumbnails-engine",
    "python -m bench.days",
]


def test_every_block_of_shell_commands_is_marked_as_one():
    """Blocks of other languages are tested elsewhere; those without one are shown, not typed."""
    found = [block for page in PAGES for block in blocks(page)]
    assert len([block for block in found if block.language == "sh"]) > 70
    assert {block.language for block in found} & {"bash", "shell", "console", "zsh"} == set()
    unmarked = [block for block in found if not block.language and block.script.split()[0] in PROGRAMS]
    assert [str(block) for block in unmarked] == []


def test_blocks_in_lists_and_comments_before_them_are_read(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    monkeypatch.setattr("tests.support.doc_commands.ROOT", tmp_path)
    page.write_text(
        "# A\n\n1. Do:\n\n   <!-- shell: one -->\n   ```sh\n   a |\n     b\n   ```\n\n```\nc\n```\n", "utf-8"
    )
    one, two = blocks(page)
    assert (one.line, one.script, one.mark, one.name) == (6, "a |\n  b\n", "shell", "one")
    assert (two.line, two.language, two.script, two.mark) == (11, "", "c\n", "")


@pytest.mark.parametrize("call", WRONG)
def test_what_is_not_there_is_noticed(call, tmp_path):
    assert faults(call.split(), tmp_path) != []


@pytest.mark.parametrize("call", RIGHT)
def test_what_is_there_is_not(call, tmp_path):
    assert faults(call.split(), tmp_path) == []


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("docs") / "workshop", '{"event": "capture_slow"}\n', {})


@pytest.mark.parametrize(
    "script", ["nft -f deploy/egress.nft", "docker compose ps | grep nothing", "echo $UNSET", "false; true"]
)
def test_a_script_with_an_unknown_program_or_a_failure_in_it_fails(workshop, script):
    assert workshop.run(script, workshop.folder_of("page"), {}).status != 0


def test_stand_ins_note_their_words_and_show_the_log(workshop):
    ran = workshop.run("docker compose logs 'a b' | grep slow", workshop.folder_of("page"), {})
    assert (ran.status, ran.calls) == (0, [["docker", "compose", "logs", "a b"]])
    assert "capture_slow" in ran.stdout
