# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the report in a real browser, as an engineer on call opens it: from a file."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.build import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.html import page
from browser import Page, browser
from fleets import BAD_GATEWAY, changed, healthy, probed, reported, troubled, wide
from waiting import wait_until

# The relative luminance and the contrast of WCAG 2.2, of all texts that are on screen, against what is behind them.
CONTRASTS = """
(() => {
    const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const parts = text => text.match(/[\\d.]+/g).map(Number);
    const luminance = ([red, green, blue]) =>
        0.2126 * channel(red / 255) + 0.7152 * channel(green / 255) + 0.0722 * channel(blue / 255);
    const behind = element => {
        for (let one = element; one; one = one.parentElement) {
            const rect = one.matches('g.node') ? getComputedStyle(one.querySelector('rect')).fill : 'none';
            if (rect !== 'none') return parts(rect);
            const color = parts(getComputedStyle(one).backgroundColor);
            if (color.length === 3 || color[3] > 0) return color;
        }
    };
    const low = [];
    for (const element of document.body.querySelectorAll('*')) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const color = parts(element instanceof SVGElement ? style.fill : style.color);
        const [one, other] = [luminance(color), luminance(behind(element))].sort((a, b) => b - a);
        const contrast = (one + 0.05) / (other + 0.05);
        if (contrast < 4.5) low.push(`${contrast.toFixed(1)} ${element.tagName} ${element.textContent.slice(0, 40)}`);
    }
    return low;
})()
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 gateways with ten routes each, and one of everything that can be wrong."""
    file = tmp_path_factory.mktemp("large") / "index.html"
    file.write_text(page(reported(*troubled(500))), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sound") / "index.html"
    file.write_text(page(reported(*(healthy(f"g{number}", wide()) for number in range(3)))), encoding="utf-8")
    return file


def texts(window: Page, selector: str) -> list[str]:
    """The texts of the elements that are on screen."""
    shown = f"[...document.querySelectorAll({selector!r})].filter(one => one.checkVisibility())"
    return [" ".join(text.split()) for text in window.evaluate(f"{shown}.map(one => one.innerText ?? one.textContent)")]


def test_the_first_thing_on_the_page_is_the_verdict(window: Page, large: Path, sound: Path) -> None:
    window.look_at(large)
    assert window.evaluate("document.title") == "248 of 500 gateways serve all their routes"
    (heading,) = texts(window, "h1")
    assert heading == "\u2715 248 of 500 gateways serve all their routes"
    assert window.evaluate("document.querySelector('h1').getBoundingClientRect().top") < 100
    window.look_at(sound)
    assert texts(window, "h1") == ["\u2713 All 3 gateways serve all their routes"]
    assert texts(window, "#findings .none") == ["None."]


def test_problems_are_in_plain_words_with_the_most_severe_first(window: Page, large: Path) -> None:
    window.look_at(large)
    found = texts(window, ".findings h3")
    assert found[:4] == [
        "error 1 gateway is unreachable: gateway003",
        "error chat.example / fails its probe on gateway013, from the controller",
        "error The upstream old has no live server: feed.example /old/ fails its probe on gateway002, gateway004, "
        "gateway006 and 247 more",
        "error A deploy was not completed on gateway016",
    ]
    assert "error The live configuration is not what the variables say on gateway005" in found
    assert "error nginx does not start at boot on gateway019" in found
    # Whom it concerns is a click away.
    assert "gateway008" not in " ".join(texts(window, ".findings p"))
    window.evaluate("document.querySelectorAll('.findings > li')[2].querySelector('summary').click()")
    assert "gateway012" in " ".join(texts(window, ".findings p"))


def test_the_picture_shows_what_is_down_by_more_than_its_colour(window: Page, large: Path) -> None:
    window.look_at(large)
    assert texts(window, "svg .node.down text") == [
        *("\u2715 10.0.0.2:3000 refused", "\u2715 10.0.1.5:4005 timeout"),
        *("\u2715 old", "\u2715 10.0.2.1:80 refused", "\u2715 10.0.2.2:80 refused"),
    ]
    assert texts(window, "svg .node.drained text") == ["\u2016 10.0.0.6:3000 drained"]
    assert "1,999 up" in texts(window, "svg .node.up text")
    red, dashes = window.evaluate(
        "(style => [style.stroke, style.strokeDasharray])(getComputedStyle(document.querySelector('.node.down rect')))"
    )
    assert (red, dashes) == ("rgb(164, 14, 38)", "6px, 3px")
    assert "10.0.2.1:80" in window.evaluate("document.querySelector('svg desc').textContent")


def test_the_page_says_where_it_comes_from(window: Page, large: Path) -> None:
    window.look_at(large)
    assert "Probed at 2026-01-31 03:00 UTC; inventory /fleet/production; wsfleet.nginx 0.8.0." in texts(window, "p")


def file_of(directory: Path, *fleet: Found) -> Path:
    file = directory / "index.html"
    file.write_text(page(reported(*fleet)), encoding="utf-8")
    return file


@pytest.mark.parametrize("routes", [1, 60, 500])
def test_a_server_that_is_down_is_in_the_picture_however_many_routes_there_are(
    window: Page, tmp_path: Path, routes: int
) -> None:
    down = [site for site in range(routes) if site % 50 == 0]
    fleet = [healthy("g1", wide(routes, 1, 2))]
    states = {f"10.{site // 200}.{site % 200}.0:3000": "refused" for site in down}
    window.look_at(file_of(tmp_path, *probed(fleet, states)))
    assert texts(window, "svg .node.down text") == [f"\u2715 {address} refused" for address in states]
    # It leads there from the left, and nothing that is down is counted among what is ok.
    for site in down:
        assert f"site{site}.example" in texts(window, "svg .node text")
    shown = len(down) + min(8, routes - len(down))
    more = [f"{routes - shown} routes, ok"] if routes > 24 else []
    assert [text for text in texts(window, "svg .node text") if "routes" in text] == more


def test_many_failing_routes_of_an_upstream_are_two_and_the_number_of_the_others(window: Page, tmp_path: Path) -> None:
    gateway = healthy("g1", wide(2, 250, 1))
    for place in range(250):
        gateway = changed(gateway, place, **BAD_GATEWAY)
    window.look_at(file_of(tmp_path, *probed([gateway], {"10.0.0.0:3000": "refused"})))
    found = texts(window, "svg .node text")
    assert "\u2715 248 more" in found and "242 routes, ok" in found
    assert "248 more routes, 248 of them failed" in window.evaluate("document.querySelector('svg').textContent")


FIND = """
(words => {
    const field = document.querySelector('#find');
    field.value = words;
    field.dispatchEvent(new Event('search'));
})
"""


def test_a_name_is_found_wherever_it_is(window: Page, large: Path) -> None:
    window.look_at(large)
    before = texts(window, "tbody tr, .findings > li, figure, details[open]")

    def find(words: str) -> None:
        window.evaluate(f"{FIND}({words!r})")

    # A gateway whose row is hidden, and that is folded in a finding.
    find("GATEWAY011")
    assert [row.split()[0] for row in texts(window, "tbody tr")] == ["gateway011"]
    find("gateway012")
    assert [row.split()[1] for row in texts(window, "tbody tr")] == ["gateway012"]
    # For the upstream without a live server, and a server that is drained on another gateway alone.
    assert len(texts(window, ".findings > li")) == 2
    assert any("gateway012" in text for text in texts(window, ".findings p"))
    # A server that the picture only counts.
    find("10.0.1.77:4077")
    assert texts(window, ".all li") == ["10.0.1.77:4077 of feed: not probed"] or texts(window, ".all li") == [
        "10.0.1.77:4077 of feed: up"
    ]
    assert texts(window, ".findings > li, tbody tr") == []
    # A site that is a column.
    find("feed.example")
    assert len(texts(window, "tbody tr")) == 500
    find("nowhere.example")
    assert texts(window, "#found, tbody tr, figure, .findings > li") == ["Nothing found."]
    find("")
    assert texts(window, "tbody tr, .findings > li, figure, details[open]") == before


def test_typing_in_the_search_field_is_enough(window: Page, sound: Path) -> None:
    window.look_at(sound)
    window.evaluate("document.querySelector('#find').focus()")
    window.call("Input.insertText", text="g1")
    rows = "[...document.querySelectorAll('tbody tr')].filter(row => row.checkVisibility()).length"
    wait_until(lambda: window.evaluate(rows) == 1, "the others are hidden")


@pytest.mark.parametrize("kind", ["fleet", "names"])
def test_paper_is_wide_enough_and_has_what_is_folded(window: Page, large: Path, tmp_path: Path, kind: str) -> None:
    file = large
    if kind == "names":
        gateway = healthy(f"{'gateway' * 9}.example", wide(20, 1, 1))
        for place in range(20):
            gateway = changed(gateway, place, **BAD_GATEWAY)
        text = page(reported(gateway)).replace("site", f"{'long' * 10}-site")
        file = tmp_path / "index.html"
        file.write_text(text, encoding="utf-8")
    # A4 in landscape, within its margins of one centimetre.
    window.look_at(file, width=1047)
    window.call("Emulation.setEmulatedMedia", media="print")
    try:
        edges = "[...document.querySelectorAll('th, td, svg, li, p')].map(one => one.getBoundingClientRect().right)"
        assert window.evaluate(f"Math.max(...{edges})") <= 1047
        if kind == "fleet":
            assert "(244 gateways hidden)" in " ".join(texts(window, ".hidden-rows"))
            folded = "[...document.querySelectorAll('.findings details:not([open]) p')]"
            assert window.evaluate(f"{folded}.length > 0 && {folded}.every(one => one.checkVisibility())")
    finally:
        window.call("Emulation.setEmulatedMedia", media="")


def test_only_what_is_wrong_can_be_shown(window: Page, large: Path) -> None:
    window.look_at(large)
    wrong = texts(window, "tbody tr")
    assert [row[:12] for row in wrong[:3]] == ["\u2715 gateway003", "\u2715 gateway002", "\u2715 gateway004"]
    # Half of them for a route; what is wrong with three more is no route, and a warning of another one.
    assert len(wrong) == 252 + 4
    assert texts(window, ".hidden-rows") == ["(244 gateways hidden)"]
    window.evaluate("document.querySelector('#only-wrong').click()")
    assert len(texts(window, "tbody tr")) == 500


def test_a_gateway_that_drifts_stands_out_in_the_table(window: Page, large: Path) -> None:
    window.look_at(large)
    rows = {row.split()[1]: row for row in texts(window, "tbody tr")}
    assert "\u2715 bbbbbbbb not what its variables say" in rows["gateway005"]
    assert "the file was edited" in rows["gateway007"]
    assert "\u2715 2026-02-03" in rows["gateway009"]
    assert [row.split()[1] for row in rows.values() if row.startswith("! ")] == ["gateway009"]


def test_what_the_table_says_of_a_route(window: Page, large: Path) -> None:
    window.look_at(large)
    assert texts(window, "thead th")[:4] == ["gateway", "feed.example /old/", "chat.example /", "configuration"]
    rows = {row.split()[1]: row for row in texts(window, "tbody tr")}
    assert "\u2715 502 / 101 2.5 returned 502 Bad Gateway 101 1.8 / 2.5" in rows["gateway002"]
    assert " 1.26.3 1,234 " in rows["gateway002"]
    assert "from the controller: timed out after 5 s" in rows["gateway013"]
    assert "unreachable: Failed to connect" in rows["gateway003"]
    # The site on a loopback address.
    assert "101 1.8 / \u2013" in rows["gateway002"]


def test_headings_and_names_stay_in_sight(window: Page, large: Path) -> None:
    window.look_at(large)
    box = "document.querySelector('#routes .box')"
    places = "['thead th:nth-child(3)', 'tbody th'].map(one => document.querySelector(`#routes ${one}`))"
    before = window.evaluate(f"{places}.map(one => one.getBoundingClientRect()).map(r => [r.top, r.left])")
    window.evaluate(f"{box}.scrollTo(300, 2000)")
    after = window.evaluate(f"{places}.map(one => one.getBoundingClientRect()).map(r => [r.top, r.left])")
    assert window.evaluate(f"{box}.scrollTop") == 2000
    assert (after[0][0], after[1][1]) == (before[0][0], before[1][1])


def test_it_asks_for_nothing_and_complains_of_nothing(window: Page, large: Path) -> None:
    window.look_at(large)
    asked = {event["request"]["url"] for event in window.told("Network.requestWillBeSent")}
    assert asked == {large.as_uri()}
    assert window.told("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []


def test_what_slips_in_can_do_nothing(window: Page, sound: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    slipped = (
        "<main><script>document.title = 'x'</script><img src=https://example.com/ onerror=\"document.title = 'y'\">"
    )
    file.write_text(sound.read_text().replace("<main>", slipped))
    window.look_at(file)
    assert window.evaluate("document.title") == "All 3 gateways serve all their routes"
    refused = " ".join(event["entry"]["text"] for event in window.told("Log.entryAdded"))
    assert "violates the following Content Security Policy" in refused


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(window: Page, large: Path, scheme: str) -> None:
    window.look_at(large, scheme=scheme)
    assert window.evaluate(CONTRASTS) == []


def test_dark_is_dark(window: Page, large: Path) -> None:
    paper = {}
    for scheme in ("light", "dark"):
        window.look_at(large, scheme=scheme)
        paper[scheme] = window.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}


@pytest.mark.parametrize("width", [375, 1280, 2560])
def test_the_page_itself_never_scrolls_sideways(window: Page, large: Path, width: int) -> None:
    window.look_at(large, width=width)
    # Beside the bar that scrolls down.
    assert window.evaluate("document.documentElement.scrollWidth") == window.evaluate(
        "document.documentElement.clientWidth"
    )
    assert window.evaluate("innerWidth") == width


def test_long_names_do_not_widen_the_page(window: Page, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text(page(reported(*(healthy(f"{'x' * 200}{number}", wide()) for number in range(2)))))
    window.look_at(file, width=375)
    assert window.evaluate("document.documentElement.scrollWidth") == 375


def test_500_gateways_are_laid_out_a_few_times_with_a_few_elements_for_each_route(window: Page, large: Path) -> None:
    """So one core takes a quarter of a second for them. A busy browser reads and lays it out in more parts."""
    before = window.metrics()
    window.look_at(large)
    after = window.metrics()
    assert after["LayoutCount"] - before["LayoutCount"] < 50
    assert after["RecalcStyleCount"] - before["RecalcStyleCount"] < 50
    assert window.evaluate("document.querySelectorAll('*').length") < 500 * 10 * 4
    assert window.evaluate("document.scripts.length") == 1


def test_a_screen_reader_finds_its_way(window: Page, large: Path) -> None:
    window.look_at(large)
    assert window.evaluate("document.documentElement.lang") == "en"
    levels = [
        int(name[1]) for name in window.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")
    ]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
    assert window.evaluate("document.querySelectorAll('th:not([scope])').length") == 0
    assert window.evaluate("[...document.querySelectorAll('svg')].every(one => one.ariaLabelledByElements.length == 2)")
    # What scrolls can be reached by the keyboard, and has a name.
    boxes = "[...document.querySelectorAll('.box')]"
    assert window.evaluate(f"{boxes}.every(one => one.tabIndex === 0 && one.ariaLabel && one.role === 'region')")
    ids = window.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
