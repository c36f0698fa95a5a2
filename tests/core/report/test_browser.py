"""The report as a browser shows it."""

import re
import shutil
import subprocess

import pytest

from intarsia.core import report

pytestmark = pytest.mark.browser

# Counted by the browser itself: the answers stand in the title of the page it dumps.
PROBE = """<script>addEventListener('load', () => {
  const images = [...document.images];
  const root = document.documentElement;
  document.title = 'PROBE ' + JSON.stringify({
    images: images.length,
    broken: images.filter(i => !i.complete || !i.naturalWidth).length,
    fetched: performance.getEntriesByType('resource').filter(r => /^(http|file)/.test(r.name)).length,
    wider: root.scrollWidth - root.clientWidth,
    text: document.body.innerText.length,
  });
});</script></body>"""


def seen(page, folder, width):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no Chromium on this machine")
    copy = folder / "probed.html"
    copy.write_text(page.read_text().replace("</body>", PROBE))
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-sync"
    options = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"]
    command = [chromium, *flags.split(), "--disable-background-networking", *options]
    done = subprocess.run(
        [*command, "--virtual-time-budget=4000", "--dump-dom", copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<title>PROBE (\{.*?\})</title>", done.stdout)
    assert found, done.stdout[:500]
    return {k: int(v) for k, v in re.findall(r'"(\w+)":(-?\d+)', found[1])}


@pytest.mark.parametrize("width", [1300, 700])
def test_the_report_is_whole_on_screens_of_any_width(run, tmp_path, width):
    found = seen(report.write(run), tmp_path, width)
    assert found["images"] >= 4
    assert found["broken"] == 0
    assert found["fetched"] == 0  # all that the page needs is in it
    assert found["wider"] <= 0  # nothing sticks out at the side
    assert found["text"] > 1000


def test_the_probe_sees_a_broken_image_and_a_page_too_wide(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<html><head><title></title></head><body><img src="data:image/png;base64,AA">'
        '<div style="width: 5000px">x</div></body></html>'
    )
    found = seen(page, tmp_path, 900)
    assert found["broken"] == 1
    assert found["wider"] > 0
