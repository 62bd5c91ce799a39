# SPDX-License-Identifier: MIT
"""From the mask of ink to a picture in colour: paper, shadow, outline or relief, ink, and what lies in front of it.

Colours are float32 [3], pictures float32 [h, w, 3], 0 to 255 but not clipped; masks float32 [h, w], 0 to 1.
"""

import cv2
import numpy as np
from camera import ON_PAPER
from fields import gradient, noise_field


def random_colour(r):
    return np.float32([r.randrange(256) for _ in range(3)])


def muted(r):
    """A colour, often nearly grey."""
    pure = random_colour(r)
    return pure.mean() + (pure - pure.mean()) * r.choice((0.2, 0.6, 1.0))


def grey(r, dark, light):
    """A grey up to `dark` or from `light` on."""
    return np.float32([r.choice((r.randint(0, dark), r.randint(light, 255)))] * 3)


def colours(r, domain):
    """(ink, paper); on forms and letters mostly dark on light and grey."""
    if domain == 'plate' and r.random() < 0.8:
        return plate_colours(r)
    if domain in ON_PAPER and r.random() < (0.92 if domain == 'print' else 0.75):
        paper = np.float32([r.randint(150, 255)] * 3)
        if r.random() < 0.4:
            paper = paper + np.float32([r.gauss(0, 6) for _ in range(3)])
        ink = np.float32([r.randint(0, 110)] * 3) if r.random() < 0.8 else muted(r) * 0.5
        return ink, paper
    paper = muted(r) if r.random() < 0.7 else grey(r, 60, 190)
    least = r.choice((30, 50, 80))
    for _ in range(30):
        ink = muted(r) if r.random() < 0.6 else grey(r, 40, 210)
        if abs(ink - paper).mean() > least:
            break
    return ink, paper


def plate_colours(r):
    """(ink, paper) as countries have them, in any light."""
    light, dark = [r.randint(200, 255)] * 3, [r.randint(0, 40)] * 3
    blue = [r.randint(0, 70), r.randint(30, 120), r.randint(130, 255)]
    yellow = [r.randint(200, 255), r.randint(160, 220), r.randint(0, 60)]
    green = [r.randint(20, 120), r.randint(140, 230), r.randint(60, 160)]
    ink, paper = r.choice(
        (
            (light, blue),
            (light, blue),
            (light, blue),
            (dark, light),
            (dark, light),
            (dark, yellow),
            (light, dark),
            (dark, green),
            ([200, 20, 30], light),
            (blue, light),
        )
    )
    lit = r.uniform(0.3, 1) if r.random() < 0.5 else 1.0
    tint = np.float32([r.uniform(0.8, 1) for _ in range(3)])
    return np.float32(ink) * lit * tint, np.float32(paper) * lit * tint


# ---------------------------------------------------------------------------------------------------------- background
def background(r, h, w, paper, domain):
    """What the text stands on: flat, sloping, textured, cluttered, or the lines of a form or cheque."""
    u = r.random()
    image = np.empty((h, w, 3), np.float32)
    image[:] = paper
    other = random_colour(r)
    near = paper + (other - paper) * r.uniform(0.1, 0.5)
    if domain in ON_PAPER and r.random() < (0.1 if domain == 'print' else 0.45):
        return ruled(r, image)
    if u < 0.35:
        return image
    if u < 0.55:
        t = gradient(r, h, w)
        return image * (1 - t) + near * t
    if u < 0.8:
        return textured(r, image, other - paper)
    return cluttered(r, image, paper) if u < 0.93 else striped(r, image)


def textured(r, image, towards):
    """Cloth, stone, leaves: noise of several grains, grey or towards another colour."""
    h, w = image.shape[:2]
    grain, strength = r.choice((1.5, 3, 6, 12)), r.uniform(5, 35)
    noise = noise_field(r, h, w, grain)
    if r.random() < 0.5:
        noise = noise + noise_field(r, h, w, grain * 4)
    return image + noise[..., None] * strength * (1 if r.random() < 0.6 else towards / 128)


