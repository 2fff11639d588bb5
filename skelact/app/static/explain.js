// Why a prediction was made: the button, and the dialog with the pictures and the video.

import { post } from './api.js';
import { $, clock, el, percent, toast } from './dom.js';
import { attempt, on, personName, persons, state } from './store.js';
import { watchJobs } from './jobs.js';

/** What the button explains: {person, segment}, or null. */
function choice() {
  const chosen = state.selected;
  if (chosen?.kind === 'prediction') return { person: chosen.person, segment: chosen.index };
  const all = persons();
  const person = all.length === 1 ? all[0] : all.find((p) => p.id === state.person);
  return person ? { person: person.id, segment: null } : null;
}

function renderButton() {
  const now = choice();
  $('explain').disabled = !now;
  $('explain').title = now
    ? `Which joints made the model predict this for ${personName(now.person).toLowerCase()}, and when`
    : 'Choose a predicted segment or a person first';
}

async function start() {
  const now = choice();
  if (!now) return;
  const answer = await attempt(post(`/api/videos/${state.video.id}/explain`, now));
  if (answer?.explanation) show(answer.explanation);
  else if (answer) watchJobs();
}

/** Show an explanation, unless another video is open meanwhile. */
export function show(explanation) {
  const { files } = explanation;
  if (state.video?.id !== explanation.video) {
    toast('The explanation is ready', 'Open its video and press Explain again.');
    return;
  }
  const certainty = explanation.probability === null ? '' : `, ${percent(explanation.probability)}`;
  const part = explanation.span ? `, ${explanation.span.map(clock).join(' – ')} s` : '';
  $('explanation-title').textContent = `${personName(explanation.person)}: why ${explanation.label}${certainty}${part}`;
  const joints = explanation.joints.map(([name, share]) => el('span', { class: 'joint' }, `${name.replaceAll('_', ' ')} ${percent(share)}`));
  $('explanation-text').replaceChildren(...(joints.length ? joints : ['No joint speaks for it.']), el('span', { class: 'muted' }, `by ${explanation.method}`));
  $('explanation-body').src = files.body;
  $('explanation-joints').src = files.joints;
  $('explanation-video').src = `${files.video}#t=${explanation.span?.[0] ?? 0}`;
  for (const link of $('explanation-files').querySelectorAll('a')) link.href = `${files[link.dataset.kind]}?save`;
  if (!$('explanation').open) $('explanation').showModal();
}

export function setUp() {
  on('video person selected', renderButton);
  $('explain').addEventListener('click', start);
  $('explanation').addEventListener('close', () => {
    $('explanation-video').removeAttribute('src');
    $('explanation-video').load();
  });
}
