# SPDX-License-Identifier: MIT
"""What is written on the images: words, numbers, prices, dates and codes, in the mixtures of signs, forms, letters
and cheques.

Words come from Debian's word lists, the frequent ones (SCOWL's levels 10 to 35) far more often than the rest; place
names from the time zone table; words of signs and receipts from the two short lists below.
"""

import glob
import random
import re
import unicodedata
from string import ascii_lowercase, ascii_uppercase

import alphabet
from alphabet import ASCII, CHARSET, DIGITS, LETTERS, base

MAX_LENGTH = 24  # of the text of a picture of 32 x 128

SIGNS = """open closed exit entrance sale cafe coffee restaurant hotel bar grill pizza food market shop store bank
street road avenue park parking no stop way one taxi bus station airport police school library museum theatre cinema
gallery office centre center city town hall house club music live dance fitness books news video photo phone mobile
repair service rent car auto motors tires gas fuel diesel oil pharmacy doctor dental clinic health beauty salon hair
nails spa fashion shoes jewelry gold silver sport outlet discount free new best hot fresh fish meat bakery bread
cheese wine beer pub lounge restroom men women push pull welcome please do not enter danger warning caution private
keep clear fire hose alarm emergency first aid information tickets platform gate floor level lift stairs north south
east west left right up down world university college institute hospital church saint st dr ltd inc co bros and sons
since est international american royal grand central national express super star king queen old the of""".split()
FORMS = """total subtotal cash change tax gst sst vat invoice receipt date time no qty item items price amount rm usd
eur tel fax reg member card visa debit credit balance due paid discount rounding adj nett gross sr zr ea pcs kg thank
you please come again cashier table order bill customer copy sold goods not returnable refundable description code
unit disc inclusive payable summary counter terminal trans ref sdn bhd enterprise trading restaurant jalan taman name
address signature account branch payee bearer dollars only month year day number type class page remarks approved
received by from to for""".split()
MONTHS = (
    'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec January February March April June July August September October '
    'November December'
).split()
UNITS = '°C °F ° € ² m² µm kg g mg ml l km m cm mm % x X pcs th st nd rd am pm AM PM h C F hp GB MB mAh V W'.split()
DOMAINS = 'com com com org net de fr it co.uk io eu info pl es'.split()
ELISIONS = "l' d' n' s' qu' c' j' l’ d’".split()
VARIANTS = {c: [v for v in CHARSET[len(ASCII) + 1 :] if v.isalpha() and base(v) == c] for c in LETTERS}
VARIANTS = {c: some for c, some in VARIANTS.items() if some}


def _plain(word):
    """The word in ASCII, accents taken off."""
    return unicodedata.normalize('NFKD', word).encode('ascii', 'ignore').decode()


def _read(*patterns, accents=False):
    """The words of Debian's lists that match; accents kept or taken off."""
    words = set()
    for pattern in patterns:
        for path in glob.glob('/usr/share/dict/' + pattern):
            encoding = 'latin-1' if 'scowl' in path else 'utf-8'
            with open(path, encoding=encoding, errors='ignore') as file:
                lines = (unicodedata.normalize('NFC', line.strip()) for line in file)
                words.update(lines if accents else map(_plain, lines))
    if accents:
        return sorted(
            w for w in words if 0 < len(w) <= 20 and not w.isascii() and all(c in CHARSET and c != ' ' for c in w)
        )
    return sorted(
        w for w in words if 0 < len(w) <= 20 and re.fullmatch(r"[A-Za-z][A-Za-z'.-]*", w) and not w.endswith("'s")
    )


def _places():
    try:
        with open('/usr/share/zoneinfo/zone1970.tab') as file:
            zones = [line.split('\t')[2].strip() for line in file if line[0] != '#']
    except OSError:
        return []
    return sorted({part for zone in zones for part in re.split('[/_]', zone) if len(part) > 2})


def one_of(r, choices):
    """One of (weight, value) pairs."""
    return r.choices([value for _, value in choices], [weight for weight, _ in choices])[0]


WORDS = {'common': 0.3, 'usual': 0.2, 'rare': 0.15, 'names': 0.15, 'foreign': 0.1, 'signs': 0.1}
FORM_WORDS = {'common': 0.1, 'usual': 0.15, 'rare': 0.05, 'names': 0.15, 'foreign': 0.05, 'signs': 0.1, 'forms': 0.4}
LETTER_WORDS = {'common': 0.6, 'usual': 0.17, 'rare': 0.08, 'names': 0.15}
PRINT_WORDS = {'common': 0.3, 'usual': 0.15, 'rare': 0.1, 'names': 0.1, 'foreign': 0.3, 'accented': 0.05}


