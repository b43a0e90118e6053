"""pyvips and Pillow as a child of `convertfly bench peers`, and the judge of all results.

A JSON request a line on standard input, a JSON reply a line on standard output:
  {"row", "config": "pyvips" | "pillow", "source", "output", "mark"} -> {"cpu_ms", "wall_ms"}
  {"judge": row, "source", "mark", "outputs": [...]} -> {"psnr": [dB or null, ...]}
  {"prepare": photo, "folder"} -> {"plain", "icc" or null, "srgb", "png", "mark", "pixels"}
"""

import json
import os
import sys
import time

# Before libvips is loaded: one image on one core.
os.environ["VIPS_CONCURRENCY"] = "1"

import numpy  # noqa: E402
import pyvips  # noqa: E402
from PIL import Image, ImageCms  # noqa: E402

pyvips.cache_set_max(0)
Image.MAX_IMAGE_PIXELS = None
WIDTHS = [320, 640, 800, 1200, 1600]


def height_for(image, width):
    return max(1, round(image.height * width / image.width))


def vips_jpeg(image, output):
    image.jpegsave(output, Q=85, keep="none")


def vips_mark(source, mark):
    below, above = pyvips.Image.new_from_file(source), pyvips.Image.new_from_file(mark)
    x, y = below.width - above.width, below.height - above.height
    return below.composite2(above, "over", x=x, y=y).flatten()


VIPS = {
    "thumbnail": lambda r: vips_jpeg(pyvips.Image.thumbnail(r["source"], 320, height=10_000_000), r["output"]),
    "resize": lambda r: vips_jpeg(pyvips.Image.thumbnail(r["source"], 1600, height=10_000_000), r["output"]),
    "resize-icc": lambda r: vips_jpeg(
        pyvips.Image.thumbnail(r["source"], 1600, height=10_000_000, export_profile="srgb"), r["output"]
    ),
    "webp": lambda r: pyvips.Image.new_from_file(r["source"]).webpsave(r["output"], Q=85, keep="none"),
    "png-to-jpeg": lambda r: vips_jpeg(pyvips.Image.new_from_file(r["source"]), r["output"]),
    "watermark": lambda r: vips_jpeg(vips_mark(r["source"], r["mark"]), r["output"]),
    "jpeg-to-png": lambda r: pyvips.Image.new_from_file(r["source"]).pngsave(r["output"], keep="none"),
    "requality": lambda r: vips_jpeg(pyvips.Image.new_from_file(r["source"]), r["output"]),
    "renditions": lambda r: [
        vips_jpeg(pyvips.Image.thumbnail(r["source"], width, height=10_000_000), r["output"]) for width in WIDTHS
    ],
}


# Rows that differ from another in what we do, or in what is read, alone.
SAME = {"thumbnail-fine": "thumbnail", "resize-srgb": "resize", "webp-fast": "webp"}


def pil_thumbnail(source, width, output):
    image = Image.open(source)
    height = height_for(image, width)
    # The best way of Pillow's: JPEG's own scaling first, as far as it costs no quality.
    image.draft("RGB", (width * 2, height * 2))
    image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0).save(output, "JPEG", quality=85)


def pil_resize(r):
    image = Image.open(r["source"])
    image.resize((1600, height_for(image, 1600)), Image.Resampling.LANCZOS).save(r["output"], "JPEG", quality=85)


def pil_watermark(r):
    image, mark = Image.open(r["source"]).convert("RGB"), Image.open(r["mark"])
    image.paste(mark, (image.width - mark.width, image.height - mark.height), mark)
    image.save(r["output"], "JPEG", quality=85)


PILLOW = {
    "thumbnail": lambda r: pil_thumbnail(r["source"], 320, r["output"]),
    "resize": pil_resize,
    "webp": lambda r: Image.open(r["source"]).save(r["output"], "WEBP", quality=85),
    "png-to-jpeg": lambda r: Image.open(r["source"]).convert("RGB").save(r["output"], "JPEG", quality=85),
    "watermark": pil_watermark,
    "jpeg-to-png": lambda r: Image.open(r["source"]).save(r["output"], "PNG"),
    "requality": lambda r: Image.open(r["source"]).save(r["output"], "JPEG", quality=85),
    "renditions": lambda r: [pil_thumbnail(r["source"], width, r["output"]) for width in WIDTHS],
}


def pixels(image):
    """Height x width x 3, float, 0 to 255."""
    if image.hasalpha():
        image = image.flatten()
    return image.extract_band(0, n=3).cast("float").numpy()


def srgb(path):
    image = pyvips.Image.new_from_file(path)
    if not image.get_typeof("icc-profile-data"):
        return image
    # In 16 bits, so that the reference is not rounded before it is resampled.
    return image.icc_transform("srgb", depth=16).cast("float") / 257


