# SPDX-License-Identifier: MIT
"""Makes the pictures of docs/teach.md: draws crops in a face that the model reads badly, teaches some of them in the
browser, and takes the pictures.

    build/browser/bin/python tests/python/screenshots.py /usr/share/fonts/truetype/FetteClassicUNZFraktur.ttf

Writes docs/teach.png, docs/teach-dark.png and docs/report.png. The face is in Debian's fonts-cegui.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
TAUGHT = 16
WORDS = """
almanac apple April apricot ash August autumn Bakery barley barrel basket beech beetroot Bishop blackbird blacksmith
blossom bobbin Bookshop bottle Brewery Bridge bucket butter cabbage Calendar candle Carpenter carrot Castle cellar
cherry chestnut Church cider clover cloud Coach cobbler compass Cooper copper cotton cradle cranberry cricket Customs
daisy December dovecote drought eclipse elder elm Emperor equinox evening Exchange Factory Farrier feather February
fennel Ferry fiddle flax Forest fountain Friday frost Garden garlic Garnet ginger Glazier goose Granary grape Guild
hammer Harbour Harvest hazel herring holly honey Hospital Innkeeper January jasmine July June juniper kettle kitchen
Ladder lantern larch Laundry lavender Library lilac linen Locksmith loom magpie maple March Market marrow Mason May
meadow midsummer Miller Monday moonrise Museum mustard needle November nutmeg oak October orchard Organ oven parsley
Pharmacy pigeon plough plum poplar Potter pumpkin quarry quince rainfall raspberry Registry rosemary rye saddle
Saturday School September shovel Smithy snow solstice sparrow Spring spruce Station stork strawberry summer Sunday
sunrise swallow Tailor Tanner teapot Theatre thistle thunder Thursday timber Town Treasury Tuesday turnip Usher valley
Vicar vinegar violet walnut Warden Watchmaker weather Weaver Wednesday wheat willow window winter yeast yew
"""


def words(count, r):
    for word in r.sample(WORDS.split(), count):
        yield str(r.randint(1750, 1899)) if r.random() < 0.12 else word


def draw(word, face, r):
    """A word in ink on old paper."""
    left, top, right, bottom = face.getbbox(word)
    size = right - left + 30, bottom - top + 22
    ink = Image.new('L', size, 0)
    ImageDraw.Draw(ink).text((15 - left, 11 - top), word, 235, font=face)
    ink = ink.rotate(r.uniform(-1.5, 1.5), resample=Image.Resampling.BICUBIC)
    ink = ink.filter(ImageFilter.GaussianBlur(r.uniform(0.5, 1.1)))
    spots = Image.frombytes(
        'L', (size[0] // 8 + 2, size[1] // 8 + 2), r.randbytes((size[0] // 8 + 2) * (size[1] // 8 + 2))
    )
    spots = spots.resize(size, Image.Resampling.BICUBIC)
    light, dark = r.randint(224, 238), r.randint(205, 216)
    paper = Image.composite(
        Image.new('RGB', size, (light, light - 14, light - 44)),
        Image.new('RGB', size, (dark, dark - 14, dark - 44)),
        spots,
    )
    return Image.composite(Image.new('RGB', size, (62, 50, 44)), paper, ink)


def crops(folder, font, count=140):
    """Draws them; {name: text}."""
    r, face, texts = random.Random(5), ImageFont.truetype(font, 44), {}
    folder.mkdir()
    for i, word in enumerate(words(count, r)):
        texts[f'{i:03d}.jpg'] = word
        draw(word, face, r).save(folder / f'{i:03d}.jpg', quality=85)
    return texts


def until(page, script):
    while not page.evaluate(script):
        time.sleep(0.05)


def shoot(page, name):
    """Few colours: small, and as good to the eye."""
    with tempfile.NamedTemporaryFile(suffix='.png') as file:
        page.screenshot(path=file.name)
        small = (
            Image.open(file.name)
            .convert('RGB')
            .quantize(224, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        )
        small.save(ROOT / 'docs' / name, optimize=True)


def open_page(browser, url, scheme):
    page = browser.new_context(viewport={'width': 1120, 'height': 660}, color_scheme=scheme).new_page()
    page.goto(url)
    return page


def main(font):
    work = Path(tempfile.mkdtemp())
    texts = crops(work / 'almanac', font)
    os.chdir(work)
    run = subprocess.Popen([sys.executable, '-m', 'e2str', 'teach', 'almanac'], stdout=subprocess.PIPE, text=True)
    run.stdout.readline()
    url = run.stdout.readline().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
        page = open_page(browser, url, 'light')
        settled = 'news.lesson !== undefined && crops.size > 0 && !news.stale && !news.learning'
        until(page, settled)
        for i in range(TAUGHT):
            text = texts[page.evaluate('crops.get(current).name')]
            page.locator('#field').fill('Wednesday' if i == 9 else text)  # one that is wrong
            page.keyboard.press('Enter')
            until(page, settled)
        page.evaluate("at('crops').scrollTop += 160")
        page.wait_for_timeout(2500)
        shoot(page, 'teach.png')
        page = open_page(browser, url, 'dark')
        until(page, settled)
        page.wait_for_timeout(500)
        shoot(page, 'teach-dark.png')
        run.terminate()
        run.wait()
        taught = {line.split('\t')[0] for line in (work / 'almanac/teach.tsv').read_text('utf-8').splitlines()}
        rest = ''.join(f'{name}\t{text}\n' for name, text in texts.items() if name not in taught)
        (work / 'almanac/rest.tsv').write_text(rest, 'utf-8')
        command = [sys.executable, '-m', 'e2str', 'report', '--labels', 'almanac/rest.tsv', '-p', 'almanac/teach.pool']
        subprocess.run([*command, '-o', 'report.html'], check=True)
        page = open_page(browser, f'file://{work}/report.html', 'light')
        page.wait_for_timeout(300)
        shoot(page, 'report.png')
        browser.close()
    shutil.rmtree(work)


if __name__ == '__main__':
    main(sys.argv[1])