class Text:
    """Draws texts. r: random.Random; the same dice give the same text."""

    def __init__(self):
        common = _read('scowl/english-words.10', 'scowl/english-words.20') or _read('american-english')
        usual = _read('scowl/*-words.35', 'scowl/*-words.40') or common
        rare = _read('american-english', 'british-english') or common
        names = _read('scowl/english-upper.*', 'scowl/*-proper-names.50', 'scowl/english-proper-names.*') + _places()
        languages = 'french', 'ngerman', 'spanish', 'italian', 'dutch', 'portuguese', 'swedish', 'danish'
        foreign = _read(*languages) or rare
        accented = _read(*languages, accents=True) or foreign
        self.lists = {
            'common': common,
            'usual': usual,
            'rare': rare,
            'names': names or rare,
            'foreign': foreign,
            'accented': accented,
            'signs': SIGNS,
            'forms': FORMS,
        }

    def word(self, r: random.Random, shares: dict[str, float]) -> str:
        return r.choice(self.lists[r.choices(list(shares), list(shares.values()))[0]])

    def draw(self, r: random.Random, domain: str, longest: int = MAX_LENGTH) -> str:
        """A text of one of render.DOMAINS, at most `longest` characters of CHARSET."""
        for _ in range(20):
            text = getattr(self, '_' + domain)(r)
            if 0 < len(text) <= longest and all(c in CHARSET for c in text):
                return text
        return 'text'

    def phrase(self, r, shares, upper, lower):
        """Two to five words with blanks between them, numbers and marks among them."""
        way = r.random()
        words = [spelled(r, self.word(r, shares), upper, lower, way) for _ in range(r.choice((2, 2, 2, 3, 3, 4, 5)))]
        if r.random() < 0.25:
            words[r.randrange(len(words))] = number(r)
        return ' '.join(mark(r, w) if r.random() < 0.1 else w for w in words)

    def diacritics(self, r):
        """A word with accents, from a dictionary or made up."""
        if r.random() < 0.55:
            return cased(r, self.word(r, {'accented': 1}), 0.35, 0.35)
        word = cased(r, self.word(r, WORDS), 0.35, 0.35)
        return ''.join(r.choice(VARIANTS[c]) if c in VARIANTS and r.random() < 0.3 else c for c in word)

    def _scene(self, r):
        kind = one_of(r, ((0.8, 'word'), (0.05, 'number'), (0.03, 'code'), (0.07, 'phrase'), (0.05, 'accents')))
        if kind == 'word':
            word = cased(r, self.word(r, WORDS), upper=0.45, lower=0.25)
            return mark(r, word) if r.random() < 0.08 else word
        if kind == 'phrase':
            return self.phrase(r, WORDS, 0.45, 0.15)
        return self.diacritics(r) if kind == 'accents' else NUMBERS[kind](r)

    def _form(self, r):
        kind = one_of(r, ((0.38, 'word'), (0.36, 'number'), (0.12, 'code'), (0.1, 'phrase'), (0.04, 'accents')))
        if kind == 'word':
            word = cased(r, self.word(r, FORM_WORDS), upper=0.5, lower=0.1)
            return mark(r, word) if r.random() < 0.3 else word
        if kind == 'phrase':
            return self.phrase(r, FORM_WORDS, 0.5, 0.1)
        return self.diacritics(r) if kind == 'accents' else NUMBERS[kind](r)

    def _letter(self, r):
        word = cased(r, self.word(r, LETTER_WORDS), upper=0.04, lower=0.8)
        return mark(r, word) if r.random() < 0.18 else word

    def _print(self, r):
        """Of a book or a typewritten page."""
        u = r.random()
        if u < 0.06:
            return number(r)
        if u < 0.14:
            return self.phrase(r, PRINT_WORDS, 0.03, 0.75)
        word = cased(r, self.word(r, PRINT_WORDS), upper=0.1, lower=0.72)
        if r.random() < 0.06:
            word = r.choice(ELISIONS) + word.lower()
        return mark(r, word) if r.random() < 0.22 else word

    def _digits(self, r):
        return amount(r) if r.random() < 0.75 else number(r)

    def _code(self, r):
        return address(self, r) if r.random() < 0.2 else code(r)

    def _plate(self, r):
        return plate(r)


def spelled(r, word, upper, lower, way):
    """The word in capitals, small letters or with a capital, as `way` in 0..1 says for the whole phrase."""
    if way < upper:
        return alphabet.upper(word)
    if way < upper + lower:
        return alphabet.lower(word)
    return alphabet.upper(word[:1]) + word[1:]


