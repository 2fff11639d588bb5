// The video with the skeletons drawn over it.

import { get, post } from './api.js';
import { $, clamp, clock, el, toast } from './dom.js';
import { attempt, choosePerson, emit, on, openVideo, persons, state } from './store.js';

const video = $('video');
const canvas = $('overlay');
const CHUNK = 300; // frames in one request
let edges = [];
let chunks = new Map(); // number of a chunk -> frames, or a promise
let model = '';
let source = '';
let until = null; // a part that is played in a loop: [start, end]

export const now = () => video.currentTime || 0;
export const isPlaying = () => !video.paused;

/** Go to a time [s]. */
export function seek(time) {
  if (!state.video) return;
  until = null;
  video.currentTime = clamp(time, 0, Math.max(0, state.video.duration - 0.5 / state.video.fps));
}

export const step = (frames) => { video.pause(); seek(now() + frames / (state.video?.fps ?? 25)); };

export function toggle() {
  if (!state.video || !source) return;
  if (video.paused) video.play().catch(() => {});
  else video.pause();
}

/** Play a part again and again. */
export function loop(start, end) {
  seek(start + 0.001);
  until = [start, end];
  video.play().catch(() => {});
}

function message(text, hint = '') {
  $('message').replaceChildren(...(text ? [el('strong', {}, text), el('span', {}, hint)] : []));
}

function load() {
  const v = state.video;
  const key = `${v.id}:${v.state}`;
  if (v.state !== 'ready') {
    source = '';
    video.removeAttribute('src');
    video.load();
    if (v.state === 'failed') message(v.error, v.hint);
    else {
      message('Converting the video for the browser …', 'This happens once; the result is kept.');
      setTimeout(() => { if (state.video === v) openVideo(v.id); }, 700);
    }
  } else if (source !== key) {
    source = key;
    until = null;
    message('');
    video.src = `/media/${v.id}`;
    video.playbackRate = Number($('speed').value);
  }
  const newest = `${v.id}:${v.result?.model}:${v.result?.frames}`;
  if (model !== newest) { model = newest; chunks = new Map(); edges = []; }
  fit();
  draw();
}

/** Lay the canvas over the picture in the video element. */
function fit() {
  const v = state.video;
  if (!v) return;
  const box = $('stage').getBoundingClientRect();
  const scale = Math.min(box.width / v.width, box.height / v.height);
  const [w, h] = [v.width * scale, v.height * scale];
  Object.assign(canvas.style, {
    width: `${w}px`, height: `${h}px`, left: `${(box.width - w) / 2}px`, top: `${(box.height - h) / 2}px`,
  });
  const dense = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(w * dense));
  canvas.height = Math.max(1, Math.round(h * dense));
}

/** The persons of a frame; asks for them, and for the following ones, if they are not here. */
function peopleAt(frame) {
  const number = Math.floor(frame / CHUNK);
  for (const n of [number, number + 1]) {
    if (n * CHUNK < state.video.result.frames && !chunks.has(n)) fetchChunk(n);
  }
  const frames = chunks.get(number);
  return Array.isArray(frames) ? frames[frame - number * CHUNK] ?? [] : [];
}

async function fetchChunk(number) {
  const mine = chunks;
  mine.set(number, null);
  const start = number * CHUNK;
  const content = await attempt(get(`/api/videos/${state.video.id}/poses?start=${start}&count=${CHUNK}`));
  if (!content || mine !== chunks) return;
  edges = content.edges;
  mine.set(number, content.frames);
  draw();
}

const frameNow = () => Math.floor(now() * state.video.result.fps + 0.01);

/** What a person does at a time, if that is known. */
export function segmentAt(person, time) {
  return person.segments.find((s) => s.start <= time && time < s.end);
}

function draw() {
  const context = canvas.getContext('2d');
  context.clearRect(0, 0, canvas.width, canvas.height);
  const result = state.video?.result;
  if (!result || !$('show-poses').checked || !source) return;
  const scale = canvas.width / result.width;
  const size = clamp(canvas.height / 30, 12, 34);
  const taken = []; // places of names
  for (const joints of peopleAt(frameNow())) {
    const id = joints[0];
    const person = persons().find((p) => p.id === id) ?? persons().find((p) => p.id < 0);
    const isChosen = state.person === null || state.person === id;
    context.globalAlpha = isChosen && person ? 1 : 0.35;
    drawBody(context, joints, scale, person?.colour ?? '#999999', size, state.person === id);
    if (person) drawName(context, joints, scale, person, id, size, taken);
  }
  context.globalAlpha = 1;
}

const point = (joints, n, scale) => [joints[1 + 2 * n] * scale, joints[2 + 2 * n] * scale];
const has = (joints, n) => joints[1 + 2 * n] !== null && joints[1 + 2 * n] !== undefined;

