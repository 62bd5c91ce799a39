#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the files of this folder for tests/test_image_file.c, beside itself. Needs Pillow and numpy.

    /usr/bin/python3 tests/images/make.py          compared with the committed files by: make golden

The bytes are those of Debian 12's Pillow 9.4 with its zlib and libjpeg-turbo; other versions may compress in another
way. The name begins with the status that loading must give: ok, image, limit or unsupported; ok-noted is read with a
note in the log. Beside every ok-* file lies *.rgb: width and height as little-endian uint32, then the pixels, as
Pillow's convert("RGB") gives them or, where that does something else, as it is computed here (16-bit PNG: the high
bytes)."""

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT = 23, 17
SIGNATURE = b'\x89PNG\r\n\x1a\n'
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
    with open(os.path.join(HERE, name), 'wb') as f:
        f.write(data)
    if not name.startswith('ok-'):
        return
    if rgb is None:
        rgb = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
    with open(os.path.join(HERE, name + '.rgb'), 'wb') as f:
        f.write(struct.pack('<II', rgb.shape[1], rgb.shape[0]) + rgb.astype(np.uint8).tobytes())


def over(rgba):
    """The rule of include/e2str.h for alpha."""
    rgb, alpha = rgba[:, :, :3].astype(np.int64), rgba[:, :, 3:].astype(np.int64)
    light = (alpha * rgb * [77, 150, 29]).sum() / 256 / max(1, alpha.sum()) > 127.5
    paper = (alpha >= 64).mean() > 0.75
    return (rgb * alpha + (255 if light == paper else 0) * (255 - alpha) + 127) // 255


# ---- PNG


def chunk(kind, data, crc=None):
    if crc is None:
        crc = zlib.crc32(kind + data)
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', crc)


def ihdr(width, height, depth, color, interlace=0):
    return chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color, 0, 0, interlace))


def rows_of(samples, depth, filters):
    """Filtered rows (filter types 0, 1 and 2 in turn if filters) of samples [height][width][channels]."""
    out, before = b'', None
    for y, row in enumerate(samples.reshape(samples.shape[0], -1)):
        if depth == 16:
            line = row.astype('>u2').tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
            line = np.packbits(bits.reshape(-1)).tobytes()
        now, kind = np.frombuffer(line, np.uint8).astype(int), 0
        if filters:
            kind = y % 3
        step = max(1, samples.shape[2] * depth // 8)
        left = np.concatenate([np.zeros(step, int), now[:-step]])[: len(now)] if kind == 1 else 0
        above = before if kind == 2 and before is not None else 0
        out += bytes([kind]) + ((now - left - above) % 256).astype(np.uint8).tobytes()
        before = now
    return out


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, color, extra=b'', interlace=0, idat_bytes=None, before=b''):
    if interlace:
        parts = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7]
        raw = b''.join(rows_of(part, depth, True) for part in parts if part.size)
    else:
        raw = rows_of(samples, depth, True)
    packed = zlib.compress(raw, 9)
    size = idat_bytes or len(packed)
    idat = b''.join(chunk(b'IDAT', packed[i : i + size]) for i in range(0, len(packed), size))
    height, width = samples.shape[:2]
    return SIGNATURE + ihdr(width, height, depth, color, interlace) + before + extra + idat + chunk(b'IEND', b'')


def png_files():
    for depth in (1, 2, 4, 8, 16):
        grey = picture(1, depth, top=1 << depth)
        rgb = np.repeat(grey >> 8 if depth == 16 else grey * 255 // ((1 << depth) - 1), 3, 2)
        write('ok-grey-%d-bit.png' % depth, png(grey, depth, GREY), rgb)
    write('ok-rgb.png', png(picture(3), 8, RGB))
    deep = picture(3, 2, top=65536)
    write('ok-rgb-16-bit.png', png(deep, 16, RGB), deep >> 8)
    write('ok-grey-alpha.png', png(picture(2), 8, GREY_ALPHA), over(picture(2)[:, :, [0, 0, 0, 1]]))
    write('ok-rgba.png', png(picture(4), 8, RGBA), over(picture(4)))
    deep = picture(4, 3, top=65536)
    write('ok-rgba-16-bit.png', png(deep, 16, RGBA), over(deep >> 8))
    for name, ink, below, seen in (
        ('dark-ink', 60, 0, 0.3),
        ('light-ink', 190, 255, 0.3),
        ('light-paper', 190, 0, 0.8),
        ('dark-paper', 60, 255, 0.8),
    ):
        alpha = np.clip((picture(1, 17) - np.quantile(picture(1, 17), 1 - seen)) * 20 + 64, 0, 255)
        color = np.where(alpha > 0, ink, below) + np.arange(3)
        rgba = np.concatenate([np.clip(color, 0, 255), alpha], 2).astype(np.int64)
        write('ok-alpha-%s.png' % name, png(rgba, 8, RGBA), over(rgba))
    colors = picture(3, 4, 16, 1)[0].astype(np.uint8)
    palette = chunk(b'PLTE', colors.tobytes())
    for depth in (1, 2, 4, 8):
        index = picture(1, 5, top=min(16, 1 << depth))
        plte = chunk(b'PLTE', colors[: min(16, 1 << depth)].tobytes())
        write('ok-palette-%d-bit.png' % depth, png(index, depth, PALETTE, plte))
    alpha = chunk(b'tRNS', bytes(range(0, 160, 10)))
    index = picture(1, 6, top=16)
    entries = np.concatenate([colors, np.arange(0, 160, 10)[:, None]], 1)
    write('ok-palette-alpha.png', png(index, 8, PALETTE, palette + alpha), over(entries[index[:, :, 0]]))
    for name, channels, color, form in (('grey', 1, GREY, '>H'), ('rgb', 3, RGB, '>3H')):
        plain = picture(channels)
        hidden = plain[3, 3]
        alpha = np.where((plain == hidden).all(2), 0, 255)[:, :, None]
        rgba = np.concatenate([np.repeat(plain, 3 // channels, 2), alpha], 2)
        transparent = chunk(b'tRNS', struct.pack(form, *hidden))
        write('ok-%s-transparent.png' % name, png(plain, 8, color, transparent), over(rgba))
    upright = np.rot90(picture(3), -1)
    write('ok-orientation.png', png(picture(3), 8, RGB, chunk(b'eXIf', orientation(6))), upright)
    write('ok-interlaced.png', png(picture(3, 7), 8, RGB, interlace=1))
    bits = picture(1, 8, top=2)
    write('ok-interlaced-1-bit.png', png(bits, 1, GREY, interlace=1), np.repeat(bits * 255, 3, 2))
    write('ok-interlaced-1x1.png', png(picture(1, 9, 1, 1), 8, GREY, interlace=1))
    write('ok-1x1.png', png(picture(3, 9, 1, 1), 8, RGB))
    write('ok-wide.png', png(picture(1, 9, 16384, 1), 8, GREY))
    write('ok-gamma.png', png(picture(3), 8, RGB, before=chunk(b'gAMA', struct.pack('>I', 100000))))
    text = b'Comment\0\0' + zlib.compress(bytes(20 << 20), 9)
    write('ok-text-bomb.png', png(picture(3), 8, RGB, before=chunk(b'zTXt', text)), picture(3))
    write('ok-idat-of-one-byte-each.png', png(picture(3, 7), 8, RGB, interlace=1, idat_bytes=1))
    write('ok-data-behind-end.png', png(picture(3), 8, RGB) + b'more' * 5)


def orientation(value):
    """EXIF data that say nothing else."""
    return b'MM\0*' + struct.pack('>IHHHIHHI', 8, 1, 0x0112, 3, 1, value, 0, 0)


def bad_png_files():
    good = png(picture(3), 8, RGB)
    write('ok-noted-end-missing.png', good[:-12], picture(3))
    write('ok-noted-end-cut.png', good[:-2], picture(3))
    write('ok-noted-end-damaged.png', good[:-12] + bytes(range(200, 212)), picture(3))
    deep = picture(3, 7)
    write('ok-noted-interlaced-end-missing.png', png(deep, 8, RGB, interlace=1)[:-12], deep)
    header, end = SIGNATURE + ihdr(WIDTH, HEIGHT, 8, RGB), chunk(b'IEND', b'')
    write('image-truncated-signature.png', good[:7])
    write('image-truncated-after-signature.png', good[:8])
    write('image-truncated-ihdr.png', good[:20])
    write('image-truncated-before-idat.png', good[:33])
    write('image-truncated-idat.png', good[: len(good) // 2])
    write('image-truncated-idat-checksum.png', good[:-17])
    write('image-truncated-idat-crc.png', good[:-14])
    write('image-interlaced-truncated.png', png(picture(3, 7), 8, RGB, interlace=1)[:-60])
    write('image-bad-crc-ihdr.png', good[:29] + b'\0\0\0\0' + good[33:])
    write('image-bad-crc-idat.png', good[:-16] + b'\0\0\0\0' + good[-12:])
    write('image-idat-inflates-to-nothing.png', header + chunk(b'IDAT', zlib.compress(b'')) + end)
    write('image-idat-empty.png', header + chunk(b'IDAT', b'') + end)
    write('image-idat-too-few-rows.png', header + chunk(b'IDAT', zlib.compress(bytes(3 * (1 + WIDTH * 3)))) + end)
    write('image-idat-no-zlib.png', header + chunk(b'IDAT', b'this is not a zlib stream') + end)
    write('image-no-idat.png', header + end)
    write('image-bad-filter.png', header + chunk(b'IDAT', zlib.compress(b'\x09' * (HEIGHT * (1 + WIDTH * 3)))) + end)
    write(
        'image-no-palette.png',
        SIGNATURE + ihdr(WIDTH, HEIGHT, 8, PALETTE) + chunk(b'IDAT', zlib.compress(bytes(HEIGHT * (1 + WIDTH)))) + end,
    )
    write('image-0-pixels-wide.png', SIGNATURE + ihdr(0, HEIGHT, 8, RGB) + good[33:])
    write('image-negative-width.png', SIGNATURE + ihdr(0xFFFFFFFF, HEIGHT, 8, RGB) + good[33:])
    write('image-bad-depth.png', SIGNATURE + ihdr(WIDTH, HEIGHT, 3, RGB) + good[33:])
    write('image-chunk-length-huge.png', header + struct.pack('>I', 0x7FFFFFFF) + b'IDAT' + good[41:])
    write('image-unknown-critical-chunk.png', header + chunk(b'ABCD', b'1234') + good[33:])
    # 130 MB of zeros behind the pixels: must be refused, not inflated.
    bomb = zlib.compress(rows_of(picture(3), 8, False) + bytes(130 << 20), 9)
    write('image-idat-tail-bomb.png', header + chunk(b'IDAT', bomb) + end)
    write('limit-200000-pixels-wide.png', SIGNATURE + ihdr(200000, 2, 8, RGB) + good[33:])
    write('limit-2-to-the-31-pixels-high.png', SIGNATURE + ihdr(2, 0x7FFFFFFF, 8, RGB) + good[33:])
    write('limit-268-megapixels.png', SIGNATURE + ihdr(16384, 16384, 8, RGBA) + good[33:])
    write(
        'image-64-megapixels-of-nothing.png',
        SIGNATURE + ihdr(8192, 8192, 8, GREY) + chunk(b'IDAT', zlib.compress(bytes(100))) + end,
    )


# ---- JPEG


def jpeg(samples, mode='RGB', **options):
    out = io.BytesIO()
    data = samples.astype(np.uint8)
    Image.fromarray(data[:, :, 0] if mode == 'L' else data, mode).save(out, 'JPEG', **{'quality': 85, **options})
    return out.getvalue()


def segment(marker, data):
    return struct.pack('>BBH', 0xFF, marker, len(data) + 2) + data


def many_scans(count):
    """A grey 8x8 progressive JPEG of `count` legal scans (at most 127), all of them empty but the first."""
    table = segment(0xDB, b'\0' + b'\x10' * 64)
    frame = segment(0xC2, struct.pack('>BHHB3B', 8, 8, 8, 1, 1, 0x11, 0))
    one_code = b'\x01' + bytes(15) + b'\0'  # the bit 0 for symbol 0: no difference, end of block
    huffman = segment(0xC4, b'\x00' + one_code + b'\x10' + one_code)
    scans = [(0, 0, 0x00)] + [(k, k, 0x01) for k in range(1, 64)] + [(k, k, 0x10) for k in range(1, 64)]
    body = b''.join(segment(0xDA, b'\x01\x01\x00' + bytes(scan)) + b'\x7f' for scan in scans[:count])
    return b'\xff\xd8' + table + frame + huffman + body + b'\xff\xd9'


def scan_by_component(count):
    """A grey 8x8 sequential JPEG whose three components have scans of their own, the first `count` of them."""
    table = segment(0xDB, b'\0' + b'\x10' * 64)
    frame = segment(0xC0, struct.pack('>BHHB9B', 8, 8, 8, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0))
    one_code = b'\x01' + bytes(15) + b'\0'
    huffman = segment(0xC4, b'\x00' + one_code + b'\x10' + one_code)
    body = b''.join(segment(0xDA, bytes([1, c, 0, 0, 63, 0])) + b'\x3f' for c in range(1, count + 1))
    return b'\xff\xd8' + table + frame + huffman + body


def without_adobe(data):
    start = data.index(b'\xff\xee')
    return data[:start] + data[start + 16 :]


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))


def jpeg_files():
    rgb, grey, cmyk = picture(3, 11), picture(1, 12), picture(4, 13)
    write('ok-baseline.jpg', jpeg(rgb))
    write('ok-baseline-444.jpg', jpeg(rgb, subsampling=0))
    write('ok-baseline-422.jpg', jpeg(rgb, subsampling=1))
    write('ok-progressive.jpg', jpeg(rgb, progressive=True))
    write('ok-grey.jpg', jpeg(grey, 'L'))
    write('ok-grey-progressive.jpg', jpeg(grey, 'L', progressive=True))
    write('ok-cmyk.jpg', jpeg(cmyk, 'CMYK'))
    write('ok-cmyk-progressive.jpg', jpeg(cmyk, 'CMYK', progressive=True))
    write('ok-1x1.jpg', jpeg(picture(3, 14, 1, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6
    write('ok-orientation.jpg', jpeg(rgb, exif=exif), np.rot90(decoded(jpeg(rgb)), -1))
    write('ok-100-scans.jpg', many_scans(100))
    good = jpeg(rgb)
    scan = good.index(b'\xff\xda')
    write('ok-noted-stray-bytes-before-marker.jpg', good[:scan] + b'\0\0\0' + good[scan:])
    write('ok-data-behind-end.jpg', good + b'more' * 5)
    write('ok-noted-stray-bytes-behind-soi.jpg', good[:2] + b'\0' + good[2:], decoded(good))
    write('ok-noted-end-zeroed.jpg', good[:-2] + bytes(99), decoded(good))
    write('ok-noted-bad-segment-behind-scan.jpg', good[:-2] + b'\xff\xe0\0\1', decoded(good))
    write('ok-noted-range-of-scan.jpg', good[: scan + 12] + b'\0' + good[scan + 13 :])
    write('ok-noted-jfif-revision.jpg', good.replace(b'JFIF\0\1', b'JFIF\0\7', 1))
    write('ok-noted-end-missing.jpg', good[:-2], decoded(good))
    write('ok-noted-half-end-missing.jpg', good[:-1], decoded(good))
    write('ok-noted-cut-behind-scan.jpg', good[:-2] + b'\xff\xfe\0\x20cut' + bytes(3), decoded(good))
    progressive = jpeg(rgb, progressive=True)
    write('ok-noted-progressive-end-missing.jpg', progressive[:-2], decoded(progressive))
    write('ok-scan-by-component.jpg', scan_by_component(3) + b'\xff\xd9')
    write('ok-noted-scan-by-component-end-missing.jpg', scan_by_component(3), np.full((8, 8, 3), 128))
    adobe = segment(0xEE, b'Adobe\0\x64\0\0\0\0\x02')  # YCCK
    cmyk = jpeg(cmyk, 'CMYK')
    write('ok-ycck.jpg', cmyk.replace(segment(0xEE, b'Adobe\0\x64\0\0\0\0\0'), adobe))
    write('ok-cmyk-without-marker.jpg', without_adobe(cmyk))
    ink = np.concatenate([np.zeros((HEIGHT, WIDTH, 3), int), picture(1, 18)], 2)
    full_is_255 = without_adobe(jpeg(255 - ink, 'CMYK'))
    stored = 255 - np.asarray(Image.open(io.BytesIO(full_is_255)))
    rgb = np.asarray(Image.fromarray(stored, 'CMYK').convert('RGB'))
    write('ok-cmyk-without-marker-255-is-ink.jpg', full_is_255, rgb)


def bad_jpeg_files():
    good, progressive = jpeg(picture(3, 11)), jpeg(picture(3, 11), progressive=True)
    scan, frame = good.index(b'\xff\xda'), good.index(b'\xff\xc0')
    write('image-truncated-soi.jpg', good[:3])
    write('image-truncated-header.jpg', good[: frame + 6])
    write('image-truncated-before-scan.jpg', good[:scan])
    write('image-truncated-scan-header.jpg', good[: scan + 5])
    write('image-truncated-scan.jpg', good[: (scan + len(good)) // 2])
    write('image-scan-missing.jpg', scan_by_component(2) + b'\xff\xd9')
    write('image-scan-missing-truncated.jpg', scan_by_component(2))
    write('image-scan-ended-early.jpg', good[: (scan + len(good)) // 2] + b'\xff\xd9')
    write('image-progressive-truncated.jpg', progressive[: len(progressive) * 3 // 4])
    write('image-progressive-first-scan-only.jpg', progressive[: progressive.index(b'\xff\xda') + 40])
    write('image-garbage-behind-soi.jpg', b'\xff\xd8\xff' + bytes((i * 97 + 13) % 251 for i in range(600)))
    write('image-soi-eoi.jpg', b'\xff\xd8\xff\xd9')
    write('image-no-quantisation-tables.jpg', good[: good.index(b'\xff\xdb')] + good[frame:])
    write('image-0-pixels-high.jpg', good[: frame + 5] + b'\0\0' + good[frame + 7 :])
    write('image-12-bit.jpg', good[: frame + 4] + b'\x0c' + good[frame + 5 :])
    write('image-bad-segment-length.jpg', good[: frame + 2] + b'\0\1' + good[frame + 4 :])
    write('image-bad-huffman-code.jpg', good[: scan + 14] + b'\xff\0' * 300 + b'\xff\xd9')  # all ones is no code
    write('limit-40000-pixels-wide.jpg', good[: frame + 7] + struct.pack('>H', 40000) + good[frame + 9 :])
    write('limit-65535-x-65535.jpg', good[: frame + 5] + b'\xff' * 4 + good[frame + 9 :])
    write('limit-256-megapixels.jpg', good[: frame + 5] + struct.pack('>HH', 16000, 16000) + good[frame + 9 :])
    write('limit-101-scans.jpg', many_scans(101))
    write('limit-127-scans.jpg', many_scans(127))


# ---- BMP


def bmp(rows, width, height, bits, colors=b'', masks=b'', header=40, compression=None, used=0):
    if compression is None:
        compression = 3 if masks else 0
    info = struct.pack('<IiiHHIIiiII', header, width, height, 1, bits, compression, 0, 0, 0, used, 0)
    info = (info + masks + bytes(84))[: max(header, 40 + len(masks) if header == 40 else 0)]
    if header == 12:
        info = struct.pack('<IHHHH', 12, width, height, 1, bits)
    start = 14 + len(info) + len(colors)
    return struct.pack('<2sIHHI', b'BM', start + len(rows), 0, 0, start) + info + colors + rows


def padded(rows):
    """Bottom-up rows of whole words, of bytes [height][row]."""
    return b''.join(bytes(row) + bytes(-len(row) % 4) for row in rows[::-1])


def packed(samples, bits):
    lines = np.unpackbits(samples.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - bits :]
    return np.packbits(lines.reshape(len(samples), -1), axis=1)


def bmp_files():
    colors, rgb = picture(3, 4, 256, 1)[0], picture(3, 21)
    quads = np.concatenate([colors[:, ::-1], np.zeros((256, 1), int)], 1).astype(np.uint8)
    for bits in (1, 2, 4, 8):
        index = picture(1, 22, top=1 << bits)[:, :, 0]
        rows = padded(packed(index, bits))
        write(
            'ok-palette-%d-bit.bmp' % bits, bmp(rows, WIDTH, HEIGHT, bits, quads[: 1 << bits].tobytes()), colors[index]
        )
    triples = quads[:, :3].tobytes()
    write('ok-core-header.bmp', bmp(rows, WIDTH, HEIGHT, 8, triples, header=12), colors[index])
    short = np.where(index[:, :, None] < 100, colors[index], 0)
    write('ok-palette-of-100.bmp', bmp(rows, WIDTH, HEIGHT, 8, quads[:100].tobytes(), used=100), short)
    rows = padded(rgb[:, :, ::-1].reshape(HEIGHT, -1).astype(np.uint8))
    write('ok-24-bit.bmp', bmp(rows, WIDTH, HEIGHT, 24), rgb)
    write('ok-last-padding-missing.bmp', bmp(rows, WIDTH, HEIGHT, 24)[:-3], rgb)
    down = padded(rgb[::-1, :, ::-1].reshape(HEIGHT, -1).astype(np.uint8))
    write('ok-top-down.bmp', bmp(down, WIDTH, -HEIGHT, 24), rgb)

    def words(value, kind):
        return padded(value.astype(kind).view(np.uint8).reshape(HEIGHT, -1))

    five = rgb >> 3
    value = five[:, :, 0] << 10 | five[:, :, 1] << 5 | five[:, :, 2]
    write('ok-16-bit.bmp', bmp(words(value, '<u2'), WIDTH, HEIGHT, 16), (five * 255 + 15) // 31)
    six = rgb[:, :, 1] >> 2
    value = five[:, :, 0] << 11 | six << 5 | five[:, :, 2]
    masks = struct.pack('<III', 0xF800, 0x7E0, 0x1F)
    wanted = np.stack([(five[:, :, 0] * 255 + 15) // 31, (six * 255 + 31) // 63, (five[:, :, 2] * 255 + 15) // 31], 2)
    write('ok-masks-565.bmp', bmp(words(value, '<u2'), WIDTH, HEIGHT, 16, masks=masks), wanted)
    rgba = picture(4, 23)
    value = rgba[:, :, 0] << 16 | rgba[:, :, 1] << 8 | rgba[:, :, 2] | rgba[:, :, 3] << 24
    write('ok-32-bit.bmp', bmp(words(value, '<u4'), WIDTH, HEIGHT, 32), rgba[:, :, :3])  # the fourth byte is no alpha
    masks = struct.pack('<IIII', 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    write('ok-alpha.bmp', bmp(words(value, '<u4'), WIDTH, HEIGHT, 32, masks=masks, header=108), over(rgba))
    write(
        'ok-alpha-after-header.bmp', bmp(words(value, '<u4'), WIDTH, HEIGHT, 32, masks=masks, compression=6), over(rgba)
    )
    clear = words(value & 0xFFFFFF, '<u4')
    write('ok-alpha-0-throughout.bmp', bmp(clear, WIDTH, HEIGHT, 32, masks=masks, header=124), rgba[:, :, :3])
    ten = rgba << 2
    value = ten[:, :, 0] << 20 | ten[:, :, 1] << 10 | ten[:, :, 2]
    masks = struct.pack('<III', 0x3FF << 20, 0x3FF << 10, 0x3FF)
    write('ok-masks-of-10-bit.bmp', bmp(words(value, '<u4'), WIDTH, HEIGHT, 32, masks=masks), rgba[:, :, :3])

    good = bmp(rows, WIDTH, HEIGHT, 24)
    write('image-truncated.bmp', good[:-4])
    write('image-truncated-header.bmp', good[:50])
    write('image-no-pixels.bmp', bmp(b'', WIDTH, 0, 24))
    write('image-negative-width.bmp', bmp(rows, -WIDTH, HEIGHT, 24))
    write('image-pixels-inside-header.bmp', good[:10] + struct.pack('<I', 20) + good[14:])
    write('image-pixels-far-away.bmp', good[:10] + b'\xff' * 4 + good[14:])
    write('image-7-bit.bmp', bmp(rows, WIDTH, HEIGHT, 7))
    write('image-masks-of-24-bit.bmp', bmp(rows, WIDTH, HEIGHT, 24, masks=masks))
    holes = struct.pack('<III', 0xF0F000, 0xFF, 0xFF00)
    write('image-mask-with-holes.bmp', bmp(clear, WIDTH, HEIGHT, 32, masks=holes))
    write('image-masks-missing.bmp', bmp(b'', WIDTH, HEIGHT, 32, compression=3))
    write('image-16-megapixels-of-nothing.bmp', bmp(b'', 4096, 4096, 24))
    write('limit-40000-pixels-wide.bmp', bmp(b'', 40000, 2, 24))
    write('limit-2-to-the-31-pixels-high.bmp', bmp(b'', 1, -(1 << 31), 24))
    write('unsupported-run-lengths.bmp', bmp(rows, WIDTH, HEIGHT, 8, quads.tobytes(), compression=1))
    write('unsupported-jpeg-inside.bmp', bmp(rows, WIDTH, HEIGHT, 24, compression=4))


# ---- PBM, PGM, PPM


def netpbm_files():
    size = b'%d %d' % (WIDTH, HEIGHT)
    bits, grey, rgb = picture(1, 31, top=2), picture(1, 32), picture(3, 33)
    deep, odd = picture(3, 34, top=65536), picture(1, 35, top=101)

    def text(samples, gap):
        return b'\n'.join(gap.join(b'%d' % v for v in row) for row in samples.reshape(HEIGHT, -1))

    black = np.repeat(255 * (1 - bits), 3, 2)
    write('ok-text.pbm', b'P1\n# a comment\n' + size + b'\n' + text(bits, b'') + b'\n', black)
    write('ok-text.pgm', b'P2 ' + size + b' 255\n' + text(grey, b' '), np.repeat(grey, 3, 2))
    write('ok-text.ppm', b'P3\r\n' + size + b'\r\n255\r\n' + text(rgb, b'\t'), rgb)
    write('ok-bytes.pbm', b'P4\n' + size + b'\n' + packed(bits[:, :, 0], 1).tobytes(), black)
    data = grey.astype(np.uint8).tobytes()
    write('ok-bytes.pgm', b'P5#c1\n%d#c2 9\n#\n %d\t255\n' % (WIDTH, HEIGHT) + data, np.repeat(grey, 3, 2))
    write('ok-bytes.ppm', b'P6\n' + size + b'\n255\n' + rgb.astype(np.uint8).tobytes() + b'more', rgb)
    words = deep.astype('>u2').tobytes()
    write('ok-16-bit.ppm', b'P6 ' + size + b' 65535\n' + words, (deep * 255 + 32767) // 65535)
    scaled = np.repeat((odd * 255 + 50) // 100, 3, 2)
    write('ok-to-100.pgm', b'P5 ' + size + b' 100\n' + odd.astype(np.uint8).tobytes(), scaled)
    write('ok-text-to-100.pgm', b'P2 ' + size + b' 100\n' + text(odd, b' '), scaled)

    write('image-truncated.pgm', b'P5 ' + size + b' 255\n' + data[:-1])
    write('image-truncated-header.pgm', b'P5 ' + size)
    write('image-truncated-comment.pgm', b'P5 # and so on')
    write('image-truncated-text.pgm', b'P2 ' + size + b' 255\n' + text(grey, b' ')[:-6])
    write('image-truncated-text.pbm', b'P1 ' + size + b'\n' + text(bits, b' ')[:-2])
    write('image-no-blank-before-pixels.pgm', b'P5 ' + size + b' 255' + b'x' * len(data))
    write('image-no-pixels.pgm', b'P5 0 7 255\n')
    write('image-largest-is-0.pgm', b'P5 ' + size + b' 0\n' + data)
    write('image-largest-is-65536.pgm', b'P5 ' + size + b' 65536\n' + data + data)
    write('image-value-too-large.pgm', b'P5 ' + size + b' 99\n' + data)
    write('image-value-too-large-text.pgm', b'P2 ' + size + b' 255\n' + text(grey, b' ')[:-3] + b'256')
    write('image-negative-value.pgm', b'P2 ' + size + b' 255\n-' + text(grey, b' '))
    write('image-letters.pbm', b'P1 ' + size + b'\n' + b'01x' * 1000)
    write('image-no-number.ppm', b'P6 wide high 255\n' + data)
    write('image-16-megapixels-of-nothing.pbm', b'P4 4096 4096\n')
    write('limit-20000-pixels-high.ppm', b'P6 1 20000 255\n' + bytes(60000))
    write('limit-huge-numbers.pbm', b'P4 999999999 999999999\n')
    write('limit-268-megapixels.pbm', b'P4 16384 16384\n')


def other_files():
    write('image-empty.png', b'')
    write('image-text.txt', b'This is no picture.\n')
    write('image-gif.gif', b'GIF89a\x01\0\x01\0\0\0\0;')
    write('image-one-byte.jpg', b'\xff')


if __name__ == '__main__':
    for old in os.listdir(HERE):
        if old.startswith(('ok-', 'image-', 'limit-', 'unsupported-')):
            os.remove(os.path.join(HERE, old))
    png_files()
    bad_png_files()
    jpeg_files()
    bad_jpeg_files()
    bmp_files()
    netpbm_files()
    other_files()
