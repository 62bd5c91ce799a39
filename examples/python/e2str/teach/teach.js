// SPDX-License-Identifier: MIT
// The page of e2str-teach. The server knows everything; the page asks for what is new, shows it and sends labels.
'use strict';

const at = (id) => document.getElementById(id);
const HEIGHT = 76;
const JUST_NOW = 250;    // ms in which nobody can have read what has changed
const crops = new Map();
let news = {version: -1, lesson: 0, curve: [], notes: []};
let current = null;      // id of the crop with the field
let order = [];          // ids, as they are shown
let begun = false;       // somebody is at work: rows stay where they are until they are told to move
let changedAt = -1e9;    // when what is offered was changed by the server, not by whoever is at work
let spoken = -1;         // lesson whose changes the status line has told

// ---- the server ----

async function ask(path, body) {
  const options = body && {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)};
  const answer = await fetch(path, options || {});
  const found = answer.headers.get('Content-Type') === 'application/json' ? await answer.json() : {};
  if (!answer.ok) throw new Error(found.error || `the server says ${answer.status}`);
  return found;
}

function say(text, error = false) {
  at('status').textContent = text;
  at('status').classList.toggle('error', error);
}

async function follow() {
  for (let lost = false;;) {
    try {
      take(await ask(`news?since=${news.version}`));
      if (lost) say('The server is there again.');
      lost = false;
    } catch (error) {
      lost = true;
      say('No answer from e2str-teach: is it still running? Labels that were confirmed are saved. ' +
        `(${error.message})`, true);
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
}

// ---- what is shown ----

const confidence = (crop) => crop.text === null ? 2 : crop.c;

/** Without a label, least certain first, those not yet read last; then those with one. */
function sort() {
  order = [...crops.values()].sort((a, b) =>
    (a.label !== null) - (b.label !== null) || confidence(a) - confidence(b) || a.id - b.id).map((crop) => crop.id);
  list.show(order);
  at('sort').classList.remove('due');
}

function isDue() {
  const rest = order.map((id) => crops.get(id)).filter((crop) => crop.label === null && crop.text !== null);
  return rest.some((crop, index) => index && crop.c < rest[index - 1].c);
}

function take(found) {
  news = found;
  for (const crop of found.crops) {
    const before = crops.get(crop.id);
    const isNew = before && crop.changed >= 0 && before.changed !== crop.changed;
    crop.seen = isNew ? performance.now() : before?.seen ?? -1e9;
    crops.set(crop.id, crop);
  }
  if (!begun) {
    sort();
    const idle = [document.body, field].includes(document.activeElement);
    if (order.length && order[0] !== current) {
      choose(order[0], idle);
      changedAt = performance.now();
    }
  } else {
    list.refresh();
    if (!found.stale) at('sort').classList.toggle('due', isDue());
  }
  showAside();
}

function showAside() {
  const {total, labels, stale, unread, lesson, learning, doing, folder} = news;
  at('title').textContent = folder;
  document.title = `${folder} – e2str teach`;
  const read = total - labels - stale;
  const reading = stale ? `${unread ? 'reading' : 'reading again'}: ${stale} to go` : '';
  at('progress').textContent = [`${labels} of ${total} labelled`, doing || (learning ? 'learning' : ''),
    learning ? '' : reading].filter(Boolean).join(' · ');
  at('bar').hidden = !stale;
  at('bar').value = total - labels ? read / (total - labels) : 1;
  at('undo').disabled = !news.undo;
  const fresh = [...crops.values()].filter((crop) => crop.changed === lesson && crop.label === null).length;
  if (!stale && !learning && lesson && spoken !== lesson) {
    if (spoken !== -1) say(`Learnt. ${fresh} reading${fresh === 1 ? '' : 's'} changed.`);
    spoken = lesson;
  }
  showAccuracy();
  const [sum, count] = news.expected;
  at('expected').textContent = count ? `Of the ${count} readings without a label ${percent(sum / count)} ` +
    'are expected to be right, by their confidence.' : '';
  const flagged = [...crops.values()].filter((crop) => crop.flag);
  at('flagged-section').hidden = !flagged.length;
  at('flagged').replaceChildren(...flagged.map((crop) => {
    const button = element('button', {type: 'button'}, element('span', {class: 'text'}, crop.label ?? ''),
      element('div', {class: 'why'}, crop.flag));
    button.addEventListener('click', () => choose(crop.id));
    return element('li', {}, button);
  }));
  at('notes').replaceChildren(...news.notes.map((note) => element('li', {}, note)));
}

function showAccuracy() {
  const curve = news.curve, last = curve.at(-1);
  if (!last) {
    at('accuracy').replaceChildren(element('span', {class: 'soft small'}, 'Known from a few labels on: each is read ' +
      'by a pool that has all the others.'));
    at('curve').replaceChildren();
    return;
  }
  const [labels, checked, without, having] = last;
  at('accuracy').replaceChildren(element('b', {}, percent(having / checked)),
    ` of ${checked} labels, ${percent(without / checked)} without the pool. `,
    element('span', {class: 'soft small'}, 'You label the hardest first: of the others more are right.'));
  const width = 256, height = 112, left = 30, bottom = 20, most = Math.max(labels, 10);
  const x = (n) => left + (width - left - 8) * n / most, y = (share) => 8 + (height - bottom - 8) * (1 - share);
  const spot = (point, index) => `${x(point[0]).toFixed(1)},${y(point[index] / point[1]).toFixed(1)}`;
  const line = (index) => curve.map((point) => spot(point, index)).join(' ');
  at('curve').replaceChildren(shape('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': `Held-out accuracy by number of labels: ${percent(having / checked)} at ${labels}`},
  ...[0, 0.5, 1].flatMap((share) => [shape('path', {class: 'axis', d: `M${left} ${y(share)}H${width - 8}`}),
    shape('text', {x: left - 5, y: y(share) + 4, 'text-anchor': 'end'}, `${100 * share}`)]),
  shape('text', {x: left, y: height - 5}, '0'),
  shape('text', {x: width - 8, y: height - 5, 'text-anchor': 'end'}, `${most} labels`),
  shape('polyline', {class: 'without', points: line(2)}), shape('polyline', {class: 'with', points: line(3)}),
  shape('circle', {cx: x(labels), cy: y(having / checked), r: 3})));
}

// ---- rows ----

const field = element('input',
  {type: 'text', id: 'field', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false'});
const list = new VirtualList(at('crops'), HEIGHT, draw, tellVisible);

/** What a row shows of a crop, to draw it anew only when that changes. */
const looks = (crop) => [news.lesson, crop.id === current, crop.label, crop.text, crop.c, crop.at, crop.was,
  crop.changed, crop.fault, crop.flag, crop.sending].join('\u0001');

function draw(id, old) {
  const crop = crops.get(id), key = looks(crop);
  if (old?.key === key) return old;
  const row = old ?? element('div', {role: 'listitem', 'data-id': id}, element('img', {class: 'thumb', alt: crop.name,
    title: crop.name, src: `image/${id}`, decoding: 'async', draggable: 'false'}), element('div'), element('div'),
  element('div', {class: 'state number'}));
  if (!old) row.addEventListener('click', () => choose(id));
  row.key = key;
  const isFresh = performance.now() - crop.seen < 1500, here = id === current;
  row.className = ['row', here && 'current', crop.label !== null && 'labelled', isFresh && 'fresh',
    crop.label === null && crop.at !== news.lesson && crop.text !== null && 'stale'].filter(Boolean).join(' ');
  const [, reading, label, state] = row.children;
  reading.replaceChildren(...readingOf(crop));
  if (here) {
    if (field.parentNode !== label) label.replaceChildren(field);
    field.setAttribute('aria-label', `Text of ${crop.name}, ${crop.text === null ? 'not read yet' :
      `read as ${crop.text || 'nothing'}, ${percent(crop.c)} certain`}`);
  } else label.replaceChildren(element('div', {class: 'label'}, crop.label ?? ''));
  state.replaceChildren(stateOf(crop));
  return row;
}

function readingOf(crop) {
  if (crop.text === null) return [element('span', {class: 'soft small'}, crop.fault || 'not read yet')];
  const text = element('div', {class: 'text'}, ...shaded(crop.text, crop.p));
  if (crop.was === null) return [text];
  if (crop.changed === news.lesson)
    differing(crop.text, crop.was).forEach((isNew, index) => text.children[index].classList.toggle('new', isNew));
  return [text, element('div', {class: 'was'}, `was ${crop.was || '(nothing)'}`)];
}

function stateOf(crop) {
  if (crop.sending) return element('span', {class: 'soft'}, 'saving');
  if (crop.fault) return element('span', {class: 'wrong', title: crop.fault}, 'cannot be learnt');
  if (crop.flag) return element('span', {class: 'wrong', title: crop.flag}, 'check this');
  if (crop.label !== null) return element('span', {class: 'done'}, '✓ labelled');
  if (crop.text === null) return '';
  const changed = crop.was !== null && crop.changed === news.lesson;
  return element('span', {class: 'soft'}, percent(crop.c), changed ? element('div', {class: 'done'}, 'changed') : '');
}

let toTell = 0;
function tellVisible() {
  clearTimeout(toTell);
  toTell = setTimeout(() => ask('visible', {ids: list.visible}).catch(() => {}), 120);
}

// ---- what a person does ----

const offered = (crop) => crop.label ?? crop.text ?? '';

/** Puts into the field what is known of the current crop. */
function offer() {
  field.value = field.offered = offered(crops.get(current));
  field.touched = false;
}

/** Goes to a crop: the field is there, with its label or what is read. */
function choose(id, focus = true) {
  if (!crops.has(id)) return;
  if (id !== current) {
    const keep = document.activeElement === field;
    current = list.kept = id;
    offer();
    list.reveal(id);
    list.refresh();
    if (keep || focus) field.focus({preventScroll: true});
    if (keep || focus) field.select();
  } else if (focus) field.focus({preventScroll: true});
}

function move(by) {
  begun = true;
  const place = order.indexOf(current);
  choose(order[Math.max(0, Math.min(order.length - 1, place + by))]);
}

/** The next crop without a label, as they are shown; from the top where there is none below. */
function next() {
  const place = order.indexOf(current), after = [...order.slice(place + 1), ...order.slice(0, place)];
  return after.find((id) => crops.get(id).label === null && !crops.get(id).fault);
}

let sending = Promise.resolve();

/** Sends one thing after the other, in the order in which they were done. */
function send(path, body) {
  const answer = sending.then(() => ask(path, body));
  sending = answer.catch(() => {});
  return answer;
}

/** Goes on at once; what follows may be typed while this label is on its way. */
async function confirm() {
  const id = current, before = crops.get(id), text = field.value.trim();
  begun = true;
  if (!field.touched && performance.now() - changedAt < JUST_NOW)
    return say('This has just changed: look again.', true);
  if (!text && before.label === null) return say('A label cannot be empty. ↓ goes on without one.', true);
  crops.set(id, {...before, label: text || null, flag: '', sending: true});
  const following = next();
  if (following === undefined) list.refresh(); else choose(following);
  try {
    const {crop} = await send('label', {id, text});
    crops.set(id, {...crops.get(id), ...crop, sending: false});
    say(following === undefined ? 'All crops have labels.' :
      text ? `Confirmed: ${crop.label}` : `The label ${before.label} is gone.`);
  } catch (error) {
    crops.set(id, {...crops.get(id), label: before.label, flag: before.flag, sending: false});
    choose(id);
    field.value = text;
    field.touched = true;
    say(`Not saved: ${error.message}`, true);
  }
  list.refresh();
}

async function undo() {
  begun = true;
  try {
    const {crop} = await send('undo', {});
    if (!crop) return say('There is nothing to undo.');
    crops.set(crop.id, {...crops.get(crop.id), ...crop});
    current = null;
    choose(crop.id);
    say(`Undone: ${crop.name} ${crop.label === null ? 'has no label' : `is ${crop.label}`} again.`);
  } catch (error) {
    say(`Not undone: ${error.message}`, true);
  }
}

/** What was offered, where nothing was typed, changes with what is read. */
function offerAnew() {
  const crop = crops.get(current);
  if (!crop || field.touched || field.offered === offered(crop)) return;
  const all = field.selectionStart === 0 && field.selectionEnd === field.value.length;
  offer();
  changedAt = performance.now();
  if (all && document.activeElement === field) field.select();
}

function sortAgain() {
  sort();
  const first = order.find((id) => crops.get(id).label === null);
  if (first !== undefined) { at('crops').scrollTop = 0; choose(first); }
  say('Sorted: least certain first.');
}

field.addEventListener('input', () => { begun = field.touched = true; });
field.addEventListener('keydown', (event) => {
  const jump = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10}[event.key];
  if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === 'Enter') confirm();
  else if (jump) move(jump);
  else if (event.key === 'Escape') { offer(); field.select(); }
  else return;
  event.preventDefault();
});
document.addEventListener('keydown', (event) => {
  const control = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  const isTyped = document.activeElement === field && field.touched && field.value !== field.offered;
  if (control && key === 'z' && !event.shiftKey && !isTyped) undo();
  else if (event.altKey && key === 's') sortAgain();
  else if (control && key === '/') at('keys').showModal();
  else return;
  event.preventDefault();
});
window.addEventListener('beforeunload', (event) => {
  if ([...crops.values()].some((crop) => crop.sending)) event.preventDefault();
});
at('undo').addEventListener('click', undo);
at('sort').addEventListener('click', sortAgain);
at('help').addEventListener('click', () => at('keys').showModal());
at('keys').addEventListener('close', () => field.focus());
setInterval(offerAnew, 150);
follow();
