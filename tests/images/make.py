#!/usr/bin/env python3
"""Writes the files of this folder for tests/test_image_file.c, beside itself. Needs Pillow and numpy.

    /usr/bin/python3 tests/images/make.py          compared with the committed files by: make golden

The bytes are those of Debian 12's Pillow 9.4 with its zlib and libjpeg-turbo; other versions may compress in another way.
The name begins with the status that loading must give: ok, image or limit. Beside every ok-* file lies *.rgb: width and
height as little-endian uint32, then the pixels as Pillow's convert("RGB") gives them (16-bit PNG: the high bytes).
"""
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 23, 17
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6  # PNG colour types
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def picture(channels, seed=1, width=WIDTH, height=HEIGHT, top=256):
    """Smooth waves and some noise, [height][width][channels]."""
    rng = np.random.RandomState(seed)
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    wave = np.sin(x * (0.3 + 0.1 * c) + seed) * np.cos(y * 0.4 - c)
    value = (wave * 0.4 + 0.5) * top + rng.randint(-top // 16 - 1, top // 16 + 1, wave.shape)
    return np.clip(value, 0, top - 1).astype(np.int64)


def write(name, data, rgb=None):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
    if not name.startswith("ok-"):
        return
    if rgb is None:
        rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    with open(os.path.join(HERE, name + ".rgb"), "wb") as f:
        f.write(struct.pack("<II", rgb.shape[1], rgb.shape[0]) + rgb.astype(np.uint8).tobytes())


# ---- PNG

def chunk(kind, data, crc=None):
    if crc is None:
        crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def ihdr(width, height, depth, color, interlace=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))


def rows_of(samples, depth, filters):
    """Filtered rows (filter types 0, 1 and 2 in turn if filters) of samples [height][width][channels]."""
    out, before = b"", None
    for y, row in enumerate(samples.reshape(samples.shape[0], -1)):
        if depth == 16:
            line = row.astype(">u2").tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth:]
            line = np.packbits(bits.reshape(-1)).tobytes()
        now, kind = np.frombuffer(line, np.uint8).astype(int), 0
        if filters:
            kind = y % 3
        step = max(1, samples.shape[2] * depth // 8)
        left = np.concatenate([np.zeros(step, int), now[:-step]])[:len(now)] if kind == 1 else 0
        above = before if kind == 2 and before is not None else 0
        out += bytes([kind]) + ((now - left - above) % 256).astype(np.uint8).tobytes()
        before = now
    return out


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, color, extra=b"", interlace=0, idat_bytes=None, before=b""):
    if interlace:
        parts = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7]
        raw = b"".join(rows_of(part, depth, True) for part in parts if part.size)
    else:
        raw = rows_of(samples, depth, True)
    packed = zlib.compress(raw, 9)
    size = idat_bytes or len(packed)
    idat = b"".join(chunk(b"IDAT", packed[i:i + size]) for i in range(0, len(packed), size))
    height, width = samples.shape[:2]
    return SIGNATURE + ihdr(width, height, depth, color, interlace) + before + extra + idat + chunk(b"IEND", b"")


