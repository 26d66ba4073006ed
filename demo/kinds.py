"""The kinds of made-up sites. Each draws a page of its own from what stays (`own`) and what an edition brings (`new`)."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Scene:
    """What a page is about. `hue` is the colour of the site; `edition` counts from any day."""

    title: str
    place: str
    hue: int
    edition: int
    own: random.Random
    new: random.Random


@dataclass(frozen=True)
class DemoKind:
    noun: str
    tag: str
    css: str
    body: Callable[[Scene], str]

    def page(self, scene: Scene) -> str:
        title = escape(scene.title)
        return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{SHARED.replace("HUE", str(scene.hue))}{self.css}</style></head>
<body class="{self.tag}">{self.body(scene)}</body></html>
"""


SHARED = """
:root { --dark: hsl(HUE 45% 17%); --deep: hsl(HUE 50% 32%); --main: hsl(HUE 60% 45%); --soft: hsl(HUE 55% 88%); --pale: hsl(HUE 40% 97%) }
* { box-sizing: border-box; margin: 0 }
body { font: 18px/1.5 "Liberation Sans", Arial, "WenQuanYi Zen Hei", sans-serif; color: var(--dark); background: var(--pale); min-height: 100vh }
h1 { font-size: 54px; line-height: 1.08; letter-spacing: -.02em } h2 { font-size: 24px; line-height: 1.25 }
header { padding: 48px 6vw; background: var(--dark); color: var(--pale) } main { padding: 40px 6vw }
table { width: 100%; border-collapse: collapse; font-size: 22px } td { padding: 14px 10px; border-top: 1px solid #0002 } td:last-child { text-align: right }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 24px } .card { background: #fff; border-radius: 14px; padding: 22px }
"""

DISHES = (
    "Fish soup",
    "Lamb stew",
    "Barley risotto",
    "Baked trout",
    "Nettle pie",
    "Mushroom toast",
    "Potato dumplings",
    "Cloudberry cream",
    "Waffles",
    "Rye porridge",
)
WARES = (
    "Walking stick",
    "Wool socks",
    "Tin mug",
    "Map case",
    "Head torch",
    "Rope, 20 m",
    "Sun hat",
    "Rain cape",
    "Compass",
    "Camp stove",
    "Thermos",
    "Bird book",
)
HEADLINES = (
    "Bridge opens after a long winter", "Sheep found two valleys away", "New path needs a name", "Ferry keeps its old bell",
    "School choir wins at last", "Snow line lower than last year", "Baker retires, oven stays", "Library lends skis from Monday",
    "Bus will wait for the boat", "Bees return to the church tower", "Lost glove has its own museum", "Festival moves to the harbour",
)  # fmt: skip
EVENTS = (
    "Night walk",
    "Map reading",
    "Knots for beginners",
    "Dawn swim",
    "Stargazing",
    "Hut cleaning",
    "First aid",
    "Song evening",
    "Berry day",
    "Kite flying",
)
PARTS = ("Website", "Maps", "Payments", "Search", "Push messages", "Sign-in")


def _menu(scene: Scene) -> str:
    dishes = scene.own.sample(DISHES, 6)
    dish, side = scene.new.sample(DISHES, 2)
    rows = "".join(f"<tr><td>{dish}<td>{scene.own.randrange(60, 240)} kr" for dish in dishes)
    return (
        f"<header><h1>{escape(scene.title)}</h1><p>Open from eight until the last guest</header><main class=grid>"
        f"<div class=card><h2>Today</h2><p class=dish>{dish} with {side.lower()}"
        f"<p>{scene.new.randrange(120, 260)} kr</div><div class='card wide'><table>{rows}</table></div></main>"
    )


def _shop(scene: Scene) -> str:
    sale = scene.new.randrange(9)
    cards = "".join(
        f"<div class='card{' sale' if index == sale else ''}'><svg viewBox='0 0 100 70'><circle cx='{scene.own.randrange(25, 75)}' cy=35 "
        f"r='{scene.own.randrange(18, 33)}' fill='hsl({scene.hue + index * 14} 60% 70%)'/></svg><h2>{ware}</h2>"
        f"<p>{scene.own.randrange(40, 900) - (30 if index == sale else 0)} kr</div>"
        for index, ware in enumerate(scene.own.sample(WARES, 9))
    )
    return f"<header><h1>{escape(scene.title)}</h1><p>{scene.new.choice(WARES)} is back</header><main class=grid>{cards}</main>"


def _journal(scene: Scene) -> str:
    # Each edition puts one headline before those of the editions before it.
    told = [random.Random(f"{scene.hue}/{scene.edition - age}").choice(HEADLINES) for age in range(5)]  # noqa: S311 - looks alone
    others = "".join(
        f"<div class=card><h2>{headline}</h2><p>{'yesterday' if age == 1 else f'{age} days ago'}</div>"
        for age, headline in enumerate(told[1:], 1)
    )
    return (
        f"<header><p>{escape(scene.title)} · No. {400 + scene.edition % 1000}</header><main><p class=kicker>{scene.place}<h1>{told[0]}</h1>"
        f"<p class=lead>By our own correspondent, who was there, and then had soup.<div class=grid>{others}</div></main>"
    )


