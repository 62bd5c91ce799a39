"""Renders word images for training: a picture, its text, and a map of which character covers which pixel.

sample(seed, hard, style) -> (uint8 RGB [32,128,3], text, uint8 [16,64] map of character index + 1, 0 = background) or None.
The map follows every warp of the image (nearest neighbour), so it gives per-patch character targets. Needs Debian's
python3-pil python3-opencv python3-fonttools wamerican and font packages. About 700 samples/s on one core.
"""
import glob
import random
import string

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

cv2.setNumThreads(0)
CHARSET = string.digits + string.ascii_letters + string.punctuation
DISPLAY_FAMILIES = ('aenigma', 'dustin')          # many fonts, wild shapes: a share of the draws, not most of them


def usable_fonts():
    """Fonts under /usr/share/fonts that have every Latin letter and digit and draw something for them."""
    from fontTools.ttLib import TTFont
    need = [ord(c) for c in string.ascii_letters + string.digits]
    skip = ('ding', 'symbol', 'd050', 'braille', 'emoji', 'ornament', 'barcode')
    found = []
    for path in sorted(glob.glob('/usr/share/fonts/**/*.[to]tf', recursive=True)):
        name = path.rsplit('/', 1)[1].lower()
        if any(s in name for s in skip) or (name.startswith('noto') and not name.startswith(
                ('notosans-', 'notoserif-', 'notosansdisplay', 'notoserifdisplay', 'notosansmono'))):
            continue
        try:
            cmap = TTFont(path, lazy=True).getBestCmap()
            font = ImageFont.truetype(path, 40)
            if cmap and all(n in cmap for n in need) and min(np.asarray(font.getmask(c)).size for c in 'AaBbgQ07') >= 20:
                found.append(path)
        except Exception:
            continue
    return found


FONTS = usable_fonts()
DISPLAY = [f for f in FONTS if any(d in f for d in DISPLAY_FAMILIES)]
PLAIN = [f for f in FONTS if f not in DISPLAY]
SCRIPT_FAMILIES = ('breip', 'bwht', 'dancing', 'ecolier', 'femke', 'havana', 'humor', 'kaushan', 'klaudia', 'kristi', 'leckerli', 'levien', 'lobster',
                   'rufscript', 'dkg', 'isabella', 'tomson', 'comic', 'chancery', 'z003', 'radisnoir', 'le-murmure')
_families = {}
for _f in PLAIN:
    _families.setdefault(_f.split('/')[5], []).append(_f)
FAMILIES = list(_families.values())
SCRIPT = [fs for name, fs in _families.items() if any(s in name.lower() for s in SCRIPT_FAMILIES)] + [
    [f] for f in PLAIN if any(s in f.rsplit('/', 1)[1].lower() for s in ('chancery', 'z003'))]


def pick_font(r, easy):
    """A display face, a script face, or a plain one drawn by family so that no package dominates."""
    if not easy and r.random() < .3:
        return r.choice(DISPLAY)
    if not easy and r.random() < .2:
        return r.choice(r.choice(SCRIPT))
    return r.choice(r.choice(FAMILIES)) if r.random() < .6 else r.choice(PLAIN)
WORDS = [w for w in open('/usr/share/dict/words').read().split() if "'" not in w and w.isascii() and len(w) <= 20]
_cache = {}


def font_at(path, size):
    if (path, size) not in _cache:
        if len(_cache) > 4000:
            _cache.clear()
        _cache[path, size] = ImageFont.truetype(path, size)
    return _cache[path, size]


def draw_text(r):
    """62 % words in some case, 18 % numbers and prices, 20 % random codes."""
    u = r.random()
    if u < .62:
        w, v = r.choice(WORDS), r.random()
        w = w.lower() if v < .4 else w.capitalize() if v < .65 else w.upper()
        return w + (r.choice("!?.,:'%&-") if r.random() < .08 else '')
    if u < .80:
        k = r.random()
        if k < .6:
            return ''.join(r.choice(string.digits) for _ in range(r.randint(1, 8)))
        if k < .8:
            return '%d%s%d' % (r.randint(0, 99), r.choice('.:/-,'), r.randint(0, 999))
        return '$%d.%02d' % (r.randint(0, 999), r.randint(0, 99))
    alphabet = r.choice([string.ascii_letters + string.digits, string.ascii_uppercase + string.digits,
                         string.ascii_lowercase, string.ascii_uppercase, CHARSET])
    return ''.join(r.choice(alphabet) for _ in range(r.randint(1, 12)))