def cluttered(r, image, paper):
    """Things behind it."""
    h, w = image.shape[:2]
    for _ in range(r.randint(2, 7)):
        tone = tuple(float(x) for x in paper + (random_colour(r) - paper) * r.uniform(0.1, 0.55))
        corners = r.choice((2, 3, 4, 4))
        points = np.int32([[r.randint(-w // 4, w + w // 4), r.randint(-h // 2, h + h // 2)] for _ in range(corners)])
        if r.random() < 0.4:
            cv2.polylines(image, [points], False, tone, r.randint(1, max(1, h // 6)))
        else:
            cv2.fillPoly(image, [points], tone)
    return cv2.GaussianBlur(image, (0, 0), r.uniform(0.3, 2))


def striped(r, image):
    """Boards, bricks, blinds."""
    h, w = image.shape[:2]
    period, tall = r.uniform(3, 12), r.random() < 0.5
    wave = np.sin(np.arange(w if tall else h) * 6.28 / period + r.random() * 6) * r.uniform(8, 40)
    return image + (wave[None, :, None] if tall else wave[:, None, None])


def ruled(r, image):
    """The printing of a form: lines, boxes, dots, or the waves of a cheque's safety paper."""
    h, w = image.shape[:2]
    tone = r.uniform(10, 60)
    u = r.random()
    if u < 0.5:  # fine waves
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        for _ in range(r.randint(1, 3)):
            a, b = r.uniform(-0.3, 0.3), r.uniform(0.2, 1.0)
            phase = a * x + b * y + r.uniform(0, 4) * np.sin(x / w * r.uniform(3, 30) + r.random() * 6)
            image -= (np.maximum(0, np.sin(phase * 6.28 / r.uniform(2.5, 9))) ** 2 * tone)[..., None]
        return image
    if u < 0.7:
        step = r.randint(3, 7)
        image[r.randrange(step) :: step, r.randrange(step) :: step] -= tone
        return image
    for _ in range(r.randint(1, 3)):
        if r.random() < 0.7:
            y = min(h - 1, int(h * r.choice((r.uniform(0.75, 1), r.uniform(0, 1)))))
            image[y : y + r.randint(1, 2)] -= tone * 2
        else:
            x = r.randrange(w)
            image[:, x : x + r.randint(1, 2)] -= tone * 2
    return image


# -------------------------------------------------------------------------------------------- around and under the ink
def moved(mask, dx, dy):
    return cv2.warpAffine(mask, np.float32([[1, 0, dx], [0, 1, dy]]), mask.shape[::-1])


def shadow(r, image, mask, reach, paper, third):
    """Sharp or soft."""
    s = moved(mask, r.uniform(-2, 2) * reach, r.uniform(-2, 2) * reach)
    if r.random() < 0.6:
        s = cv2.GaussianBlur(s, (0, 0), r.uniform(0.5, 3))
    s = s[..., None] * r.uniform(0.3, 0.9)
    return image * (1 - s) + (third if r.random() < 0.3 else paper * 0.3) * s


def outline(r, image, mask, reach, tone):
    edge = cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=r.randint(1, max(1, int(reach))))[..., None]
    return image * (1 - edge) + tone * edge


def sides(r, image, mask, reach, tone):
    """The side of thick letters, lighter or darker towards the wall, sometimes with the shadow that they cast on it."""
    dx, dy, deep = r.uniform(-1, 1), r.uniform(-1, 1), max(1, int(r.uniform(1, 4) * reach))
    if r.random() < 0.4:
        cast = cv2.GaussianBlur(moved(mask, dx * deep * 1.5, dy * deep * 1.5), (0, 0), r.uniform(0.5, 2.5))
        image = image * (1 - cast[..., None] * r.uniform(0.3, 0.8))
    far = r.uniform(0.5, 1.3)
    for i in range(deep, 0, -1):
        s = moved(mask, dx * i, dy * i)[..., None]
        image = image * (1 - s) + tone * (1 + (far - 1) * i / deep) * s
    return image


def relief(r, image, mask):
    """Only light and shade tell it from its ground."""
    s = cv2.GaussianBlur(mask, (0, 0), r.uniform(0.5, 1.2))
    light = moved(s, 1, 1) - moved(s, -1, -1)
    return image + light[..., None] * r.choice((-1, 1)) * r.uniform(60, 160)


def surround(r, image, mask, ink, paper):
    """(image, ink) with one of the above, or none; a shadow sometimes under another."""
    u, third, reach = r.random(), random_colour(r), max(1.0, mask.shape[0] * 0.04)
    if u < 0.14 or u < 0.42 and r.random() < 0.15:
        image = shadow(r, image, mask, reach, paper, third)
    if 0.14 <= u < 0.25:
        return outline(r, image, mask, reach, third), ink
    if 0.25 <= u < 0.37:
        return sides(r, image, mask, reach, r.choice(((ink + paper) * 0.35, ink * 0.5, paper * 0.5, third))), ink
    if 0.37 <= u < 0.44:
        return relief(r, image, mask), paper + (ink - paper) * r.uniform(0.05, 0.5)
    return image, ink


def paint(dice, mask, domain, easy):
    """float32 image [h, w, 3]: paper, then shadow, outline or relief, then ink."""
    h, w = mask.shape
    ink, paper = colours(dice('ink'), domain)
    r = dice('paint')
    rich = domain in ('scene', 'code') or r.random() < (0 if domain == 'print' else 0.1)
    image = background(dice('ink') if r.random() < 0.5 else r, h, w, paper, domain)
    if not easy and rich:
        image, ink = surround(r, image, mask, ink, paper)
    inks = ink
    if not easy and r.random() < 0.17:  # from one colour to another, mostly by and by
        t = gradient(r, h, w)
        if r.random() < 0.25:
            t = np.float32(t > r.uniform(0.3, 0.7))
        inks = ink * (1 - t) + (ink + (random_colour(r) - ink) * r.uniform(0.2, 0.6)) * t
    if rich and not easy and r.random() < 0.12:  # light and shade on it
        inks = inks + noise_field(r, h, w, r.choice((2, 5, 10)))[..., None] * r.uniform(10, 50)
    alpha = mask[..., None] * r.uniform(0.75, 1)
    if not easy and r.random() < (0.4 if domain == 'print' else 0.15):  # worn or uneven ink
        worn = r.uniform(0.2, 0.8) * np.maximum(0, noise_field(r, h, w, r.choice((1.2, 3, 8))))
        alpha = alpha * np.clip(1 - worn[..., None], 0, 1)
    image = image * (1 - alpha) + inks * alpha
    return image if easy else dirt(dice('dirt'), image)


def dirt(r, image):
    """Scratches, stains, and things in front."""
    h, w = image.shape[:2]
    if r.random() > 0.13:
        return image
    image = np.ascontiguousarray(image, np.float32)
    for _ in range(r.randint(1, 3)):
        tone = tuple(float(r.randrange(256)) for _ in range(3))
        a, b = (r.randint(0, w), r.randint(0, h)), (r.randint(0, w), r.randint(0, h))
        if r.random() < 0.7:
            cv2.line(image, a, b, tone, r.randint(1, max(1, h // 18)))
        else:
            cv2.circle(image, a, r.randint(1, max(1, h // 10)), tone, -1)
    return image
