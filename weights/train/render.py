"""Renders word images for training: a picture, its text, and a map of which character covers which pixel.

    renderer = Renderer(); sample = renderer.sample(Dice(seed))       # Sample(image, text, chars) or None

One direction: text -> glyphs (mask of ink, map of characters) -> shape -> warp -> crop -> paint -> degrade. The map follows every step
(nearest neighbour), so it names the character under each patch and gives the boxes at which words are split.

Everything is drawn from dice named after what they decide; samples of one style share some of them (styles.py). About 300 samples/s on a core.
"""
import itertools
import math
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw

from fonts import Fonts
from strokes import CAN_WRITE, Hand
from styles import Dice, cipher, convention, sequence, word
from text import Text

cv2.setNumThreads(0)
HEIGHT, WIDTH = 32, 128
MAP_HEIGHT, MAP_WIDTH = 16, 64
#          domain: (share, shares of faces by kind, share written by hand)
DOMAINS = {'scene': (.52, {'plain': .45, 'script': .14, 'display': .34, 'mono': .05, 'pixel': .02}, .03),
           'form': (.16, {'plain': .40, 'script': .02, 'display': .03, 'mono': .40, 'pixel': .15}, .02),
           'letter': (.15, {'script': 1.}, .65),
           'digits': (.12, {'plain': .2, 'script': .15, 'display': .25, 'mono': .1, 'pixel': .3}, .65),
           'code': (.05, {'plain': .40, 'script': .10, 'display': .30, 'mono': .12, 'pixel': .08}, .05)}


class Sample(NamedTuple):
    image: np.ndarray       # uint8 [32, 128, 3] RGB
    text: str               # what it says, 1..24 characters of CHARSET
    chars: np.ndarray       # uint8 [16, 64]: i + 1 where character i of text lies, 0 elsewhere
    needs: str = ''         # the style of which an example is needed to tell its label; empty: the picture says it


class Renderer:
    def __init__(self):
        self.fonts, self.texts = Fonts(), Text()

    def sample(self, dice, hard=1.):
        """hard: share of samples with the full range of looks; the others are short, plain words for the beginning of training."""
        easy = dice('easy').random() > hard
        domain = dice('domain').choices(list(DOMAINS), [d[0] for d in DOMAINS.values()])[0]
        written = self.write(dice, domain, easy)
        if written is None:
            return None
        text, mask, chars = written
        if not easy:
            mask = shape(dice('shape'), mask)
            mask, chars = warp(dice('warp'), dice('jitter'), mask, chars)
            text, chars = split(dice('split'), text, chars)
        cropped = crop(dice('crop'), mask, chars)
        if cropped is None:
            return None
        mask, chars = cropped
        image = degrade(dice, paint(dice, mask, domain, easy), len(text), domain, easy)
        if not visible(image, mask):
            return None
        label = convention(dice('convention'), text) if dice.style.convention else text
        if not label:
            return None
        return Sample(image, label, cv2.resize(chars, (MAP_WIDTH, MAP_HEIGHT), interpolation=cv2.INTER_NEAREST),
                      dice.style.seed if dice.style.odd else '')

    def several(self, dice, n, hard=1.):
        """The first n samples of these dice that come out; fewer if most do not."""
        drawn = (self.sample(d, hard) for d in itertools.islice(dice, 4 * n))
        return list(itertools.islice((s for s in drawn if s is not None), n))

    def write(self, dice, domain, easy):
        """(label, mask, chars) of a new text in a face or by a hand."""
        r, text_dice, (_, kinds, by_hand) = dice('face'), dice('text'), DOMAINS[domain]
        hand = Hand(r) if not easy and r.random() < by_hand else None
        face = None if hand else self.fonts.pick(r, {'plain': 1.} if easy else kinds)
        size = r.choice((24, 32, 40, 48))
        for _ in range(4):
            text = word(self.texts, dice, text_dice, domain)
            if easy:
                text = text[:text_dice.randint(1, 5)]
            if all(c in CAN_WRITE for c in text) if hand else not face.missing.intersection(text):
                break
        else:
            return None
        if hand:
            drawn = hand.write(dice('jitter'), text, size)
        else:
            font = self.fonts.at(face, size)
            shapes = cipher(dice('cipher'), font, text) if dice.style.cipher else text
            drawn = typeset(dice('jitter'), r, shapes, font, easy)
            if drawn is not None and not easy and (face.kind in ('mono', 'pixel') or domain == 'digits') and r.random() < .15:
                drawn = dots(r, *drawn)
            text = text.upper() if face.caps else text
        return drawn and (text, *drawn)


