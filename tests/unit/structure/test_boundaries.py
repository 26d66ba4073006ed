"""What only one place may know, and no import shows."""

import ast

from tests.unit.structure import house

ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def test_settings_are_read_from_the_environment_in_config_alone():
    assert {str(path) for path, tree in house.files() if any(map(is_environment, ast.walk(tree)))} == {
        "config.py",
        "engine/config.py",
        "engine/browser/process.py",  # hands PATH, language and time zone on to the browser
        "engine/startup.py",  # tells the C library's resolver its time-outs
        "demo/__main__.py",  # a site of its own
    }


def is_environment(node):
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=name):
            return name in ENVIRONMENT
        case ast.ImportFrom(module="os", names=names):
            return any(alias.name in ENVIRONMENT for alias in names)
    return False


def test_the_devtools_protocol_is_spoken_in_the_engine_alone():
    speakers = {path.parts[0] for path, tree in house.files() if any(map(is_command, ast.walk(tree)))}
    assert speakers == {"engine"}


def is_command(node):
    match node:
        case ast.Constant(value=str(text)):
            return text.startswith(("Browser.", "Emulation.", "Fetch.", "Network.", "Page.", "Runtime.", "Target."))
    return False
