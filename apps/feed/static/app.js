// Keeps an open page up to date; without it one reloads. The server sends finished HTML: nothing is filtered here.
const $ = (selector, root = document) => root.querySelector(selector);
const me = document.body.dataset.person;
const live = $('[data-live]');
const list = live && ($('.posts', live) || live);
const fresh = $('.fresh');
const title = document.title;
const POSTS_MAX = 300; // in a page that stays open for days

// Times, in the server's words.
function ago(then) {
  const s = (Date.now() - then) / 1000;
  if (s < 60) return 'now';
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return then.toUTCString().slice(5, s < 300 * 86400 ? 11 : 16).replace(/^0/, '');
}

function tick() {
  for (const time of document.querySelectorAll('time')) time.textContent = ago(new Date(time.dateTime));
}

// Posts
let waiting = new Map(); // by id, while the reader is further down
let hole = false; // some are missing in between
let unseen = 0; // came in the background
let saying;

const idOf = (post) => post.dataset.post;
const shown = (id) => $(`[data-post="${id}"]`, list);
/** May the list change under the reader? At its top, and not where the keyboard is. */
const free = () => list.getBoundingClientRect().top >= 0 && !list.contains(document.activeElement) && !$('[open]', list);

/** A post, with this reader's buttons. */
function build(html) {
  const box = document.createElement('template');
  box.innerHTML = html;
  const post = box.content.firstElementChild;
  if (!me) return post;
  const { post: id, url, author } = post.dataset;
  const [form, more] = $('#buttons').content.cloneNode(true).children;
  form.action = `${url}/favourite`;
  form.elements.next.value += id;
  $('.star', post).replaceWith(form);
  $('form', more).action = `/posts/${id}/delete`;
  if (me === author) $('footer', post).append(more);
  return post;
}

function place(post) {
  const next = [...list.children].find((other) => BigInt(idOf(other)) < BigInt(idOf(post)));
  const link = $('[rel=next]', live);
  if (!next && link && list.firstElementChild) return; // it belongs to an older page
  post.classList.add('new');
  list.insertBefore(post, next || null);
  while (list.children.length > POSTS_MAX) {
    list.lastElementChild.remove();
    if (link) link.href = `?max_id=${idOf(list.lastElementChild)}`;
  }
}

function count(news) {
  const n = waiting.size;
  if (fresh) {
    fresh.hidden = !n;
    fresh.textContent = `${n} new`;
    clearTimeout(saying);
    saying = setTimeout(() => ($('[role=status]', live).textContent = n ? fresh.textContent : news || ''), 500);
  }
  document.title = n + unseen ? `(${n + unseen}) ${title}` : title;
  tick();
}

function update({ id, html }) {
  if (shown(id) || waiting.has(id)) return;
  if (waiting.size >= POSTS_MAX) return renew();
  const post = build(html);
  if (free() && !waiting.size) {
    place(post);
    unseen += document.hidden;
  } else waiting.set(id, post);
  count(`New post by ${$('.who b', post).textContent}`);
}

function remove({ id }) {
  waiting.delete(id);
  const post = shown(id);
  if (post?.contains(document.activeElement)) (post.nextElementSibling || $('main')).focus();
  post?.remove();
  count();
}

function notification({ html }) {
  if (list.matches('.notes')) list.insertAdjacentHTML('afterbegin', html);
  const badge = $('.badge');
  const n = ++badge.dataset.unread;
  badge.textContent = n < 100 ? n : '99+';
  tick();
}

function reveal() {
  if (hole) return location.reload();
  waiting.forEach(place);
  waiting.clear();
  count();
  scrollTo({ top: 0 });
  list.firstElementChild?.focus({ preventScroll: true });
}

// The stream
let source, timer, release;
let cursor = live?.dataset.cursor;
let tries = 0;

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

/** Longer each time, and never all readers at one moment. */
function later(what) {
  close();
  timer = setTimeout(what, Math.min(60, 2 ** tries++) * (500 + Math.random() * 1000));
}