def glyphs(r, text, font):
    """Coverage mask [h,w] in 0..1 and character map [h,w] of the text, with padding."""
    l, t, rt, b = font.getbbox(text)
    if rt - l < 2 or b - t < 2:
        return None
    spread = 0 if r.random() < .7 else r.uniform(-.08, .35)
    pad = int((b - t) * .4) + 4
    if spread == 0:
        edges = [pad - l + font.getlength(text[:i]) for i in range(len(text) + 1)]
        edges[-1] = max(edges[-1], pad + rt - l)
        mask = Image.new('L', (rt - l + 2 * pad, b - t + 2 * pad), 0)
        ImageDraw.Draw(mask).text((pad - l, pad - t), text, fill=255, font=font)
    else:
        edges = [pad]
        for c in text:
            edges.append(edges[-1] + max(1, font.getlength(c) * (1 + spread)))
        mask = Image.new('L', (int(edges[-1]) + pad, b - t + 2 * pad), 0)
        d = ImageDraw.Draw(mask)
        for c, x in zip(text, edges):
            d.text((x, pad - t), c, fill=255, font=font)
    mask = np.asarray(mask, np.float32) / 255
    chars = np.zeros(mask.shape, np.uint8)
    for i in range(len(text)):
        chars[max(0, pad - 2):pad + b - t + 2, max(0, int(edges[i])):max(0, int(edges[i + 1]))] = i + 1
    return mask, chars


def grow(mask, chars, e, side=True):
    s = e if side else 0
    return (cv2.copyMakeBorder(mask, e, e, s, s, cv2.BORDER_CONSTANT), cv2.copyMakeBorder(chars, e, e, s, s, cv2.BORDER_CONSTANT))


def bend(r, mask, chars):
    h, w = mask.shape
    a, xs = r.uniform(-.35, .35) * h * min(1, w / h / 3), np.arange(w, dtype=np.float32)
    dy = a * (((xs / w - .5) * 2) ** 2) if r.random() < .7 else a * .6 * np.sin(xs / w * 6.28 * r.uniform(.5, 1.2) + r.random() * 6)
    mask, chars = grow(mask, chars, int(abs(a)) + 2, side=False)
    yy, xx = np.mgrid[0:mask.shape[0], 0:w].astype(np.float32)
    yy = yy + dy[None, :].astype(np.float32)
    return cv2.remap(mask, xx, yy, cv2.INTER_LINEAR), cv2.remap(chars, xx, yy, cv2.INTER_NEAREST)


def tilt(r, rng, mask, chars):
    mask, chars = grow(mask, chars, int(.25 * mask.shape[0]))
    h, w = mask.shape
    shear = r.gauss(0, .18)
    rot = cv2.getRotationMatrix2D((w / 2, h / 2), r.gauss(0, 6), 1)
    rot[0, 1] += shear
    rot[0, 2] -= shear * h / 2
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    persp = cv2.getPerspectiveTransform(corners, corners + rng.uniform(-.12, .12, (4, 2)).astype(np.float32) * h) @ np.vstack([rot, [0, 0, 1]])
    return cv2.warpPerspective(mask, persp, (w, h)), cv2.warpPerspective(chars, persp, (w, h), flags=cv2.INTER_NEAREST)


def crop(r, mask, chars):
    ys, xs = np.where(mask > .2)
    if len(ys) < 8:
        return None
    h = ys.max() + 1 - ys.min()

    def margin():
        return int(h * r.uniform(-.02, .22))
    y0, y1 = max(0, ys.min() - margin()), min(mask.shape[0], ys.max() + 1 + margin())
    x0, x1 = max(0, xs.min() - margin()), min(mask.shape[1], xs.max() + 1 + margin())
    return mask[y0:y1, x0:x1], chars[y0:y1, x0:x1]


