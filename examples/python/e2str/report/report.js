// SPDX-License-Identifier: MIT
// The page of e2str-report: rows.py says what a row holds.
const at = (id) => document.getElementById(id);
const data = JSON.parse(at('data').textContent);
const [NAME, PICTURE, TEXT, LABEL, SURE, WAS, CHARACTERS, GRADE, PROMPT] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const rows = data.rows, all = data.summary, withLabels = Boolean(all.labels);
const chosen = {row: null, pair: null};
const SPACE = {' ': '␣', '': '∅'};
const visible = (character) => SPACE[character] ?? character;

// ---- what is in the list ----

const FILTERS = {
  all: ['all', () => true],
  ...withLabels && {
    wrong: ['wrong: letters or digits', (row) => row[GRADE] === 1],
    close: ['only case or punctuation', (row) => row[GRADE] === 2],
    right: ['right', (row) => row[GRADE] === 3],
    unlabelled: ['without a label', (row) => row[GRADE] === 0],
  },
  ...data.pool && {changed: ['changed by the pool', (row) => row[WAS]]},
  ...data.pool && withLabels && {
    mended: ['mended by the pool', (row) => row[WAS] && row[GRADE] === 3],
    spoilt: ['spoilt by the pool', (row) => row[WAS] && row[GRADE] && row[WAS][0] === row[LABEL]],
  },
  unsure: ['less than 50 % certain', (row) => row[SURE] < 500],
  empty: ['read as nothing', (row) => !row[TEXT]],
};
const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const SORTS = {
  unsure: ['least certain first', (a, b) => a[SURE] - b[SURE]],
  sure: ['most certain first', (a, b) => b[SURE] - a[SURE]],
  ...withLabels && {
    mistakes: ['wrong and certain first', (a, b) => (a[GRADE] || 9) - (b[GRADE] || 9) || b[SURE] - a[SURE]],
  },
  order: ['as given', () => 0],
  name: ['file', (a, b) => text(a[NAME], b[NAME])],
  reading: ['reading', (a, b) => text(a[TEXT], b[TEXT])],
  long: ['longest first', (a, b) => b[CHARACTERS].length - a[CHARACTERS].length],
};

/** [character of the label, that was read], at least edits: as metric.align. */
function align(read, label) {
  const a = [...read], b = [...label], cost = [Array.from({length: b.length + 1}, (_, j) => j)];
  a.forEach((one, i) => {
    const line = [i + 1];
    b.forEach((true_, j) => line.push(Math.min(cost[i][j] + (one !== true_), cost[i][j + 1] + 1, line[j] + 1)));
    cost.push(line);
  });
  const pairs = [];
  for (let i = a.length, j = b.length; i || j;) {
    if (i && j && cost[i][j] === cost[i - 1][j - 1] + (a[i - 1] !== b[j - 1])) pairs.push([b[--j], a[--i]]);
    else if (j && cost[i][j] === cost[i][j - 1] + 1) pairs.push([b[--j], '']);
    else pairs.push(['', a[--i]]);
  }
  return pairs;
}

const hasPair = (row) => row[GRADE] && align(row[TEXT], row[LABEL]).some(([true_, read]) =>
  true_ === chosen.pair[0] && read === chosen.pair[1]);

function update() {
  const wanted = at('find').value.toLowerCase(), [, keep] = FILTERS[at('filter').value];
  const shown = rows.map((_, index) => index).filter((index) => {
    const row = rows[index];
    return keep(row) && (!chosen.pair || hasPair(row)) &&
      (!wanted || [row[NAME], row[TEXT], row[LABEL] || ''].some((one) => one.toLowerCase().includes(wanted)));
  });
  const [, compare] = SORTS[at('sort').value];
  shown.sort((a, b) => compare(rows[a], rows[b]) || a - b);
  at('count').textContent = `${shown.length} of ${rows.length}`;
  at('crops').scrollTop = 0;
  list.show(shown);
  choose(shown[0] ?? null);
}

// ---- a row ----

