// The panel: model, analysis, downloads, training, and the table of segments.

import { del, post } from './api.js';
import { $, clock, el, percent } from './dom.js';
import {
  attempt, choosePerson, labelColour, labelsOfVideo, loadVideos, on, openVideo, personName, persons, state,
} from './store.js';
import { chooseSegment } from './timeline.js';
import { watchJobs } from './jobs.js';

async function start(path, body) {
  if (await attempt(post(path, body))) watchJobs();
}

function renderModels() {
  $('model').replaceChildren(...state.project.models.map((m) => el('option', { value: m.id }, m.title)));
  $('model').value = state.model;
  $('project').textContent = state.project.project;
}

function renderVideo() {
  const v = state.video;
  $('analyse').disabled = !v;
  $('analyse').textContent = v?.result ? 'Analyse again' : 'Analyse';
  $('keep').hidden = $('remove-upload').hidden = !v?.upload;
  $('downloads').hidden = !v?.result;
  for (const link of $('downloads').querySelectorAll('a')) {
    link.href = `/api/videos/${v?.id}/download/${link.dataset.form}`;
  }
}

function renderPersons() {
  const rows = persons().map((p) => {
    const button = el(
      'button',
      { class: `chip person${state.person === p.id ? ' chosen' : ''}`, onclick: () => choosePerson(state.person === p.id || p.id < 0 ? null : p.id) },
      el('strong', {}, personName(p.id)), ` ${p.label} ${percent(p.probability)}`,
    );
    button.style.borderColor = p.colour;
    return button;
  });
  $('persons').replaceChildren(...rows);
}

/** The score that decides whether a segment is unknown, as text. */
function scores(person, segment) {
  if (segment.score === null) return '';
  const limit = person.threshold ? `; unknown below ${person.threshold.toFixed(2)}` : '';
  return `${person.score_name} ${segment.score.toFixed(2)}${limit}`;
}

function renderTable() {
  const rows = [];
  persons().forEach((p) => p.segments.forEach((s, index) => {
    if (state.person !== null && p.id >= 0 && p.id !== state.person) return;
    rows.push({ ...s, scores: scores(p, s), who: p.id < 0 ? null : p.id, pick: { kind: 'prediction', person: p.id, index } });
  }));
  for (const r of labelsOfVideo()) {
    if (state.person !== null && r.person !== null && r.person !== state.person) continue;
    rows.push({ ...r, end: r.end ?? state.video.duration, who: r.person, pick: { kind: 'label', id: r.id } });
  }
  rows.sort((a, b) => a.start - b.start || a.end - b.end);
  const head = el('tr', {}, ...['', 'from', 'to', 'action', ''].map((t) => el('th', {}, t)));
  const body = rows.map((r) => {
    const isChosen = JSON.stringify(r.pick) === JSON.stringify(state.selected);
    const dot = el('span', { class: r.pick.kind === 'label' ? 'dot own' : 'dot' });
    dot.style.backgroundColor = r.pick.kind === 'label' ? labelColour(r.label) : state.video.result.colours[r.label] ?? '#666666';
    const certainty = r.pick.kind === 'label' ? el('span', { class: 'muted' }, 'label') : percent(r.probability);
    const row = el(
      'tr',
      { class: isChosen ? 'chosen' : '', tabIndex: 0, onclick: () => chooseSegment(r.pick) },
      el('td', { title: personName(r.who) }, r.who === null ? '–' : String(r.who)),
      el('td', { class: 'mono' }, clock(r.start)), el('td', { class: 'mono' }, clock(r.end)),
      el('td', {}, dot, r.label, r.reason ? el('span', { class: 'muted reason' }, r.reason) : null),
      el('td', { class: 'mono', title: r.scores ?? '' }, certainty),
    );
    row.addEventListener('keydown', (e) => { if (e.key === 'Enter') chooseSegment(r.pick); });
    return row;
  });
  const none = state.video ? 'No segments yet. Analyse the video, or label parts of it.' : 'Choose a video.';
  $('table').replaceChildren(rows.length
    ? el('table', {}, el('thead', {}, head), el('tbody', {}, ...body))
    : el('p', { class: 'muted' }, none));
}

function renderTrain() {
  const { classes, rows } = state.labels;
  const count = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
  let text = `${count(rows.length, 'label')} of ${count(classes.length, 'action')}.`;
  if (classes.length < 2) text += ' Label at least two different actions; a part without one can be “unknown”.';
  $('train-text').textContent = text;
  $('train').disabled = classes.length < 2;
  $('train-test').disabled = !state.labels.can_test;
  $('train-test').title = state.labels.can_test
    ? 'Also says how often the model is right on videos that it was not trained on'
    : 'A test needs labels of each action in at least 3 videos';
}

export function setUp() {
  on('project', renderModels);
  on('video', renderVideo);
  on('video person', renderPersons);
  on('video labels person selected', renderTable);
  on('labels', renderTrain);
  $('model').addEventListener('change', () => { state.model = $('model').value; });
  $('analyse').addEventListener('click', () => start(`/api/videos/${state.video.id}/predict`, { model: state.model }));
  $('analyse-all').addEventListener('click', () => start('/api/predict', { model: state.model }));
  $('overlay-download').addEventListener('click', () => start(`/api/videos/${state.video.id}/overlay`));
  $('train').addEventListener('click', () => start('/api/train', { test: false }));
  $('train-test').addEventListener('click', () => start('/api/train', { test: true }));
  $('keep').addEventListener('click', async () => {
    const kept = await attempt(post(`/api/uploads/${state.video.id}/keep`));
    if (kept) { await loadVideos(); openVideo(kept.id); }
  });
  $('remove-upload').addEventListener('click', async () => {
    if (!(await attempt(del(`/api/uploads/${state.video.id}`)))) return;
    await loadVideos();
    if (state.videos.length) openVideo(state.videos[0].id);
    else location.reload();
  });
}
