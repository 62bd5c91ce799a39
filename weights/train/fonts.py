# SPDX-License-Identifier: MIT
"""Finds the faces that training draws with, checks that each one draws readable Latin text, and groups them.

faces() scans the installed fonts once and caches the result; Fonts picks among them. Needs Debian's python3-pil,
python3-numpy and python3-fonttools, and the packages of fonts.txt.

  fonts.py --list                           counts by kind, family and package
  fonts.py --rejected                       faces thrown out and why
  fonts.py --licences                       Markdown table
  fonts.py --sheet OUT.png [--kind KIND]    a contact sheet, one face of each family
"""

import argparse
import collections
import fnmatch
import glob
import hashlib
import itertools
import json
import logging
import operator
import os
import random
import re
import string
import zlib
from typing import NamedTuple

import numpy as np
from alphabet import ASCII, CHARSET, LONG_S, base
from PIL import Image, ImageDraw, ImageFont

LETTERS = string.digits + string.ascii_letters
KINDS = ('pixel', 'script', 'display', 'mono', 'plain')  # in the order that RULES are tried
TEXMF = '/usr/share/texlive/texmf-dist/fonts/'
ROOTS = ('/usr/share/fonts', TEXMF + 'opentype', TEXMF + 'truetype', TEXMF + 'type1')
VERSION = 2  # part of the cache key: raise it when a rule below changes

