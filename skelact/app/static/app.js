// Starts the page: sets up its parts and the keys.

import { $ } from './dom.js';
import * as explain from './explain.js';
import * as jobs from './jobs.js';
import * as labels from './labels.js';
import * as panel from './panel.js';
import * as player from './player.js';
import * as side from './side.js';
import * as store from './store.js';
import * as timeline from './timeline.js';

function key(event) {
  const target = event.target;
  const isTyping = target.matches('input:not([type=checkbox]):not([type=file]), select, textarea');
  if (isTyping || document.querySelector('dialog[open]')) {
    if (event.key === 'Escape') target.blur();
    return;
  }
  const isCommand = event.ctrlKey || event.metaKey;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const seconds = (n) => player.seek(player.now() + n);
  let action = null;
  if (isCommand) {
    action = { z: event.shiftKey ? labels.redo : labels.undo, y: labels.redo }[name];
  } else if (/^[1-9]$/.test(name)) {
    const label = labels.classes()[Number(name) - 1];
    action = label ? () => labels.giveLabel(label) : null;
  } else {
    action = {
      ' ': player.toggle,
      ArrowLeft: () => (event.shiftKey ? seconds(-1) : player.step(-1)),
      ArrowRight: () => (event.shiftKey ? seconds(1) : player.step(1)),
      Home: () => player.seek(0),
      End: () => player.seek(Infinity),
      i: labels.markStart,
      o: labels.markEnd,
      a: labels.accept,
      p: labels.nextPerson,
      n: () => side.go(1),
      b: () => side.go(-1),
      Delete: labels.removeLabel,
      Backspace: labels.removeLabel,
      Escape: labels.clearChoice,
      '+': () => timeline.zoomBy(1.5),
      '-': () => timeline.zoomBy(1 / 1.5),
      '?': () => $('help').showModal(),
    }[name];
  }
  if (!action) return;
  event.preventDefault();
  action();
}

async function start() {
  for (const part of [player, timeline, labels, panel, side, explain, jobs]) part.setUp();
  document.addEventListener('keydown', key);
  $('help-open').addEventListener('click', () => $('help').showModal());
  await store.loadState();
  await store.loadVideos();
  store.loadReview();
  if (store.state.videos.length) await store.openVideo(store.state.videos[0].id);
  else store.emit('video');
}

start();