/** The crop, and below it the room of each character. */
function figureOf(row, named) {
  const image = element('img', {src: `data:image/png;base64,${row[PICTURE]}`, alt: row[NAME], decoding: 'async'});
  const made = element('figure', {}, image), letters = [...row[TEXT]];
  if (data.places) {
    made.append(element('span', {class: 'strip', 'aria-hidden': 'true'}, ...row[CHARACTERS].flatMap((one, index) => {
      if (!(one[2] > one[1])) return [];
      const room = element('span', {title: letters[index]}, named ? visible(letters[index]) : '');
      room.style.left = `${one[1] / 10}%`;
      room.style.width = `${(one[2] - one[1]) / 10}%`;
      return [room];
    })));
  }
  return made;
}

function verdict(row) {
  if (!row[GRADE]) return [];
  if (row[GRADE] === 3) return [element('div', {class: 'right'}, '✓ right')];
  return [element('div', {class: `label ${row[GRADE] === 1 ? 'wrong' : ''}`, title: 'label'}, row[LABEL])];
}

function draw(index, old) {
  const row = rows[index], isHere = String(index === chosen.row);
  if (old) {
    old.setAttribute('aria-selected', isHere);
    return old;
  }
  const made = element('div', {class: 'row', role: 'option', id: `row-${index}`, 'aria-selected': isHere},
    figureOf(row, false),
    element('div', {}, element('div', {class: 'text'}, ...shaded(row[TEXT], row[CHARACTERS].map((one) => one[0]))),
      ...row[WAS] ? [element('div', {class: 'was'}, `without the pool ${row[WAS][0] || '(nothing)'}`)] : []),
    element('div', {}, ...verdict(row), element('div', {class: 'name', title: row[NAME]}, row[NAME])),
    element('div', {class: 'sure number'}, percent(row[SURE] / 1000)));
  made.addEventListener('click', () => choose(index));
  return made;
}

const list = new VirtualList(at('crops'), 76, draw);

function choose(index) {
  chosen.row = index;
  if (index !== null) {
    list.reveal(index);
    at('crops').setAttribute('aria-activedescendant', `row-${index}`);
  }
  list.refresh();
  at('details').replaceChildren(...index === null ? [] : detailsOf(rows[index]));
}

function detailsOf(row) {
  const letters = [...row[TEXT]], parts = [element('h2', {}, row[NAME]), figureOf(row, true)];
  const told = [`read as ${row[TEXT] || 'nothing'}, ${percent(row[SURE] / 1000, 1)} certain`];
  if (row[GRADE]) told.push(`label ${row[LABEL]}`);
  if (row[WAS]) told.push(`without the pool ${row[WAS][0] || 'nothing'}`);
  if (row[PROMPT].length) told.push(`with these examples before it: ${promptOf(row[PROMPT])}`);
  parts.push(element('p', {class: 'small'}, told.join(' · ')));
  const helped = row[CHARACTERS].some((one) => one[4]?.length);
  parts.push(element('table', {}, element('tr', {}, element('th', {}, 'read'), element('th', {}, 'certain'),
    element('th', {}, 'or'), ...helped ? [element('th', {}, 'by these examples')] : []),
  ...row[CHARACTERS].map((one, index) => element('tr', {}, element('td', {class: 'one'}, visible(letters[index])),
    element('td', {class: 'number'}, `${one[0]} %`), element('td', {class: 'mono'}, othersOf(one[3] ?? [])),
    ...helped ? [element('td', {}, ...helpersOf(one[4] ?? []))] : []))));
  return parts;
}

function othersOf(others) {
  const told = [];
  for (let i = 0; i < others.length; i += 2)
    if (others[i + 1]) told.push(`${others[i] === '' ? 'end' : visible(others[i])} ${others[i + 1]}`);
  return told.join(', ');
}

/** Labels of the examples that stood in the prompt, and how alike they are. */
function promptOf(prompt) {
  const told = [];
  for (let i = 0; i < prompt.length; i += 2) told.push(`${data.examples[prompt[i]]} (${prompt[i + 1]} % alike)`);
  return told.join(', ');
}