def reference(row, source, mark):
    """What an exact worker in float would make of it, before it is encoded."""
    row = SAME.get(row, row)
    image = srgb(source) if row == "resize-icc" else pyvips.Image.new_from_file(source)
    widths = {"thumbnail": 320, "resize": 1600, "resize-icc": 1600, "renditions": 1600}
    if row in widths:
        width = widths[row]
        scale, vscale = width / image.width, height_for(image, width) / image.height
        # In memory first: the scaled decoders of the loader stay out of it. Without `gap` libvips shrinks by a box before the filter, as its
        # own thumbnails do: a mean squared error of 0.2 to 1.2 of what the filter is, three photos to 320 pixels.
        return pixels(image.copy_memory().cast("float").resize(scale, vscale=vscale, kernel="lanczos3", gap=0))
    base = pixels(image).copy()
    if row == "watermark":
        over = pyvips.Image.new_from_file(mark).numpy().astype("float")
        h, w = over.shape[:2]
        alpha = over[:, :, 3:] / 255
        base[-h:, -w:] = base[-h:, -w:] * (1 - alpha) + over[:, :, :3] * alpha
    return base


def psnr(row, expected, path):
    image = srgb(path) if row == "resize-icc" else pyvips.Image.new_from_file(path)
    found = pixels(image)
    if found.shape != expected.shape:
        raise ValueError(f"{path} is of another size: {found.shape}, not {expected.shape}")
    error = float(numpy.mean((found - expected) ** 2))
    return None if error == 0 else round(10 * numpy.log10(255**2 / error), 2)


def plain(photo, kept=()):
    """The photo without the segments that hold metadata, and profiles unless they are kept; not one coefficient changes, nor is it turned."""
    data = open(photo, "rb").read()
    out, at = bytearray(data[:2]), 2
    while data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big") + 2
        if data[at + 1] in kept or not (0xE1 <= data[at + 1] <= 0xEF or data[at + 1] == 0xFE):
            out += data[at : at + length]
        at += length
    return bytes(out + data[at:])


def with_profile(jpeg, profile):
    """The file with a profile that fits one segment (ICC.1:2010, B.4)."""
    body = b"ICC_PROFILE\0\1\1" + profile
    return jpeg[:2] + b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def prepare(photo, folder):
    paths = {name: os.path.join(folder, name) for name in ("plain.jpg", "icc.jpg", "srgb.jpg", "source.png", "mark.png")}
    with open(paths["plain.jpg"], "wb") as file:
        file.write(plain(photo))
    with open(paths["icc.jpg"], "wb") as file:
        file.write(plain(photo, kept=(0xE2,)))
    with open(paths["srgb.jpg"], "wb") as file:
        file.write(with_profile(plain(photo), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()))
    image = pyvips.Image.new_from_file(paths["plain.jpg"])
    # 8 megapixels, as far as the photo has them.
    scale = min(1, (8e6 / (image.width * image.height)) ** 0.5)
    image.resize(scale).pngsave(paths["source.png"])
    # A mark of a fifth of the width: a ring, half transparent at its edges.
    side = image.width // 5
    y, x = numpy.mgrid[0:side, 0:side] / side - 0.5
    distance = numpy.hypot(x, y)
    alpha = numpy.clip((0.45 - distance) * 20, 0, 1) * numpy.clip((distance - 0.25) * 20, 0, 1) * 200
    mark = numpy.dstack([numpy.full_like(alpha, 255), 255 * (x + 0.5), 255 * (y + 0.5), alpha]).astype("uint8")
    Image.fromarray(mark, "RGBA").save(paths["mark.png"])
    has_profile = pyvips.Image.new_from_file(photo).get_typeof("icc-profile-data") != 0
    return {
        "plain": paths["plain.jpg"],
        "icc": paths["icc.jpg"] if has_profile else None,
        "srgb": paths["srgb.jpg"],
        "png": paths["source.png"],
        "mark": paths["mark.png"],
        "pixels": image.width * image.height,
    }


def answer(request):
    if "judge" in request:
        expected = reference(request["judge"], request["source"], request.get("mark"))
        return {"psnr": [psnr(request["judge"], expected, path) for path in request["outputs"]]}
    if "prepare" in request:
        return prepare(request["prepare"], request["folder"])
    rows = {"pyvips": VIPS, "pillow": PILLOW}[request["config"]]
    work = rows.get(request["row"]) or rows[SAME[request["row"]]]
    cpu, wall = time.process_time(), time.perf_counter()
    work(request)
    return {"cpu_ms": (time.process_time() - cpu) * 1e3, "wall_ms": (time.perf_counter() - wall) * 1e3}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # noqa: BLE001: whatever it is, the harness shows it
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
