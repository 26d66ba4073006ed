"""What the command line loads, in a process of its own."""

import json
import subprocess
import sys

from tests.support.preloaded import production_environ
from tests.unit.structure import house

LOAD = """
import json, sys
from cli.main import _COMMANDS, thumbnails
thumbnails(["--help"], standalone_mode=False)
helped = [*sys.modules]
shown = {name: thumbnails.get_command(None, name).name for name in thumbnails.list_commands(None)}
print(json.dumps({"helped": helped, "loaded": [*sys.modules], "shown": shown}))
"""


def test_help_loads_nothing_of_the_service_and_no_command_loads_flask():
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=house.ROOT,
        env=production_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])

    assert house.packages() & set(told["helped"]) == {"cli", "errors"}
    assert {"services", "sites"} <= set(told["loaded"])
    assert {"flask", "werkzeug", "web"} & set(told["loaded"]) == set()
    assert [*told["shown"].values()] == [*told["shown"]]
    assert all(f"  {name} " in done.stdout for name in told["shown"])
