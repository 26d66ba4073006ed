"""The example of docs/provenance.md reads what it says from the picture that it requests."""

import re
from pathlib import Path
from urllib.parse import urlsplit

DOCS = (Path(__file__).parents[3] / "docs" / "provenance.md").read_text(encoding="utf-8")


def test_the_example_reads_the_file_that_it_requests(client, tmp_path, monkeypatch):
    (file, url), (code,) = (
        re.search(r"curl -fsS -o (\S+) '(\S+)'", DOCS).groups(),
        re.findall("```python\n(.*?)```", DOCS, re.DOTALL),
    )
    answer = client.get(f"{urlsplit(url).path}?{urlsplit(url).query}")
    (tmp_path / file).write_bytes(answer.data)
    monkeypatch.chdir(tmp_path)

    lines = [line.partition("  # ") for line in code.splitlines() if "  # " in line]
    setup = "\n".join(line for line in code.splitlines() if "  # " not in line)
    names = {}
    exec(setup, names)
    description, moment = (eval(expression, names) for expression, _, _ in lines)
    assert description == lines[0][2]
    assert re.sub("[0-9]", "0", moment) == re.sub("[0-9]", "0", lines[1][2])