# Never opened, by path: faces whose Latin slots hold something else (all that scored badly were looked at), or repeat
# another's Latin.
SKIP = re.compile(
    r'dingb|zapfd|standardsymbols|symbol|ornam|ornem|barcode|code128|code39|ean13|emoji|braille|math|'
    r'(?<!sem)icons?\b|icons|chess|music|runes|runic|futhark|phonetic|tipa\b|awesome|semaphor|semaf|drmsym|drmgrk|'
    r'drmarr|starfont|esstix|karta|stmary|msam10|msbm10|cmsy|lcmb?sy|cmex|lcmex|wasy|wncy|oinuit|ocherokee|'
    r'truetype/lyx|lxfonts|mlmmi|kpmi|kpmbi|dsegweather|campania|ellen(ita|ike|bold|boli)|alfa-beta|biolinum_k|'
    r'keyboard|pmhg|linb10|aenigma/(skullcap|nucleus|zurkle|hearts|90stars|xmaslght|dblayer|dblbogey|qbicle|bin01|'
    r'binx|binary|graze|fauxsnow|3dlet|symmetry|lineding|codelife|bitbtt|entlayr|hdmaker|loopy|snailets|bandwd|'
    r'tearful|vertigo|mima4x|pindown\.)|noto(?!sans-|serif-|sansdisplay-|serifdisplay-|sansmono-|mono-)[^/]*$'
)
# Readable faces that the comparison below cannot recognise: outlined, boxed, dotted or far-out scripts.
TRUSTED = re.compile(
    r'aenigma|dkgit|dkgbi|qtbrush|qttimeoutline|qthelvet-boldout|rothdn|abecedario|rampart|joscelyn|aboensis|ffmlqo|'
    r'elegital|elegbold|callig15|ecolier|aurical|/px_|bajaderka|le-murmure|qtslogan|qtlinostroke|bmeulji'
)
PAIRS = 'abdefghilmnqrt'  # letters whose two cases differ in shape
WRONG, WRONG_TRUSTED = 31, 58  # of the 62 letters and digits, how many may be liker another character
MARK = 0.5  # the least likeness of a punctuation mark to one of REFERENCES
TYPEWRITER = re.compile(r'typewriter|typist|courier|nimbus ?mono|um ?typewriter|free ?mono|\bocr|/ocr', re.I)
BOOK = re.compile(
    r'fell|caslon|garamond|junicode|basker|goudy|cardo|coelacanth|libertine|didot|bodoni|antykwa|palat|pagella|'
    r'schola|century|termes|crimson|\bfbb|venturis ?(old|adf)|charter|utopia|gentium|old ?standard|playfair|foulis|'
    r'berenis|cochineal|cormorant|romande|times|theano',
    re.I,
)
GROUPS = {
    'typewriter': TYPEWRITER,
    'book': BOOK,
}  # faces that are drawn from as a kind of their own as well, by path and family
DISPLAY = re.compile(
    r'aenigma|dustin|outline|inline|shadow|initial|poster|engrav|stencil|double.?struck|bbold|frak|ygoth|yswab|'
    r'fette|blankenburg|gamaliel|gotico|rothdn|/eu[fs][bm]|cloister|qtlondon|heidelberg|aboensis|dublin|uncial|aunc|'
    r'carolmin|bookhands|missaali|isabella|klaudia|rampart|reggae|rocknroll|stick[-.]|cherrybomb|cabin.?sketch|'
    r'staypuft|ferrite|f500|okolaks|fantasma|solide|radis|murmure|woowa|starburst|sanremo|artnouv|cinzeldecorative|'
    r'cyklop|punk|fetamont|smiley|engadget|cupola|almendra|tapir|alphaslab|train|lemonada|ubuntu-title|compagnon|'
    r'baloo|modak|poiret|sqrc|/cmf[fi]|cminb?\d|cmdunh|rit-sundar|qt(ancient|antique|arnieb|beckman|caligula|'
    r'canaith|cascade|chicago|deuce|doghaus|florenc|floral|ghoul|graph|graveure|greece|hoboken|howard|kungfu|'
    r'lautrec|military|okcorral|pandora|parisfrance|peignoir|piltdown|sandiego|snowcaps|storytime|theatre|'
    r'tumbleweed|usa|westend|blimpo|casual|bodiniposter|futureposter|pristine|techtone|claytablet|kooper|eurotype|'
    r'timeoutline|abbie|bengal|atchen|impromptu|caslanopen)'
)
SCRIPT = re.compile(
    r'script|handwriting|cursive|brush|chancery|z003|breip|bwht|becausewe|dancing|ecolier|femke|havana|humor|'
    r'berenika|kristi|leckerli|levien-typo|typoscript|lobster|lbstr|rufscript|dkg|tomson|comic|joscelyn|bajaderka|'
    r'aoyagi|kouzan|nanum(pen|brush|barunpen)|klee|seto|kiloji|chilanka|karumbi|purisa|yusei|sjfonts|stevehand|'
    r'delphine|frcursive|aurical|auriocus|amici|lukassvatba|janaskrivana|miama|callig|augie|emerald|greatvibes|'
    r'qt(merry|boulevard|slogan|linoscroll|linostroke|artiston|brush|arabian|coronation|magicmarker)|elegit|'
    r'elegbold|abecedario|unpilgi|caslonitalic|skrivana|gfs-gazis|yv[a-z]*script|summersby|scrawl'
)
MONO = re.compile(
    r'mono(?!makh|type)|typewriter|typist|\bocr|/ocr|courier|console|inconsolata|(?<!uni)code\b|coding|sourcecode|'
    r'3270|(new|t1)?t?x?btt|txtt'
)
PIXEL = re.compile(
    r'dseg|terminus|spleen|pixel|unifont|proggy|bitmap|misaki|dotgothic|atarismall|creep2|/px_|fonts?/pc|amiga|'
    r'sixtyfour|glass_?tty|8bitlim|editundo|edundot|edunline|visitor|jupiterc|pixlkrud|wargames'
)
RULES = PIXEL, SCRIPT, DISPLAY, MONO


class Face(NamedTuple):
    """One usable face. missing: the characters of CHARSET and the long s that it cannot draw: punctuation, what is
    not ASCII; of 'pixel' faces also letters; and the capitals where they draw small letters. caps: its lower case
    draws capitals, so that what is drawn reads as upper case."""

    path: str
    index: int
    family: str
    kind: str
    caps: bool
    missing: frozenset


