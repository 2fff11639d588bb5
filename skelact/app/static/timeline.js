// The timeline: for each person the predicted segments, the labels, and the probabilities.

import { $, clamp, clock, el, percent, svg, textOn } from './dom.js';
import { choosePerson, emit, labelColour, labelsOfVideo, on, personName, persons, state } from './store.js';
import { now, seek } from './player.js';
import { changeLabel } from './labels.js';

const SHORTEST = 0.1; // of a part that is marked by dragging [s]
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
let zoom = 1;
let inner = null; // the element as wide as the whole video
let head = null; // the line at the current time

const length = () => state.video?.duration || 1;
const share = (time) => `${(100 * time) / length()}%`;

/** The time under a pointer [s]. */
function timeAt(event) {
  const box = inner.getBoundingClientRect();
  return clamp((event.clientX - box.left) / box.width, 0, 1) * length();
}

export function zoomBy(factor) {
  zoom = clamp(zoom * factor, 1, Math.max(1, length() / 2));
  render();
  follow(true);
}

function render() {
  const place = $('timeline');
  const scrolled = place.querySelector('.scroll')?.scrollLeft ?? 0;
  const top = place.scrollTop;
  if (!state.video) { place.replaceChildren(); inner = null; return; }
  const rows = rowsToShow();
  const names = el('div', { class: 'names' }, el('div', { class: 'ruler' }));
  inner = el('div', { class: 'inner' }, ruler());
  inner.style.width = `${100 * zoom}%`;
  for (const row of rows) {
    names.append(nameOf(row));
    inner.append(trackOf(row));
  }
  head = el('div', { class: 'head' });
  inner.append(head);
  inner.addEventListener('pointerdown', press);
  const scroll = el('div', { class: 'scroll' }, inner);
  scroll.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false });
  place.replaceChildren(names, scroll);
  scroll.scrollLeft = scrolled;
  place.scrollTop = top;
  moveHead();
}

/** Rows: everybody, then the persons who have predictions or labels. */
function rowsToShow() {
  const people = persons().map((p) => ({ id: p.id < 0 ? null : p.id, person: p }));
  const labels = labelsOfVideo();
  const known = people.map((p) => p.id);
  const others = [...new Set(labels.map((r) => r.person))].filter((id) => !known.includes(id));
  const extra = others.filter((id) => id !== null).map((id) => ({ id, person: null }));
  const everybody = known.includes(null) ? [] : [{ id: null, person: null }];
  return [...everybody, ...people, ...extra];
}

function nameOf(row) {
  const isChosen = state.person === row.id;
  const label = row.person ? `${row.person.label} ${percent(row.person.probability)}` : '';
  const button = el(
    'button',
    {
      class: `name${isChosen ? ' chosen' : ''}${row.person ? '' : ' short'}`,
      title: 'Choose this person',
      'aria-pressed': String(isChosen),
      onclick: () => choosePerson(row.id),
    },
    el('span', { class: 'who' }, personName(row.id)),
    el('span', { class: 'muted' }, label),
  );
  if (row.person) button.style.borderLeftColor = row.person.colour;
  return button;
}

function trackOf(row) {
  const track = el('div', { class: `track${row.person ? '' : ' short'}`, data: { person: String(row.id) } });
  if (row.person) {
    const lane = el('div', { class: 'lane predicted' });
    row.person.segments.forEach((s, index) => lane.append(predicted(row.person, s, index)));
    track.append(lane, curves(row.person));
  }
  const lane = el('div', { class: 'lane labels', title: 'Drag here to mark a part' });
  for (const label of labelsOfVideo().filter((r) => r.person === row.id)) lane.append(labelled(label));
  const { start, end } = state.range;
  if (state.person === row.id && start !== null) {
    const range = el('div', { class: 'range' });
    range.style.left = share(start);
    range.style.width = share(Math.max((end ?? now()) - start, 0));
    if (end === null) range.classList.add('open');
    lane.append(range);
  }
  track.append(lane);
  return track;
}

function block(kind, segment, colour, isChosen, title) {
  const node = el('button', { class: `segment ${kind}${isChosen ? ' chosen' : ''}`, title }, segment.label);
  node.style.left = share(segment.start);
  node.style.width = share(segment.end - segment.start);
  node.style.backgroundColor = colour;
  node.style.color = textOn(colour);
  return node;
}

function predicted(person, segment, index) {
  const chosen = state.selected;
  const isChosen = chosen?.kind === 'prediction' && chosen.person === person.id && chosen.index === index;
  const guesses = segment.guesses.map(([name, p]) => `${name} ${percent(p)}`).join(', ');
  const title = `${clock(segment.start)} to ${clock(segment.end)} s: ${segment.label} (${guesses})`;
  const colour = state.video.result.colours[segment.label] ?? '#666666';
  const node = block('prediction', segment, colour, isChosen, title);
  node.addEventListener('click', () => chooseSegment({ kind: 'prediction', person: person.id, index }));
  return node;
}

