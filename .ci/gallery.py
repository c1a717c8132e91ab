"""Draw the pictures of mbfast.guide.gallery anew: python .ci/gallery.py [NAME ...]. All of them take some minutes."""

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image  # which matplotlib needs, too

from mbfast.guide import gallery

WIDTH, LARGEST = 900, 60_000  # pixels, bytes


def small(figure: Image.Image) -> bytes:
    """Return a PNG that is small enough, with as many colours as it may have."""
    size = (WIDTH, round(WIDTH * figure.height / figure.width))
    resized = figure.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    for colours in (256, 192, 128, 96, 64, 48, 32):
        buffer = io.BytesIO()
        reduced = resized.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        reduced.save(buffer, format="PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise ValueError(f"no picture of {size} pixels has less than {LARGEST} bytes")


def main() -> None:
    """Run the examples and store their figures, smaller, beside the page."""
    for name in sys.argv[1:] or re.findall(r"\(gallery_(\w+)\.png\)", gallery.__doc__ or ""):
        with tempfile.TemporaryDirectory() as folder:
            drawn = Path(folder) / "figure.png"
            subprocess.run([sys.executable, "-m", f"mbfast.examples.{name}", str(drawn)], check=True)
            picture = small(Image.open(drawn))
        Path(gallery.__file__).with_name(f"gallery_{name}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