function drawBody(context, joints, scale, colour, size, isChosen) {
  const path = new Path2D();
  for (const [a, b] of edges) {
    if (!has(joints, a) || !has(joints, b)) continue;
    path.moveTo(...point(joints, a, scale));
    path.lineTo(...point(joints, b, scale));
  }
  context.lineCap = 'round';
  for (const [style, width] of [['#000000', size / 4.2], [colour, size / (isChosen ? 6 : 8)]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke(path);
  }
}

function bounds(joints) {
  const [xs, ys] = [[], []];
  for (let k = 1; k < joints.length; k += 2) {
    if (joints[k] !== null) { xs.push(joints[k]); ys.push(joints[k + 1]); }
  }
  return xs.length ? [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] : null;
}

/** The number of a person and what it does, above its head; names move up or down to be legible. */
function drawName(context, joints, scale, person, id, size, taken) {
  const box = bounds(joints);
  if (!box) return;
  const segment = segmentAt(person, now());
  const parts = [persons().length > 1 ? `${id}` : '', segment?.label ?? ''];
  const text = parts.filter(Boolean).join('  ');
  if (!text) return;
  context.font = `600 ${size * 0.8}px system-ui, sans-serif`;
  const width = context.measureText(text).width + size;
  const x = clamp(((box[0] + box[2]) / 2) * scale - width / 2, 0, Math.max(0, canvas.width - width));
  const height = size * 1.3;
  const first = clamp(box[1] * scale - size * 1.9, 0, canvas.height - height);
  const covers = (place) => taken.some((t) => x < t.x + t.width && t.x < x + width && Math.abs(place - t.y) < height);
  const places = [0, -1, 1, -2, 2, 3].map((k) => first + k * height * 1.05);
  const y = places.find((p) => p >= 0 && p <= canvas.height - height && !covers(p)) ?? first;
  taken.push({ x, y, width });
  context.fillStyle = 'rgba(20, 22, 26, 0.82)';
  context.beginPath();
  context.roundRect(x, y, width, height, size / 4);
  context.fill();
  context.fillStyle = segment ? state.video.result.colours[segment.label] ?? '#666666' : '#666666';
  context.fillRect(x, y + height - size / 7, width, size / 7);
  context.fillStyle = '#FFFFFF';
  context.textBaseline = 'middle';
  context.fillText(text, x + size / 2, y + size * 0.6);
}

/** Choose the person under the pointer: the smallest body whose box contains it. */
function clicked(event) {
  const result = state.video?.result;
  if (!result) { toggle(); return; }
  const box = canvas.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * result.width;
  const y = ((event.clientY - box.top) / box.height) * result.height;
  const hits = [];
  for (const joints of peopleAt(frameNow())) {
    const b = bounds(joints);
    if (!b) continue;
    const margin = 0.1 * Math.max(b[2] - b[0], b[3] - b[1]);
    const inside = x > b[0] - margin && x < b[2] + margin && y > b[1] - margin && y < b[3] + margin;
    if (inside) hits.push([(b[2] - b[0]) * (b[3] - b[1]), joints[0]]);
  }
  hits.sort((a, b) => a[0] - b[0]);
  if (!hits.length) { choosePerson(null); return; }
  const known = persons().some((p) => p.id === hits[0][1]);
  if (known) choosePerson(hits[0][1]);
  else toast('This person is visible too briefly to have a prediction');
}

function tick() {
  if (state.video && source) {
    if (until && !video.paused && (now() >= until[1] || video.ended)) video.currentTime = until[0] + 0.001;
    $('clock').textContent = `${clock(now())} / ${clock(state.video.duration)}`;
    draw();
    emit('time');
  }
  if (!video.paused) requestAnimationFrame(tick);
}

export function setUp() {
  on('video', load);
  on('person', draw);
  for (const name of ['play', 'seeked', 'loadeddata', 'timeupdate']) video.addEventListener(name, tick);
  for (const name of ['play', 'pause']) {
    video.addEventListener(name, () => { $('play').textContent = video.paused ? '▶' : '❚❚'; });
  }
  video.addEventListener('error', async () => {
    if (!video.getAttribute('src') || state.video?.state !== 'ready') return;
    const id = state.video.id;
    const answer = await attempt(post(`/api/videos/${id}/convert`));
    if (answer && state.video?.id === id) openVideo(id);
  });
  canvas.addEventListener('click', clicked);
  canvas.addEventListener('dblclick', toggle);
  $('play').addEventListener('click', toggle);
  $('back').addEventListener('click', () => step(-1));
  $('forward').addEventListener('click', () => step(1));
  $('show-poses').addEventListener('change', draw);
  $('speed').addEventListener('change', () => { video.playbackRate = Number($('speed').value); });
  new ResizeObserver(() => { fit(); draw(); }).observe($('stage'));
}
