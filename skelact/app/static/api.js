// Requests to the server. Errors have a message and a hint.

export class ApiError extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

async function request(method, path, body) {
  const options = { method, headers: {} };
  if (method !== 'GET') {
    options.body = body instanceof Blob ? body : JSON.stringify(body ?? {});
    options.headers['content-type'] = body instanceof Blob ? 'application/octet-stream' : 'application/json';
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError(0, 'The application does not answer', 'Is it still running?');
  }
  const text = await response.text();
  let content = null;
  try { content = JSON.parse(text); } catch { /* plain text of a refusal */ }
  if (!response.ok) {
    throw new ApiError(response.status, content?.error ?? text, content?.hint ?? '');
  }
  return content;
}

export const get = (path) => request('GET', path);
export const post = (path, body) => request('POST', path, body);
export const put = (path, body) => request('PUT', path, body);
export const del = (path) => request('DELETE', path);

/** Upload a file with progress; resolves to the answer. `onProgress` gets a share from 0 to 1. */
export function upload(file, onProgress) {
  const sending = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    sending.open('POST', `/api/uploads?name=${encodeURIComponent(file.name)}`);
    sending.setRequestHeader('content-type', 'application/octet-stream');
    sending.upload.addEventListener('progress', (e) => onProgress(e.total ? e.loaded / e.total : 0));
    sending.addEventListener('load', () => {
      let content = null;
      try { content = JSON.parse(sending.responseText); } catch { /* plain text */ }
      if (sending.status < 300) resolve(content);
      else reject(new ApiError(sending.status, content?.error ?? sending.responseText, content?.hint ?? ''));
    });
    sending.addEventListener('error', () => reject(new ApiError(0, 'The upload was interrupted', '')));
    sending.addEventListener('abort', () => reject(new ApiError(0, 'The upload was cancelled', '')));
  });
  sending.send(file);
  return { done, cancel: () => sending.abort() };
}