function labelled(row) {
  const segment = { ...row, end: row.end ?? length() };
  const isChosen = state.selected?.kind === 'label' && state.selected.id === row.id;
  const title = `${clock(segment.start)} to ${clock(segment.end)} s: ${row.label} (your label)`;
  const node = block('label', segment, labelColour(row.label), isChosen, title);
  node.addEventListener('click', () => chooseSegment({ kind: 'label', id: row.id }));
  for (const side of ['start', 'end']) {
    const handle = el('span', { class: `handle ${side}` });
    handle.addEventListener('pointerdown', (event) => drag(event, row, node, side));
    node.append(handle);
  }
  return node;
}

/** Choose a segment and jump to its start. */
export function chooseSegment(selected) {
  state.selected = selected;
  state.range = { start: null, end: null };
  const row = selected.kind === 'label' ? state.labels.rows.find((r) => r.id === selected.id) : null;
  const person = row ? row.person : persons().find((p) => p.id === selected.person)?.id ?? null;
  state.person = person !== null && person < 0 ? null : person;
  const start = row ? row.start : persons().find((p) => p.id === selected.person).segments[selected.index].start;
  seek(start + 0.001);
  emit('selected', 'person', 'range');
}

/** Move an end of a label. */
function drag(event, row, node, side) {
  event.stopPropagation();
  event.preventDefault();
  const times = { start: row.start, end: row.end ?? length() };
  const move = (e) => {
    const time = timeAt(e);
    if (side === 'start') times.start = Math.min(time, times.end - SHORTEST);
    else times.end = Math.max(time, times.start + SHORTEST);
    node.style.left = share(times.start);
    node.style.width = share(times.end - times.start);
    seek(times[side]);
  };
  const release = () => {
    window.removeEventListener('pointermove', move);
    if (times.start !== row.start || times.end !== (row.end ?? length())) changeLabel(row, times);
  };
  window.addEventListener('pointermove', move);
  window.addEventListener('pointerup', release, { once: true });
}

/** A press on an empty place: jump there, or mark a part by dragging. */
function press(event) {
  if (event.target.closest('.segment') || event.button !== 0) return;
  const track = event.target.closest('.track');
  const start = timeAt(event);
  seek(start);
  if (!track) {
    const move = (e) => seek(timeAt(e));
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', () => window.removeEventListener('pointermove', move), { once: true });
    return;
  }
  const id = track.dataset.person === 'null' ? null : Number(track.dataset.person);
  let end = start;
  const move = (e) => {
    end = timeAt(e);
    if (Math.abs(end - start) < SHORTEST) return;
    state.person = id;
    state.selected = null;
    state.range = { start: Math.min(start, end), end: Math.max(start, end) };
    seek(end);
    emit('range');
  };
  const release = () => {
    window.removeEventListener('pointermove', move);
    if (Math.abs(end - start) >= SHORTEST) emit('selected', 'person');
  };
  window.addEventListener('pointermove', move);
  window.addEventListener('pointerup', release, { once: true });
}

/** The probabilities of the classes over time, from 0 to 1. */
function curves(person) {
  const end = length();
  const picture = svg('svg', { class: 'curves', viewBox: '0 0 1000 100', preserveAspectRatio: 'none' });
  picture.append(svg('line', { x1: 0, x2: 1000, y1: 50, y2: 50, class: 'half' }));
  const names = Object.keys(person.curves).reverse(); // those of the segments on top
  for (const name of names) {
    const colour = state.video.result.colours[name] ?? '#666666';
    let points = '';
    let isOpen = false;
    person.curves[name].forEach((value, k) => {
      if (value === null) { isOpen = false; return; }
      const x = ((1000 * k * person.curve_step) / end).toFixed(1);
      points += `${isOpen ? 'L' : 'M'}${x} ${100 - value}`;
      isOpen = true;
    });
    const path = svg('path', { d: points || 'M0 100', stroke: colour });
    const title = svg('title');
    title.textContent = name;
    path.append(title);
    picture.append(path);
  }
  return picture;
}

function ruler() {
  const node = el('div', { class: 'ruler' });
  const width = ($('timeline').clientWidth - 130) * zoom || 600;
  const every = TICKS.find((t) => (t / length()) * width >= 60) ?? 7200;
  for (let time = 0; time < length(); time += every) {
    const tick = el('span', { class: 'tick' }, every < 1 ? time.toFixed(1) : clock(time).replace(/\.00$/, ''));
    tick.style.left = share(time);
    node.append(tick);
  }
  return node;
}

function moveHead() {
  if (!head) return;
  head.style.left = share(now());
  const open = inner.querySelector('.range.open');
  if (open) open.style.width = share(Math.max(0, now() - state.range.start));
}

/** Keep the current time in sight. */
function follow(center = false) {
  const scroll = $('timeline').querySelector('.scroll');
  if (!scroll || !inner) return;
  const x = (now() / length()) * inner.clientWidth;
  const isHidden = x < scroll.scrollLeft || x > scroll.scrollLeft + scroll.clientWidth;
  if (isHidden || center) scroll.scrollLeft = x - scroll.clientWidth / 2;
}

export function setUp() {
  let shown = '';
  on('video', () => {
    if (shown !== state.video?.id) { zoom = 1; shown = state.video?.id; }
  });
  on('video labels person range selected', render);
  on('time', () => { moveHead(); follow(); });
  $('zoom-in').addEventListener('click', () => zoomBy(1.5));
  $('zoom-out').addEventListener('click', () => zoomBy(1 / 1.5));
  new ResizeObserver(render).observe($('watch'));
}
