// Labelling: marking a part, giving it a label, accepting and correcting predictions.

import { del, post, put } from './api.js';
import { $, clock, el, textOn, toast } from './dom.js';
import {
  attempt, choosePerson, emit, labelColour, loadLabels, loadReview, loadVideos, on, personName, persons,
  selectedSegment, setLabels, state,
} from './store.js';
import { now } from './player.js';

const finished = []; // called after a label was stored

export const onLabelled = (listener) => finished.push(listener);

async function store(work, text) {
  const content = await attempt(work);
  if (!content) return false;
  setLabels(content);
  if (text) toast(text);
  loadVideos();
  loadReview();
  return content;
}

/** Classes in the order of their keys: those of labels, then those that are predicted here. */
export function classes() {
  const own = state.labels.classes.map((c) => c.name);
  const predicted = persons().flatMap((p) => p.segments.map((s) => s.label));
  return [...new Set([...own, ...predicted])];
}

/** Give the marked part, or the chosen segment, a label. */
export async function giveLabel(name) {
  const label = name.trim();
  if (!label || !state.video) return;
  if (state.video.upload) {
    toast('This video is seen by this browser only', 'Add it to the project, then it can have labels.', true);
    return;
  }
  const { start, end } = state.range;
  const chosen = selectedSegment();
  const video = state.video.id;
  let done = false;
  if (start !== null) {
    const last = end ?? now();
    if (last <= start) { toast('Mark the end of the action', 'Go there and press O.', true); return; }
    const body = { video, label, start, end: last, person: state.person };
    done = await store(post('/api/labels', body), `${label}: ${clock(start)} to ${clock(last)} s`);
    if (done) {
      state.range = { start: null, end: null };
      state.selected = { kind: 'label', id: done.id };
    }
  } else if (chosen && state.selected.kind === 'label') {
    const body = { video, label, start: chosen.start, end: chosen.end, person: chosen.person };
    done = await store(put(`/api/labels/${chosen.id}`, body), `Changed to ${label}`);
  } else if (chosen) {
    if (!state.video.result.own_tracking && chosen.person !== null) chosen.person = null;
    const body = { video, label, start: chosen.start, end: chosen.end, person: chosen.person };
    done = await store(post('/api/labels', body), label === chosen.label ? `Accepted: ${label}` : `Corrected: ${label}`);
    if (done) state.selected = { kind: 'label', id: done.id };
  } else {
    toast('Mark a part first', 'Press I at its start and O at its end, drag over the timeline, or choose a segment.', true);
    return;
  }
  if (done) {
    emit('range', 'selected');
    for (const listener of finished) listener();
  }
}

export function accept() {
  const chosen = selectedSegment();
  if (state.selected?.kind === 'prediction' && chosen) giveLabel(chosen.label);
  else toast('Choose a predicted segment first');
}

export async function changeLabel(row, times) {
  const body = { video: row.video, label: row.label, start: times.start, end: times.end, person: row.person };
  const done = await store(put(`/api/labels/${row.id}`, body), '');
  if (!done) emit('labels'); // draws it where it was
}

export async function removeLabel() {
  if (state.selected?.kind !== 'label') return;
  const id = state.selected.id;
  state.selected = null;
  await store(del(`/api/labels/${id}`), 'Removed');
  emit('selected');
}

export const undo = () => store(post('/api/labels/undo'), '');
export const redo = () => store(post('/api/labels/redo'), '');

export function markStart() {
  if (!state.video) return;
  const time = now();
  const { end } = state.range;
  state.range = { start: time, end: end !== null && end > time ? end : null };
  state.selected = null;
  emit('range', 'selected');
}

export function markEnd() {
  const { start } = state.range;
  if (start === null) { toast('Mark the start first', 'Press I where the action starts.'); return; }
  const time = now();
  if (time <= start) { toast('The end must be after the start'); return; }
  state.range = { start, end: time };
  emit('range');
}

export function clearChoice() {
  state.range = { start: null, end: null };
  state.selected = null;
  emit('range', 'selected');
}

export function nextPerson() {
  const ids = [null, ...persons().map((p) => p.id).filter((id) => id >= 0)];
  choosePerson(ids[(ids.indexOf(state.person) + 1) % ids.length]);
}

function renderClasses() {
  const counts = Object.fromEntries(state.labels.classes.map((c) => [c.name, c]));
  const rows = classes().map((name, n) => {
    const known = counts[name];
    const colour = labelColour(name);
    const key = n < 9 ? el('kbd', {}, String(n + 1)) : '';
    const button = el(
      'button',
      { class: 'chip', title: known ? `${known.labels} labels in ${known.videos} videos` : 'predicted in this video', onclick: () => giveLabel(name) },
      key, name, el('span', { class: 'count' }, known ? String(known.labels) : ''),
    );
    button.style.backgroundColor = colour;
    button.style.color = textOn(colour);
    return button;
  });
  const none = el('span', { class: 'muted' }, 'Write the first label below.');
  $('classes').replaceChildren(...(rows.length ? rows : [none]));
}

function renderState() {
  const { start, end } = state.range;
  const chosen = selectedSegment();
  let text = 'nothing marked';
  if (start !== null) text = `${clock(start)} – ${end === null ? '…' : `${clock(end)} s`}`;
  else if (chosen) text = `${chosen.label} ${clock(chosen.start)} – ${clock(chosen.end)} s`;
  $('range-text').textContent = text;
  const ids = [null, ...persons().map((p) => p.id).filter((id) => id >= 0)];
  $('person').replaceChildren(...ids.map((id) => el('option', { value: String(id) }, personName(id))));
  $('person').value = String(state.person);
  $('undo').disabled = !state.labels.undo;
  $('redo').disabled = !state.labels.redo;
}

async function importFile() {
  const file = $('import').files[0];
  if (!file) return;
  const path = `/api/labels/import?name=${encodeURIComponent(file.name)}`;
  const done = await store(post(path, file), '');
  if (done) toast(`${done.added} labels added from ${file.name}`);
  $('import').value = '';
}

function exportFile() {
  const form = $('export').value;
  $('export').value = '';
  if (!form) return;
  const oneVideo = form === 'elan' ? `&video=${state.video?.id ?? ''}` : '';
  const link = el('a', { href: `/api/labels/export?format=${form}${oneVideo}`, download: '' });
  fetch(link.href).then(async (answer) => {
    if (answer.ok) link.click();
    else { const content = await answer.json(); toast(content.error, content.hint, true); }
  });
}

export function setUp() {
  on('labels video', renderClasses);
  on('labels video person range selected', renderState);
  on('project', () => {
    const options = state.project.formats.map((f) => el('option', { value: f.name }, f.title));
    $('export').replaceChildren(el('option', { value: '' }, 'Export…'), ...options);
  });
  $('mark-start').addEventListener('click', markStart);
  $('mark-end').addEventListener('click', markEnd);
  $('undo').addEventListener('click', undo);
  $('redo').addEventListener('click', redo);
  $('person').addEventListener('change', () => {
    choosePerson($('person').value === 'null' ? null : Number($('person').value));
  });
  $('new-class').addEventListener('submit', (event) => {
    event.preventDefault();
    const name = $('new-label').value;
    if (!name.trim()) return;
    giveLabel(name);
    $('new-label').value = '';
    $('new-label').blur();
  });
  $('import').addEventListener('change', importFile);
  $('export').addEventListener('change', exportFile);
  loadLabels();
}
