"""What judges a soak: slopes over the lives of processes, and errors that a crash explains, on series made for it."""

import random
import re
import shutil
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.soak import report
from bench.soak.plots import chart
from bench.soak.report import Soak
from bench.soak.traffic import Answer, Traffic
from bench.soak.verdict import (
    BAD,
    CANNOT_TELL,
    GOOD,
    GROWS,
    STEADY,
    UNCERTAIN,
    Bounds,
    Fault,
    Slope,
    by_cause,
    quantiles,
    settled,
    slope,
    split,
    unexplained,
)
from bench.soak.watch import Watch, folder_bytes

MOST = Bounds(leak=16, most=64)  # MiB an hour
HOUR = 3600


def life(begin=0, end=600, level=100.0, per_hour=0.0, noise=0.0, seed=1):
    """What is measured of one process every five seconds."""
    rng = random.Random(seed)
    return [(time, level + per_hour * (time - begin) / HOUR + rng.gauss(0, noise)) for time in range(begin, end, 5)]


def verdict(*lives):
    return slope(lives).judged_by(MOST)


def test_a_level_with_noise_is_steady():
    assert verdict(life(noise=1)) == STEADY


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_grows_in_spite_of_noise(seed):
    found = slope([life(per_hour=300, noise=1, seed=seed)])
    assert found.judged_by(MOST) == GROWS
    assert abs(found.per_hour - 300) <= 2 * found.margin


def test_growth_below_the_threshold_is_steady():
    assert verdict(life(per_hour=10, noise=0.3)) == STEADY


def test_a_small_leak_that_is_measured_exactly_grows():
    assert verdict(life(per_hour=30, noise=0.3)) == GROWS


def test_a_fall_is_steady():
    assert verdict(life(per_hour=-300, noise=1)) == STEADY


def test_a_leak_is_not_hidden_by_restarts():
    lives = [life(begin, begin + 150, per_hour=300, noise=0.5, seed=begin) for begin in (0, 150, 300, 450)]
    assert verdict([point for each in lives for point in each]) != GROWS  # as one series, it looks steady
    assert verdict(*lives) == GROWS


def test_a_larger_process_that_follows_a_smaller_one_is_no_growth():
    assert verdict(life(0, 300, level=60, noise=0.5), life(300, 600, level=120, noise=0.5, seed=2)) == STEADY


def test_noise_without_end_tells_nothing():
    assert verdict(life(0, 200, noise=30)) == UNCERTAIN


@pytest.mark.parametrize(
    ("per_hour", "margin", "said"),
    [
        (100, 90, UNCERTAIN),
        (100, 50, GROWS),
        (30, 30, STEADY),
        (30, 50, UNCERTAIN),
        (17, 0.5, GROWS),
        (15, 0.5, STEADY),
        (0, 65, UNCERTAIN),
    ],
)
def test_only_a_whole_interval_on_one_side_of_a_threshold_is_certain(per_hour, margin, said):
    assert Slope(per_hour, margin).judged_by(MOST) == said


@pytest.mark.parametrize(("per_hour", "margin"), [(100, 90), (30, 50), (0, 65), (40, 25), (-500, 4000)])
def test_a_run_as_long_as_needed_is_certain(per_hour, margin):
    needed = Slope(per_hour, margin).seconds_needed(MOST, 1200)
    assert needed > 1200
    longer = Slope(per_hour, margin * (1200 / needed) ** 0.5 * 0.999)
    assert longer.judged_by(MOST) != UNCERTAIN


def wave(seed):
    """A level that wanders and returns: neighbours in time resemble each other."""
    rng, level, found = random.Random(seed), 0.0, []
    for time in range(0, 1200, 5):
        level = 0.95 * level + rng.gauss(0, 1)
        found.append((time, level))
    return found


def test_slow_waves_are_seldom_taken_for_certain_growth():
    grown = sum(slope([wave(seed)]).judged_by(Bounds(0, 0)) == GROWS for seed in range(200))
    assert grown <= 20  # of 200; 61 if the blocks were taken for independent


def test_work_that_comes_more_often_raises_no_level_for_good():
    rng = random.Random(1)
    busy = [(time, 60 + (30 if rng.random() < time / 1200 else 0)) for time in range(0, 600, 5)]
    assert verdict(busy) == STEADY


def test_too_few_samples_have_no_slope():
    assert slope([life(0, 60)]) is None
    assert slope([]) is None


def test_constant_descriptors_are_steady_without_doubt():
    found = slope([life(level=40)])
    assert (found.per_hour, found.margin) == (0, 0)
    assert found.judged_by(Bounds(0, 0)) == STEADY