function open() {
  close();
  const es = (source = new EventSource(`${live.dataset.live}?cursor=${cursor}`));
  es.onmessage = ({ data, lastEventId }) => {
    tries = 0;
    cursor = lastEventId || cursor;
    const it = JSON.parse(data);
    ({ update, delete: remove, notification })[it.event]?.(it);
  };
  es.addEventListener('gap', renew);
  // The browser comes back by itself, with the last id, unless it was refused.
  es.onerror = () => es === source && es.readyState === 2 && later(tries ? renew : open);
}

/** After a gap: the page as it is now. */
async function renew() {
  close();
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) throw 0;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const now = $('[data-live]', page);
    if (!now || page.body.dataset.person !== me) return location.reload();
    cursor = now.dataset.cursor;
    const items = [...($('.posts', now) || now).children];
    waiting.clear();
    if (!fresh || free()) {
      list.replaceChildren(...items);
      $('.older', live)?.remove();
      live.append($('.older', now) || '');
    } else {
      const news = items.filter((post) => !shown(idOf(post)));
      hole = news.length === items.length;
      news.forEach((post) => waiting.set(idOf(post), post));
    }
    count();
    open();
  } catch {
    later(renew);
  }
}

/** Browsers open six connections to a site: in the background one page keeps its. */
function settle() {
  release?.();
  clearTimeout(timer);
  if (!document.hidden) {
    unseen = 0;
    count();
    return source || open();
  }
  navigator.locks?.request('background', { ifAvailable: true }, (lock) => {
    if (!document.hidden) return;
    if (!lock) return void (timer = setTimeout(close, 20_000));
    source || open();
    return new Promise((done) => (release = done));
  });
}

if (live) {
  fresh?.addEventListener('click', reveal);
  document.addEventListener('visibilitychange', settle);
  addEventListener('pagehide', () => (release?.(), close()));
  addEventListener('pageshow', (event) => event.persisted && settle());
  settle();
}

// Forms: sent from within the page, or as plain forms if that fails.
async function send(form) {
  const body = new URLSearchParams(new FormData(form));
  const answer = await fetch(form.action, { method: 'POST', body, headers: { Accept: 'application/json' } });
  if (!answer.ok && answer.status !== 422) throw 0;
  return answer.json();
}

async function star(form) {
  const { favourited, favourites } = await send(form);
  $('button', form).setAttribute('aria-pressed', favourited);
  $('.n', form).textContent = favourites || '';
  form.action = form.action.replace(/(un)?favourite$/, favourited ? 'unfavourite' : 'favourite');
}

async function write(form) {
  const { text, once } = form.elements;
  const { error = '', id, html } = await send(form).catch(() => ({ error: 'Not sent. Please try again.' }));
  $('.error', form).textContent = error;
  form.classList.toggle('wrong', error);
  if (error) return text.focus();
  text.value = '';
  once.value = Date.now() + Math.random();
  left(form);
  waiting.delete(id);
  if (!shown(id)) place(build(html));
  count();
}

function left(form) {
  const { text } = form.elements;
  const rest = text.dataset.max - [...text.value].length;
  const box = $('.left', form);
  box.textContent = rest < 300 ? rest : '';
  box.classList.toggle('over-max', rest < 0);
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  const acts = { 'star-form': star, 'delete-form': fresh && (async () => remove(await send(form))), compose: form.id === 'compose' && write };
  const act = acts[form.classList[0]];
  if (!act) return;
  event.preventDefault();
  act(form).catch(() => form.submit());
});
document.addEventListener('input', ({ target }) => target.form?.matches('.compose') && left(target.form));
document.addEventListener('keydown', ({ key, ctrlKey, metaKey, target }) => {
  if (key === 'Enter' && (ctrlKey || metaKey)) target.form?.matches('.compose') && target.form.requestSubmit();
});

tick();
setInterval(tick, 30_000);
