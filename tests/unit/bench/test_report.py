"""The README quotes the results of `make bench` exactly."""

from pathlib import Path

from bench.report import QUOTED, Row, quote

ROOT = Path(__file__).parents[3]


def quoted(text: str) -> list[str]:
    return text.partition(QUOTED)[2].partition("\n\n")[0].splitlines()[1:]


def test_every_number_in_the_readme_is_in_the_results():
    measured = (ROOT / "bench" / "results.md").read_text(encoding="utf-8").splitlines()
    rows = quoted((ROOT / "README.md").read_text(encoding="utf-8"))
    assert rows
    assert [row for row in rows if not any(line.startswith(row) for line in measured)] == []


def test_a_run_replaces_the_headlines_of_the_last_and_nothing_else(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Name\n\n{QUOTED}\n| old | 1 | 2 | 3 |\n\nMore.\n", encoding="utf-8")
    quote(readme, [Row("new", "4", "5", "6", "≥ 7", met=True, headline=True), Row("not quoted", "8")])
    assert readme.read_text(encoding="utf-8") == f"# Name\n\n{QUOTED}\n| new | 4 | 5 | 6 |\n\nMore.\n"
