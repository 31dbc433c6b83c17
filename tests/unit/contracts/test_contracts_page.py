"""The page of a contract: what stands on it, and that nothing that an author writes becomes markup."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.contracts.document import parse_document
from hansa.contracts.odcs import ContractFile, contract_of, read_contract_file
from hansa.contracts.page.blocks import Code, Facts, Items, Link, Mark, Mono, Page, Paragraph, Section, Table
from hansa.contracts.page.content import Release, Served, page_of
from hansa.contracts.page.html import page_html
from hansa.contracts.page.links import is_safe
from hansa.contracts.page.markdown import markdown
from hansa.contracts.write import json_text

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").rglob("*.odcs.yaml"))
ATTACK = "</code></title><script>alert(1)</script><img src=x onerror=alert(2)>\"' onmouseover=alert(3) `<b>`|[x](y)"
EMPTY = frozenset({"meta", "link", "br", "img", "input", "hr", "base"})
ALLOWED = frozenset(
    ["a", "body", "caption", "code", "dd", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "head", "header",
     "html", "li", "main", "meta", "nav", "p", "pre", "section", "span", "style", "table", "tbody", "td", "th", "thead",
     "title", "tr", "ul"]
)  # fmt: skip
ATTRIBUTES = frozenset(
    ["aria-label", "aria-labelledby", "charset", "class", "content", "data-label", "href", "http-equiv", "id", "lang",
     "name", "rel", "scope", "tabindex"]
)  # fmt: skip


class Checked(HTMLParser):
    """Reads a page: every tag known and closed in order, every attribute known."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag in ALLOWED
        assert given.keys() <= ATTRIBUTES
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def contract(**parts: object) -> ContractFile:
    data = {
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": "shop.stock", "version": "1.0.0", "status": "active",
        "schema": [{"name": "stock", "properties": [{"name": "item", "logicalType": "string"}]}],
    } | parts  # fmt: skip
    return contract_of(parse_document(json_text(data), "stock.odcs.yaml"))


def served(**parts: object) -> Served:
    given: dict[str, object] = {"port": "shop.orders/stock@1", "product": "shop.orders", "url": "http://h:1"}
    return Served(**(given | parts))  # type: ignore[arg-type]


def hostile() -> Page:
    """A page of an author who writes markup wherever text is taken."""
    field = {
        "name": "item", "logicalType": "string", "description": ATTACK, "examples": [ATTACK],
        "logicalTypeOptions": {"pattern": "<script>.*"}, "enum": [{"value": ATTACK}],
        "quality": [{"metric": "missingValues", "mustBe": 0, "description": ATTACK}],
    }  # fmt: skip
    made = contract(
        name=ATTACK, description={"purpose": ATTACK, "usage": ATTACK, "limitations": ATTACK}, tags=[ATTACK],
        schema=[{"name": "stock", "properties": [field]}],
        support=[{"channel": ATTACK, "url": "javascript:alert(4)"}, {"channel": "ok", "url": "https://ok.example/?a=1&b"}],
        slaProperties=[{"property": "retention", "value": 1, "unit": "d", "description": ATTACK}],
    )  # fmt: skip
    return page_of(made, served(owner=ATTACK, readers=[ATTACK], releases=[Release(ATTACK, ATTACK, ATTACK)]))


def test_what_an_author_writes_is_text_on_the_page_and_never_markup() -> None:
    found = page_html(hostile())
    page = Checked(found)
    assert "".join(page.text).count("<script>alert(1)</script>") > 10
    assert "<script" not in found
    assert "<img" not in found
    assert page.links.count("https://ok.example/?a=1&b") == 1
    assert not [link for link in page.links if link.startswith("javascript")]


def test_in_markdown_too_it_stays_text() -> None:
    bare = re.sub(r"(?s)```.*?```|`[^`\n]*`|\\.", "", re.sub(r"(`{2,}) .*? \1", "", markdown(hostile())))
    assert "<script" not in bare
    assert "javascript" not in re.findall(r"\]\(<([^>]*)>", bare)
    assert "](y)" not in bare


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.example", True), ("http://a", True), ("mailto:a@b.example", True), ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False), ("java\nscript:alert(1)", False), ("data:text/html,x", False), ("", False),
        ("//a.example", False), ("http://[", False),
    ],
)  # fmt: skip
def test_only_addresses_that_open_a_page_or_a_mail_are_links(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40) | st.just(ATTACK)
INLINE = TEXTS | st.builds(Mono, TEXTS) | st.builds(Mark, TEXTS) | st.builds(Link, TEXTS, TEXTS)
CELLS = INLINE | st.lists(INLINE, max_size=3)
BLOCKS = st.one_of(
    st.builds(Paragraph, st.lists(INLINE, max_size=3)),
    st.builds(Facts, st.lists(st.tuples(TEXTS, CELLS), max_size=3)),
    st.builds(Table, TEXTS, st.just(("a", "b")), st.lists(st.tuples(CELLS, CELLS), max_size=3)),
    st.builds(Items, st.lists(CELLS, max_size=3)),
    st.builds(Code, TEXTS, TEXTS),
)


SECTIONS = st.builds(Section, st.sampled_from(["One", "Two"]), st.lists(BLOCKS, max_size=3))
PAGES = st.builds(Page, TEXTS, st.lists(st.builds(Mark, TEXTS), max_size=2), TEXTS, st.lists(SECTIONS, max_size=2))


