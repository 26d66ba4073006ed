"""What SnapSharp's published clients send, word for word, for each documented option of `screenshot`.

Recorded from snapsharp-python 1.0.0 and @snapsharp/sdk 1.0.0, unmodified, and written as the published sources for Go,
PHP, Ruby, MCP and n8n do. Python and Node send GET unless headers, cookies, css or js are there. PAGE stands for the
page's URL.
"""

from dataclasses import dataclass
from urllib.parse import quote_plus

PYTHON, NODE, GO = "snapsharp-python/1.0.0", "@snapsharp/sdk/1.0.0", "snapsharp-go/1.0.0"
PHP, RUBY = "snapsharp-php/1.0.0", "snapsharp-ruby/1.0.0"
MCP, N8N = "snapsharp-mcp/1.0.0", "n8n-nodes-snapsharp/1.0.0"

# A window of 1280 × 720: red, with a green box of 100 × 100 at (100, 100) that turns it blue when it is clicked.
SITE = """<!doctype html><title>For clients</title><style>body { margin: 0; background: white }
    .ad { position: absolute; top: 0; left: 0; width: 100%; height: 900px; background: red }
    header { position: absolute; top: 100px; left: 100px; width: 100px; height: 100px; background: green }
    main { height: 2000px }</style><div class=ad></div><header></header><main></main><script>
    document.querySelector('header').onclick = () => { document.querySelector('.ad').style.background = 'blue' }</script>"""
IPHONE = (3 * 390, 3 * 844)
IPAD_PRO = (2 * 834, 2 * 1194)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)
PAPER = (251, 250, 247)  # the ground of a card in the light theme


@dataclass(frozen=True)
class Sent:
    """A request of a client, and its picture: the size, and the colour at (600, 50), or in the middle of a smaller one."""

    call: str  # as its user wrote it
    client: str
    query: str = ""
    body: str = ""
    size: tuple[int, int] = (1280, 720)
    colour: tuple[int, int, int] | None = RED

    def query_for(self, page: str) -> str:
        return self.query.replace("PAGE", quote_plus(page))

    def body_for(self, page: str) -> bytes | None:
        return self.body.replace("PAGE", page).encode() or None


