"""The page of a report in a real browser: light, dark, narrow, on paper, and read aloud."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.rigs.browser import open_browser
from tests.rigs.workflow_reports import Sample, sample_report
from torc_watch.render.report_page.page import report_page

pytestmark = pytest.mark.slow

_LEAST_CONTRAST = 4.5  # of text, by WCAG 2
# Texts whose color is too near to that behind them, with the contrast.
_PALE_TEXTS = """
(() => {
  const parse = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = (color) => {
    const parts = parse(color).slice(0, 3).map((part) => part / 255);
    const [r, g, b] = parts.map((p) => (p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (parse(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || ["style", "title", "desc"].includes(element.localName)) continue;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < LEAST) found.push(`${text}: ${contrast.toFixed(2)}`);
  }
  return found;
})()
""".replace("LEAST", str(_LEAST_CONTRAST))
_WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth - window.innerWidth"


def test_report_is_readable_everywhere(browser: str, tmp_path: Path) -> None:
    name = "<script>document.title='run'</script>$x^2$_{number}"
    report = sample_report(Sample(jobs=60, nodes=3, left=2, job_name=name))
    path = tmp_path / "report.html"
    path.write_text(report_page(report), "utf-8")
    with open_browser(browser, tmp_path / "profile") as page:
        page.open(path)
        lightness = {}
        for scheme in ("light", "dark"):
            page.show(scheme, 1100)
            lightness[scheme] = _lightness(page.picture())
            assert page.evaluate(_PALE_TEXTS) == []
        assert lightness["light"] > 220
        assert lightness["dark"] < 60
        for width in (1100, 420):
            page.show("light", width)
            assert page.evaluate(_WIDER_THAN_THE_WINDOW) <= 0

        found = page.accessible()
        headings = [name for role, name, _ in found if role == "heading"]
        assert headings[:3] == ["weather ensemble", "What to do next", "Why jobs failed"]
        pictures = {name: text for role, name, text in found if role == "image"}
        assert set(pictures) == {
            "Timeline of jobs by node",
            "Memory and run time used, by kind of job",
            "Node hours, by what became of the jobs",
        }
        assert all(text for text in pictures.values())
        tables = [name for role, name, _ in found if role == "table"]
        assert len(tables) == 5
        assert all(tables)

        assert page.pdf().startswith(b"%PDF")
        assert page.evaluate("document.title") == "Workflow 42: report"
        assert len(page.seen("Network.requestWillBeSent")) == 1, "only the page itself"
        assert not page.seen("Log.entryAdded")
        assert not page.seen("Runtime.exceptionThrown")


def _lightness(png: bytes) -> float:
    """Of the whole picture on average, from 0 to 255."""
    histogram = Image.open(io.BytesIO(png)).convert("L").histogram()
    return sum(level * pixels for level, pixels in enumerate(histogram)) / sum(histogram)
