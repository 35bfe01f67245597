"""The page in a real browser, without a window: at the width of a desktop and of a phone, light and dark."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from patience import PROCESS_S
from PIL import Image

from bansweep.report.page.page import report_page
from bansweep.report.page.source import PageSource

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DARK = "--blink-settings=preferredColorScheme=0"
LIGHT = "--blink-settings=preferredColorScheme=1"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")

# What a page looks like to a reader, put into the title of the page around it, where the test finds it.
MEASURE = """<script>addEventListener('load', () => {
  const root = document.documentElement, shown = [...document.querySelectorAll('svg.chart text')];
  const sizes = shown.map(one => 12 * Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b));
  parent.document.title = JSON.stringify({
    width: innerWidth,
    content: root.scrollWidth,
    sticking_out: [...document.body.querySelectorAll('*')].filter(one =>
      !one.closest('.wide, pre, .skip, .spoken') && one.getBoundingClientRect().right > innerWidth + 0.5
    ).map(one => one.outerHTML.slice(0, 80)),
    smallest_letters: Math.min(...sizes),
    ground: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
    overlapping: [...document.querySelectorAll('svg.chart')].filter(chart => {
      const boxes = [...chart.querySelectorAll('text')].map(one => one.getBoundingClientRect());
      return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right - 1 && b.left < a.right - 1
        && a.top < b.bottom - 3 && b.top < a.bottom - 3));
    }).map(chart => chart.getAttribute('aria-labelledby')),
  });
});</script></body>"""


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


def browse(page: Path, profile: Path, *options: str) -> str:
    """What the browser prints. Root, in containers, has no sandbox."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [
            *(str(BROWSER), "--headless=new", *as_root, "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *(f"--user-data-dir={profile}", "--disable-dev-shm-usage", *options, page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=PROCESS_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(text: str, folder: Path, profile: Path, width: int, *options: str) -> dict[str, Any]:
    """The page's own account of itself, in a frame of this width: a window cannot be as narrow as a phone."""
    page = folder / "measured.html"
    assert text.count("</body>") == 1
    within = html.escape(text.replace("</body>", MEASURE))
    frame = f'<iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{within}"></iframe>'
    page.write_text(f'<!DOCTYPE html><meta charset="utf-8"><title></title>{frame}', encoding="utf-8")
    dom = browse(page, profile, "--dump-dom", "--window-size=1400,900", *options)
    title = re.search(r"<title>(\{.*?\})</title>", dom)
    assert title is not None, dom[:500]
    found: dict[str, Any] = json.loads(html.unescape(title[1]))
    assert found["width"] == width
    return found


@pytest.fixture
def text(source: PageSource) -> str:
    """With names, paths and commands that are as long as they get."""
    long = "/a/folder/with/a/very/long/name" * 5
    return report_page(replace(source, commands=replace(source.commands, sweep_file=long, holding=long)))


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_is_as_wide_as_its_window(text: str, tmp_path: Path, profile: Path, width: int) -> None:
    found = measured(text, tmp_path, profile, width)
    assert found["sticking_out"] == []
    assert found["content"] <= width
    assert found["overlapping"] == []
    assert found["smallest_letters"] >= 9.5


@pytest.mark.parametrize(("scheme", "dark"), [(LIGHT, False), (DARK, True)])
def test_letters_stand_out_in_either_colour_scheme(
    text: str, tmp_path: Path, profile: Path, scheme: str, dark: bool
) -> None:
    found = measured(text, tmp_path, profile, 1280, scheme)
    ground, ink = (luminance(found[name]) for name in ("ground", "ink"))
    assert (ground < ink) is dark
    assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 12


def test_the_screen_has_what_the_page_says(text: str, tmp_path: Path, profile: Path) -> None:
    """Pictures taken at both widths differ from a plain ground, and the dark one is the darker."""
    page = tmp_path / "page.html"
    page.write_text(text, encoding="utf-8")
    brightness = {}
    for name, width, scheme in (("wide", 1280, LIGHT), ("phone", 390, LIGHT), ("dark", 1280, DARK)):
        picture = tmp_path / f"{name}.png"
        browse(page, profile, f"--screenshot={picture}", f"--window-size={width},2400", scheme)
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("L"), dtype=np.float64)
        assert pixels.shape == (2400, width)
        assert pixels.std() > 10
        brightness[name] = pixels.mean()
    assert brightness["dark"] < 80 < 200 < brightness["wide"]


def test_colours_of_verdicts_and_lines_can_be_read_on_their_grounds(text: str) -> None:
    """WCAG: 4.5 for text, 3 for shapes, in both schemes."""
    for part in text.split("prefers-color-scheme: dark")[:2]:
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", part))
        for letters, ground in (
            *(("ink", one) for one in ("ground", "card", "noise-ground")),
            *(("quiet", one) for one in ("ground", "card")),
            *(("link", one) for one in ("ground", "card")),
            *(("better", "better-ground"), ("worse", "worse-ground")),
        ):
            assert contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)
        for line in range(7):
            assert contrast(colours[f"c{line}"], colours["card"]) >= 3, line


def contrast(one: str, other: str) -> float:
    lights = sorted(luminance(f"rgb({', '.join(str(int(c[i : i + 2], 16)) for i in (1, 3, 5))})") for c in (one, other))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(r, g, b)`, as WCAG 2 has it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