# ------------------------------------------------------------------------------------------------------------------- glyphs
def typeset(r, style, text, font, easy):
    """Ink mask [h,w] in 0..1 and character map of a line of type, with margins that may show what stands beside it on the page."""
    left, top, right, bottom = font.getbbox(text)
    if right - left < 2 or bottom - top < 2:
        return None
    h = bottom - top
    pad = int(h * .4) + 6
    loose = 0 if easy or style.random() < .65 else style.uniform(-.08, .4) if style.random() < .75 else style.uniform(.4, 1.6)
    bounce = 0 if easy or style.random() < .88 else style.uniform(.02, .15) * h
    edges = [pad - left]
    for i in range(len(text)):
        edges.append(edges[-1] + max(1, font.getlength(text[i]) * (1 + loose)) if loose or bounce else pad - left + font.getlength(text[:i + 1]))
    edges[-1] = max(edges[-1], pad + right - left if not loose and not bounce else edges[-1])
    size = (int(edges[-1]) + pad, h + 2 * pad)
    if size[0] > 2400:
        return None
    image = Image.new('L', size, 0)
    draw = ImageDraw.Draw(image)
    if loose or bounce:
        for c, x in zip(text, edges):
            draw.text((x, pad - top + r.uniform(-bounce, bounce)), c, fill=255, font=font)
    else:
        draw.text((pad - left, pad - top), text, fill=255, font=font)
    chars = np.zeros(size[::-1], np.uint8)
    for i in range(len(text)):
        chars[max(0, pad - 2 - int(bounce)):pad + h + 2 + int(bounce), max(0, int(edges[i])):max(0, int(edges[i + 1]))] = i + 1
    if not easy and r.random() < .2:
        neighbours(r, draw, pad, h, top, edges[-1], font)
    return np.asarray(image, np.float32) / 255, chars


def neighbours(r, draw, pad, h, top, end, font):
    """Parts of other words at the edges."""
    def other():
        return ''.join(r.choice('aceinorstlRSTPE0158.') for _ in range(r.randint(3, 9)))
    if r.random() < .4:
        draw.text((end + h * r.uniform(.15, .35), pad - top), other(), fill=255, font=font)
    if r.random() < .4:
        word = other()
        draw.text((pad - h * r.uniform(.2, .35) - font.getlength(word), pad - top), word, fill=255, font=font)
    if r.random() < .4:
        draw.text((r.uniform(-h, pad), pad - top + h * r.uniform(1.08, 1.3)), other() + ' ' + other(), fill=255, font=font)
    if r.random() < .4:
        draw.text((r.uniform(-h, pad), pad - top - h * r.uniform(1.08, 1.3)), other() + ' ' + other(), fill=255, font=font)


