// What the page knows, and who wants to be told when it changes.

import { get, ApiError } from './api.js';
import { toast } from './dom.js';

export const state = {
  project: null, // /api/state
  videos: [],
  video: null, // the open video with its result
  labels: { rows: [], classes: [], undo: 0, redo: 0 },
  person: null, // the chosen person; null is everybody
  range: { start: null, end: null }, // the marked part [s]
  selected: null, // {kind: 'label', id} or {kind: 'prediction', person, index}
  review: { rows: [], left: 0 },
  tab: 'videos',
  model: '',
};

const listeners = {};

/** Call a function whenever one of the events happens. */
export function on(events, listener) {
  for (const name of events.split(' ')) (listeners[name] ??= []).push(listener);
}

export function emit(...names) {
  const called = new Set();
  for (const name of names) for (const l of listeners[name] ?? []) called.add(l);
  for (const listener of called) listener();
}

/** Show the error of a promise. Returns its result, or undefined after an error. */
export async function attempt(work) {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, error.hint, true);
    if (error.status === 401) setTimeout(() => location.reload(), 1500);
    return undefined;
  }
}

export async function loadState() {
  const content = await attempt(get('/api/state'));
  if (!content) return;
  const known = content.models.map((m) => m.id);
  const newest = content.models[0].id;
  const before = state.project?.models[0].id;
  if (!known.includes(state.model) || (before && before !== newest)) state.model = newest;
  state.project = content;
  emit('project');
}

export async function loadVideos() {
  const rows = await attempt(get('/api/videos'));
  if (rows) { state.videos = rows; emit('videos'); }
}

export function setLabels(content) {
  state.labels = content;
  if (state.selected?.kind === 'label' && !content.rows.some((r) => r.id === state.selected.id)) {
    state.selected = null;
  }
  emit('labels');
}

export async function loadLabels() {
  const content = await attempt(get('/api/labels'));
  if (content) setLabels(content);
}

export async function loadReview() {
  const content = await attempt(get('/api/review'));
  if (content) { state.review = content; emit('review'); }
}

/** Open a video; the result of the last one that was asked for counts. */
let asked = '';
export async function openVideo(id) {
  asked = id;
  const content = await attempt(get(`/api/videos/${id}`));
  if (!content || asked !== id) return false;
  const isNew = state.video?.id !== id;
  state.video = content;
  if (isNew) {
    state.person = null;
    state.range = { start: null, end: null };
    state.selected = null;
  }
  emit('video');
  return true;
}

export const persons = () => state.video?.result?.persons ?? [];
export const personName = (id) => (id === null || id < 0 ? 'Everybody' : `Person ${id}`);
export const labelsOfVideo = () => state.labels.rows.filter((r) => r.video === state.video?.id);
/** The colour of a label: that of the model if it knows the class, so that both look the same. */
export const labelColour = (name) => state.video?.result?.colours[name]
  ?? state.labels.classes.find((c) => c.name === name)?.colour ?? '#666666';

/** The chosen segment as {person, start, end, label}, or null. */
export function selectedSegment() {
  const chosen = state.selected;
  if (chosen?.kind === 'label') {
    const row = state.labels.rows.find((r) => r.id === chosen.id);
    return row ? { ...row, end: row.end ?? state.video.duration } : null;
  }
  if (chosen?.kind === 'prediction') {
    const person = persons().find((p) => p.id === chosen.person);
    const segment = person?.segments[chosen.index];
    return segment ? { ...segment, person: person.id < 0 ? null : person.id } : null;
  }
  return null;
}

export function choosePerson(id) {
  state.person = id;
  emit('person');
}
