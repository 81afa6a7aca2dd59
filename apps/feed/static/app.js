// What a page gains with script: posts arrive while it is open. Everything here also works without it, by
// reloading. The server sends finished HTML; nothing is filtered or formatted here but times.

const $ = (selector, root = document) => root.querySelector(selector);
const me = document.body.dataset.person;
const stream = $('[data-live]');
const list = stream && $('.posts', stream);
const fresh = stream && $('.fresh', stream);
const title = document.title;
const POSTS_MAX = 300; // in one page; the oldest leave when new ones come
const WAITING_MAX = 200; // posts behind the button; beyond that the page is fetched anew

// ---- times

const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const years = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

function ago(then) {
  const s = (Date.now() - then) / 1000;
  if (s < 60) return 'now';
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return (then.getFullYear() === new Date().getFullYear() ? days : years).format(then);
}

function tick(root = document) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const then = new Date(time.dateTime);
    const words = ago(then);
    if (time.textContent !== words) time.textContent = words;
    if (!time.dataset.local) time.title = time.dataset.local = then.toLocaleString();
  }
}

// ---- posts

const shown = (id) => list && [...list.children].find((post) => post.dataset.post === id);
const older = (a, b) => BigInt(a.dataset.post) < BigInt(b.dataset.post);

/** Parses a fragment of the stream and gives it the buttons that this reader has. */
function build(html, before) {
  const box = document.createElement('template');
  box.innerHTML = html;
  const post = box.content.firstElementChild;
  const { post: id, url, author } = post.dataset;
  if (me) {
    const form = $('#star-form').content.firstElementChild.cloneNode(true);
    const count = $('.star .n', post).textContent;
    const pressed = before && $('.star[aria-pressed="true"]', before);
    form.action = `${url}/${pressed ? 'un' : ''}favourite`;
    form.elements.next.value += id;
    $('button', form).setAttribute('aria-pressed', pressed ? 'true' : 'false');
    $('.n', form).textContent = count;
    $('.star', post).replaceWith(form);
  }
  if (me && me === author) {
    const more = $('#more').content.firstElementChild.cloneNode(true);
    $('form', more).action = `/posts/${id}/delete`;
    $('footer', post).append(more);
  }
  tick(post);
  return post;
}

/** Puts a post where its id belongs: the newest come first, whatever order they arrive in. */
function place(post) {
  const next = [...list.children].find((other) => older(other, post));
  if (!next && list.children.length && $('a[rel=next]', stream)) return; // belongs to an older page
  list.insertBefore(post, next || null);
  post.classList.add('new');
  trim();
}

/** Keeps a page that stays open for days from growing: the oldest go to the next page. */
function trim() {
  if (list.children.length <= POSTS_MAX) return;
  while (list.children.length > POSTS_MAX) list.lastElementChild.remove();
  const link = $('a[rel=next]', stream) || Object.assign(document.createElement('a'), { rel: 'next', textContent: 'Older' });
  link.href = `?max_id=${list.lastElementChild.dataset.post}`;
  if (!link.isConnected) {
    const line = document.createElement('p');
    line.className = 'older';
    line.append(link);
    stream.append(line);
  }
}

let waiting = new Map(); // id -> post, arrived while the reader was further down
let renewed; // after a gap: the posts of the page as it is now, also waiting
let unseen = 0;

/** May the page change under the reader? Only at the top, and not under a finger or the keyboard. */
const free = () =>
  list.getBoundingClientRect().top > 0 && !list.contains(document.activeElement) && !$('details[open]', list);

function update(html) {
  const box = build(html);
  const id = box.dataset.post;
  const before = shown(id);
  if (before) {
    if (!before.contains(document.activeElement)) before.replaceWith(build(html, before));
    return;
  }
  if (free() && !waiting.size && !renewed) {
    place(box);
    say(`New post by ${$('.who b', box).textContent}`);
    if (document.hidden) unseen++;
  } else {
    waiting.set(id, box);
  }
  count();
}

function remove(id) {
  waiting.delete(id);
  const post = shown(id);
  if (!post) return count();
  if (post.contains(document.activeElement)) (post.nextElementSibling || $('main')).focus();
  post.remove();
  count();
}

let saying;
function say(words) {
  clearTimeout(saying);
  saying = setTimeout(() => ($('[role=status]', stream).textContent = words), 500);
}

function count() {
  const n = waiting.size;
  fresh.hidden = !n && !renewed;
  fresh.textContent = renewed ? 'New posts' : `${n} new`;
  if (!fresh.hidden) say(renewed ? 'There are new posts' : `${n} new ${n === 1 ? 'post' : 'posts'}`);
  document.title = n + unseen ? `(${n + unseen}) ${title}` : title;
}

/** Shows what waited, at the reader's own wish; the focus moves on to the newest. */
function reveal() {
  if (renewed) list.replaceChildren(...renewed);
  renewed = null;
  for (const post of waiting.values()) if (!shown(post.dataset.post)) place(post);
  waiting = new Map();
  tick(list);
  count();
  scrollTo({ top: 0 });
  list.firstElementChild?.focus({ preventScroll: true });
}

