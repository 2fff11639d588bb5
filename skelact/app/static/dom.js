// Small helpers. Text always goes through textContent, never through HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties, listeners (onclick) and children (text or elements). */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name.startsWith('aria-') || name === 'role') node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

/** An element of SVG with attributes. */
export function svg(tag, attributes = {}) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Seconds as 4.20 or 1:04.20. */
export function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - 60 * minutes).toFixed(2);
  return minutes ? `${minutes}:${rest.padStart(5, '0')}` : rest;
}

export const percent = (value) => `${Math.round(100 * value)} %`;

/** Black or white, whichever is easier to read on a colour #RRGGBB (WCAG 2.1). */
export function textOn(colour) {
  const [r, g, b] = [1, 3, 5].map((k) => {
    const v = parseInt(colour.slice(k, k + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? '#000000' : '#FFFFFF';
}

/** Show a message for some seconds; errors stay longer. */
export function toast(text, hint = '', isError = false) {
  const node = el('div', { class: isError ? 'toast error' : 'toast' }, el('strong', {}, text));
  if (hint) node.append(el('span', {}, hint));
  node.append(el('button', { class: 'small', 'aria-label': 'Close', onclick: () => node.remove() }, '×'));
  $('toasts').append(node);
  setTimeout(() => node.remove(), isError ? 15000 : 4000);
}
