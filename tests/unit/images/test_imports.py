"""What is imported before the first picture comes."""

import subprocess
import sys

from tests.support.preloaded import ROOT

PROGRAM = """
import io, sys
import images
from options import FORMATS, Rendition
from PIL import Image

target = io.BytesIO()
Image.new("RGB", (8, 8), "red").save(target, "PNG")
known = set(sys.modules)
for each in FORMATS.values():
    if each.pillow:
        body, _ = images.make_rendition(target.getvalue(), Rendition(w=4, h=4, format=each.name), b"")
        if not each.data_url_bytes:
            images.identify(body)
print(sorted(set(sys.modules) - known))
"""


def test_no_picture_imports_a_module():
    # Native threads of a web process that import at the same time may wait for each other for ever.
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