def listing():
    """Every font file under ROOTS as (path, size, mtime), sorted; links into ROOTS are left out."""
    found = []
    for folder, _, names in itertools.chain.from_iterable(map(os.walk, ROOTS)):
        for path in (os.path.join(folder, n) for n in names if n.lower().endswith(('.ttf', '.otf', '.ttc', '.pfb'))):
            if not (os.path.islink(path) and os.path.realpath(path).startswith(ROOTS)):
                st = os.stat(path)
                found.append((path, st.st_size, int(st.st_mtime)))
    return sorted(found)


def candidates(files):
    """(path, index) of the faces worth opening, and {path: reason} of the others."""
    opened, refused = [], {}
    modern = {
        p[len(TEXMF) :].split('/')[2] for p, _, _ in files if p.startswith((TEXMF + 'opentype', TEXMF + 'truetype'))
    }
    for path, _, _ in files:
        low = path[len(TEXMF) :] if path.startswith(TEXMF) else path
        if SKIP.search(low.lower()):
            refused[path] = 'by name'
        elif path.startswith(TEXMF + 'type1') and low.split('/')[2] in modern:
            refused[path] = 'Type 1 of a family that is there as OpenType'
        else:
            with open(path, 'rb') as f:
                head = f.read(12)
            opened += [(path, i) for i in range(min(4, int.from_bytes(head[8:], 'big')) if head[:4] == b'ttcf' else 1)]
    return opened, refused


def shape(image):
    """A glyph's ink as a 16x16 map, fitted to the square and slightly blurred, with its aspect half evened out."""
    w, h = (max(2, round(14 * (side / max(image.size)) ** 0.5)) for side in image.size)
    out = np.zeros((18, 18), np.float32)
    y, x = (18 - h) // 2, (18 - w) // 2
    out[y : y + h, x : x + w] = np.asarray(image.resize((w, h), Image.BILINEAR), np.float32)
    out = out[:-2] + 2 * out[1:-1] + out[2:]
    return out[:, :-2] + 2 * out[:, 1:-1] + out[:, 2:]


def unit(v):
    """Rows of v [..., n] less their mean, at length 1."""
    v = v - v.mean(-1, keepdims=True)
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6)


class Probe(NamedTuple):
    """What one look at a face tells."""

    name: str
    missing: frozenset
    shapes: np.ndarray  # [62, 256] of LETTERS, zero where missing
    marks: np.ndarray  # [32, 256] of the punctuation
    sizes: np.ndarray  # [62, 2] in pixels at size 48
    fixed: bool  # every character is as wide as every other


def probe(path, index):
    """Opens and draws a face; raises ValueError (or what PIL and fontTools raise) where it is no use at all."""
    font = ImageFont.truetype(path, 48, index=index, layout_engine=ImageFont.Layout.BASIC)
    if path.endswith('.pfb'):
        cmap, name = None, font.getname()[0] or ''
    else:
        from fontTools.ttLib import TTFont

        with TTFont(path, lazy=True, fontNumber=index) as t:
            cmap, name = t.getBestCmap() or {}, t['name'].getBestFamilyName() or ''
    boxes = {(m.size, bytes(m)) for m in (font.getmask(c) for c in '\U0010fffd\u0378')}
    missing, shapes, sizes, drawn = set(), np.zeros((94, 256), np.float32), np.zeros((94, 2), np.float32), {}
    for i, c in enumerate(ASCII):
        m = font.getmask(c) if cmap is None or ord(c) in cmap else None
        raw = (m.size, bytes(m)) if m is not None and min(m.size) > 0 and max(m.size) < 1000 else None
        if raw is None or raw in boxes or max(raw[1]) < 64:
            missing.add(c)
        else:
            im = Image.frombytes('L', *raw).crop(Image.frombytes('L', *raw).getbbox())
            shapes[i], sizes[i], drawn[c] = shape(im).ravel(), im.size, raw
    if len(missing.intersection(LETTERS)) > 52:
        raise ValueError('draws no Latin')
    stamps = collections.Counter(drawn.values())  # one picture in many slots stands for missing ones
    missing |= {c for c in string.punctuation if stamps[drawn.get(c)] > 2}
    for part in (string.digits, string.ascii_uppercase, string.ascii_lowercase):
        if len({drawn[c] for c in part if c in drawn}) < len(set(part) - missing) - 2:
            raise ValueError('one shape for many characters')
    fixed = len({round(font.getlength(c)) for c in 'iMW.l1'}) == 1
    shapes = unit(shapes).astype(np.float16)
    return Probe(name, frozenset(missing), shapes[:62], shapes[62:], sizes[:62], fixed)


