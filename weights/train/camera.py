# SPDX-License-Identifier: MIT
"""The camera or scanner: light, resolution, blur, noise, JPEG; then the size that the model reads.

degrade() is the last step of render.py; visible() says whether anything is left to read.
"""

import math

import cv2
import numpy as np
from fields import gradient, noise_field
from PIL import Image

HEIGHT, WIDTH = 32, 128
FREE_WIDTHS = (
    64,
    80,
    96,
    112,
    128,
    160,
    192,
    224,
    256,
    320,
    384,
    448,
    512,
)  # of pictures whose width follows the text
ON_PAPER = 'form', 'letter', 'digits', 'print'  # domains that are scanned
HEIGHTS = (0.12, (8, 16)), (0.42, (16, 30)), (1.0, (30, 48))  # up to which share, and of how many pixels


def degrade(dice, image, length, domain, easy, width):
    """The camera or scanner: light, resolution, blur, noise, grey, JPEG; then the model's 32 x width, resized as the
    library does. length: of the text, so that it stays readable."""
    r, j = dice('look'), dice('noise')
    if easy:
        return resized(np.clip(image, 0, 255).astype(np.uint8), width)
    if r.random() < 0.2:
        image = unevenly_lit(r, j, image)
    image = sampled(r, image, length)
    image = focused(r, image, image.shape[1] / length)
    if r.random() < 0.4:
        rng = np.random.default_rng(j.getrandbits(64))
        channels = 1 if r.random() < 0.5 else 3
        image = image + rng.standard_normal((*image.shape[:2], channels), np.float32) * r.uniform(1, 16)
    if domain in ON_PAPER and r.random() < (0.85 if domain == 'print' else 0.6) or r.random() < 0.1:
        image = np.repeat(image @ np.float32([0.299, 0.587, 0.114])[:, None], 3, 2)
        if domain in ('form', 'print') and r.random() < 0.25:  # nearly black and white, as scanners make it
            image = (image - r.uniform(100, 170)) * r.uniform(2, 6) + 128
    image = np.clip(murky(r, j, image) if dice.style.murky else image, 0, 255)
    return resized(developed(r, image), width)


def unevenly_lit(r, j, image):
    h, w = image.shape[:2]
    t = gradient(j, h, w) if j.random() < 0.6 else np.clip(noise_field(j, h, w, h)[..., None] + 0.5, 0, 1)
    return image * (1 - r.uniform(0.2, 0.7) * t) + r.uniform(0, 60) * t


def sampled(r, image, length):
    """At the resolution of small, usual or large print, but never fewer than about 4 pixels to a character."""
    h, w = image.shape[:2]
    u = r.random()
    low, high = next(heights for share, heights in HEIGHTS if u < share)
    tall = max(r.randint(low, high), min(h, math.ceil(4 * length * h / w)))
    if tall < h:
        image = cv2.resize(
            image, (max(4, round(w * tall / h * r.uniform(0.9, 1.2))), tall), interpolation=cv2.INTER_AREA
        )
    return image


def focused(r, image, advance):
    """Blurred, moved, or sharpened by the camera. advance: pixels per character."""
    u = r.random()
    if u < 0.3:
        return cv2.GaussianBlur(image, (0, 0), min(r.uniform(0.3, 1.5) * image.shape[0] / 32, 0.16 * advance) + 0.01)
    if u < 0.36:
        return cv2.filter2D(image, -1, streak(r, r.randint(3, max(3, min(7, int(0.5 * advance))))))
    if u < 0.44:
        return image * 2 - cv2.GaussianBlur(image, (0, 0), 1.0)
    return image


def developed(r, image):
    """Gamma, little contrast, JPEG; uint8."""
    if r.random() < 0.25:
        image = 255 * (image / 255) ** r.uniform(0.5, 1.9)
    if r.random() < 0.15:
        contrast = r.uniform(0.12, 0.7)
        image = image * contrast + r.uniform(0, 255 * (1 - contrast))
    image = image.astype(np.uint8)
    if r.random() < 0.3:
        image = cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, r.randint(20, 85)])[1], 1)
    return image


def murky(r, j, image):
    """Blurred, overlaid with noise, or partly hidden, each time in another way."""
    h, w = image.shape[:2]
    u = r.random()
    if u < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), r.uniform(0.04, 0.14) * h)
    if u > 0.4:
        rng = np.random.default_rng(j.getrandbits(64))
        image = image + rng.standard_normal((*image.shape[:2], 1), np.float32) * r.uniform(10, 35)
    if r.random() < 0.3:
        image = image.copy()
        x, y = j.randrange(w), j.randrange(h)
        image[y // 2 : y // 2 + h // 2, x : x + max(1, w // 4)] = j.uniform(0, 255)
    return image


def visible(image, mask, least):
    """Whether ink and paper still differ by more than `least`, of 255, and by more than the noise: what no one could
    read teaches nothing."""
    grey = image.astype(np.float32).mean(2)
    ink = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_AREA)
    weight = ink.sum()
    if weight < 20 * image.shape[1] / WIDTH:
        return False
    around = cv2.GaussianBlur(ink, (0, 0), 3) * (1 - ink)
    return abs((grey * ink).sum() / weight - (grey * around).sum() / max(around.sum(), 1)) > least + 0.15 * float(
        np.std(np.diff(grey))
    )


def streak(r, k):
    kernel = np.zeros((k, k), np.float32)
    kernel[k // 2] = 1
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((k / 2 - 0.5, k / 2 - 0.5), r.uniform(0, 180), 1), (k, k))
    return kernel / max(kernel.sum(), 1e-3)


def resized(image, width):
    return np.asarray(Image.fromarray(image).resize((width, HEIGHT), Image.BILINEAR))


def free_width(height, width):
    """The one of FREE_WIDTHS that keeps a picture's shape best."""
    return min(FREE_WIDTHS, key=lambda w: abs(math.log(w * height / (HEIGHT * width))))
