"""Load by wrk: responses per second, and their p50 and p99 latency."""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Load:
    """The result of a load. Latencies are in milliseconds. `bad` counts statuses above 399, `broken` missing responses."""

    rate: float
    p50: float
    p99: float
    bad: int
    broken: int
    bytes_each: float

    @property
    def clean(self) -> bool:
        return not self.bad and not self.broken

    @property
    def faults(self) -> str:
        """Describe the failed requests for a row; "" if there were none."""
        return "" if self.clean else f" ({self.bad} errors, {self.broken} without a response)"


def wrk(
    base: str,
    paths: Sequence[str],
    seconds: float,
    headers: Mapping[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> Load:
    """Request `paths` of `base` in turn, for `seconds` whole seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.write("\n".join(paths))
        file.flush()
        extra = [word for pair in (headers or {}).items() for word in pair]
        options = ["-t2", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "20s", "-s", str(SCRIPT)]
        command = ["wrk", *options, base, "--", file.name, *extra]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("SUMMARY "))
    found = json.loads(line.removeprefix("SUMMARY "))
    rate = found["requests"] / (found["microseconds"] / 1e6)
    each = found["bytes"] / max(found["requests"], 1)
    return Load(rate, found["p50"] / 1000, found["p99"] / 1000, found["bad_status"], found["broken"], each)


def median(loads: Sequence[Load]) -> Load:
    """Take each number's median over the rounds, and the sum of all failures."""

    def middle(of: Callable[[Load], float]) -> float:
        return statistics.median(map(of, loads))

    return Load(
        middle(lambda load: load.rate),
        middle(lambda load: load.p50),
        middle(lambda load: load.p99),
        sum(load.bad for load in loads),
        sum(load.broken for load in loads),
        middle(lambda load: load.bytes_each),
    )


def wait_for_quiet(timeout: float = 20) -> None:
    """Wait until the machine's processors are nearly idle, but no longer than `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        busy, whole = _jiffies()
        time.sleep(0.3)
        now_busy, now_whole = _jiffies()
        if now_busy - busy < 0.1 * (now_whole - whole):
            return


def _jiffies() -> tuple[int, int]:
    """Read the busy and the total time of all processors, from /proc/stat: proc_stat(5)."""
    spent = [int(each) for each in Path("/proc/stat").read_text(encoding="ascii").split(maxsplit=11)[1:9]]
    idle = spent[3] + spent[4]
    return sum(spent) - idle, sum(spent)


def require_clean(loads: Mapping[str, Load]) -> None:
    """Raise unless every response was good, since a rate with errors is not a rate of hits."""
    faulty = {name: load for name, load in loads.items() if not load.clean}
    if faulty:
        raise RuntimeError(f"some requests failed: {faulty}")


def alternate(contenders: Mapping[str, Callable[[], Load]], rounds: int = 3) -> dict[str, Load]:
    """Measure all contenders in turn, `rounds` times, so that other load affects all alike. Return the medians.

    Loads of refusals are not clean. Check all others with `require_clean`.
    """
    loads: dict[str, list[Load]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            loads[name].append(measure())
    return {name: median(each) for name, each in loads.items()}