def beyond(path, index, ascii_only):
    """The characters other than ASCII that a face lacks, or draws as their base letter or as many others."""
    others = CHARSET.replace(' ', '')[len(ASCII) :] + LONG_S
    if ascii_only:
        return set(others)
    font = ImageFont.truetype(path, 48, index=index, layout_engine=ImageFont.Layout.BASIC)
    boxes = {(m.size, bytes(m)) for m in (font.getmask(c) for c in '\U0010fffd\u0378')}
    drawn = {}
    for c in others:
        m = font.getmask(c)
        raw = m.size, bytes(m)
        if min(m.size) > 0 and max(m.size) < 1000 and raw not in boxes and max(raw[1]) >= 64:
            b = font.getmask(base(c))
            if raw != (b.size, bytes(b)):
                drawn[c] = raw
    stamps = collections.Counter(drawn.values())
    return {c for c in others if stamps[drawn.get(c)] == 0 or stamps[drawn[c]] > 2}


# The classes that characters are compared by: cases together, and characters that good faces draw alike.
CLASSES = np.array([{'0': 'o', '1': 'l', 'i': 'l', 'j': 'l'}.get(c.lower(), c.lower()) for c in LETTERS])


def likeness(shapes, refs):
    """[62, 62]: how like each drawn character is to the likest of each character in refs [k, 62, 256]."""
    return (shapes.astype(np.float32) @ refs.reshape(-1, 256).T.astype(np.float32)).reshape(62, len(refs), 62).max(1)


def wrong(best):
    """How many of the 62 characters are clearly liker another character than their own, in the terms of likeness()."""
    same = CLASSES[:, None] == CLASSES
    return int((np.where(same, -1, best).max(1) > np.where(same, best, -1).max(1) + 0.02).sum())


def recognise(shapes, names, refs):
    """{face: likeness table}. Each face is compared with those of refs; then faces that pass, the strangest first,
    become references for those that do not pass yet, so that scripts and display faces are known by their like.
    names: as the keys of shapes."""
    table = {k: likeness(shapes[k], np.stack([shapes[r] for r in refs])) for k in names}
    count, known = {k: wrong(table[k]) for k in names}, set(refs)
    for limit in (3, 6, 8, 10, 12):
        more = sorted(
            (k for k in names if k not in known and count[k] <= limit), key=lambda k: (np.median(table[k].max(1)), k)
        )[:60]
        if not more:
            break
        known.update(more)
        extra = np.stack([shapes[k] for k in more])
        for k in names:
            if count[k] > 2 and k not in known:
                table[k] = np.maximum(table[k], likeness(shapes[k], extra))
                count[k] = wrong(table[k])
    return table


def cases(shapes, best):
    """'caps' where the small letters draw capitals, 'small' where the capitals draw small letters, else ''."""
    low, up = ([LETTERS.index(f(c)) for c in PAIRS] for f in (str.lower, str.upper))
    pair = float(np.median((shapes[low].astype(np.float32) * shapes[up].astype(np.float32)).sum(1)))
    as_caps, as_small = int((best[low, up] > best[low, low]).sum()), int((best[up, low] > best[up, up]).sum())
    if pair >= 0.9 and as_small >= 8 and as_caps <= 2:
        return 'small'
    even = as_small - as_caps < 4
    return (
        'caps'
        if pair >= 0.9
        and (even or as_caps >= 4)
        or even
        and (pair >= 0.85 and as_caps >= 5 or pair >= 0.6 and as_caps >= 9)
        else ''
    )