CALLS = (
    Sent("screenshot(url)", PYTHON, "url=PAGE"),
    Sent("width=1000, height=500, format='png'", PYTHON, "url=PAGE&width=1000&height=500&format=png", size=(1000, 500)),
    Sent("format='jpeg', quality=60", PYTHON, "url=PAGE&format=jpeg&quality=60", colour=(254, 0, 0)),
    Sent("fullPage=True", PYTHON, "url=PAGE&full_page=true", size=(1280, 2000)),
    Sent("retina=True", PYTHON, "url=PAGE&retina=true", size=(2560, 1440)),
    Sent("dark_mode=True, block_ads=True", PYTHON, "url=PAGE&dark_mode=true&block_ads=true"),
    Sent("block_trackers, block_chats", PYTHON, "url=PAGE&block_trackers=true&block_chats=true"),
    Sent("block_cookie_banners=True", PYTHON, "url=PAGE&block_cookie_banners=true"),
    Sent("delay=500, wait_for='header'", PYTHON, "url=PAGE&delay=500&wait_for=header"),
    Sent("wait_until='networkidle'", PYTHON, "url=PAGE&wait_until=networkidle"),
    Sent("hide_selectors='.ad,header'", PYTHON, "url=PAGE&hide_selectors=.ad%2Cheader", colour=WHITE),
    Sent("hide_selectors=['.ad', 'header']", PYTHON, "url=PAGE&hide_selectors=.ad&hide_selectors=header", colour=WHITE),
    Sent("click='header'", PYTHON, "url=PAGE&click=header", colour=BLUE),
    Sent("scroll_y=900", PYTHON, "url=PAGE&scroll_y=900", colour=WHITE),
    Sent(
        "clip={...}",
        PYTHON,
        "url=PAGE&clip=%7B%27x%27%3A+110%2C+%27y%27%3A+110%2C+%27width%27%3A+80%2C+%27height%27%3A+60%7D",
        size=(80, 60),
        colour=GREEN,
    ),
    Sent("stealth=False, bypass_csp=True", PYTHON, "url=PAGE&stealth=false&bypass_csp=true"),
    Sent("format='webp'", PYTHON, "url=PAGE&format=webp", colour=(255, 1, 0)),
    Sent(
        "device, viewport_landscape=True",
        PYTHON,
        "url=PAGE&device=iPhone+14&viewport_landscape=true",
        size=IPHONE[::-1],
    ),
    Sent("device='iPhone 14'", PYTHON, "url=PAGE&device=iPhone+14", size=IPHONE),
    Sent("user_agent='x/1'", PYTHON, "url=PAGE&user_agent=x%2F1"),
    Sent("cache=True, cache_ttl=3600", PYTHON, "url=PAGE&cache=true&cache_ttl=3600"),
    Sent("width=1280.0", PYTHON, "url=PAGE&width=1280.0"),
    Sent("css='...'", PYTHON, body='{"url":"PAGE","css":".ad { background: blue }"}', colour=BLUE),
    Sent("js='...'", PYTHON, body="""{"url":"PAGE","js":"document.querySelector('header').click()"}""", colour=BLUE),
    Sent(
        "css, hide_selectors=[...]", PYTHON, body='{"url":"PAGE","css":"p {}","hide_selectors":[".ad"]}', colour=WHITE
    ),
    Sent("headers={}", PYTHON, body='{"url":"PAGE","headers":{}}'),
    Sent("headers, cookies", PYTHON, body='{"url":"PAGE","headers":{"X-A":"1"},"cookies":[{"name":"a","value":"b"}]}'),
    Sent(
        "all of it None",
        PYTHON,
        body='{"url":"PAGE","css":null,"js":null,"headers":null,"cookies":null,"wait_for":null,"proxy":null,"clip":null}',
    ),
    Sent("screenshot(url)", NODE, "url=PAGE"),
    Sent(
        "fullPage, retina: false",
        NODE,
        "url=PAGE&width=1000&full_page=true&block_ads=true&retina=false",
        size=(1000, 2000),
    ),
    Sent("hideSelectors: ['.ad', 'header']", NODE, "url=PAGE&hide_selectors=.ad%2Cheader", colour=WHITE),
    Sent("hideSelectors: []", NODE, "url=PAGE&hide_selectors="),
    Sent("css: '', stealth: false", NODE, "url=PAGE&css=&stealth=false"),
    Sent("device, userAgent", NODE, "url=PAGE&device=iPhone+14&user_agent=x%2F1", size=IPHONE),
    Sent("cacheTtl: 100", NODE, "url=PAGE&cache=true&cache_ttl=100"),
    Sent(
        "css, clip",
        NODE,
        body='{"url":"PAGE","css":"header { background: blue }","clip":{"x":110,"y":110,"width":80,"height":60}}',
        size=(80, 60),
        colour=BLUE,
    ),
    Sent(
        "headers, cookies, js, click, bypassCsp",
        NODE,
        body='{"url":"PAGE","headers":{"X-A":"1"},"cookies":[{"name":"a","value":"b","domain":"127.0.0.1","path":"/"}],'
        '"bypass_csp":true,"js":"1","click":"header"}',
        colour=BLUE,
    ),
    Sent(
        "waitFor, waitUntil, delay",
        NODE,
        "url=PAGE&delay=200&wait_for=header&wait_until=networkidle",
    ),
    Sent(
        "blockTrackers, blockChats, blockCookieBanners, scrollY",
        NODE,
        "url=PAGE&block_trackers=true&block_chats=true&block_cookie_banners=true&scroll_y=900",
        colour=WHITE,
    ),
    Sent("CSS", GO, "css=.ad+%7B+background%3A+blue+%7D&js=1&url=PAGE", colour=BLUE),
    Sent(
        "Clip, Width",
        GO,
        body='{"clip":{"x":110,"y":110,"width":80,"height":60},"full_page":"true","url":"PAGE","width":"1000"}',
        size=(80, 60),
        colour=GREEN,
    ),
    Sent("full_page, retina: false", PHP, "full_page=1&retina=0&js=1&url=PAGE", size=(1280, 2000)),
    Sent(
        "hide_selectors: ['.ad', 'header']",
        PHP,
        "hide_selectors%5B0%5D=.ad&hide_selectors%5B1%5D=header&url=PAGE",
        colour=WHITE,
    ),
    Sent(
        "clip",
        PHP,
        "clip%5Bx%5D=110&clip%5By%5D=110&clip%5Bwidth%5D=80&clip%5Bheight%5D=60&url=PAGE",
        size=(80, 60),
        colour=GREEN,
    ),
    Sent("hide_selectors: [...]", RUBY, "hide_selectors=.ad&hide_selectors=header&url=PAGE", colour=WHITE),
    Sent(
        "clip, of Ruby 3.3",
        RUBY,
        "clip=%7B%3Ax%3D%3E110%2C+%3Ay%3D%3E110%2C+%3Awidth%3D%3E80%2C+%3Aheight%3D%3E60%7D&url=PAGE",
        size=(80, 60),
        colour=GREEN,
    ),
    Sent(
        "clip, of Ruby 3.4",
        RUBY,
        "clip=%7Bx%3A+110%2C+y%3A+110%2C+width%3A+80%2C+height%3A+60%7D&url=PAGE",
        size=(80, 60),
        colour=GREEN,
    ),
    Sent(
        "all defaults",
        MCP,
        "url=PAGE&width=1280&height=720&format=png&quality=80&full_page=false&dark_mode=false&block_ads=false"
        "&block_cookie_banners=false&stealth=false&delay=0&retina=false",
    ),
    Sent("device: 'iPad Pro'", MCP, "url=PAGE&device=iPad+Pro", size=IPAD_PRO),
    Sent("format, device", N8N, "url=PAGE&format=jpeg&device=iPhone+14", size=IPHONE, colour=(254, 0, 0)),
)