def cased(r, word, upper, lower):
    u = r.random()
    if u < upper + lower or r.random() < 0.9:
        return spelled(r, word, upper, lower, u)
    return ''.join(r.choice((alphabet.lower(c), alphabet.upper(c))) for c in word)


def mark(r, word):
    """The word with the punctuation that clings to words."""
    kind = one_of(r, ((0.58, 'end'), (0.17, 'pair'), (0.1, 'begin'), (0.15, 'odd')))
    if kind == 'end':
        return word + r.choice('.,:;!?-.,:.,')
    if kind == 'pair':
        left, right = r.choice(('()', '""', "''", '[]', '--', '**', '<>', '(:', '“”', '‘’', '«»', '„“', '()', '()'))
        return left + word + right if r.random() < 0.6 else r.choice((left + word, word + right))
    if kind == 'begin':
        return r.choice('#@$&*-/+.–—•') + word
    return word + r.choice(('&', '/', "'s", '+', '#:', '%', '...', '_', '=', '|', '~', '@', '…', '—', '’s', '™', '®'))


def digits(r, low, high):
    return ''.join(r.choice(DIGITS) for _ in range(r.randint(low, high)))


def capitals(r, low, high):
    return ''.join(r.choice(ascii_uppercase) for _ in range(r.randint(low, high)))


def amount(r):
    """A sum as people write it by hand, with the strokes that close it."""
    value = digits(r, 1, 7) if r.random() < 0.7 else '%d%s' % (r.randint(1, 999), '0' * r.randint(1, 4))
    v = r.random()
    if v < 0.25 and len(value) > 3:
        value = value[:-3] + r.choice('.,') + value[-3:]
    elif v < 0.4:
        value += r.choice('.,') + digits(r, 2, 2)
    w = r.random()
    if w < 0.2:
        return value + r.choice(('-', '=', '.-', ',-', '/-', '.', '--', '#'))
    return r.choice('$#*=') + value if w < 0.25 else value


def integer(r):
    return digits(r, 1, r.choice((3, 5, 9, 14)))


def price(r):
    whole = r.choice((r.randint(0, 9), r.randint(0, 99), r.randint(0, 9999)))
    cents = r.randint(0, 99) if r.random() < 0.6 else 10 * r.randint(0, 9)
    value = '%d%s%02d' % (whole, r.choice('...,'), cents)
    return (
        r.choice(('', '', '', '', '', '$', 'RM', '-', 'USD', 'R', '(', '€', '£', '¥'))
        + value
        + r.choice(('', '', '', '', '', 'SR', '-', 'ZR', ')', '%', 'T', '€', ' €', ' kr'))
    )


def grouped(r):
    """A large number with its thousands apart."""
    value = f'{r.randint(1000, 9999999):,}'
    return value.replace(',', r.choice(',,. ')) + r.choice(('', '', '.' + digits(r, 2, 2), digits(r, 2, 2)))


def date(r):
    day, month, year, sep = r.randint(1, 31), r.randint(1, 12), r.randint(1950, 2030), r.choice('/-./')
    return r.choice(
        (
            '%02d%s%02d%s%04d' % (day, sep, month, sep, year),
            '%d%s%d%s%02d' % (day, sep, month, sep, year % 100),
            '%04d' % year,
            '%d%s' % (day, r.choice(MONTHS)),
            '%s-%02d' % (r.choice(MONTHS), year % 100),
            '%04d-%02d-%02d' % (year, month, day),
            '%d %s %d' % (day, r.choice(MONTHS), year),
        )
    )


def clock(r):
    hour = r.choice(('%d', '%02d')) % r.randint(0, 23)
    return ':'.join([hour] + ['%02d' % r.randint(0, 59) for _ in range(r.choice((1, 1, 2)))]) + r.choice(
        ('', '', 'am', 'PM')
    )


def measure(r):
    return digits(r, 1, 3) + r.choice(UNITS)


def percent(r):
    value = digits(r, 1, 3) if r.random() < 0.4 else digits(r, 1, 2) + r.choice('..,') + digits(r, 1, 2)
    return r.choice(('', '', '-', '+')) + value + r.choice(('%', '%', '%', '‰', '°', '°C'))


def telephone(r):
    groups = [digits(r, 2, 4) for _ in range(r.randint(2, 4))]
    start = r.choice(('', '+%s' % digits(r, 1, 2), '(%s)' % digits(r, 2, 4)))
    sep = r.choice(('-', '-', '.', ' ', '/'))
    return start + (r.choice((sep, '')) if start else '') + sep.join(groups)