def background(r, rng, h, w):
    u, c = r.random(), rng.randint(0, 256, 3).astype(np.float32)
    if u < .45:
        return np.tile(c, (h, w, 1)), c
    if u < .75:
        d = c + (rng.randint(0, 256, 3) - c) * r.uniform(.1, .5)
        t = np.linspace(0, 1, w)[None, :, None] if r.random() < .5 else np.linspace(0, 1, h)[:, None, None]
        return (c * (1 - t) + d * t) * np.ones((h, w, 1)), c
    k = r.choice([2, 4, 8, 16])
    n = cv2.resize(rng.randn(h // k + 2, w // k + 2, 3 if r.random() < .3 else 1).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    return c + (n if n.ndim == 3 else n[..., None]) * r.uniform(5, 35), c


def paint(r, rng, mask, easy):
    h, w = mask.shape
    img, back = background(r, rng, h, w)
    for _ in range(50):
        ink = rng.randint(0, 256, 3).astype(np.float32)
        if abs(ink - back).mean() > (80 if easy else r.choice([25, 50, 80])):
            break
    if r.random() < .15:                                                       # shadow
        k = max(1, int(h * .04))
        s = np.roll(np.roll(mask, r.randint(-2 * k, 2 * k), 1), r.randint(-2 * k, 2 * k), 0)[..., None] * .7
        img = img * (1 - s) + rng.randint(0, 256, 3) * s
    if r.random() < .12:                                                       # outline
        e = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=r.randint(1, 2))[..., None]
        img = img * (1 - e) + rng.randint(0, 256, 3) * e
    a = mask[..., None] * r.uniform(.75, 1)
    img = np.ascontiguousarray(img * (1 - a) + ink * a, dtype=np.float32)
    if not easy and r.random() < .15:                                          # scratches
        for _ in range(r.randint(1, 3)):
            cv2.line(img, (r.randint(0, w), r.randint(0, h)), (r.randint(0, w), r.randint(0, h)),
                     tuple(float(x) for x in rng.randint(0, 256, 3)), r.randint(1, max(1, h // 16)))
    return img


def degrade(r, rng, img, easy):
    h, w = img.shape[:2]
    if not easy and r.random() < .35:                                          # low resolution
        hs = r.randint(9, 28)
        img = cv2.resize(img, (max(4, int(w * hs / h)), hs), interpolation=cv2.INTER_AREA)
    if not easy and r.random() < .3:
        img = cv2.GaussianBlur(img, (0, 0), r.uniform(.3, 1.6) * img.shape[0] / 32 + .01)
    if not easy and r.random() < .08:                                          # motion blur
        k = r.randint(3, 7)
        kernel = np.zeros((k, k), np.float32)
        kernel[k // 2] = 1 / k
        kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((k / 2 - .5, k / 2 - .5), r.uniform(0, 180), 1), (k, k))
        img = cv2.filter2D(img, -1, kernel / max(kernel.sum(), 1e-3))
    img = cv2.resize(img, (128, 32), interpolation=cv2.INTER_LINEAR if r.random() < .2 else cv2.INTER_AREA)
    if not easy and r.random() < .4:
        img = img + rng.randn(32, 128, 1 if r.random() < .5 else 3) * r.uniform(1, 16)
    if r.random() < .2:
        img = 255 * np.clip(img / 255, 0, 1) ** r.uniform(.5, 1.8)
    img = np.clip(img, 0, 255).astype(np.uint8)
    if r.random() < .2:
        img = cv2.imdecode(cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, r.randint(25, 80)])[1], 1)
    return img


def sample(seed, hard=1.0, style=None):
    """style: another seed; samples of one style share font, size, colours, warp and degradation, and differ in text (and,
    every second time, in the dice of warp and degradation)."""
    r, text_r = random.Random(seed if style is None else style), random.Random(seed)
    easy = r.random() > hard
    text = draw_text(text_r)
    if easy:
        text = text[:text_r.randint(1, 5)]
    font = font_at(pick_font(r, easy), r.choice([24, 32, 40, 48]))
    dice = seed if text_r.random() < .5 or style is None else style
    r, rng = random.Random(dice + 1), np.random.RandomState(dice & 0x7fffffff)
    g = glyphs(r, text, font)
    if g is None:
        return None
    if not easy and r.random() < .25:
        g = bend(r, *g)
    if not easy and r.random() < .6:
        g = tilt(r, rng, *g)
    g = crop(r, *g)
    if g is None:
        return None
    mask, chars = g
    return degrade(r, rng, paint(r, rng, mask, easy), easy), text, cv2.resize(chars, (64, 16), interpolation=cv2.INTER_NEAREST)


if __name__ == '__main__':
    import sys
    rows = [s[0] for s in (sample(i) for i in range(90)) if s][:84]
    cv2.imwrite(sys.argv[1], cv2.resize(np.vstack([np.hstack(rows[i * 6:(i + 1) * 6]) for i in range(14)]), None, fx=1.4, fy=1.4))