# Calls of `html_to_image`, as each client names it.
_HTML = "<body style='margin:0;background:red'>é😀"
DOCUMENTS = (
    Sent("html_to_image(html)", PYTHON, body=f'{{"html":"{_HTML}"}}', size=(800, 600)),
    Sent(
        "width=400, height=200, format='jpeg', quality=60",
        PYTHON,
        body=f'{{"html":"{_HTML}","width":400,"height":200,"format":"jpeg","quality":60}}',
        size=(400, 200),
        colour=(254, 0, 0),
    ),
    Sent(
        "cache=False, cache_ttl=60",
        PYTHON,
        body=f'{{"html":"{_HTML}","cache":false,"cache_ttl":60}}',
        size=(800, 600),
    ),
    Sent("htmlToImage(html, { width })", NODE, body=f'{{"html":"{_HTML}","width":100}}', size=(100, 600)),
    Sent(
        "HtmlToImage(html, opts)",
        GO,
        body=f'{{"format":"webp","height":630,"html":"{_HTML}","quality":80,"width":1200}}',
        size=(1200, 630),
        colour=(255, 1, 0),
    ),
    Sent("html_to_image(html, width: 640)", RUBY, body=f'{{"html":"{_HTML}","width":640}}', size=(640, 600)),
    Sent("all defaults", MCP, body=f'{{"html":"{_HTML}","width":800,"height":600,"format":"png"}}', size=(800, 600)),
    Sent("format", N8N, body=f'{{"html":"{_HTML}","format":"png"}}', size=(800, 600)),
)