def _status(scene: Scene) -> str:
    down = scene.new.choice(PARTS) if scene.new.random() < 0.35 else ""
    rows = "".join(
        f"<tr><td><i class={'bad' if part == down else 'good'}></i>{part}<td>{'not available' if part == down else 'works'}"
        for part in PARTS
    )
    banner = f"{down} is not available. We are on it." if down else "Everything works."
    return (
        f"<header class={'bad' if down else 'good'}><p>{escape(scene.title)}<h1>{banner}</h1></header>"
        f"<main><table>{rows}</table><p>{scene.new.randrange(2, 90)} days without a word of complaint</main>"
    )


def _weather(scene: Scene) -> str:
    temperatures = [scene.new.randrange(-8, 19) for _ in range(7)]
    bars = "".join(
        f"<div class=day><b>{degrees}°</b><i style='height: {70 + degrees * 9}px'></i>{DAYS[(scene.edition + ahead) % 7][:3]}</div>"
        for ahead, degrees in enumerate(temperatures)
    )
    sky = scene.new.choice(("Rain", "Clear sky", "Fog", "Snow", "Light wind"))
    return f"<header><h1>{temperatures[0]}° and {sky.lower()}</h1><p>{escape(scene.title)}</header><main class=bars>{bars}</main>"


def _club(scene: Scene) -> str:
    rows = "".join(
        f"<tr><td>{DAYS[(scene.edition + 2 * ahead) % 7]}<td>{event}<td>{scene.new.randrange(0, 12)} places left"
        for ahead, event in enumerate(scene.new.sample(EVENTS, 5))
    )
    return (
        f"<header><svg viewBox='0 0 1200 220'><path d='M0 220 {' '.join(f'{x * 120} {scene.own.randrange(20, 190)}' for x in range(11))} 1200 220z' "
        f"fill='var(--main)'/></svg><h1>{escape(scene.title)}</h1></header><main><h2>Next together</h2><table>{rows}</table></main>"
    )


def _museum(scene: Scene) -> str:
    shapes = "".join(
        f"<circle cx='{scene.new.randrange(100)}' cy='{scene.new.randrange(60)}' r='{scene.new.randrange(3, 19)}' "
        f"fill='hsl({scene.hue + scene.new.randrange(90)} 65% {scene.new.randrange(35, 80)}%)' opacity='.85'/>"
        for _ in range(16)
    )
    return (
        f"<main><svg viewBox='0 0 100 60'><rect width=100 height=60 fill='var(--soft)'/>{shapes}</svg>"
        f"<h1>{escape(scene.title)}</h1><p>Now: Circles, No. {scene.edition % 900 + 1}. Free on {DAYS[scene.own.randrange(7)]}s</main>"
    )


def _timetable(scene: Scene) -> str:
    late = scene.new.randrange(8) if scene.new.random() < 0.7 else -1
    rows = "".join(
        f"<tr><td>{7 + index}:{scene.own.randrange(10, 59)}<td>{town}<td>{f'{scene.new.randrange(4, 40)} min late' if index == late else 'on time'}"
        for index, town in enumerate(scene.own.sample(TOWNS, 8))
    )
    return f"<header><h1>{escape(scene.title)}</h1></header><main><table>{rows}</table></main>"


TOWNS = ("Harbour", "Old mill", "Upper lake", "Church", "Pass road", "Station", "School", "Glacier", "Hut", "Quarry")
KINDS = (
    DemoKind("Café", "cafe", ".dish { font: 34px/1.2 'Liberation Serif', serif; margin: 14px 0 } .wide { grid-column: span 2 } header { background: var(--deep) }", _menu),
    DemoKind("Outfitters", "shop", ".sale { background: #fff3c4; box-shadow: inset 0 0 0 3px #e6a700 } header { background: var(--main); padding: 30px 6vw }", _shop),
    DemoKind("Journal", "news", "body { font-family: 'Liberation Serif', 'WenQuanYi Zen Hei', serif } header { padding: 16px 6vw } .kicker { color: var(--main); font-weight: bold } h1 { margin: 10px 0; max-width: 14em } .lead { font-size: 24px; margin-bottom: 32px }", _journal),
    DemoKind("Status", "status", "header.good { background: #14633f } header.bad { background: #a3261d } i { display: inline-block; width: 16px; height: 16px; border-radius: 50%; margin-right: 14px } i.good { background: #2ba869 } i.bad { background: #d8402f }", _status),
    DemoKind("Weather", "weather", "header { background: linear-gradient(var(--deep), var(--main)) } .bars { display: flex; gap: 24px; align-items: end; min-height: 330px } .day { flex: 1; text-align: center } .day i { display: block; background: var(--main); border-radius: 8px }", _weather),
    DemoKind("Walkers", "club", "header { padding-top: 0 } header svg { display: block; margin: 0 -6vw 20px; width: 100vw }", _club),
    DemoKind("Museum", "culture", "body { background: #fff } svg { width: 100%; max-height: 520px; margin-bottom: 24px }", _museum),
    DemoKind("Ferries", "transport", "body { background: var(--dark); color: #ffd873 } td { border-color: #fff3; font-family: 'Liberation Mono', monospace }", _timetable),
)  # fmt: skip
