"""The style sheet and the script of pages, for light and dark screens and for paper."""

from __future__ import annotations

STYLE = """
:root { --text: #222; --paper: #fff; --dim: #666; --line: #ddd; --soft: #f4f4f4; --warn: #fff3d6;
  --right: #0072b2; --wrong: #d55e00 }
@media screen and (prefers-color-scheme: dark) { :root { color-scheme: dark; --text: #ddd;
  --paper: #181818; --dim: #aaa; --line: #444; --soft: #262626; --warn: #463a14; --right: #56b4e9;
  --wrong: #e69f00 } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em;
  color: var(--text); background: var(--paper) }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em } h3 { font-size: 1em }
table { border-collapse: collapse; margin: .5em 0 } td, th { padding: .2em .8em; text-align: right;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; vertical-align: top }
th { white-space: nowrap } .names { text-align: left; overflow-wrap: anywhere; min-width: 20em }
td:first-child, th:first-child { text-align: left } .wide { overflow-x: auto }
code { font-size: .85em } pre { background: var(--soft); padding: .6em; overflow-x: auto }
.big { display: flex; flex-wrap: wrap; gap: 2em } .big div { font-size: 1.8em }
.big small { display: block; font-size: .5em; color: var(--dim) }
img { max-width: 100% } a { color: var(--right) }
.row { display: flex; flex-wrap: wrap; gap: 1em }
figure { display: inline-block; margin: .5em; width: 13em; vertical-align: top }
figcaption { font-size: .85em; overflow-wrap: anywhere }
canvas { background: var(--soft); width: 100% }
.chart { width: 27em; max-width: 100%; margin: .5em 0 } .matrix { width: 100%; margin: 0 }
.key { margin-right: 1em; white-space: nowrap } .bars { vertical-align: middle; height: 12px }
svg text { fill: var(--text); font-size: 11px } .grid { stroke: var(--line) }
.frame { fill: none; stroke: var(--line) } .skeleton line { stroke-width: 2.5 }
.skeleton { background: #202226 } .right, .bar { fill: var(--right) } .wrong { fill: var(--wrong) }
.error { stroke: var(--text); stroke-width: 2 } svg text.strong { fill: var(--paper) }
.warn { background: var(--warn); padding: .4em .8em }
@media print { body { max-width: none; font-size: 11px } h2 { break-after: avoid }
  figure, tr { break-inside: avoid } * { print-color-adjust: exact } .wide { overflow: visible } }
"""
PLAYER = """
for (const c of document.querySelectorAll('canvas[data-poses]')) {
  const d = JSON.parse(c.dataset.poses), g = c.getContext('2d'); let t = 0;
  const flat = d.frames.flat(2).filter(v => v !== null);
  if (!flat.length) continue;
  const xs = flat.map(p => p[0]), ys = flat.map(p => p[1]);
  const x0 = Math.min(...xs), y0 = Math.min(...ys);
  const s = 180 / Math.max(Math.max(...xs) - x0, Math.max(...ys) - y0, 1e-6);
  const at = p => [10 + (p[0] - x0) * s, 10 + (p[1] - y0) * s];
  const draw = () => {
    g.clearRect(0, 0, 200, 200); g.lineWidth = 3;
    d.frames[t].forEach((person, k) => {
      g.strokeStyle = ['#0072b2', '#d55e00', '#009e73'][k % 3];
      for (const [a, b] of d.edges) if (person[a] && person[b]) {
        g.beginPath(); g.moveTo(...at(person[a])); g.lineTo(...at(person[b])); g.stroke();
      }
    });
    t = (t + 1) % d.frames.length;
  };
  while (t < d.frames.length - 1 && !d.frames[t].flat().some(v => v !== null)) t++;
  draw(); setInterval(draw, d.step);
}
"""
