"""What is written on the images: words, numbers, prices, dates and codes, in the mixtures of signs, forms, letters and cheques.

Words come from Debian's word lists, the frequent ones (SCOWL's levels 10 to 35) far more often than the rest; place names from the
time zone table; words of signs and receipts from the two short lists below.
"""
import glob
import re
import string
import unicodedata

LETTERS, DIGITS = string.ascii_letters, string.digits
CHARSET = DIGITS + LETTERS + string.punctuation
MAX_LENGTH = 24

SIGNS = '''open closed exit entrance sale cafe coffee restaurant hotel bar grill pizza food market shop store bank street road avenue park
parking no stop way one taxi bus station airport police school library museum theatre cinema gallery office centre center city town hall
house club music live dance fitness books news video photo phone mobile repair service rent car auto motors tires gas fuel diesel oil
pharmacy doctor dental clinic health beauty salon hair nails spa fashion shoes jewelry gold silver sport outlet discount free new best hot
fresh fish meat bakery bread cheese wine beer pub lounge restroom men women push pull welcome please do not enter danger warning caution
private keep clear fire hose alarm emergency first aid information tickets platform gate floor level lift stairs north south east west
left right up down world university college institute hospital church saint st dr ltd inc co bros and sons since est international
american royal grand central national express super star king queen old the of'''.split()
FORMS = '''total subtotal cash change tax gst sst vat invoice receipt date time no qty item items price amount rm usd eur tel fax reg member
card visa debit credit balance due paid discount rounding adj nett gross sr zr ea pcs kg thank you please come again cashier table order
bill customer copy sold goods not returnable refundable description code unit disc inclusive payable summary counter terminal trans ref
sdn bhd enterprise trading restaurant jalan taman name address signature account branch payee bearer dollars only month year day number
type class page remarks approved received by from to for'''.split()
MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec January February March April June July August September October November December'.split()
UNITS = 'kg g mg ml l km m cm mm % x X pcs th st nd rd am pm AM PM h C F hp GB MB mAh V W'.split()


def _plain(word):
    """The word in ASCII, accents taken off."""
    return unicodedata.normalize('NFKD', word).encode('ascii', 'ignore').decode()


def _read(*patterns):
    words = set()
    for pattern in patterns:
        for path in glob.glob('/usr/share/dict/' + pattern):
            with open(path, encoding='utf-8' if 'scowl' not in path else 'latin-1', errors='ignore') as file:
                words.update(_plain(line.strip()) for line in file)
    return sorted(w for w in words if 0 < len(w) <= 20 and re.fullmatch(r"[A-Za-z][A-Za-z'.-]*", w) and not w.endswith("'s"))


def _places():
    try:
        with open('/usr/share/zoneinfo/zone1970.tab') as file:
            zones = [line.split('\t')[2].strip() for line in file if line[0] != '#']
    except OSError:
        return []
    return sorted({part for zone in zones for part in re.split('[/_]', zone) if len(part) > 2})


class Text:
    """Draws texts. r: random.Random; the same dice give the same text."""

    def __init__(self):
        common = _read('scowl/english-words.10', 'scowl/english-words.20') or _read('american-english')
        usual = _read('scowl/*-words.35', 'scowl/*-words.40') or common
        rare = _read('american-english', 'british-english') or common
        names = _read('scowl/english-upper.*', 'scowl/*-proper-names.50', 'scowl/english-proper-names.*') + _places()
        foreign = _read('french', 'ngerman', 'spanish', 'italian', 'dutch', 'portuguese', 'swedish', 'danish') or rare
        self.lists = {'common': common, 'usual': usual, 'rare': rare, 'names': names or rare, 'foreign': foreign, 'signs': SIGNS, 'forms': FORMS}

    def word(self, r, common=.3, usual=.2, rare=.15, names=.15, foreign=.1, signs=.1, forms=0.):
        weights = {'common': common, 'usual': usual, 'rare': rare, 'names': names, 'foreign': foreign, 'signs': signs, 'forms': forms}
        return r.choice(self.lists[r.choices(list(weights), list(weights.values()))[0]])

    def draw(self, r, domain):
        """A text of one of render.DOMAINS, at most MAX_LENGTH characters of CHARSET."""
        for _ in range(20):
            text = getattr(self, '_' + domain)(r)
            if 0 < len(text) <= MAX_LENGTH and all(c in CHARSET for c in text):
                return text
        return 'text'

    def _scene(self, r):
        u = r.random()
        if u < .84:
            word = cased(r, self.word(r), upper=.45, lower=.25)
            return mark(r, word) if r.random() < .07 else word
        if u < .94:
            return number(r)
        return code(r)

    def _form(self, r):
        u = r.random()
        if u < .42:
            word = cased(r, self.word(r, common=.1, usual=.15, rare=.05, names=.15, foreign=.05, signs=.1, forms=.4), upper=.5, lower=.1)
            return mark(r, word) if r.random() < .3 else word
        if u < .85:
            return number(r)
        return code(r)

    def _letter(self, r):
        word = cased(r, self.word(r, common=.6, usual=.17, rare=.08, names=.15, foreign=0, signs=0), upper=.04, lower=.8)
        return mark(r, word) if r.random() < .18 else word

    def _digits(self, r):
        u = r.random()
        if u < .75:
            return amount(r)
        return number(r)

    def _code(self, r):
        return code(r)


