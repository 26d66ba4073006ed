"""Lists of every kind, as programs write them."""

import codecs
import csv
import gzip
import html
import io
import time
import zipfile
from contextlib import suppress
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InvalidOption
from images import CpuPool
from sites.imports.candidates import MAX_BYTES, MAX_LINES, Candidate, ListKind, RefusedLine
from sites.imports.lists import read_list, recognise
from sites.imports.reading import ListReader
from sites.imports.text import read_text

READER = ListReader(None, CpuPool(1))  # none of these lists leads anywhere


def read(text, kind=None, charset=""):
    return READER.read_body(text if isinstance(text, bytes) else text.encode(), kind, charset)


def sites(text, kind=None, charset=""):
    return [line for line in read(text, kind, charset).lines if isinstance(line, Candidate)]


def urls(text, kind=None, charset=""):
    return [site.url for site in sites(text, kind, charset)]


def refusal(text, kind=None, charset=""):
    with pytest.raises(InvalidOption) as caught:
        read(text, kind, charset)
    assert caught.value.field == "list"
    return caught.value.reason


# Plain lists


def test_each_line_of_a_plain_list_is_a_site_unless_it_is_blank_or_a_comment():
    found = sites("# mine\n\nhttps://a.example/\r\n  https://b.example/x  \n")
    assert [(site.line, site.url) for site in found] == [(3, "https://a.example/"), (4, "https://b.example/x")]


def test_a_list_of_domain_names_becomes_a_list_of_their_home_pages():
    assert urls("a.example\nbücher.example/neu\nB.EXAMPLE:8443\nlocalhost\nnot a name\n") == [
        "https://a.example",
        "https://bücher.example/neu",
        "https://B.EXAMPLE:8443",
        "localhost",  # refused later, by its line
        "not a name",
    ]


def test_a_url_with_a_comma_stays_one_url():
    assert urls("https://a.example/52.1,13.2\nhttps://b.example/\n") == [
        "https://a.example/52.1,13.2",
        "https://b.example/",
    ]


# CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_come_in_any_order_and_with_any_delimiter(delimiter):
    rows = [["Tags", "Title", "URL"], ["one, two", 'A "title", quoted; and cut | so\n', "https://a.example/?x=1,2;3|4"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    assert recognise(text.getvalue()) is ListKind.CSV
    (site,) = sites(text.getvalue())
    assert site.url == rows[1][2]
    assert site.title == rows[1][1].strip()
    assert site.tags == ("one", "two")
    assert site.note is None


def test_without_a_header_the_column_of_urls_is_found_and_the_others_have_their_usual_order():
    found = sites("Alpha,https://a.example/,a note\nBeta,b.example,\n")
    assert [(site.title, site.url, site.note) for site in found] == [
        ("Alpha", "https://a.example/", "a note"),
        ("Beta", "https://b.example", None),
    ]


def test_every_column_of_a_site_is_read():
    (site,) = sites(
        "url,title,note,tags,options,schedule,keep,paused\n"
        "https://a.example/,A,N,x;y,device=iphone&full_page=true,12h,1 year,yes\n"
    )
    assert site == Candidate(
        2, "https://a.example/", "A", "N", ("x", "y"), {"device": "iphone", "full_page": "true"}, "12h", "1 year", True
    )


def test_columns_of_other_programs_are_named_as_ignored():
    found = read("id,title,url,created\n7,A,https://a.example/,2026-01-01\n")
    assert found.ignored == ("id", "created")
    assert found.lines == (Candidate(2, "https://a.example/", "A"),)


def test_a_line_says_where_its_record_begins():
    found = sites('url,note\n"https://a.example/","two\nlines"\n\nhttps://b.example/,x\n')
    assert [site.line for site in found] == [2, 5]


def test_excels_line_about_the_delimiter_counts():
    (site,) = sites("sep=;\r\nurl;title\r\nhttps://a.example/;A,B\r\n")
    assert (site.line, site.title) == (3, "A,B")


def test_a_bad_cell_refuses_its_line_alone():
    found = read("url,options,paused\na.example,&,\nb.example,w=1&w=2,\nc.example,,maybe\nd.example,w=1,no\n").lines
    assert [(line.line, line.field) for line in found if isinstance(line, RefusedLine)] == [
        (2, "options"),
        (3, "options"),
        (4, "paused"),
    ]
    assert [line.line for line in found if isinstance(line, Candidate)] == [5]


def test_a_missing_quote_refuses_the_list_and_names_its_line():
    assert refusal('url,title\nhttps://a.example/,A\nhttps://b.example/,"B\nhttps://c.example/,C\n').startswith(
        "line 3 "
    )


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).map(str.strip)


@given(
    st.permutations(["url", "title", "note", "schedule"]),
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5),
    st.sampled_from([csv.excel, csv.excel_tab, csv.unix_dialect]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_csv_writer_writes_is_read_again(columns, rows, dialect, encoding):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, dialect=dialect)
    writer.writeheader()
    records = [
        {"url": f"https://{n}.example/", "title": title, "note": note, "schedule": schedule}
        for n, (title, note, schedule) in enumerate(rows)
    ]
    writer.writerows(records)
    found = sites(text.getvalue().encode(encoding))
    assert [(s.url, s.title or "", s.note or "", s.schedule or "") for s in found] == [
        tuple(unguarded(record[name]) for name in ("url", "title", "note", "schedule")) for record in records
    ]


def unguarded(cell):
    return cell[1:] if cell.startswith("'") and cell.lstrip("'")[:1] in (*"=+-@",) else cell


# Bookmarks

CHROME = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<!-- This is an automatically generated file.
     It will be read and overwritten.
     DO NOT EDIT! -->
<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">
<TITLE>Bookmarks</TITLE>
<H1>Bookmarks</H1>
<DL><p>
    <DT><H3 ADD_DATE="1" LAST_MODIFIED="2" PERSONAL_TOOLBAR_FOLDER="true">Bookmarks bar</H3>
    <DL><p>
        <DT><A HREF="https://a.example/?x=1&amp;y=2" ADD_DATE="3" ICON="data:image/png;base64,AAAA+/=">A &amp; O</A>
        <DT><H3 ADD_DATE="1">Rock &amp; Roll</H3>
        <DL><p>
            <DT><A HREF="https://b.example/" ADD_DATE="3">B</A>
            <DT><H3>Deep</H3>
            <DL><p>
                <DT><A HREF="https://c.example/">C</A>
            </DL><p>
        </DL><p>
        <DT><A HREF="https://d.example/">D</A>
    </DL><p>
</DL><p>
"""


def test_a_bookmarks_file_of_chrome_becomes_sites_with_their_folders_as_tags():
    found = sites(CHROME)
    assert [(site.line, site.url, site.title, site.tags) for site in found] == [
        (11, "https://a.example/?x=1&y=2", "A & O", ()),
        (14, "https://b.example/", "B", ("Rock & Roll",)),
        (17, "https://c.example/", "C", ("Rock & Roll", "Deep")),
        (20, "https://d.example/", "D", ()),
    ]
    assert all(site.adds_tags for site in found)


def test_tags_and_descriptions_of_firefox_and_pinboard_are_read():
    text = """<!DOCTYPE NETSCAPE-Bookmark-file-1>
<DL><DT><A HREF='https://a.example/' TAGS="one,two words" PRIVATE="0">A <b>bold</b> title</A>
<DD>What I &lt;think&gt;
of it
<HR>
<DT><A HREF=https://b.example/ >B</A>
</DL>"""
    first, second = sites(text)
    assert (first.title, first.tags) == ("A bold title", ("one", "two words"))
    assert first.note == "What I <think> of it"
    assert (second.url, second.note) == ("https://b.example/", None)


def test_an_empty_folder_and_unclosed_lists_do_no_harm():
    text = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n</DL></DL><DT><H3>Empty</H3><DL><p></DL><DL><DT><A HREF='https://a.example/'>"
    assert [(site.url, site.title, site.tags) for site in sites(text)] == [("https://a.example/", None, ())]


# OPML


def test_outlines_with_a_page_are_sites_and_those_around_them_are_tags():
    text = """<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0"><head><title>Feeds</title></head><body>
  <outline text="News">
    <outline text="A &amp; O" type="rss" xmlUrl="https://a.example/feed" htmlUrl="https://a.example/" category="/x/y,z"/>
    <outline text="World"><outline title="B" text="b" xmlurl="https://b.example/feed" HTMLURL="https://b.example/"/></outline>
  </outline>
  <outline type="link" text="C" url="https://c.example/" description="D"/>
  <outline text="No page" xmlUrl="https://d.example/feed"/>
</body></opml>"""
    found = read(text)
    assert found.kind is ListKind.OPML
    assert [(each.line, each.url, each.title, each.note, each.tags) for each in found.lines[:3]] == [
        (4, "https://a.example/", "A & O", None, ("News", "x", "y", "z")),
        (5, "https://b.example/", "B", None, ("News", "World")),
        (7, "https://c.example/", "C", "D", ()),
    ]
    assert found.lines[3] == RefusedLine(
        8, "https://d.example/feed", "htmlUrl", "is missing; the outline names a feed and no page"
    )


NAME = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    lambda name: name == " ".join(name.split()) and name
)
FOLDERS = st.recursive(NAME, lambda below: st.tuples(NAME, st.lists(below, max_size=4)), max_leaves=12)


def leaves(tree, above=()):
    """The sites of a tree of folders, each as (title, folders)."""
    if isinstance(tree, str):
        return [(tree, above)]
    return [leaf for child in tree[1] for leaf in leaves(child, (*above, tree[0]))]


def as_opml(tree):
    if isinstance(tree, str):
        return f'<outline text={quoteattr(tree)} htmlUrl="https://a.example/"/>'
    return f"<outline text={quoteattr(tree[0])}>{''.join(map(as_opml, tree[1]))}</outline>"


def as_bookmarks(tree):
    if isinstance(tree, str):
        return f'<DT><A HREF="https://a.example/">{html.escape(tree)}</A>\n'
    return f"<DT><H3>{html.escape(tree[0])}</H3>\n<DL><p>{''.join(map(as_bookmarks, tree[1]))}</DL><p>\n"


@given(FOLDERS)
def test_folders_are_tags_however_deep_they_are_nested(tree):
    wanted = [(title, tuple(dict.fromkeys(above))) for title, above in leaves(tree)]
    for text in (
        f"<opml><body>{as_opml(tree)}</body></opml>",
        f"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>{as_bookmarks(tree)}</DL><p>",
    ):
        if wanted:
            assert [(site.title, site.tags) for site in sites(text)] == wanted
        else:
            assert refusal(text) == "has no sites"


# Sitemaps


def test_pages_of_a_sitemap_are_read_in_any_namespace_and_nothing_else_of_it():
    for declared in (
        'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"',
        'xmlns="http://www.google.com/schemas/sitemap/0.84"',
        "",
    ):
        text = f"""<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><!-- <opml> -->
<urlset {declared} xmlns:image="urn:image" xmlns:xhtml="urn:xhtml">
  <url>
    <loc> https://a.example/?a=1&amp;b=2 </loc><lastmod>2026-01-01</lastmod>
    <image:image><image:loc>https://a.example/a.png</image:loc></image:image>
    <xhtml:link rel="alternate" hreflang="de" href="https://a.example/de"/>
  </url>
  <url><loc><![CDATA[https://b.example/]]></loc></url>
</urlset>"""
        found = read(text)
        assert found.kind is ListKind.SITEMAP
        assert [(each.line, each.url) for each in found.lines] == [
            (3, "https://a.example/?a=1&b=2"),
            (8, "https://b.example/"),
        ]


def test_a_prefix_for_the_namespace_of_sitemaps_makes_no_difference():
    text = '<s:urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9"><s:url><s:loc>https://a.example/</s:loc></s:url></s:urlset>'
    assert urls(text) == ["https://a.example/"]


def test_a_sitemap_may_be_plain_text():
    assert urls("https://a.example/\n", ListKind.SITEMAP) == ["https://a.example/"]


def test_another_document_is_no_sitemap():
    assert "<rss>" in refusal("<rss><channel/></rss>", ListKind.SITEMAP)


# Encodings

TEXT = "url,title\nhttps://a.example/,Größe\n"


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (TEXT.encode(), ""),
        (TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), ""),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), ""),
        (TEXT.encode("latin-1"), "ISO-8859-1"),
        (TEXT.encode("cp1252"), "windows-1252"),
        (TEXT.encode("mac-roman"), "macintosh"),
        (TEXT.encode("utf-8-sig"), "latin-1"),  # the mark is more certain than what a server says
        (gzip.compress(TEXT.encode()), ""),
        (gzip.compress(TEXT[:20].encode()) + gzip.compress(TEXT[20:].encode()), ""),
    ],
    ids=["UTF-8", "BOM", "UTF-16", "UTF-16-BE", "Latin-1", "1252", "macintosh", "wrong charset", "gzip", "two members"],
)
def test_a_list_may_have_any_usual_encoding(body, charset):
    assert [site.title for site in sites(body, charset=charset)] == ["Größe"]


def test_a_document_declares_its_own_encoding():
    opml = '<?xml version="1.0" encoding="ISO-8859-1"?><opml><body><outline text="Größe" url="https://a.example/"/></body></opml>'
    bookmarks = '<!DOCTYPE NETSCAPE-Bookmark-file-1><META CONTENT="text/html; charset=windows-1252"><DL><DT><A HREF="https://a.example/">Größe</A>'
    for text in (opml, bookmarks):
        assert [site.title for site in sites(text.encode("latin-1"))] == ["Größe"]


def test_bytes_of_another_encoding_are_refused_with_their_line_and_a_way_out():
    reason = refusal(TEXT.encode("latin-1"))
    assert reason.startswith("line 2 is not UTF-8; save the list as UTF-8, or name its encoding")


@pytest.mark.parametrize("charset", ["idna", "unicode_escape", "zip", "rot13", "punycode", "utf-7", "nonsense", "a\0b"])
def test_an_encoding_that_browsers_do_not_know_is_refused(charset):
    assert "is not supported" in refusal(TEXT, charset=charset)


# What is refused as a whole


@pytest.mark.parametrize("kind", [None, *ListKind])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n\n",
        b"\0\1\2\3" * 100,
        bytes(range(256)),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"\x1f\x8b\x08\0junk",
        gzip.compress(b"https://a.example/\n" * 10)[:-9],
    ],
    ids=["nothing", "blank", "binary", "all bytes", "PNG", "PDF", "broken gzip", "half of a gzip"],
)
def test_junk_is_refused_whatever_it_is_called(body, kind):
    assert refusal(body, kind)


def test_an_archive_is_refused_and_says_what_to_send():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("list.csv", TEXT)
    assert refusal(packed.getvalue()) == "is a zip archive or an office document; send the list in it, as CSV or text"


def test_a_page_is_no_list():
    assert "is no list of sites" in refusal("<!doctype html><html><body>Hello")


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = gzip.compress(gzip.compress(bytes(300 * 2**20), 9), 9)
    began = time.process_time()
    assert refusal(bomb) == f"must be at most {MAX_BYTES // 2**20} MiB, unpacked; split it"
    assert time.process_time() - began < 5  # it would take far longer as a whole


def test_a_list_of_more_bytes_than_the_limit_is_refused():
    assert "MiB" in refusal(b"#" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "line",
    ["https://a.example/{}\n", "<DT><A HREF='https://a.example/{}'>\n"],
)
def test_a_list_of_too_many_sites_is_refused(line):
    text = "".join(line.format(n) for n in range(MAX_LINES + 1))
    assert refusal(text) == f"must have at most {MAX_LINES:,} sites; split it"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: "\n" * 2_000_001, "lines and tags"),
        (lambda: "<!DOCTYPE NETSCAPE-Bookmark-file-1>" + "<" * 2_000_000, "lines and tags"),
        (lambda: "<opml><body " + "".join(f"a{n}='' " for n in range(1_000_001)) + "/></opml>", "attributes"),
    ],
    ids=["lines", "tags", "attributes"],
)
def test_a_list_of_countless_small_parts_is_refused_at_once(write, words):
    text = write()  # not where the tests are collected, which each process of the run does
    began = time.process_time()
    assert words in refusal(text)
    assert time.process_time() - began < 2


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % a SYSTEM "https://a.example/x.dtd"> %a;]>'


@pytest.mark.parametrize("doctype", [ENTITIES, OUTSIDE, PARAMETER])
@pytest.mark.parametrize(
    "body",
    ["<urlset><url><loc>https://a.example/&b;</loc></url></urlset>", "<opml><body><outline text='&a;'/></body></opml>"],
)
def test_entities_are_refused(doctype, body):
    assert "entities" in refusal(doctype + body, recognise(body))


def test_elements_and_folders_are_not_nested_without_end():
    assert "nested" in refusal(f"<opml><body>{'<outline text=x>' * 0}{'<outline>' * 5000}")
    assert "nested" in refusal("<!DOCTYPE NETSCAPE-Bookmark-file-1>" + "<DL>" * 5000)


@pytest.mark.parametrize(
    "unit",
    [
        "<a ",
        "<!--",
        '<a x="',
        "</a ",
        "<a x=' ",
        "&#1",
        "<?",
        "<![",
        "<dl ",
        "<h3",
        "a=",
        "a =",
        "\" '",
        "<a href=x",
        "--",
    ],
)
def test_no_bookmarks_file_takes_longer_than_its_length_explains(unit):
    text = "<!DOCTYPE NETSCAPE-Bookmark-file-1><DL>" + unit * (400_000 // len(unit))
    began = time.process_time()
    with pytest.raises(InvalidOption):
        read(text + "</DL>")
    assert time.process_time() - began < 5  # html.parser takes minutes


def assert_read_or_refused(reading):
    with suppress(InvalidOption):
        assert reading().lines


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), st.sampled_from([None, *ListKind]))
def test_any_bytes_are_read_or_refused(body, kind):
    assert_read_or_refused(lambda: read(body, kind))


TAGS = (
    "<DL> </DL> <DT> <H3>x</H3> <A HREF='https://a.example/'> </A> <DD> <p> <opml> <body> <outline text='x'> </outline>"
)
MORE = "<urlset> <url> <loc> </loc> </url> <sitemapindex> <sitemap> <![CDATA[ ]]> <!-- --> <?xml?> url https://a.example/ &amp;"
FRAGMENTS = st.lists(st.sampled_from([*TAGS.split(), *MORE.split(), *",;\"'\n\r\t\ufeff", "sep=;"]))


@given(FRAGMENTS.map("".join), st.sampled_from([None, *set(ListKind) - {ListKind.SITEMAP}]))
def test_any_pieces_of_lists_are_read_or_refused(text, kind):
    assert_read_or_refused(lambda: read_list(read_text(text.encode()), kind or recognise(text)))
