// The job that runs: progress, time left, cancel, and what follows when it ends.

import { get, post } from './api.js';
import { $, el, percent, toast } from './dom.js';
import { attempt, loadLabels, loadReview, loadState, loadVideos, openVideo, state } from './store.js';
import { show } from './explain.js';
import { loadRuns } from './side.js';

const EVERY_MS = 600;
const known = new Map(); // id -> state of the jobs that this page has seen
let timer = null;
let isFirst = true;

/** Ask for the jobs until none runs. */
export function watchJobs() {
  clearTimeout(timer);
  timer = setTimeout(ask, 100);
}

async function ask() {
  const jobs = await attempt(get('/api/jobs'));
  if (!jobs) return;
  for (const job of jobs) {
    const before = known.get(job.id);
    known.set(job.id, job.state);
    const isOver = !['queued', 'running'].includes(job.state);
    if (job.own && isOver && before !== job.state && !isFirst) await ended(job);
  }
  isFirst = false;
  render(jobs);
  clearTimeout(timer);
  const isBusy = jobs.some((j) => ['queued', 'running'].includes(j.state));
  timer = setTimeout(ask, isBusy ? EVERY_MS : 10 * EVERY_MS);
}

function render(jobs) {
  const running = jobs.find((j) => j.state === 'running') ?? jobs.find((j) => j.state === 'queued');
  const waiting = jobs.filter((j) => j.state === 'queued' && j !== running).length;
  $('job').hidden = !running;
  if (!running) return;
  const parts = [running.title];
  if (running.state === 'queued') parts.push('waiting');
  else if (running.stage) parts.push(running.stage);
  if (running.left) parts.push(`${running.left} left`);
  if (waiting) parts.push(`${waiting} waiting`);
  $('job-text').textContent = parts.join(' · ');
  const bar = $('job-bar');
  if (running.total > 0 && running.done < running.total) { bar.max = running.total; bar.value = running.done; }
  else bar.removeAttribute('value');
  $('job-cancel').hidden = !running.own;
  $('job-cancel').onclick = async () => { await attempt(post(`/api/jobs/${running.id}/cancel`)); watchJobs(); };
}

async function ended(job) {
  if (job.state === 'failed') { toast(job.error, job.hint, true); return; }
  if (job.state === 'cancelled') { toast(`Cancelled: ${job.title}`); return; }
  const { summary } = job;
  for (const f of (summary.failed ?? []).slice(0, 3)) toast(`${f.name ?? f.path}: ${f.error ?? f.reason}`, f.hint, true);
  if (job.kind === 'predict') {
    await loadVideos();
    if (state.video) await openVideo(state.video.id);
    loadReview();
  } else if (job.kind === 'overlay') {
    el('a', { href: summary.download, download: '' }).click();
  } else if (job.kind === 'explain') {
    show(summary.explanation);
  } else if (job.kind === 'train') {
    const score = summary.top1 === null ? '' : ` ${percent(summary.top1)} of the clips of other videos are right.`;
    toast(`Trained ${summary.run} on ${summary.clips.train} clips.${score}`);
    await loadState();
    loadLabels();
    loadRuns();
  }
}

export function setUp() {
  watchJobs();
}