def cased(r, word, upper, lower):
    u = r.random()
    if u < upper:
        return word.upper()
    if u < upper + lower:
        return word.lower()
    return word[:1].upper() + word[1:] if r.random() < .9 else ''.join(r.choice((c.lower(), c.upper())) for c in word)


def mark(r, word):
    """The word with the punctuation that clings to words."""
    u = r.random()
    if u < .6:
        return word + r.choice('.,:;!?-.,:')
    if u < .75:
        left, right = r.choice(('()', '""', "''", '[]', '--', '**', '<>', '(:'))
        return left + word + right if r.random() < .6 else r.choice((left + word, word + right))
    if u < .85:
        return r.choice('#@$&*-/+.') + word
    return word + r.choice(('&', '/', '\'s', '+', '#:', '%', '...', '_', '=', '|', '~', '@'))


def digits(r, low, high):
    return ''.join(r.choice(DIGITS) for _ in range(r.randint(low, high)))


def amount(r):
    """A sum as people write it by hand, with the strokes that close it."""
    u = r.random()
    value = digits(r, 1, 7) if u < .7 else '%d%s' % (r.randint(1, 999), '0' * r.randint(1, 4))
    v = r.random()
    if v < .25 and len(value) > 3:
        value = value[:-3] + r.choice('.,') + value[-3:]
    elif v < .4:
        value += r.choice(('.', ',')) + digits(r, 2, 2)
    w = r.random()
    return value + r.choice(('-', '=', '.-', ',-', '/-', '.', '--', '#')) if w < .2 else r.choice('$#*=') + value if w < .25 else value


def number(r):
    u = r.random()
    if u < .3:
        return digits(r, 1, r.choice((3, 5, 9)))
    if u < .55:
        value = '%d.%02d' % (r.choice((r.randint(0, 9), r.randint(0, 99), r.randint(0, 9999))), r.randint(0, 99) if r.random() < .6 else 10 * r.randint(0, 9))
        return r.choice(('', '', '', '', '$', 'RM', '-', 'USD', 'R', '(')) + value + r.choice(('', '', '', '', 'SR', '-', 'ZR', ')', '%', 'T'))
    if u < .63:
        return '%s%s%s' % ('{:,}'.format(r.randint(1000, 9999999)), r.choice(('', '', '.')), r.choice(('', '', digits(r, 2, 2))))
    if u < .75:
        day, month, year = r.randint(1, 31), r.randint(1, 12), r.randint(1950, 2030)
        sep = r.choice('/-./')
        return r.choice(('%02d%s%02d%s%04d' % (day, sep, month, sep, year), '%d%s%d%s%02d' % (day, sep, month, sep, year % 100), '%04d' % year,
                         '%d%s' % (day, r.choice(MONTHS)), '%s-%02d' % (r.choice(MONTHS), year % 100), '%04d-%02d-%02d' % (year, month, day)))
    if u < .83:
        hour = r.choice(('%d', '%02d')) % r.randint(0, 23)
        return ':'.join([hour] + ['%02d' % r.randint(0, 59) for _ in range(r.choice((1, 1, 2)))]) + r.choice(('', '', 'am', 'PM'))
    if u < .9:
        return digits(r, 1, 3) + r.choice(UNITS)
    if u < .95:
        return digits(r, 2, 4) + r.choice('-. /').strip() + digits(r, 3, 7)
    return r.choice(('#', '@', 'x', 'X', '+', 'No.', 'No', '-', '*', '<', '&', '=')) + digits(r, 1, 6)


def code(r):
    u = r.random()
    if u < .5:
        alphabet = r.choice((LETTERS + DIGITS, string.ascii_uppercase + DIGITS, string.ascii_uppercase, string.ascii_lowercase, CHARSET))
        return ''.join(r.choice(alphabet) for _ in range(r.randint(1, 12)))
    letters = ''.join(r.choice(string.ascii_uppercase) for _ in range(r.randint(1, 4)))
    sep = r.choice(('', '', '-', '/', '.', ':', '#', '_'))
    return r.choice((letters + sep + digits(r, 1, 8), digits(r, 1, 4) + sep + letters, letters + sep + digits(r, 2, 5) + sep + letters[:1],
                     '(' + letters + sep + digits(r, 1, 5) + ')', 'www.' + letters.lower() + r.choice(('.com', '.org', '.net', '.de'))))
