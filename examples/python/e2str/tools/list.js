// SPDX-License-Identifier: MIT
// What both pages share: elements, text shaded by certainty, and a list of any length that draws what is in sight.
'use strict';

/** An element with attributes, and children that are elements or text: text is never taken for markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') made.className = value;
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** The same of SVG. */
function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

/** A text as <i>s, one a character: the less likely (per cent), the more it is shaded. */
function shaded(text, percents) {
  return [...text].map((character, index) => {
    const one = element('i', {}, character), doubt = 100 - (percents[index] ?? 100);
    if (doubt >= 3) {
      one.style.backgroundColor = `rgba(var(--doubt), ${(0.12 + 0.6 * doubt / 100).toFixed(2)})`;
      one.title = `${percents[index]} % certain`;
    }
    return one;
  });
}

/** Which characters of a text are not in an earlier one: [true or false], by the longest common subsequence. */
function differing(text, before) {
  const a = [...text], b = [...before];
  const longest = Array.from({length: a.length + 1}, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i][j] = a[i] === b[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const marks = [];
  for (let i = 0, j = 0; i < a.length;) {
    if (j < b.length && a[i] === b[j]) { marks.push(false); i++; j++; }
    else if (j < b.length && longest[i][j + 1] >= longest[i + 1][j]) j++;
    else { marks.push(true); i++; }
  }
  return marks;
}

/** Rows of one height in a scrolling box. keys: what is shown, in order; draw(key, its element or null) -> element. */
class VirtualList {
  constructor(box, height, draw, scrolled = () => {}) {
    Object.assign(this, {box, height, draw, scrolled, keys: [], rows: new Map(), kept: null});
    this.room = element('div', {class: 'room', role: 'presentation'});
    box.append(this.room);
    box.addEventListener('scroll', () => this.refresh(), {passive: true});
    new ResizeObserver(() => this.refresh()).observe(box);
  }

  show(keys) {
    this.keys = keys;
    this.places = new Map(keys.map((key, index) => [key, index]));
    this.room.style.height = `${keys.length * this.height}px`;
    this.refresh();
  }

  /** Keys of the rows in sight. */
  get visible() {
    const first = Math.floor(this.box.scrollTop / this.height);
    return this.keys.slice(Math.max(0, first), Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height));
  }

  /** Draws the rows in sight and a few about them; the one of `kept` stays, wherever it is. */
  refresh() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - 6);
    const last = Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + 6;
    const wanted = new Set(this.keys.slice(first, last));
    if (this.kept !== null && this.places?.has(this.kept)) wanted.add(this.kept);
    for (const [key, row] of this.rows)
      if (!wanted.has(key)) { row.remove(); this.rows.delete(key); }
    for (const key of wanted) {
      const old = this.rows.get(key) ?? null, row = this.draw(key, old), index = this.places.get(key);
      if (row !== old) { old?.remove(); this.rows.set(key, row); this.room.append(row); }
      row.style.height = `${this.height}px`;
      row.style.transform = `translateY(${index * this.height}px)`;
      row.setAttribute('aria-posinset', index + 1);
      row.setAttribute('aria-setsize', this.keys.length);
    }
    this.scrolled();
  }

  /** Scrolls as little as it takes to have a row in sight, with one more on either side. */
  reveal(key) {
    const top = (this.places.get(key) ?? 0) * this.height, box = this.box;
    if (top - this.height < box.scrollTop) box.scrollTop = Math.max(0, top - this.height);
    else if (top + 2 * this.height > box.scrollTop + box.clientHeight)
      box.scrollTop = top + 2 * this.height - box.clientHeight;
  }
}