STYLE = re.compile(
    r'(extra|semi|demi|ultra|x|dm)?-?(thin|hairline|light|lt|regular|book|normal|medium|bold|bd|black|heavy|'
    r'condensed|expanded|narrow|wide|cond|cnd|ext)|roman|italic|oblique|slanted|slant|extra|semi|demi|ultra|'
    r'compressed|caption|subhead|headline|osf|lf|tlf|tosf|sc|smallcaps|caps|upright|it|[0-9.]+(pt)?|vf|variable|std|'
    r'otf|ttf|t1|ot1|ts1|pro|style|titling|no[1-9]'
)
REFERENCES = (
    '*/DejaVuSans.ttf',
    '*/DejaVuSans-Bold.ttf',
    '*/DejaVuSerif.ttf',
    '*/DejaVuSansMono.ttf',
    '*/LiberationSerif-Italic.ttf',
    '*/LiberationSansNarrow-Bold.ttf',
    '*/Z003-MediumItalic.*',
    '*/KaushanScript*',
    '*/[Dd]ancing*',
    '*/Kristi*',
    '*/[Ll]obster*',
    '*/Ecolier-court*',
    '*/[Bb]lankenburg*',
    '*/bwht*',
    '*/ComicNeue-Regular*',
)


def family_name(name, path):
    """The family that a face counts to: its name without weights, widths and optical sizes."""
    whole = re.search('/drm/|/frcursive/|DSEG14|DSEG7|Abecedario', path)
    if whole:
        return whole[0].strip('/').capitalize()
    words = [
        re.sub(r'(?<=[A-Za-z]{2})[0-9]+$', '', w)
        for w in re.split(r'[\s_\-]+', re.sub(r'([a-z])([A-Z])', r'\1 \2', name))
    ]
    words = [w for w in words if w and not STYLE.fullmatch(w.lower())]
    if words[:1] in (['Noto'], ['Px']):
        words = words[: 3 if words[-1] in ('Mono', 'Display') else 2]
    return ' '.join(words) or os.path.basename(path).rsplit('.', 1)[0]


def kind_of(path, family, fixed):
    """The kind, told from path and family name, or from every character being as wide as every other."""
    text = (path[len(TEXMF) :] if path.startswith(TEXMF) else path).lower() + ' ' + family.lower()
    return next((k for k, rule in zip(KINDS, RULES) if rule.search(text)), 'mono' if fixed else 'plain')


