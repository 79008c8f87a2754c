"""One picture on the page: how it comes in, its answer, heatmaps and painting."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_actions import (
    FOUR,
    choose,
    compare_best_two,
    count_colors,
    expect_maps,
    expect_top,
    find_bar,
    hand_over,
    make_payload,
    paint,
    read_score,
    read_second,
    read_share,
    show_seven,
)
from tests.support.samples import draw
from tests.support.service import SEVEN

THROUGH_THE_SEVEN = [(0.75, 0.05), (0.75, 0.55), (0.5, 0.6), (0.5, 0.95)]


def test_a_chosen_picture_is_answered_at_once(page: Page) -> None:
    """There is no button to press: the label is there, five bars, the file and the model."""
    with page.expect_response("**/predict?*") as answered:
        show_seven(page)
    best, second = answered.value.json()["predictions"][:2]
    share, rest = f"{100 * best['score']:.2f}%", f"{100 * second['score']:.2g}%"
    expect(page.locator("#runner-up")).to_have_text(f"{share}, then {second['label']} with {rest}")
    expect(page.get_by_role("status")).to_have_text(f"7, {share}, then {second['label']}")
    assert (read_second(page), read_share(page, "7")) == (second["label"], share)
    expect(page.locator("#bars meter")).to_have_count(5)
    expect(page.locator("#file")).to_have_text("7-0.png · 64 \u00d7 64 PNG · 3 kB")
    expect(page.locator("#model")).to_contain_text("vitrine-digits · ")
    stages = page.locator("#stages li")
    expect(stages).to_contain_text(["decode", "queue", "inference", "network", "together"])
    assert count_colors(page.locator("#crop canvas")) > 16


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(page: Page, kind: str) -> None:
    """Wherever the focus is."""
    page.get_by_role("link", name="API docs").focus()
    hand_over(page, kind, FOUR)
    expect_top(page, "4")


def test_a_sample_is_clicked(page: Page) -> None:
    """Ten are there, one of each digit."""
    samples = page.locator("#samples button")
    expect(samples).to_have_count(10)
    samples.nth(3).click()
    expect_top(page, "3")


def test_a_photograph_is_taken(page: Page) -> None:
    """A phone opens its camera for this input, and hands the photograph over."""
    photograph = page.locator("#photograph")
    assert photograph.get_attribute("capture") == "environment"
    photograph.set_input_files(FOUR)
    expect_top(page, "4")


def test_more_labels_come_on_demand(page: Page) -> None:
    """The service has ten, and fewer are shown again by the same button."""
    show_seven(page)
    page.get_by_role("button", name="More labels").click()
    expect(page.locator("#bars meter")).to_have_count(10)
    page.get_by_role("button", name="Fewer labels").click()
    expect(page.locator("#bars meter")).to_have_count(5)


def test_a_bar_explains_its_label_and_a_second_one_compares(page: Page) -> None:
    """The first click shows one label, the second two side by side, a third takes one away."""
    show_seven(page)
    second = read_second(page)
    find_bar(page, second).click()
    expect_maps(page, second)
    find_bar(page, "7").click()
    expect_maps(page, second, "7")
    expect(page.locator("#bars [aria-pressed=true]")).to_have_count(2)
    find_bar(page, second).click()
    expect_maps(page, "7")
    expect(find_bar(page, second)).to_be_focused()


def test_the_best_two_are_compared_by_a_button(page: Page) -> None:
    """And one is shown again by the same."""
    show_seven(page)
    compare_best_two(page)
    page.get_by_role("button", name="Show one").click()
    expect_maps(page, "7")


def test_the_heatmap_fades(page: Page) -> None:
    """The slider is its opacity."""
    show_seven(page)
    page.get_by_label("Heatmap").fill("0")
    assert page.locator(".heat").first.evaluate("map => getComputedStyle(map).opacity") == "0"


def test_painting_moves_the_bars(page: Page) -> None:
    """Its beginning asks once, and each stroke; undo and clear ask nothing."""
    show_seven(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before, share = read_score(page, "7"), read_share(page, "7")
    page.get_by_role("button", name="Hide a part").click()
    paint(page, *THROUGH_THE_SEVEN)
    expect(page.locator("#bars small").first).to_have_text(f"was {share}")
    first = read_score(page, "7")
    assert first < before
    paint(page, (0.1, 0.1), (0.9, 0.9))
    page.wait_for_function("score => document.querySelector('meter').value !== score", arg=first)
    assert [url.rpartition("/")[2] for url in asked] == ["predict?scores=all"] * 3
    page.get_by_role("button", name="Undo").click()
    assert read_score(page, "7") == first
    page.get_by_role("button", name="Clear").click()
    assert read_score(page, "7") == before
    assert len(asked) == 3


def test_what_is_not_painted_over_stays_as_it_was(page: Page) -> None:
    """A stroke in the background's colour beside the digit changes next to nothing."""
    show_seven(page)
    share = read_share(page, "7")
    page.get_by_role("button", name="Hide a part").click()
    paint(page, (0.03, 0.95), (0.05, 0.97))
    expect(page.locator("#bars small").first).to_have_text(f"was {share}")
    assert read_score(page, "7") > 0.999


@pytest.mark.parametrize("language", ["curl", "Python", "TypeScript"])
def test_the_request_is_there_as_code(page: Page, language: str) -> None:
    """Both requests, with the address of this service, the file and the label."""
    choose(page, make_payload('it\'s a "7".png', SEVEN.read_bytes()))
    expect_maps(page, "7")
    page.get_by_label(language, exact=True).check()
    code = page.locator("#snippet").inner_text()
    assert f"{page.url}predict?scores=all" in code
    assert f"{page.url}explain?label_id=7" in code
    quoted = {"curl": r"""'file=@"it'\''s a \"7\".png"'"""}
    assert quoted.get(language, r'"it\'s a \"7\".png"'.replace(r"\'", "'")) in code
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status")).to_contain_text("Cop")


def test_a_turned_photograph_is_upright(page: Page, tmp_path: Path) -> None:
    """Its EXIF turns it, as in the service; a large one is made smaller for the screen."""
    image = draw(size=(3000, 1500))
    exif = image.getexif()
    exif[0x0112] = 6
    photograph = tmp_path / "turned.jpg"
    image.save(photograph, exif=exif)
    choose(page, photograph)
    expect(page.locator("#file")).to_contain_text("1500 \u00d7 3000 JPEG")
    picture = page.locator(".frame canvas").first
    expect(picture).to_have_js_property("width", 512)
    expect(picture).to_have_js_property("height", 1024)
