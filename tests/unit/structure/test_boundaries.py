"""Rules that no import shows: only one module may use certain names and calls."""

import ast

from tests.unit.structure import house

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def test_only_config_reads_the_environment():
    assert {str(path) for path, nodes in house.files() if any(map(is_environment, nodes))} == {
        "config/environment.py",
        "config/spelling.py",
        "engine/config.py",
        "engine/browser/process.py",  # hands PATH, language and time zone on to the browser
        "engine/startup.py",  # sets the time-outs of the C library's resolver
        "demo/__main__.py",  # a separate site
    }


def is_environment(node):
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=name):
            return name in ENVIRONMENT
        case ast.ImportFrom(module="os", names=names):
            return any(alias.name in ENVIRONMENT for alias in names)
    return False


def test_only_the_engine_speaks_the_devtools_protocol():
    speakers = {path.parts[0] for path, nodes in house.files() if any(map(is_command, nodes))}
    assert speakers == {"engine"}


def is_command(node):
    match node:
        case ast.Constant(value=str(text)):
            return text.startswith(("Browser.", "Emulation.", "Fetch.", "Network.", "Page.", "Runtime.", "Target."))
    return False