/** The label of an example, the character that helped underlined, and by how much (logits). */
function helpersOf(helpers) {
  const told = [];
  for (let i = 0; i < helpers.length; i += 3) {
    const [example, place, amount] = helpers.slice(i, i + 3), letters = [...data.examples[example]];
    const by = ` ${amount > 0 ? '+' : ''}${(amount / 100).toFixed(1)}`;
    told.push(element('div', {class: amount < 0 ? 'against' : ''}, element('span', {class: 'mono'},
      letters.slice(0, Math.max(place, 0)).join(''), element('u', {}, place < 0 ? '' : letters[place] ?? '⏎'),
      place < 0 ? letters.join('') : letters.slice(place + 1).join('')), by));
  }
  return told;
}

// ---- above the list ----

function figure(name, value) { return element('span', {}, `${name} `, element('b', {}, value)); }

function showFigures() {
  const share = (part) => percent(part / all.labels, 1);
  at('title').textContent = data.title;
  at('figures').replaceChildren(figure('crops', String(all.crops)),
    ...withLabels ? [figure('with labels', String(all.labels)), figure('exact', share(all.exact)),
      figure('but for case', share(all.any_case)), figure('letters and digits', share(all.alphanumeric)),
      ...data.pool ? [figure('exact without the pool', share(all.before))] : []] : [],
    figure(data.calibrated ? 'mean confidence' : 'mean score', percent(all.confidence, 1)),
    ...data.pool ? [figure('examples in the pool', String(data.pool))] : []);
}

function showGraphs() {
  if (!withLabels) return;
  const x = (share) => 30 + 210 * share, y = (share) => 96 - 88 * share;
  const bars = all.bins.map(([count, confidence, right], index) => count ? shape('rect', {class: 'bar',
    x: x(index / all.bins.length) + 1, width: 210 / all.bins.length - 2, y: y(right), height: 88 * right + 0.5,
    opacity: (0.25 + 0.75 * Math.sqrt(count / Math.max(...all.bins.map((bin) => bin[0])))).toFixed(2)},
  shape('title', {}, `${count} readings, ${percent(confidence)} certain, ${percent(right)} right`)) : shape('g'));
  at('graphs').append(element('div', {},
    element('h2', {}, `Right by confidence; calibration error ${percent(all.error, 1)}`),
    shape('svg', {viewBox: '0 0 250 116', role: 'img', 'aria-label': 'Share of right readings by confidence'}, ...bars,
      shape('path', {class: 'axis ideal', d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}`}),
      shape('path', {class: 'axis', d: `M${x(0)} ${y(1)}V${y(0)}H${x(1)}`}),
      ...[0, 0.5, 1].flatMap((share) => [
        shape('text', {x: 26, y: y(share) + 4, 'text-anchor': 'end'}, `${100 * share}`),
        shape('text', {x: x(share), y: 112, 'text-anchor': 'middle'}, `${100 * share}`)]))));
  if (!all.pairs.length) return;
  at('graphs').append(element('div', {}, element('h2', {}, 'Confusions: label → read'),
    element('div', {id: 'pairs'}, ...all.pairs.map(([label, read, count]) => {
      const button = element('button', {type: 'button', 'aria-pressed': 'false'},
        `${visible(label)}→${visible(read)} ${count}`);
      button.addEventListener('click', () => {
        const isOn = button.getAttribute('aria-pressed') === 'true';
        for (const other of at('pairs').children) other.setAttribute('aria-pressed', 'false');
        button.setAttribute('aria-pressed', String(!isOn));
        chosen.pair = isOn ? null : [label, read];
        update();
      });
      return button;
    }))));
}

at('filter').append(...Object.entries(FILTERS).map(([key, [name]]) => element('option', {value: key}, name)));
at('sort').append(...Object.entries(SORTS).map(([key, [name]]) => element('option', {value: key}, name)));
for (const id of ['filter', 'sort']) at(id).addEventListener('change', update);
let typing = 0;
at('find').addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(update, 120); });
at('crops').addEventListener('keydown', (event) => {
  const jump = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -rows.length, End: rows.length}[event.key];
  if (!jump || !list.keys.length) return;
  event.preventDefault();
  const place = Math.max(0, Math.min(list.keys.length - 1, (list.places.get(chosen.row) ?? 0) + jump));
  choose(list.keys[place]);
});
showFigures();
showGraphs();
update();