def png_files():
    for depth in (1, 2, 4, 8, 16):
        grey = picture(1, depth, top=1 << depth)
        rgb = np.repeat(grey >> 8 if depth == 16 else grey * 255 // ((1 << depth) - 1), 3, 2)
        write("ok-grey-%d-bit.png" % depth, png(grey, depth, GREY), rgb)
    write("ok-rgb.png", png(picture(3), 8, RGB))
    deep = picture(3, 2, top=65536)
    write("ok-rgb-16-bit.png", png(deep, 16, RGB), deep >> 8)
    write("ok-grey-alpha.png", png(picture(2), 8, GREY_ALPHA))
    write("ok-rgba.png", png(picture(4), 8, RGBA))
    deep = picture(4, 3, top=65536)
    write("ok-rgba-16-bit.png", png(deep, 16, RGBA), deep[:, :, :3] >> 8)
    colors = picture(3, 4, 16, 1)[0].astype(np.uint8)
    palette = chunk(b"PLTE", colors.tobytes())
    for depth in (1, 2, 4, 8):
        index = picture(1, 5, top=min(16, 1 << depth))
        plte = chunk(b"PLTE", colors[:min(16, 1 << depth)].tobytes())
        write("ok-palette-%d-bit.png" % depth, png(index, depth, PALETTE, plte))
    alpha = chunk(b"tRNS", bytes(range(0, 160, 10)))
    write("ok-palette-alpha.png", png(picture(1, 6, top=16), 8, PALETTE, palette + alpha))
    grey = picture(1)
    write("ok-grey-transparent.png", png(grey, 8, GREY, chunk(b"tRNS", struct.pack(">H", grey[3, 3, 0]))),
          np.repeat(grey, 3, 2))
    write("ok-rgb-transparent.png", png(picture(3), 8, RGB, chunk(b"tRNS", struct.pack(">3H", *picture(3)[3, 3]))))
    write("ok-interlaced.png", png(picture(3, 7), 8, RGB, interlace=1))
    bits = picture(1, 8, top=2)
    write("ok-interlaced-1-bit.png", png(bits, 1, GREY, interlace=1), np.repeat(bits * 255, 3, 2))
    write("ok-interlaced-1x1.png", png(picture(1, 9, 1, 1), 8, GREY, interlace=1))
    write("ok-1x1.png", png(picture(3, 9, 1, 1), 8, RGB))
    write("ok-wide.png", png(picture(1, 9, 16384, 1), 8, GREY))
    write("ok-gamma.png", png(picture(3), 8, RGB, before=chunk(b"gAMA", struct.pack(">I", 100000))))
    text = b"Comment\0\0" + zlib.compress(bytes(20 << 20), 9)
    write("ok-text-bomb.png", png(picture(3), 8, RGB, before=chunk(b"zTXt", text)), picture(3))
    write("ok-idat-of-one-byte-each.png", png(picture(3, 7), 8, RGB, interlace=1, idat_bytes=1))
    write("ok-data-behind-end.png", png(picture(3), 8, RGB) + b"more" * 5)


def bad_png_files():
    good = png(picture(3), 8, RGB)
    header, end = SIGNATURE + ihdr(WIDTH, HEIGHT, 8, RGB), chunk(b"IEND", b"")
    write("image-truncated-signature.png", good[:7])
    write("image-truncated-after-signature.png", good[:8])
    write("image-truncated-ihdr.png", good[:20])
    write("image-truncated-before-idat.png", good[:33])
    write("image-truncated-idat.png", good[:len(good) // 2])
    write("image-truncated-idat-crc.png", good[:-14])
    write("image-truncated-before-iend.png", good[:-12])
    write("image-truncated-iend.png", good[:-2])
    write("image-interlaced-truncated.png", png(picture(3, 7), 8, RGB, interlace=1)[:-60])
    write("image-bad-crc-ihdr.png", good[:29] + b"\0\0\0\0" + good[33:])
    write("image-bad-crc-idat.png", good[:-16] + b"\0\0\0\0" + good[-12:])
    write("image-idat-inflates-to-nothing.png", header + chunk(b"IDAT", zlib.compress(b"")) + end)
    write("image-idat-empty.png", header + chunk(b"IDAT", b"") + end)
    write("image-idat-too-few-rows.png", header + chunk(b"IDAT", zlib.compress(bytes(3 * (1 + WIDTH * 3)))) + end)
    write("image-idat-no-zlib.png", header + chunk(b"IDAT", b"this is not a zlib stream") + end)
    write("image-no-idat.png", header + end)
    write("image-bad-filter.png", header + chunk(b"IDAT", zlib.compress(b"\x09" * (HEIGHT * (1 + WIDTH * 3)))) + end)
    write("image-no-palette.png", SIGNATURE + ihdr(WIDTH, HEIGHT, 8, PALETTE) + chunk(b"IDAT", zlib.compress(bytes(
        HEIGHT * (1 + WIDTH)))) + end)
    write("image-0-pixels-wide.png", SIGNATURE + ihdr(0, HEIGHT, 8, RGB) + good[33:])
    write("image-negative-width.png", SIGNATURE + ihdr(0xFFFFFFFF, HEIGHT, 8, RGB) + good[33:])
    write("image-bad-depth.png", SIGNATURE + ihdr(WIDTH, HEIGHT, 3, RGB) + good[33:])
    write("image-chunk-length-huge.png", header + struct.pack(">I", 0x7FFFFFFF) + b"IDAT" + good[41:])
    write("image-unknown-critical-chunk.png", header + chunk(b"ABCD", b"1234") + good[33:])
    # 130 MB of zeros behind the pixels: must be refused, not inflated.
    bomb = zlib.compress(rows_of(picture(3), 8, False) + bytes(130 << 20), 9)
    write("image-idat-tail-bomb.png", header + chunk(b"IDAT", bomb) + end)
    write("limit-200000-pixels-wide.png", SIGNATURE + ihdr(200000, 2, 8, RGB) + good[33:])
    write("limit-2-to-the-31-pixels-high.png", SIGNATURE + ihdr(2, 0x7FFFFFFF, 8, RGB) + good[33:])
    write("limit-268-megapixels.png", SIGNATURE + ihdr(16384, 16384, 8, RGBA) + good[33:])
    write("image-64-megapixels-of-nothing.png", SIGNATURE + ihdr(8192, 8192, 8, GREY) + chunk(
        b"IDAT", zlib.compress(bytes(100))) + end)


# ---- JPEG

def jpeg(samples, mode="RGB", **options):
    out = io.BytesIO()
    data = samples.astype(np.uint8)
    Image.fromarray(data[:, :, 0] if mode == "L" else data, mode).save(out, "JPEG", **{"quality": 85, **options})
    return out.getvalue()


def segment(marker, data):
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def many_scans(count):
    """A grey 8x8 progressive JPEG of `count` legal scans (at most 127), all of them empty but the first."""
    table = segment(0xDB, b"\0" + b"\x10" * 64)
    frame = segment(0xC2, struct.pack(">BHHB3B", 8, 8, 8, 1, 1, 0x11, 0))
    one_code = b"\x01" + bytes(15) + b"\0"  # the bit 0 for symbol 0: no difference, end of block
    huffman = segment(0xC4, b"\x00" + one_code + b"\x10" + one_code)
    scans = [(0, 0, 0x00)] + [(k, k, 0x01) for k in range(1, 64)] + [(k, k, 0x10) for k in range(1, 64)]
    body = b"".join(segment(0xDA, b"\x01\x01\x00" + bytes(scan)) + b"\x7F" for scan in scans[:count])
    return b"\xFF\xD8" + table + frame + huffman + body + b"\xFF\xD9"


def jpeg_files():
    rgb, grey, cmyk = picture(3, 11), picture(1, 12), picture(4, 13)
    write("ok-baseline.jpg", jpeg(rgb))
    write("ok-baseline-444.jpg", jpeg(rgb, subsampling=0))
    write("ok-baseline-422.jpg", jpeg(rgb, subsampling=1))
    write("ok-progressive.jpg", jpeg(rgb, progressive=True))
    write("ok-grey.jpg", jpeg(grey, "L"))
    write("ok-grey-progressive.jpg", jpeg(grey, "L", progressive=True))
    write("ok-cmyk.jpg", jpeg(cmyk, "CMYK"))
    write("ok-cmyk-progressive.jpg", jpeg(cmyk, "CMYK", progressive=True))
    write("ok-1x1.jpg", jpeg(picture(3, 14, 1, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: not applied
    write("ok-orientation.jpg", jpeg(rgb, exif=exif))
    write("ok-100-scans.jpg", many_scans(100))
    good = jpeg(rgb)
    scan = good.index(b"\xFF\xDA")
    write("ok-stray-bytes-before-marker.jpg", good[:scan] + b"\0\0\0" + good[scan:])
    write("ok-data-behind-end.jpg", good + b"more" * 5)
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\x02")  # YCCK
    cmyk = jpeg(cmyk, "CMYK")
    start, size = cmyk.index(b"\xFF\xEE"), 16
    write("ok-ycck.jpg", cmyk[:start] + adobe + cmyk[start + size:])


def bad_jpeg_files():
    good, progressive = jpeg(picture(3, 11)), jpeg(picture(3, 11), progressive=True)
    scan, frame = good.index(b"\xFF\xDA"), good.index(b"\xFF\xC0")
    write("image-truncated-soi.jpg", good[:3])
    write("image-truncated-header.jpg", good[:frame + 6])
    write("image-truncated-before-scan.jpg", good[:scan])
    write("image-truncated-scan-header.jpg", good[:scan + 5])
    write("image-truncated-scan.jpg", good[:(scan + len(good)) // 2])
    write("image-truncated-eoi.jpg", good[:-2])
    write("image-truncated-half-eoi.jpg", good[:-1])
    write("image-truncated-behind-scan.jpg", good[:-2] + b"\xFF\xFE\0\x20cut" + bytes(3))
    write("image-scan-ended-early.jpg", good[:(scan + len(good)) // 2] + b"\xFF\xD9")
    write("image-progressive-truncated.jpg", progressive[:len(progressive) * 3 // 4])
    write("image-progressive-first-scan-only.jpg", progressive[:progressive.index(b"\xFF\xDA") + 40])
    write("image-garbage-behind-soi.jpg", b"\xFF\xD8\xFF" + bytes((i * 97 + 13) % 251 for i in range(600)))
    write("image-soi-eoi.jpg", b"\xFF\xD8\xFF\xD9")
    write("image-no-quantisation-tables.jpg", good[:good.index(b"\xFF\xDB")] + good[frame:])
    write("image-0-pixels-high.jpg", good[:frame + 5] + b"\0\0" + good[frame + 7:])
    write("image-12-bit.jpg", good[:frame + 4] + b"\x0c" + good[frame + 5:])
    write("image-bad-segment-length.jpg", good[:frame + 2] + b"\0\1" + good[frame + 4:])
    write("image-bad-huffman-code.jpg", good[:scan + 14] + b"\xFF\0" * 300 + b"\xFF\xD9")  # all ones is no code
    write("limit-40000-pixels-wide.jpg", good[:frame + 7] + struct.pack(">H", 40000) + good[frame + 9:])
    write("limit-65535-x-65535.jpg", good[:frame + 5] + b"\xFF" * 4 + good[frame + 9:])
    write("limit-256-megapixels.jpg", good[:frame + 5] + struct.pack(">HH", 16000, 16000) + good[frame + 9:])
    write("limit-101-scans.jpg", many_scans(101))
    write("limit-127-scans.jpg", many_scans(127))


def other_files():
    write("image-empty.png", b"")
    write("image-text.txt", b"This is no picture.\n")
    write("image-gif.gif", b"GIF89a\x01\0\x01\0\0\0\0;")
    write("image-one-byte.jpg", b"\xFF")


if __name__ == "__main__":
    for old in os.listdir(HERE):
        if old.startswith(("ok-", "image-", "limit-")):
            os.remove(os.path.join(HERE, old))
    png_files()
    bad_png_files()
    jpeg_files()
    bad_jpeg_files()
    other_files()