def dots(r, mask, chars):
    """The text as a dot matrix: its pixels at a low resolution, each a round or square dot."""
    rows = r.randint(14, 22)
    cell = r.choice((3, 4, 5))
    w = max(4, int(mask.shape[1] * rows / mask.shape[0]))
    low = (cv2.resize(mask, (w, rows), interpolation=cv2.INTER_AREA) > r.uniform(.3, .5)).astype(np.float32)
    dot = np.zeros((cell, cell), np.float32)
    cv2.circle(dot, (cell // 2, cell // 2), max(1, cell // 2), 1., -1) if r.random() < .7 else dot[:-1, :-1].fill(1.)
    return np.kron(low, dot), cv2.resize(chars, (w * cell, rows * cell), interpolation=cv2.INTER_NEAREST)


def shape(r, mask):
    """The weight of the strokes; hollow letters; lines under or through them."""
    u = r.random()
    if u < .06:
        kernel = np.ones((3, 3), np.uint8)
        mask = np.clip(cv2.dilate(mask, kernel) - mask if r.random() < .5 else mask - cv2.erode(mask, kernel), 0, 1)
    elif u < .16:
        mask = cv2.dilate(mask, np.ones((r.choice((2, 3)), r.choice((1, 2, 3))), np.uint8))
    elif u < .20 and mask.shape[0] > 60:
        mask = cv2.erode(mask, np.ones((2, r.choice((1, 2))), np.uint8))
    elif u < .26:                                                      # bleeding or worn ink: the edge moves to and fro
        noise = noise_field(r, *mask.shape, r.choice((2, 3, 5)))
        mask = np.clip((cv2.GaussianBlur(mask, (0, 0), r.uniform(.6, 1.6)) - .5 + noise * r.uniform(.05, .2)) * 3 + .5, 0, 1)
    if r.random() < .03:
        y = int(mask.shape[0] * r.choice((r.uniform(.68, .8), r.uniform(.4, .6))))
        mask = mask.copy()
        mask[y:y + r.randint(1, 3)] = 1
    return mask


def noise_field(r, h, w, grain):
    """Smooth noise, roughly -1..1, [h, w]; grain: pixels per bump."""
    rng = np.random.default_rng(r.getrandbits(64))
    return cv2.resize(rng.standard_normal((int(h / grain) + 2, int(w / grain) + 2), np.float32), (w, h), interpolation=cv2.INTER_CUBIC) * .6


# --------------------------------------------------------------------------------------------------------------------- warp
def warp(r, jitter, mask, chars):
    """Curve, wave, elastic, shear, rotation and perspective in one lookup."""
    h, w = mask.shape
    turned = r.random() < .6
    angle, shear = (math.radians(r.gauss(0, 6) + jitter.gauss(0, 1)), r.gauss(0, .18)) if turned else (0., 0.)
    keystone = r.uniform(0, .14) * h if turned else 0.
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    middle = corners - (w / 2, h / 2)
    moved = np.stack([middle[:, 0] - shear * middle[:, 1], middle[:, 1]], 1) @ np.float32(
        [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    moved += np.float32([[jitter.uniform(-1, 1), jitter.uniform(-1, 1)] for _ in range(4)]) * keystone
    curve = r.choice((-1, 1)) * r.uniform(.05, .35) * h * min(1, w / h / 3) if r.random() < .22 else 0.
    moved -= moved.min(0) - np.float32([0, abs(curve)])
    out_w, out_h = int(moved[:, 0].max()) + 1, int(moved[:, 1].max() + abs(curve)) + 1
    if not turned and not curve and r.random() < .8 or out_w * out_h > 600000:
        return mask, chars
    inverse = cv2.getPerspectiveTransform(moved.astype(np.float32), corners)
    y, x = np.mgrid[0:out_h, 0:out_w].astype(np.float32)
    depth = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
    u = ((inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) / depth).astype(np.float32)
    v = ((inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) / depth).astype(np.float32)
    if curve:
        t = u / w
        v += (curve * ((2 * t - 1) ** 2) if r.random() < .7 else curve * .6 * np.sin(t * 6.28 * r.uniform(.5, 1.3) + r.random() * 6)).astype(np.float32)
    if r.random() < .12:
        v += noise_field(jitter, out_h, out_w, h * .4) * h * r.uniform(.01, .05)
        u += noise_field(jitter, out_h, out_w, h * .4) * h * r.uniform(.01, .05)
    return cv2.remap(mask, u, v, cv2.INTER_LINEAR), cv2.remap(chars, u, v, cv2.INTER_NEAREST)


def split(r, text, chars):
    """Now and then only a part of the word, cut at character boxes (the S of the ST strategy); the rest stays visible at the edges."""
    if len(text) < 3 or r.random() > .12:
        return text, chars
    first = r.randrange(len(text))
    last = r.randrange(first, len(text))
    inside = (chars > first) & (chars <= last + 1)
    return text[first:last + 1], np.where(inside, chars - first, 0).astype(np.uint8)


def crop(r, mask, chars):
    """The word with a margin that differs by side, sometimes cutting into it a little."""
    ink = (mask > .2) & (chars > 0)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if len(rows) < 3 or len(columns) < 2:
        return None
    h = rows[-1] + 1 - rows[0]
    reach = .5 if r.random() < .08 else .2

    def margin():
        return int(round(h * (r.uniform(-.03, reach) if r.random() < .93 else r.uniform(-.12, 0))))
    top, bottom = max(0, rows[0] - margin()), min(mask.shape[0], rows[-1] + 1 + margin())
    left, right = max(0, columns[0] - margin()), min(mask.shape[1], columns[-1] + 1 + margin())
    if bottom - top < 4 or right - left < 2:
        return None
    return mask[top:bottom, left:right], chars[top:bottom, left:right]


# -------------------------------------------------------------------------------------------------------------------- paint
def colours(r, domain):
    """(ink, paper), float32 [3]; on forms and letters mostly dark on light and grey."""
    def colour():
        pure = np.float32([r.randrange(256) for _ in range(3)])
        return pure.mean() + (pure - pure.mean()) * r.choice((.2, .6, 1.))
    if domain in ('form', 'letter', 'digits') and r.random() < .75:
        paper = np.float32([r.randint(150, 255)] * 3) + (np.float32([r.gauss(0, 6) for _ in range(3)]) if r.random() < .4 else 0)
        ink = np.float32([r.randint(0, 110)] * 3) if r.random() < .8 else colour() * .5
        return ink, paper
    paper, least = colour() if r.random() < .7 else np.float32([r.choice((r.randint(0, 60), r.randint(190, 255)))] * 3), r.choice((30, 50, 80))
    for _ in range(30):
        ink = colour() if r.random() < .6 else np.float32([r.choice((r.randint(0, 40), r.randint(210, 255)))] * 3)
        if abs(ink - paper).mean() > least:
            break
    return ink, paper


def gradient(r, h, w):
    """A slope across the image, 0..1, [h, w, 1]."""
    angle = r.uniform(0, 6.28)
    y, x = np.linspace(-.5, .5, h, dtype=np.float32)[:, None], np.linspace(-.5, .5, w, dtype=np.float32)[None]
    t = x * math.cos(angle) + y * math.sin(angle)
    return ((t - t.min()) / (np.ptp(t) + 1e-6))[..., None]


def background(r, h, w, paper, domain):
    """What the text stands on: flat, sloping, textured, cluttered, or the lines of a form or cheque."""
    u = r.random()
    image = np.empty((h, w, 3), np.float32)
    image[:] = paper
    other = np.float32([r.randrange(256) for _ in range(3)])
    near = paper + (other - paper) * r.uniform(.1, .5)
    if domain in ('digits', 'form', 'letter') and r.random() < .45:
        return ruled(r, image)
    if u < .35:
        return image
    if u < .55:
        t = gradient(r, h, w)
        return image * (1 - t) + near * t
    if u < .8:                                                         # cloth, stone, leaves: noise of several grains
        grain, strength = r.choice((1.5, 3, 6, 12)), r.uniform(5, 35)
        noise = noise_field(r, h, w, grain) + (noise_field(r, h, w, grain * 4) if r.random() < .5 else 0)
        return image + noise[..., None] * strength * (1 if r.random() < .6 else (other - paper) / 128)
    if u < .93:                                                        # things behind it
        for _ in range(r.randint(2, 7)):
            tone = tuple(float(x) for x in paper + (np.float32([r.randrange(256) for _ in range(3)]) - paper) * r.uniform(.1, .55))
            points = np.int32([[r.randint(-w // 4, w + w // 4), r.randint(-h // 2, h + h // 2)] for _ in range(r.choice((2, 3, 4, 4)))])
            cv2.polylines(image, [points], False, tone, r.randint(1, max(1, h // 6))) if r.random() < .4 else cv2.fillPoly(image, [points], tone)
        return cv2.GaussianBlur(image, (0, 0), r.uniform(.3, 2))
    period, tall = r.uniform(3, 12), r.random() < .5                   # boards, bricks, blinds
    wave = np.sin(np.arange(w if tall else h) * 6.28 / period + r.random() * 6) * r.uniform(8, 40)
    return image + (wave[None, :, None] if tall else wave[:, None, None])


def ruled(r, image):
    """The printing of a form: lines, boxes, dots, or the waves of a cheque's safety paper."""
    h, w = image.shape[:2]
    tone = r.uniform(10, 60)
    u = r.random()
    if u < .5:                                                         # fine waves
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        for _ in range(r.randint(1, 3)):
            a, b = r.uniform(-.3, .3), r.uniform(.2, 1.)
            phase = a * x + b * y + r.uniform(0, 4) * np.sin(x / w * r.uniform(3, 30) + r.random() * 6)
            image -= (np.maximum(0, np.sin(phase * 6.28 / r.uniform(2.5, 9))) ** 2 * tone)[..., None]
    elif u < .7:
        step = r.randint(3, 7)
        image[r.randrange(step)::step, r.randrange(step)::step] -= tone
    else:
        for _ in range(r.randint(1, 3)):
            if r.random() < .7:
                image[min(h - 1, int(h * r.choice((r.uniform(.75, 1), r.uniform(0, 1))))):][:r.randint(1, 2)] -= tone * 2
            else:
                image[:, r.randrange(w):][:, :r.randint(1, 2)] -= tone * 2
    return image


def moved(mask, dx, dy):
    return cv2.warpAffine(mask, np.float32([[1, 0, dx], [0, 1, dy]]), mask.shape[::-1])


def paint(dice, mask, domain, easy):
    """float32 image [h, w, 3]: paper, then shadow, outline or relief, then ink."""
    h, w = mask.shape
    ink, paper = colours(dice('ink'), domain)
    r = dice('paint')
    rich = domain in ('scene', 'code') or r.random() < .1
    image = background(dice('ink') if r.random() < .5 else r, h, w, paper, domain)
    k = max(1., h * .04)
    if not easy and rich:
        u = r.random()
        third = np.float32([r.randrange(256) for _ in range(3)])
        if u < .14:                                                    # shadow, sharp or soft
            s = moved(mask, r.uniform(-2, 2) * k, r.uniform(-2, 2) * k)
            s = (cv2.GaussianBlur(s, (0, 0), r.uniform(.5, 3)) if r.random() < .6 else s)[..., None] * r.uniform(.3, .9)
            image = image * (1 - s) + (third if r.random() < .3 else paper * .3) * s
        elif u < .26:                                                  # outline
            e = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=r.randint(1, max(1, int(k))))[..., None]
            image = image * (1 - e) + third * e
        elif u < .35:                                                  # the side of thick letters
            dx, dy = r.uniform(-1, 1), r.uniform(-1, 1)
            for i in range(int(2 * k), 0, -1):
                s = moved(mask, dx * i, dy * i)[..., None]
                image = image * (1 - s) + (ink + paper) * .35 * s
        elif u < .42:                                                  # relief: only light and shade tell it from its ground
            s = cv2.GaussianBlur(mask, (0, 0), r.uniform(.5, 1.2))
            light = moved(s, 1, 1) - moved(s, -1, -1)
            image = image + light[..., None] * r.choice((-1, 1)) * r.uniform(60, 160)
            ink = paper + (ink - paper) * r.uniform(.05, .5)
    ink_image = ink
    if not easy and r.random() < .15:
        t = gradient(r, h, w)
        ink_image = ink * (1 - t) + (ink + (np.float32([r.randrange(256) for _ in range(3)]) - ink) * r.uniform(.2, .6)) * t
    alpha = mask[..., None] * r.uniform(.75, 1)
    if not easy and r.random() < .15:                                  # worn or uneven ink
        alpha = alpha * np.clip(1 - r.uniform(.2, .8) * np.maximum(0, noise_field(r, h, w, r.choice((1.2, 3, 8))))[..., None], 0, 1)
    image = image * (1 - alpha) + ink_image * alpha
    return image if easy else dirt(dice('dirt'), image)


def dirt(r, image):
    """Scratches, stains, and things in front."""
    h, w = image.shape[:2]
    if r.random() > .13:
        return image
    image = np.ascontiguousarray(image, np.float32)
    for _ in range(r.randint(1, 3)):
        tone = tuple(float(r.randrange(256)) for _ in range(3))
        a, b = (r.randint(0, w), r.randint(0, h)), (r.randint(0, w), r.randint(0, h))
        if r.random() < .7:
            cv2.line(image, a, b, tone, r.randint(1, max(1, h // 18)))
        else:
            cv2.circle(image, a, r.randint(1, max(1, h // 10)), tone, -1)
    return image


# ------------------------------------------------------------------------------------------------------------------ degrade
def degrade(dice, image, length, domain, easy):
    """The camera or scanner: light, resolution, blur, noise, grey, JPEG; then the model's 32 x 128, resized as the library does."""
    r, j = dice('look'), dice('noise')
    h, w = image.shape[:2]
    if easy:
        return resized(np.clip(image, 0, 255).astype(np.uint8))
    if r.random() < .2:                                                # uneven light
        t = gradient(j, h, w) if j.random() < .6 else np.clip(noise_field(j, h, w, h)[..., None] + .5, 0, 1)
        image = image * (1 - r.uniform(.2, .7) * t) + r.uniform(0, 60) * t
    u = r.random()
    tall = r.randint(8, 16) if u < .12 else r.randint(16, 30) if u < .42 else r.randint(30, 48)
    tall = max(tall, min(h, math.ceil(4 * length * h / w)))            # never fewer than about 4 pixels to a character
    if tall < h:
        image = cv2.resize(image, (max(4, round(w * tall / h * r.uniform(.9, 1.2))), tall), interpolation=cv2.INTER_AREA)
    advance = image.shape[1] / length                                   # pixels per character
    blur = r.random()
    if blur < .3:
        image = cv2.GaussianBlur(image, (0, 0), min(r.uniform(.3, 1.5) * image.shape[0] / 32, .16 * advance) + .01)
    elif blur < .36:
        image = cv2.filter2D(image, -1, streak(r, r.randint(3, max(3, min(7, int(.5 * advance))))))
    elif blur < .44:                                                   # sharpened by the camera
        image = image * 2 - cv2.GaussianBlur(image, (0, 0), 1.)
    if r.random() < .4:
        rng = np.random.default_rng(j.getrandbits(64))
        channels = 1 if r.random() < .5 else 3
        image = image + rng.standard_normal((*image.shape[:2], channels), np.float32) * r.uniform(1, 16)
    if domain in ('form', 'letter', 'digits') and r.random() < .6 or r.random() < .1:
        image = np.repeat(image @ np.float32([.299, .587, .114])[:, None], 3, 2)
        if domain == 'form' and r.random() < .25:                      # nearly black and white, as scanners make it
            image = (image - r.uniform(100, 170)) * r.uniform(2, 6) + 128
    image = np.clip(murky(r, j, image) if dice.style.murky else image, 0, 255)
    if r.random() < .25:
        image = 255 * (image / 255) ** r.uniform(.5, 1.9)
    if r.random() < .15:                                               # little contrast
        image = image * (k := r.uniform(.12, .7)) + r.uniform(0, 255 * (1 - k))
    image = image.astype(np.uint8)
    if r.random() < .3:
        image = cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, r.randint(20, 85)])[1], 1)
    return resized(image)


def murky(r, j, image):
    """Blurred, overlaid with noise, or partly hidden, each time in another way."""
    h, w = image.shape[:2]
    u = r.random()
    if u < .7:
        image = cv2.GaussianBlur(image, (0, 0), r.uniform(.04, .14) * h)
    if u > .4:
        rng = np.random.default_rng(j.getrandbits(64))
        image = image + rng.standard_normal((*image.shape[:2], 1), np.float32) * r.uniform(10, 35)
    if r.random() < .3:
        image = image.copy()
        x, y = j.randrange(w), j.randrange(h)
        image[y // 2:y // 2 + h // 2, x:x + max(1, w // 4)] = j.uniform(0, 255)
    return image


def visible(image, mask):
    """Whether ink and paper still differ: what no one could read teaches nothing."""
    grey = image.astype(np.float32).mean(2)
    ink = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    weight = ink.sum()
    if weight < 20:
        return False
    around = cv2.GaussianBlur(ink, (0, 0), 3) * (1 - ink)
    return abs((grey * ink).sum() / weight - (grey * around).sum() / max(around.sum(), 1)) > 6 + .15 * float(np.std(np.diff(grey)))


def streak(r, k):
    kernel = np.zeros((k, k), np.float32)
    kernel[k // 2] = 1
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((k / 2 - .5, k / 2 - .5), r.uniform(0, 180), 1), (k, k))
    return kernel / max(kernel.sum(), 1e-3)


def resized(image):
    return np.asarray(Image.fromarray(image).resize((WIDTH, HEIGHT), Image.BILINEAR))


def sheet(renderer, path, columns=8, rows=24, sequences=False):
    """A contact sheet: single samples, or one sequence per row."""
    singles, lines, i = (Dice(i) for i in itertools.count()), [], 0
    while len(lines) < rows:
        samples, i = renderer.several(sequence(str(i), columns) if sequences else singles, columns), i + 1
        lines += [np.hstack([s.image for s in samples])] if len(samples) == columns else []
    grid = np.vstack(lines)
    Image.fromarray(grid).save(path)


if __name__ == '__main__':
    import sys
    sheet(Renderer(), sys.argv[1], sequences='--sequences' in sys.argv)