// ---- the stream

let source;
let cursor = stream?.dataset.cursor;
let tries = 0;
let timer;

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

/** Tries again later: longer each time, and never all readers at the same moment. */
function later(what) {
  close();
  const wait = Math.min(60, 2 ** tries++) * (500 + Math.random() * 1000);
  timer = setTimeout(what, wait);
}

function open() {
  close();
  const es = (source = new EventSource(`${stream.dataset.live}?cursor=${encodeURIComponent(cursor)}`));
  const on = (name, act) =>
    es.addEventListener(name, (event) => {
      if (es !== source) return;
      tries = 0;
      cursor = event.lastEventId || cursor;
      act(event.data && JSON.parse(event.data));
    });
  on('update', (data) => (waiting.size < WAITING_MAX ? update(data.html) : renew()));
  on('delete', (data) => remove(data.id));
  on('notification', notify);
  on('gap', renew);
  es.onerror = () => {
    if (es === source && es.readyState === EventSource.CLOSED) later(open);
  };
}

/** After a gap: the page's content as it is now, and the stream from there. */
async function renew() {
  close();
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const now = $('[data-live]', page);
    if (!answer.ok) throw answer.status;
    if (!now || page.body.dataset.person !== me) return location.reload();
    cursor = now.dataset.cursor;
    waiting = new Map();
    renewed = [...$('.posts', now).children].map((post) => document.adoptNode(post));
    if (free()) reveal();
    count();
    open();
  } catch {
    later(renew);
  }
}

function notify(data) {
  const badge = $('.badge');
  if (!badge) return;
  badge.textContent = data.unread < 100 ? data.unread || '' : '99+';
}

if (stream) {
  fresh.addEventListener('click', reveal);
  // Browsers open six connections to a site at most: of the pages in the background, one stays connected.
  let release;
  const settle = () => {
    release?.();
    release = null;
    if (!document.hidden) {
      if (!source) open();
      unseen = 0;
      return count();
    }
    const leave = () => (timer = setTimeout(() => document.hidden && close(), 20_000));
    if (!navigator.locks) return leave();
    navigator.locks.request('squall-background', { ifAvailable: true }, (lock) => {
      if (!lock || !document.hidden) return void leave();
      return new Promise((done) => (release = done));
    });
  };
  document.addEventListener('visibilitychange', settle);
  addEventListener('pagehide', () => (release?.(), close()));
  addEventListener('pageshow', (event) => event.persisted && settle());
  settle();
}

// ---- forms

const post = (form) =>
  fetch(form.action, {
    method: 'POST',
    body: new URLSearchParams(new FormData(form)),
    headers: { Accept: 'application/json' },
  });

/** Marks at once, counts when the server has answered, and falls back to the form itself. */
async function star(form) {
  const button = $('button', form);
  const answer = await post(form);
  if (!answer.ok) return form.submit();
  const { favourited, favourites } = await answer.json();
  button.setAttribute('aria-pressed', favourited);
  $('.n', form).textContent = favourites || '';
  form.action = form.action.replace(/(un)?favourite$/, favourited ? 'unfavourite' : 'favourite');
}

async function erase(form) {
  const answer = await post(form);
  if (!answer.ok) return form.submit();
  remove(form.closest('.post').dataset.post);
  say('Deleted');
}

async function write(form) {
  const { text, once } = form.elements;
  const button = $('button.primary', form);
  button.disabled = true;
  try {
    const answer = await post(form);
    const data = await answer.json();
    $('.error', form).textContent = data.error || '';
    form.classList.toggle('wrong', !!data.error);
    if (data.error) return text.focus();
    text.value = '';
    once.value = crypto.randomUUID?.() || String(Math.random());
    left(form);
    if (!shown(data.id)) {
      waiting.delete(data.id);
      place(build(data.html));
      count();
    }
  } catch {
    $('.error', form).textContent = 'That did not reach the server. Your text is still here: try again.';
  } finally {
    button.disabled = false;
  }
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  const act =
    (form.matches('.star-form') && star) ||
    (form.matches('.delete-form') && list?.contains(form) && erase) ||
    (form.matches('#compose') && list && write);
  if (!act) return;
  event.preventDefault();
  act(form);
});

function left(form) {
  const text = form.elements.text;
  const rest = text.dataset.max - [...text.value].length;
  const box = $('.left', form);
  box.textContent = rest < 300 ? rest : '';
  box.classList.toggle('over-max', rest < 0);
}
document.addEventListener('input', (event) => event.target.form?.matches('.compose') && left(event.target.form));
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.target.form?.matches('.compose') && event.target.form.requestSubmit();
  if (event.key === 'Escape') for (const menu of document.querySelectorAll('details[open]')) menu.open = false;
});

tick();
setInterval(tick, 30_000);