def ordinal(r):
    return r.choice(('#', '@', 'x', 'X', '+', 'No.', 'No', '-', '*', '<', '&', '=', '№', 'n°', '§')) + digits(r, 1, 6)


def number(r):
    return one_of(
        r,
        (
            (0.29, integer),
            (0.22, price),
            (0.08, grouped),
            (0.12, date),
            (0.07, clock),
            (0.07, measure),
            (0.05, percent),
            (0.06, telephone),
            (0.04, ordinal),
        ),
    )(r)


def scramble(r):
    """Any characters of an alphabet."""
    alphabet = r.choice(
        (
            LETTERS + DIGITS,
            ascii_uppercase + DIGITS,
            ascii_uppercase + DIGITS,
            ascii_uppercase,
            ascii_lowercase,
            ASCII,
            ASCII,
            CHARSET.replace(' ', ''),
        )
    )
    return ''.join(r.choice(alphabet) for _ in range(r.randint(1, r.choice((4, 8, 12, 20)))))


def label(r):
    """Letters and digits with a mark between, as on parts and parcels."""
    letters, sep = capitals(r, 1, 4), r.choice(('', '', '-', '/', '.', ':', '#', '_'))
    return r.choice(
        (
            letters + sep + digits(r, 1, 8),
            digits(r, 1, 4) + sep + letters,
            letters + sep + digits(r, 2, 5) + sep + letters[:1],
            '(' + letters + sep + digits(r, 1, 5) + ')',
            digits(r, 1, 3),
        )
    )


def machine_readable(r):
    """A part of a travel document's lines."""
    parts = [capitals(r, 2, 9) for _ in range(r.randint(1, 3))] + [digits(r, 1, 9)] * (r.random() < 0.4)
    text = r.choice(('<', '<<', '<<')).join(parts) + '<' * r.choice((0, 1, 2, 4, 9))
    first = r.randint(0, max(0, len(text) - 20))
    return text[first : first + r.choice((12, 20, 20, 30, 40))]


def account(r):
    """IBANs, whole or parts, and the numbers of cars, containers and cards."""
    iban = capitals(r, 2, 2) + digits(r, 14, 24)
    spaced = ' '.join(iban[i : i + 4] for i in range(0, len(iban), 4))
    vin = ''.join(r.choice('ABCDEFGHJKLMNPRSTUVWXYZ0123456789') for _ in range(17))
    return r.choice(
        (
            iban,
            spaced,
            iban[: r.randint(8, 20)],
            vin,
            capitals(r, 4, 4) + digits(r, 7, 7),
            digits(r, 10, 20),
            ' '.join(digits(r, 4, 4) for _ in range(4)),
        )
    )


def code(r):
    return one_of(r, ((0.42, scramble), (0.33, label), (0.1, machine_readable), (0.15, account)))(r)


def plate(r):
    """The number of a car."""
    return r.choice(
        (
            lambda: (
                capitals(r, 1, 2)
                + r.choice(('·', '', ' ', '•'))
                + ''.join(r.choice(ascii_uppercase + DIGITS * 3) for _ in range(5))
            ),
            lambda: capitals(r, 1, 1) + ''.join(r.choice(ascii_uppercase + DIGITS * 3) for _ in range(5)),
            lambda: capitals(r, 1, 3) + r.choice(('-', ' ', '', '·')) + digits(r, 1, 4),
            lambda: digits(r, 2, 4) + r.choice(('-', ' ', '')) + capitals(r, 2, 3),
            lambda: capitals(r, 2, 2) + digits(r, 2, 2) + r.choice((' ', '')) + capitals(r, 3, 3),
            lambda: digits(r, 1, 1) + capitals(r, 3, 3) + digits(r, 3, 3),
        )
    )()


def address(text, r):
    """An e-mail or web address of words, names and numbers."""

    def part():
        return re.sub('[^a-z]', '', text.word(r, WORDS).lower()) + (digits(r, 1, 3) if r.random() < 0.1 else '')

    host = part() + ('-' + part() if r.random() < 0.1 else '') + '.' + r.choice(DOMAINS)
    u = r.random()
    if u < 0.45:
        return (
            r.choice((part(), part() + r.choice('._-') + part(), capitals(r, 1, 1).lower() + '.' + part())) + '@' + host
        )
    if u < 0.55:
        return '@' + part() + r.choice(('', '_' + part()))
    return (
        r.choice(('www.', 'www.', 'http://', 'https://', ''))
        + host
        + (r.choice(('/', '/' + part(), '/' + part() + '.html')) if r.random() < 0.3 else '')
    )


NUMBERS = {'number': number, 'code': code}