def scan(files):
    """(faces, {path#index: reason}): opens, judges and groups every candidate."""
    logging.getLogger('fontTools').setLevel(logging.CRITICAL)
    opened, refused = candidates(files)
    probes = {}
    for path, index in opened:
        try:
            probes[path, index] = probe(path, index)
        except Exception as e:
            refused['%s#%d' % (path, index)] = 'invalid: %s' % str(e)[:60]
    names = sorted(k for k, p in probes.items() if not p.missing & set(LETTERS))
    refs = [k for k in (next((k for k in names if fnmatch.fnmatch(k[0], r)), None) for r in REFERENCES) if k]
    if not refs:
        raise RuntimeError('no fonts to begin with: install the packages of fonts.txt')
    table = recognise({k: probes[k].shapes for k in names}, names, refs)
    marks = np.stack([probes[k].marks for k in refs]).astype(np.float32)
    found, kept = [], collections.defaultdict(list)
    for (path, index), p in probes.items():
        key, low, family = '%s#%d' % (path, index), path.lower(), family_name(p.name, path)
        kind, missing, caps, case = kind_of(path, family, p.fixed), set(p.missing), False, ''
        if 'dseg' in low:
            caps = 'dseg14' in low
            missing |= set() if caps else set(string.ascii_letters)  # seven segments make no alphabet
        elif missing & set(LETTERS):
            refused[key] = 'lacks ' + ''.join(sorted(missing & set(LETTERS)))
            continue
        else:
            count = wrong(table[path, index])
            if count > (WRONG_TRUSTED if TRUSTED.search(low) else WRONG):
                refused[key] = 'unlike Latin: %d wrong' % count
                continue
            case = cases(p.shapes, table[path, index])
            caps = case == 'caps'
            alike = (marks * p.marks.astype(np.float32)).sum(-1).max(0)
            missing |= {c for c, a in zip(string.punctuation, alike) if a < MARK}
        traits = np.concatenate(
            [p.shapes[::5].astype(np.float32).ravel(), unit(p.sizes.T).ravel() * 3, p.sizes[::5].ravel() / 40]
        )
        traits, twins = traits / np.linalg.norm(traits), kept[family.lower()[:4]]
        if any(t @ traits > 0.9995 for t in twins):
            refused[key] = 'the same as another face'
            continue
        twins.append(traits)
        missing |= beyond(path, index, 'dseg' in low or len(missing) > 40)
        if case == 'small':
            missing |= {c for c in CHARSET if c.isupper()}
        found.append(Face(path, index, family, kind, caps, frozenset(missing)))
    return found, refused


def state():
    """The cached result of scan(): (faces, refused)."""
    files = listing()
    key = hashlib.sha256(repr((VERSION, files)).encode()).hexdigest()
    path = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'libe2str', 'faces.json')
    try:
        with open(path) as f:
            saved = json.load(f)
        if saved['key'] == key:
            return [Face(*row[:5], frozenset(row[5])) for row in saved['faces']], saved['refused']
    except (OSError, ValueError, KeyError):
        pass
    found, refused = scan(files)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open('%s.%d' % (path, os.getpid()), 'w') as f:
        json.dump({'key': key, 'faces': [f[:5] + (''.join(sorted(f.missing)),) for f in found], 'refused': refused}, f)
    os.replace(f.name, path)
    return found, refused


def faces():
    """Every usable face; the first call after a change of the installed fonts scans them (about two minutes)."""
    return state()[0]


def kept_back(family):
    """Whether training never sees a family: one of sixteen, for kinds.py."""
    return zlib.crc32(family.encode()) % 16 == 0


class Fonts:
    """Draws faces at random and opens them: those of training or, if `unseen`, those kept back."""

    def __init__(self, unseen=False):
        self.faces = [f for f in faces() if kept_back(f.family) == unseen]
        self.cache, self.kinds = {}, {}
        for kind in {f.kind for f in self.faces}:
            self._group(kind, (f for f in self.faces if f.kind == kind))
        for name, rule in GROUPS.items():
            self._group(
                name, (f for f in self.faces if f.kind in ('mono', 'plain') and rule.search(f.path + ' ' + f.family))
            )

    def _group(self, name, some):
        """Names some faces, as families that weigh as the square root of their size."""
        key = operator.attrgetter('family')
        families = [list(g) for _, g in itertools.groupby(sorted(some, key=key), key)]
        if families:
            self.kinds[name] = families, list(itertools.accumulate(len(g) ** 0.5 for g in families))

    def pick(self, r: random.Random, kinds: dict[str, float]) -> Face:
        """A face by r (random.Random): a kind by the weights in kinds (a dict; any kind if none of these is
        installed), a family by the square root of its size, a face."""
        names = sorted(k for k in kinds if k in self.kinds) or sorted(self.kinds)
        groups, weights = self.kinds[r.choices(names, [kinds.get(k, 1) for k in names])[0]]
        return r.choice(r.choices(groups, cum_weights=weights)[0])

    def at(self, face: Face, size: int) -> ImageFont.FreeTypeFont:
        """The PIL font of a face at a size in pixels; the last few thousand are kept."""
        key = face.path, face.index, size
        if key not in self.cache:
            if len(self.cache) > 4000:
                self.cache.clear()
            self.cache[key] = ImageFont.truetype(face.path, size, index=face.index)
        return self.cache[key]