# What they send for `og_image`. The picture has the colour at its bottom right, where a template has its ground.
_POST = '"template":"blog-post","data":{"title":"Hello","author":"Jane","bg_color":"#0000ff"}'
CARDS = (
    Sent("og_image(template, data)", PYTHON, body=f"{{{_POST}}}", size=(1200, 630), colour=BLUE),
    Sent(
        "width=800, height=420, cache=False",
        PYTHON,
        body=f'{{{_POST},"width":800,"height":420,"cache":false}}',
        size=(800, 420),
        colour=BLUE,
    ),
    Sent("ogImage(template, data, { quality })", NODE, body=f'{{{_POST},"quality":90}}', size=(1200, 630), colour=BLUE),
    Sent(
        "OgImage(template, data, opts)",
        GO,
        body='{"data":{"bg_color":"#0000ff","quote":"Less"},"format":"webp","height":630,"quality":80,"template":"quote-card","width":1200}',
        size=(1200, 630),
        colour=(0, 0, 255),
    ),
    # An empty array of PHP is a list in JSON.
    Sent("ogImage(template, [])", PHP, body='{"template":"social-card","data":[]}', size=(1200, 630), colour=PAPER),
    Sent("og_image(template, data)", RUBY, body=f"{{{_POST}}}", size=(1200, 630), colour=BLUE),
    Sent(
        "without data",
        MCP,
        body='{"template":"product-card","width":1200,"height":630,"format":"png"}',
        size=(1200, 630),
        colour=None,
    ),
    Sent("ogOptions", N8N, body=f'{{{_POST},"format":"jpeg"}}', size=(1200, 630), colour=(0, 0, 254)),
)

# Calls whose page's server is sent these headers.
ON_THE_WAY = (
    (Sent("user_agent='x/1'", PYTHON, "url=PAGE&user_agent=x%2F1"), {"User-Agent": "x/1"}),
    (Sent("device='Pixel 8'", PYTHON, "url=PAGE&device=Pixel+8"), {"sec-ch-ua-mobile": "?1"}),
    (
        Sent(
            "headers, cookies", PYTHON, body='{"url":"PAGE","headers":{"X-A":"1"},"cookies":[{"name":"a","value":"b"}]}'
        ),
        {"X-A": "1", "Cookie": "a=b"},
    ),
    (
        Sent(
            "headers, cookies, userAgent",
            NODE,
            body='{"url":"PAGE","headers":{"Authorization":"Bearer t"},'
            '"cookies":[{"name":"a","value":"b","domain":"127.0.0.1","path":"/"}],"user_agent":"x/1"}',
        ),
        {"Authorization": "Bearer t", "Cookie": "a=b", "User-Agent": "x/1"},
    ),
)

# Calls that get an error of the contract: its status and code, and how its text begins.
REFUSED = (
    (Sent("stealth=True", PYTHON, "url=PAGE&stealth=true"), 403, "plan_required", "stealth: "),
    (Sent("proxy='http://...'", PYTHON, "url=PAGE&proxy=http%3A%2F%2F127.0.0.1%3A1"), 403, "plan_required", "proxy: "),
    (Sent("country='DE'", NODE, "url=PAGE&country=DE"), 403, "plan_required", "country: "),
    (Sent("width=100", PYTHON, "url=PAGE&width=100"), 400, "validation_error", "width: must be a whole number"),
    # Node's client writes an object into a query, which says nothing: it needs css, js, headers or cookies beside it.
    (
        Sent("clip: {...}", NODE, "url=PAGE&clip=%5Bobject+Object%5D"),
        400,
        "validation_error",
        "clip: must be x,y,width",
    ),
    (
        Sent("headers={'Host': 'x'}", PYTHON, body='{"url":"PAGE","headers":{"Host":"x"}}'),
        400,
        "validation_error",
        "headers: must be without Host",
    ),
    (
        Sent(
            "cookies of another domain",
            PYTHON,
            body='{"url":"PAGE","cookies":[{"name":"a","value":"b","domain":"x.com"}]}',
        ),
        400,
        "validation_error",
        "cookies: must be of the page's own domain",
    ),
)