def test_the_start_of_the_run_and_of_each_process_is_left_out():
    assert settled(life(0, 600), start=300, grace=60)[0][0] == 300
    assert settled(life(400, 600), start=300, grace=60)[0][0] == 460
    assert settled([], start=300, grace=60) == []


def test_a_series_is_split_at_times_in_any_order():
    points = life(0, 20)
    assert split(points, [12, 5]) == [points[:1], points[1:3], points[3:]]
    assert split(points, []) == [points]


def fault(answered, asked=None, what="picture: 502"):
    return Fault(answered if asked is None else asked, answered, what)


def test_an_error_soon_after_a_crash_is_explained():
    assert unexplained([fault(60.1), fault(79.9)], [60], within=20) == []


def test_a_request_that_was_open_at_a_crash_is_explained():
    assert unexplained([fault(61, asked=58)], [60], within=20) == []


@pytest.mark.parametrize("answered", [59.9, 80.1])
def test_an_error_before_a_crash_or_long_after_is_not_explained(answered):
    assert unexplained([fault(answered)], [60, 300], within=20) == [fault(answered)]


def test_a_request_that_hung_longer_than_that_is_not_explained():
    hung = fault(90, asked=61)
    assert unexplained([hung], [60], within=20) == [hung]


def test_without_any_crash_no_error_is_explained():
    assert unexplained([fault(5)], [], within=20) == [fault(5)]


def test_an_error_is_put_down_to_the_last_crash_before_it():
    crashes = {60.0: "engine killed", 70.0: "browser killed", 300.0: "engine killed"}
    found = by_cause([fault(64), fault(75), fault(200), fault(301)], crashes, within=20)
    assert {kind: [seconds for seconds, _ in faults] for kind, faults in found.items()} == {
        "engine killed": [4, 1],
        "browser killed": [5],
    }


def test_quantiles_are_values_that_were_measured():
    assert quantiles([3, 1, 2, 4], [0.5, 0.95, 1]) == [2, 4, 4]
    assert quantiles([7], [0.5, 0.99]) == [7, 7]


def points(drawing):
    lines = ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}polyline")
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()] for line in lines]


def test_a_plot_rises_with_its_values_and_stays_inside():
    ((first, second),) = points(chart("a < b", {"it & more": [(0, 0), (50, 7)]}, marks=[20]))
    assert 0 <= first[0] < second[0] <= 860
    assert 0 <= second[1] < first[1] <= 340


@pytest.mark.parametrize("logarithmic", [True, False])
@pytest.mark.parametrize("values", [(0.002, 31_000), (0, 0), (1, 1), (4, 1000)])
def test_any_values_can_be_drawn(values, logarithmic):
    series = {"a": list(enumerate(values)), "empty": []}
    if logarithmic and not any(values):
        with pytest.raises(ValueError, match="nothing to draw"):
            chart("title", series, logarithmic=logarithmic)
        return
    for line in points(chart("title", series, logarithmic=logarithmic)):
        assert all(60 <= y <= 340 - 34 for _, y in line)  # below the names, above the minutes


def test_a_gap_breaks_a_line():
    assert len(points(chart("title", {"a": [(0, 1), (5, 1), (90, 1), (95, 1)]}))) == 2


@pytest.fixture
def good():
    """A run of twenty minutes, as it should be: one web worker is killed, and one request fails for that."""
    traffic, watch = Traffic("http://web", "http://demo", Path("clock"), began=0, pages=300), Watch(None)
    traffic.faults.append(fault(601))
    traffic.answers += [Answer(time, 0.01, state) for time in range(1200) for state in ("HIT", "304", "MISS")]
    for kind in (*report.JUDGED, *report.SERVERS):
        for number, each in enumerate((life(0, 1200, noise=0.5), life(610, 1200, level=50, noise=0.5))):
            watch.memory_of[kind, number, 0] = each
            watch.descriptors_of[kind, number, 0] = [(time, 40) for time, _ in each]
        watch.memory[kind] = watch.descriptors[kind] = life(0, 1200)
    watch.kept["Redis (cache)"] = [(time, 31) for time in range(0, 1200, 5)]
    watch.waiting["messages in queues"] = watch.load = [(0, 1)]
    return Soak(1200, traffic, watch, {600: "web worker killed"})