def packages():
    """{path: Debian package} of the installed font files."""
    owner = {}
    for name in glob.glob('/var/lib/dpkg/info/*.list'):
        with open(name) as f:
            owner.update(
                (line.rstrip('\n'), os.path.basename(name)[:-5].split(':')[0]) for line in f if line.startswith(ROOTS)
            )
    return owner


def sheet(found, path, text='HamburgefonstivQARdkz 0123 &?'):
    """Writes a contact sheet of faces as columns of 50 lines."""
    per, w, h = 50, 560, 34
    page = Image.new('L', (w * max(1, -(-len(found) // per)), h * min(per, len(found))), 255)
    for i, face in enumerate(found):
        x, y = i // per * w, i % per * h
        line = Image.new('L', (w - 130, h), 255)
        ImageDraw.Draw(line).text(
            (2, h - 10), text, fill=0, anchor='ls', font=ImageFont.truetype(face.path, 24, index=face.index)
        )
        page.paste(line, (x + 128, y))
        label = (face.family[:16] + ' (caps)' * face.caps).encode('latin-1', 'replace')
        ImageDraw.Draw(page).text((x + 2, y + 10), label.decode('latin-1'), fill=0, font=ImageFont.load_default())
    page.save(path)


def licence(package):
    """The licences that a package's copyright file names (those of its Debian packaging left out), or the lines that
    speak of one."""
    path = '/usr/share/doc/%s/copyright' % package
    text = open(path, errors='replace').read() if os.path.exists(path) else ''
    names = []
    for stanza in re.split(r'\n\s*\n', text):
        files, short = re.search(r'^Files:\s*(.*)', stanza, re.M), re.search(r'^License:\s*(\S.*)', stanza, re.M)
        if short and files and not files[1].startswith('debian/') and short[1].strip() not in names:
            names.append(short[1].strip())
    if not names:
        names = [s.strip() for s in text.splitlines() if re.search(r'licen[cs]e|GPL|public domain', s, re.I)][:1] + [
            'see ' + path
        ]
    names = names[:12] + ['and others, see ' + path] * (len(names) > 12)
    return ', '.join(names).replace('|', '/') or 'see ' + path


def main():
    """The command line of the docstring above."""
    args = argparse.ArgumentParser()
    for flag in ('--list', '--licences', '--rejected'):
        args.add_argument(flag, action='store_true')
    args.add_argument('--sheet')
    args.add_argument('--kind', choices=KINDS)
    a = args.parse_args()
    found, refused = state()
    found = [f for f in found if a.kind in (None, f.kind)]
    owner = packages()
    if a.list:
        for title, of in (
            ('kind', lambda f: f.kind),
            ('family', lambda f: f.kind + ' ' + f.family),
            ('package', lambda f: owner.get(f.path, '?')),
        ):
            counts = sorted(collections.Counter(map(of, found)).items())
            print('-- by %s: %d' % (title, len(counts)), *('%6d %s' % (n, name) for name, n in counts), sep='\n')
        print(
            '-- faces with caps: %d, lacking some character: %d'
            % (sum(f.caps for f in found), sum(bool(f.missing) for f in found))
        )
    if a.licences:
        print('| package | licence | faces |\n|---|---|---|')
        for name, n in sorted(collections.Counter(owner.get(f.path, '?') for f in found).items()):
            print('| %s | %s | %d |' % (name, licence(name), n))
    if a.sheet:
        sheet(list({(f.kind, f.family): f for f in reversed(found)}.values()), a.sheet)
    if a.rejected:
        print(*('%s\t%s' % (why, path) for path, why in sorted(refused.items())), sep='\n')


if __name__ == '__main__':
    main()
