// The lists at the side: videos with uploads, predictions to review, runs.

import { get, upload } from './api.js';
import { $, clock, el, percent, textOn, toast } from './dom.js';
import { attempt, emit, loadReview, loadVideos, on, openVideo, persons, state } from './store.js';
import { isPlaying, loop, toggle } from './player.js';
import { giveLabel, onLabelled } from './labels.js';
import { chooseSegment } from './timeline.js';

let at = -1; // place in the list of the review

function renderVideos() {
  const words = $('filter').value.toLowerCase();
  const rows = state.videos.filter((v) => v.name.toLowerCase().includes(words)).map((v) => {
    const marks = [
      v.upload ? el('span', { class: 'badge', title: 'Only this browser sees it' }, 'upload') : null,
      v.result ? el('span', { class: 'badge', title: 'Analysed' }, '✓') : null,
      v.labels ? el('span', { class: 'badge own', title: `${v.labels} labels` }, String(v.labels)) : null,
    ];
    const isOpen = state.video?.id === v.id;
    return el('li', {}, el(
      'button',
      { class: isOpen ? 'item chosen' : 'item', title: v.name, onclick: () => openVideo(v.id) },
      el('span', { class: 'text' }, v.name), ...marks,
    ));
  });
  const none = state.videos.length ? 'No video has such a name.' : 'There are no videos yet.';
  $('videos').replaceChildren(...(rows.length ? rows : [el('li', { class: 'muted' }, none)]));
}

// --- uploads -------------------------------------------------------------------------------------

async function send(files) {
  for (const file of files) {
    if (file.size > state.project.max_upload) {
      toast(`${file.name} is too large`, `The limit is ${Math.round(state.project.max_upload / 2 ** 20)} MB. Copy it to the folder of the project.`, true);
      continue;
    }
    const bar = el('progress', { max: 1, value: 0 });
    const cancel = el('button', { class: 'small' }, 'Cancel');
    const row = el('div', { class: 'sending' }, el('span', { class: 'text' }, file.name), bar, cancel);
    $('drop').append(row);
    const sending = upload(file, (done) => { if (done < 1) bar.value = done; else bar.removeAttribute('value'); });
    cancel.addEventListener('click', sending.cancel);
    const video = await attempt(sending.done);
    row.remove();
    if (video) { await loadVideos(); await openVideo(video.id); }
  }
}

function setUpDrop() {
  for (const name of ['dragover', 'dragenter']) {
    document.addEventListener(name, (e) => { e.preventDefault(); $('drop').classList.add('over'); });
  }
  document.addEventListener('dragleave', (e) => { if (!e.relatedTarget) $('drop').classList.remove('over'); });
  document.addEventListener('drop', (e) => {
    e.preventDefault();
    $('drop').classList.remove('over');
    send([...e.dataTransfer.files]);
  });
  $('file').addEventListener('change', () => { send([...$('file').files]); $('file').value = ''; });
}

// --- review --------------------------------------------------------------------------------------

function renderReview() {
  const { rows, left } = state.review;
  $('review-count').hidden = !left;
  $('review-count').textContent = String(left);
  $('review-hint').textContent = rows.length
    ? 'Predictions without a label, the most uncertain first. Accept (A) or correct (1–9), then train again.'
    : 'Nothing to review. Train on your labels, or analyse videos.';
  at = Math.min(at, rows.length - 1);
  $('review').replaceChildren(...rows.map((r, n) => {
    const guesses = r.guesses.map(([name, p, colour]) => {
      const button = el('button', { class: 'guess', title: `Label: ${name}`, onclick: async (e) => {
        e.stopPropagation();
        if (await show(n)) giveLabel(name);
      } }, `${name} ${percent(p)}`);
      button.style.backgroundColor = colour;
      button.style.color = textOn(colour);
      return button;
    });
    const where = `${clock(r.start)} – ${clock(r.end)} s${r.person < 0 ? '' : `, person ${r.person}`}`;
    return el('li', {}, el(
      'div',
      { class: n === at ? 'item review chosen' : 'item review', role: 'button', tabIndex: 0, onclick: () => show(n) },
      el('span', { class: 'text' }, r.name), el('span', { class: 'muted mono' }, where), el('div', { class: 'row wrap' }, ...guesses),
    ));
  }));
}

/** Open a row of the review and play it. Returns whether it is there. */
async function show(n) {
  const row = state.review.rows[n];
  if (!row) return false;
  at = n;
  if (state.video?.id !== row.video && !(await openVideo(row.video))) return false;
  const person = persons().find((p) => p.id === row.person);
  const index = person?.segments.findIndex((s) => s.start === row.start && s.label === row.label) ?? -1;
  if (index < 0) { loadReview(); return false; }
  chooseSegment({ kind: 'prediction', person: row.person, index });
  loop(row.start, row.end);
  renderReview();
  return true;
}

/** The next (1) or previous (-1) segment: of the review, or of the open video. */
export function go(direction) {
  if (state.tab === 'review') {
    if (state.review.rows.length) show((at + direction + state.review.rows.length) % state.review.rows.length);
    return;
  }
  const all = persons().flatMap((p) => p.segments.map((s, index) => ({ start: s.start, pick: { kind: 'prediction', person: p.id, index } })));
  all.sort((a, b) => a.start - b.start);
  if (!all.length) return;
  const here = all.findIndex((r) => JSON.stringify(r.pick) === JSON.stringify(state.selected));
  const next = here < 0 ? (direction > 0 ? 0 : all.length - 1) : (here + direction + all.length) % all.length;
  chooseSegment(all[next].pick);
}

// --- runs ----------------------------------------------------------------------------------------

export async function loadRuns() {
  const rows = await attempt(get('/api/runs'));
  if (!rows) return;
  const none = el('li', { class: 'muted' }, 'No model has been trained yet.');
  $('runs').replaceChildren(...(rows.length ? rows.map((r) => {
    const when = new Date(1000 * r.created).toLocaleString();
    const score = r.top1 === null ? 'not tested' : `${percent(r.top1)} right in the test`;
    const open = el('button', { class: 'small', onclick: () => openReport(r.name), disabled: !r.report }, 'Report');
    return el('li', {}, el(
      'div',
      { class: 'item run' },
      el('strong', { class: 'text' }, r.name),
      el('span', { class: 'muted' }, `${r.network}, ${score}`), el('span', { class: 'muted' }, when), open,
    ));
  }) : [none]));
}

function openReport(name) {
  $('report-title').textContent = name;
  $('report-frame').src = `/runs/${encodeURIComponent(name)}/report`;
  $('report').showModal();
}

export function chooseTab(name) {
  state.tab = name;
  for (const tab of document.querySelectorAll('[data-tab]')) {
    tab.setAttribute('aria-selected', String(tab.dataset.tab === name));
    $(`tab-${tab.dataset.tab}`).hidden = tab.dataset.tab !== name;
  }
  if (name === 'runs') loadRuns();
  if (name === 'review') loadReview();
  else if (isPlaying()) toggle();
  emit('tab');
}

export function setUp() {
  on('videos video', renderVideos);
  on('review labels', renderReview);
  $('filter').addEventListener('input', renderVideos);
  for (const tab of document.querySelectorAll('[data-tab]')) {
    tab.addEventListener('click', () => chooseTab(tab.dataset.tab));
  }
  onLabelled(() => {
    if (state.tab !== 'review') return;
    at -= 1; // the labelled row leaves the list
    loadReview().then(() => go(1));
  });
  setUpDrop();

}