@given(PAGES)
def test_any_page_is_whole_html_that_says_its_title(page: Page) -> None:
    told = page_html(page)
    read = Checked(told)
    assert page.title.split() == "".join(read.text).partition(":root")[0].split()[: len(page.title.split())]
    assert html.escape(page.title) in told


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_page_of_an_example_has_every_field_and_loads_nothing(path: Path) -> None:
    made = read_contract_file(path)
    told = page_html(page_of(made, served()))
    page = Checked(told)
    for field in made.spec.fields:
        assert f"<code>{field.name}</code>" in told
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith(("#", "http")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not re.search(r"url\(|@import|src=", told)
    assert all(f"`{field.name}`" in markdown(page_of(made)) for field in made.spec.fields)


def test_a_page_says_what_is_known_and_leaves_out_what_is_not() -> None:
    alone = [section.title for section in page_of(contract()).sections]
    assert alone == ["What it is", "Fields"]
    told = [section.title for section in page_of(contract(), served()).sections]
    assert told == ["What it is", "Fields", "How to read it", "Who reads it"]


def test_a_page_of_a_port_on_its_way_out_names_the_successor() -> None:
    told = markdown(page_of(contract(), served(status="deprecated", successor="shop.orders/stock@2")))
    assert "**Deprecated** Do not begin to read it. Its successor is `shop.orders/stock@2`." in told
    assert "Deprecated" not in markdown(page_of(contract(), served(successor="shop.orders/stock@2")))


def test_rules_and_terms_are_said_in_words() -> None:
    field = {
        "name": "count", "logicalType": "integer", "required": True, "logicalTypeOptions": {"minimum": 1},
        "quality": [{"metric": "missingValues", "mustBeLessThan": 3}], "examples": [4],
    }  # fmt: skip
    made = contract(
        schema=[{"name": "stock", "properties": [field]}],
        customProperties=[{"property": "partitions", "value": 4, "vendor": "hansa"}],
        slaProperties=[{"property": "retention", "value": 90, "unit": "d"}],
    )
    told = markdown(page_of(made))
    assert "| `count` | integer | **required** at least 1 | For example `4`. |" in told
    assert "| missingValues | `count` | must be less than 3 |  |" in told
    assert "| retention | 90 d |  |  |" in told
    assert "- **partitions**: `4`" in told


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rgb` or `#rrggbb`."""
    digits = colour.removeprefix("#")
    wide = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(wide[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_what_is_read_stands_out_in_light_and_in_dark(scheme: int) -> None:
    style = re.search("<style>(.*?)</style>", page_html(page_of(contract())), re.DOTALL)
    assert style is not None
    colours = dict(
        re.findall(r"--([a-z-]+): (#[0-9a-f]+)", re.findall(r":root \{(.*?)\}", style[1], re.DOTALL)[scheme])
    )
    on_both = [(ink, back) for ink in ("ink", "soft", "link") for back in ("paper", "card")]
    tones = [(tone, f"{tone}-back") for tone in ("good", "warn", "bad", "calm")]
    for ink, back in [*on_both, *tones]:
        lighter, darker = sorted((_luminance(colours[ink]), _luminance(colours[back])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, back)  # WCAG 2.2, 1.4.3


def test_references_are_told_with_what_becomes_of_a_record_that_refers_to_none() -> None:
    unchecked = {"property": "enforced", "value": False, "vendor": "hansa"}
    related = {
        "name": "item", "logicalType": "string",
        "relationships": [{"to": "wares.code"}, {"to": "books.page", "customProperties": [unchecked]}],
    }  # fmt: skip
    made = contract(
        schema=[{"name": "stock", "properties": [related]}],
        customProperties=[{"property": "onViolation", "value": "quarantine", "vendor": "hansa"}],
    )
    [section] = [one for one in page_of(made).sections if one.title == "References"]
    [table] = section.blocks
    assert isinstance(table, Table)
    assert [*table.rows] == [
        (Mono("item"), Mono("wares"), "code", "is quarantined"),
        (Mono("item"), Mono("books.page"), "", "nobody checks it"),
    ]
    assert "| wares |" in markdown(page_of(made)).replace("`", "")


def test_what_must_be_unique_and_rules_of_nested_fields_are_told() -> None:
    shelf = {"name": "shelf", "logicalType": "string", "quality": [{"metric": "nullValues", "mustBe": 0}]}
    fields = [
        {"name": "item", "logicalType": "string", "unique": True},
        {"name": "tags", "logicalType": "array", "logicalTypeOptions": {"uniqueItems": True}},
        {"name": "place", "logicalType": "object", "properties": [shelf]},
    ]
    page = page_of(contract(schema=[{"name": "stock", "properties": fields}]))
    [rows, rules] = (section.blocks[0] for section in page.sections if section.title in ("Fields", "Quality"))
    assert isinstance(rows, Table)
    assert isinstance(rules, Table)
    assert [row[2] for row in rows.rows] == [
        [Mark("optional"), " no two records have the same"],
        [Mark("optional"), " no two elements are equal"],
        [Mark("optional")],
        [Mark("optional")],
    ]
    assert [row[:2] for row in rules.rows] == [("nullValues", Mono("place.shelf"))]