def test_a_good_run_is_good(good, tmp_path):
    assert report.verdict(good).outcome == GOOD
    report.write(good, tmp_path)
    assert "**Good.**" in (tmp_path / "soak.md").read_text()
    for plot in report.PLOTS:
        assert f"](soak/{plot}.svg)" in (tmp_path / "soak.md").read_text()
        assert points((tmp_path / "soak" / f"{plot}.svg").read_text())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda run: run.watch.memory_of.update(
                {("engine", number, 0): life(610 * number, 1200, per_hour=400, noise=0.5) for number in range(2)}
            ),
            "engine: memory of a process: +",
        ),
        (
            lambda run: run.watch.descriptors_of.update(
                {("worker, main", number, 0): life(610 * number, 1200, per_hour=400) for number in range(2)}
            ),
            "worker, main: descriptors of a process: +",
        ),
        (
            lambda run: run.traffic.faults.append(fault(700, what="picture: 503 busy")),
            "errors without a crash in the 20 s before: 1 × picture: 503 busy",
        ),
        (lambda run: run.traffic.lost_jobs.append("60 s: abc is failed"), "jobs lost: 60 s: abc is failed"),
        (
            lambda run: run.watch.kept["Redis (cache)"].append((900, 60)),
            "Redis (cache): 60 MiB are kept; the limit is 32",
        ),
        (lambda run: run.watch.kept["originals"].append((900, 130)), "originals: 130 MiB are kept; the limit is 96"),
    ],
)
def test_a_bad_run_says_what_is_bad(good, spoil, said):
    spoil(good)
    judged = report.verdict(good)
    (told,) = judged.bad
    assert told.startswith(said)
    assert judged.outcome == BAD
    assert "**Bad.**" in report.text(good)
    assert told in report.text(good)


def test_the_size_of_a_folder_is_read_while_folders_inside_it_come_and_go(tmp_path):
    (tmp_path / "kept").write_bytes(bytes(4096))
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            for number in range(50):
                (tmp_path / str(number) / "deep").mkdir(parents=True)
            for number in range(50):
                shutil.rmtree(tmp_path / str(number))

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        sizes = {folder_bytes(tmp_path) for _ in range(300)}
    finally:
        ended.set()
        thread.join()
    assert sizes == {4096}


def connected_anew(run, kinds, restart=900):
    """Processes of `kinds` drop their connections when Redis restarts, and open them again within two minutes."""
    for lives in (run.watch.memory_of, run.watch.descriptors_of):
        for key, each in lives.items():
            if key[0] not in kinds:
                continue
            lives[key] = [
                (time, value - 20 * (1 - (time - restart) / 110) if restart <= time < restart + 110 else value)
                for time, value in each
            ]


def test_connections_that_a_restart_of_redis_closed_are_no_growth(good):
    connected_anew(good, set(report.JUDGED) - set(report.WITHOUT_REDIS))
    assert report.verdict(good).outcome != GOOD
    good.crashes[900] = "state Redis restarted"
    assert report.verdict(good).outcome == GOOD


def test_a_restart_of_redis_excuses_nothing_that_does_not_use_it(good):
    connected_anew(good, {"engine"})
    good.crashes[900] = "state Redis restarted"
    assert report.verdict(good).outcome != GOOD


def noisy(run, kind="engine"):
    run.watch.memory_of.update({(kind, number, 0): life(610 * number, 1200, noise=400) for number in range(2)})


def without_crash(run):
    run.crashes.clear()
    run.traffic.faults.clear()


def one_not_there(run):
    run.not_killed.append("browser at 240 s")


def too_short(run):
    for name in [each for each in run.watch.descriptors_of if each[0] == "beat"]:
        run.watch.descriptors_of[name] = life(0, 100)


@pytest.mark.parametrize(
    ("blur", "said"),
    [
        (
            noisy,
            r"engine: memory of a process: [+-]\d+\.\d ± \d+\.\d MiB an hour may be more than 64; run it for about \d+ min",
        ),
        (too_short, "beat: descriptors of a process: no process ran for long enough; run it for longer"),
        (lambda run: run.traffic.answers.clear(), "no request was answered"),
        (without_crash, "nothing was killed"),
        (one_not_there, "not there to be killed: browser at 240 s"),
    ],
)
def test_a_run_that_cannot_tell_is_not_good_and_says_what_is_needed(good, blur, said):
    blur(good)
    judged = report.verdict(good)
    assert (judged.outcome, judged.bad) == (CANNOT_TELL, [])
    (told,) = judged.unknown
    assert re.match(said, told)
    assert f"**Cannot tell.** Nothing is known to be bad, but not all is known to be good:\n\n- {told}" in report.text(
        good
    )


def test_what_is_bad_outweighs_what_is_not_known(good):
    noisy(good)
    good.traffic.lost_jobs.append("60 s: abc is failed")
    assert report.verdict(good).outcome == BAD
    text = report.text(good)
    assert (
        text.index("**Bad.**") < text.index("jobs lost") < text.index("Not known yet:") < text.index("engine: memory")
    )
