/**
 * Squall's client: topics over whatever transport works, each message handed on once and in order, or a gap said.
 * It speaks Centrifugo's client protocol in JSON. How to use it, and what each option means: squall.d.ts.
 */

class LiveEvent extends Event {
  constructor(type, fields) {
    super(type);
    Object.assign(this, fields);
  }
}

/** Codes as in Centrifugo; 1: no answer in time, 2: the connection was lost. */
export class LiveError extends Error {
  constructor(code, message, temporary = false) {
    super(message);
    this.name = "LiveError";
    this.code = code;
    this.temporary = temporary;
  }
}

/** What has events, timers, and a token that ends. */
class Speaker extends EventTarget {
  _timers = {};
  /** Whatever was asked before it changed is answered to nobody. */
  _age = 0;
  _token = "";

  _say(type, fields) {
    this.dispatchEvent(new LiveEvent(type, fields));
  }

  _later(name, delay, act) {
    clearTimeout(this._timers[name]);
    this._timers[name] = setTimeout(act, Math.min(delay, TIMER_MS_MAX));
  }

  _clear() {
    this._age++;
    for (const timer of Object.values(this._timers)) clearTimeout(timer);
  }

  /** Shortly before what was granted ends: a new token, which `ask` brings. */
  _renew(granted, about, ask) {
    const age = this._age;
    const renew = async () => {
      try {
        const token = await this.options.getToken?.(about);
        if (age !== this._age) return;
        if (!token) return this._end(1, "unauthorized");
        this._token = token;
        const next = await ask(token);
        if (age === this._age) this._renew(next, about, ask);
      } catch (error) {
        if (age !== this._age) return;
        this._say("error", { what: "refresh", error });
        this._later("refresh", backoff(4, this.options), renew);
      }
    };
    if (granted?.ttl) this._later("refresh", granted.ttl * 900, renew);
  }
}

const NAMES = ["websocket", "http_stream", "sse"];
/** How often a transport that has worked may fail before the next one is tried. */
const TRIES = 3;
/** How long another one must have lasted to be the first that is tried from then on. */
const LASTING_MS = 60_000;
/** How late a ping may be, and how long a connection may take to begin. */
const PATIENCE_MS = 10_000;
/** Longer than this timers cannot do. */
const TIMER_MS_MAX = 2 ** 31 - 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const noop = () => {};

/** Full jitter: any delay up to one that doubles with each attempt. */
const backoff = (attempt, { minDelay, maxDelay }) =>
  Math.random() * Math.min(maxDelay, minDelay * 2 ** Math.min(attempt, 30));

/** Whether a client comes back by itself after such a close code. */
const comesBack = (code) => !((code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code === 1009);

/** Each begins with the first line and answers how to send and close; `on.close` may get a code. */
const TRANSPORTS = {
  websocket(live, first, on) {
    const socket = new live.options.WebSocket(live.url("connection/websocket").replace(/^http/, "ws"));
    socket.onopen = () => socket.send(first);
    socket.onmessage = ({ data }) => data.split("\n").forEach(on.line);
    socket.onerror = noop;
    socket.onclose = ({ code, reason }) => on.close(code, reason);
    return {
      send: (lines) => socket.send(lines),
      close: () => socket.close(),
    };
  },
  http_stream(live, first, on) {
    const abort = new AbortController();
    const read = async () => {
      const response = await live.options.fetch(live.url("connection/http_stream"), {
        method: "POST",
        headers: { "content-type": "application/json" },
        credentials: "same-origin",
        body: first,
        signal: abort.signal,
      });
      if (!response.ok) return;
      const reader = response.body.getReader();
      const text = new TextDecoder();
      for (let rest = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        const lines = (rest + text.decode(value, { stream: true })).split("\n");
        rest = lines.pop();
        lines.forEach(on.line);
      }
    };
    read().catch(noop).then(() => on.close());
    return { send: (lines, session) => emulate(live, lines, session), close: () => abort.abort() };
  },
  sse(live, first, on) {
    const url = live.url("connection/sse") + "?cf_connect=" + encodeURIComponent(first);
    const source = new live.options.EventSource(url);
    source.onmessage = ({ data }) => on.line(data);
    // It would come back by itself, with an old token and without our positions.
    source.onerror = () => (source.close(), on.close());
    return { send: (lines, session) => emulate(live, lines, session), close: () => source.close() };
  },
};

/** One request at a time, so that commands arrive in order. */
function emulate(live, lines, session) {
  const body = JSON.stringify({ session: session.id, node: session.node, data: lines });
  const send = () =>
    live.options.fetch(live.url("emulation"), {
      method: "POST",
      headers: { "content-type": "application/json" },
      credentials: "same-origin",
      body,
    });
  session.last = (session.last ?? Promise.resolve()).then(send).then(
    (response) => response.ok || session.fail(),
    () => session.fail(),
  );
}

export class Squall extends Speaker {
  #transport = null;
  #session = {};
  #pending = new Map();
  #subs = new Map();
  #server = new Map();
  #waiting = new Set();
  #lastId = 0;
  #attempt = 0;
  #tried = 0;
  #best = "";
  #name;
  #names;
  #seenAt = 0;
  #silence = 0;
  #wake = () => this.#woken();
  #offline = () => this.#lost("offline");

  /** @type {"disconnected" | "connecting" | "connected"} */
  state = "disconnected";
  /** The id that the server gave this connection. */
  client = "";

  constructor(options = {}) {
    super();
    const g = globalThis;
    this.options = {
      url: "/",
      transports: NAMES,
      minDelay: 500,
      maxDelay: 20_000,
      timeout: 5_000,
      connect: true,
      WebSocket: g.WebSocket,
      fetch: g.fetch?.bind(g),
      EventSource: g.EventSource,
      ...options,
    };
    const { WebSocket, fetch, EventSource, transports, url } = this.options;
    const there = { websocket: WebSocket, http_stream: fetch && g.ReadableStream, sse: fetch && EventSource };
    this.#names = transports.filter((name) => there[name]);
    if (!this.#names.length) throw new LiveError(3, "no transport can be used here");
    this.base = new URL(url.endsWith("/") ? url : url + "/", g.document?.baseURI ?? g.location?.href);
    this._token = options.token ?? "";
    const remembered = this.#memory()?.getItem(this.#key);
    this.#name = this.#names.includes(remembered) ? remembered : this.#names[0];
    if (this.options.connect) this.connect();
  }

  get transport() {
    return this.#name;
  }

  url(path) {
    return new URL(path, this.base).href;
  }

  connect() {
    if (this.state !== "disconnected") return;
    this.#listen("addEventListener");
    this.#attempt = this.#tried = 0;
    this.state = "connecting";
    const life = ++this._age;
    // Whoever asks for a connection first has time to listen.
    queueMicrotask(() => {
      if (life !== this._age) return;
      this._say("connecting", { code: 0, reason: "connect called", transport: this.#name });
      this.#begin();
    });
  }

  _end(code, reason) {
    this.disconnect(code, reason);
  }

  /** Positions are kept, so that `connect()` goes on where it ended. */
  disconnect(code = 0, reason = "disconnect called") {
    if (this.state === "disconnected") return;
    this.#listen("removeEventListener");
    this.#drop();
    this.state = "disconnected";
    for (const sub of this.#subs.values()) sub._lost();
    this.#settle(({ reject }) => reject(new LiveError(2, reason)));
    this._say("disconnected", { code, reason });
  }

  subscribe(channel, options = {}) {
    let sub = this.#subs.get(channel);
    if (!sub) {
      sub = new Subscription(this, channel, options, (command) => this._call(command));
      this.#subs.set(channel, sub);
      sub.addEventListener("unsubscribed", () => {
        if (this.#subs.get(channel) === sub) this.#subs.delete(channel);
      });
      sub._subscribe();
    }
    return sub;
  }

  publish(channel, data) {
    return this.#ask({ publish: { channel, data } }).then(noop);
  }

  rpc(method, data = null) {
    return this.#ask({ rpc: { method, data } }).then((reply) => reply.rpc?.data);
  }

  send(data) {
    return this.#ready().then(() => this.#write([{ send: { data } }]));
  }

  presence(channel) {
    return this.#ask({ presence: { channel } }).then((reply) => reply.presence?.presence ?? {});
  }

  presenceStats(channel) {
    return this.#ask({ presence_stats: { channel } }).then(({ presence_stats: stats }) => ({
      clients: stats?.num_clients ?? 0,
      users: stats?.num_users ?? 0,
    }));
  }

  history(channel, { limit = 0, since, reverse = false } = {}) {
    return this.#ask({ history: { channel, limit, since, reverse } }).then(({ history = {} }) => ({
      messages: history.publications ?? [],
      offset: history.offset ?? 0,
      epoch: history.epoch ?? "",
    }));
  }

  async #begin() {
    const life = ++this._age;
    clearTimeout(this._timers.retry);
    const { getToken, data, name = "squall.js", version = "" } = this.options;
    if (!this._token && getToken) {
      try {
        this._token = await getToken({});
      } catch (error) {
        return life === this._age && (this.#fail("token", error), this.#retry());
      }
      if (life !== this._age) return;
      if (!this._token) return this.disconnect(1, "unauthorized");
    }
    const subs = {};
    for (const [channel, at] of this.#server) subs[channel] = { recover: true, ...at };
    const connect = { token: this._token || undefined, data, name, version, subs };
    const on = {
      line: (line) => life === this._age && line.trim() && this.#line(line),
      close: (code = 0, reason = "") => life === this._age && this.#closed(code, reason),
    };
    this.#session = { fail: () => on.close() };
    // No answer in time is no connection: a proxy may keep a stream's bytes to itself.
    this._timers.silence = setTimeout(on.close, PATIENCE_MS);
    const command = { id: ++this.#lastId, connect };
    this.#pending.set(command.id, [(reply) => this.#began(reply), noop]);
    try {
      this.#transport = TRANSPORTS[this.#name](this, JSON.stringify(command), on);
    } catch (error) {
      this.#fail("transport", error);
      on.close();
    }
  }

  #began({ error, connect }) {
    if (error) {
      this.#fail("connect", new LiveError(error.code, error.message, error.temporary));
      if (error.code === 109) this._token = "";
      const again = error.temporary || error.code < 100 || (error.code === 109 && this.options.getToken);
      return again ? this.#retry() : this.disconnect(error.code, error.message);
    }
    const { client, ping = 0, pong, session, node, data, subs = {} } = connect;
    this.state = "connected";
    this.client = client;
    this.#attempt = this.#tried = 0;
    this.#best ||= this.#name;
    this.#memory()?.setItem(this.#key, this.#name);
    Object.assign(this.#session, { id: session, node, pong, at: Date.now() });
    this.#silence = ping * 1000;
    this.#seen();
    this._renew(connect, {}, (token) => this._call({ refresh: { token } }).then(({ refresh }) => refresh));
    for (const channel of this.#server.keys()) if (!subs[channel]) this.#server.delete(channel);
    // All subscriptions leave in one write.
    const commands = [...this.#subs.values()].map((sub) => sub._command()).filter(Boolean);
    this.#write(commands);
    this._say("connected", { client, data, transport: this.#name });
    for (const [channel, result] of Object.entries(subs)) this.#subscribed(channel, result);
    this.#settle(({ resolve }) => resolve());
  }

  #closed(code, reason) {
    if (code && !comesBack(code)) return this.disconnect(code, reason);
    const began = this.state === "connected";
    if (began) {
      // A transport that only worked while the server was hard to reach is not stayed with.
      if (Date.now() - this.#session.at > LASTING_MS) this.#best = this.#name;
      this.#name = this.#best;
    } else if (++this.#tried >= (this.#best ? TRIES : 1)) {
      this.#tried = 0;
      const at = this.#names.indexOf(this.#name) + 1;
      this.#name = this.#names[at % this.#names.length];
      // Another one is tried at once, until all have been.
      if (!this.#best && at < this.#names.length) {
        this.#drop();
        return this.#begin();
      }
    }
    this.#lost(reason || "connection closed", code);
  }

  #lost(reason, code = 0) {
    if (this.state === "disconnected") return;
    const began = this.state === "connected";
    this.#drop();
    if (began) {
      this.state = "connecting";
      for (const sub of this.#subs.values()) sub._lost();
      this._say("connecting", { code, reason, transport: this.#name });
    }
    this.#retry();
  }

  #retry() {
    this.#drop();
    this._later("retry", backoff(this.#attempt++, this.options), () => this.#begin());
  }

  #drop() {
    this._clear();
    const transport = this.#transport;
    this.#transport = null;
    transport?.close();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const [, reject, timer] of pending) {
      clearTimeout(timer);
      reject(new LiveError(2, "connection closed", true));
    }
  }

  #line(line) {
    let reply;
    try {
      reply = JSON.parse(line);
    } catch (error) {
      this.#fail("protocol", error);
      return this.#lost("what came is not the protocol");
    }
    this.#seen();
    if (reply.id) {
      const [resolve, , timer] = this.#pending.get(reply.id) ?? [noop];
      this.#pending.delete(reply.id);
      clearTimeout(timer);
      resolve(reply);
    } else if (reply.push) {
      this.#push(reply.push);
    } else if (this.#session.pong) {
      this.#write([{}]);
    }
  }

  #push(push) {
    const { channel, pub, join, leave, unsubscribe, subscribe, message, disconnect } = push;
    if (disconnect) return this.#closed(disconnect.code, disconnect.reason);
    if (message) return this._say("message", { data: message.data });
    if (subscribe) return this.#subscribed(channel, subscribe);
    const sub = this.#subs.get(channel);
    if (sub) return sub._push(push);
    if (pub) this.#published(channel, pub);
    else if (join) this._say("join", { channel, info: join.info });
    else if (leave) this._say("leave", { channel, info: leave.info });
    else if (unsubscribe) {
      this.#server.delete(channel);
      this._say("unsubscribed", { channel, code: unsubscribe.code, reason: unsubscribe.reason });
    }
  }

  /** The server subscribed us to a channel, or says how it went on. */
  #subscribed(channel, { epoch, offset = 0, recoverable, positioned, recovered, was_recovering, publications, data }) {
    const before = this.#server.get(channel);
    const keeps = (recoverable || positioned) && epoch !== undefined;
    if (before && !recovered && !(keeps && before.epoch === epoch && before.offset === offset))
      this._say("gap", { channel, from: before, to: keeps ? { epoch, offset } : null });
    if (keeps) this.#server.set(channel, recovered ? before : { epoch, offset });
    else this.#server.delete(channel);
    this._say("subscribed", { channel, recovered: !!recovered, wasRecovering: !!was_recovering, data });
    for (const pub of publications ?? []) this.#published(channel, pub);
    if (keeps) this.#server.set(channel, { epoch, offset: Math.max(offset, this.#server.get(channel)?.offset ?? 0) });
  }

  #published(channel, pub) {
    const at = this.#server.get(channel);
    if (at && pub.offset) {
      if (pub.offset <= at.offset) return;
      this.#server.set(channel, { ...at, offset: pub.offset });
    }
    this._say("publication", { channel, data: pub.data, offset: pub.offset, tags: pub.tags, info: pub.info });
  }

  #seen() {
    this.#seenAt = Date.now();
    if (this.#silence) this._later("silence", this.#silence + PATIENCE_MS, () => this.#lost("no ping"));
    else clearTimeout(this._timers.silence);
  }

  /** What slept through its pings is over, and what waits goes on. */
  #woken() {
    if (globalThis.document?.visibilityState === "hidden") return;
    if (this.state === "connected") {
      const late = this.#silence && Date.now() - this.#seenAt > this.#silence + PATIENCE_MS;
      if (late) this.#lost("no ping");
    }
    if (this.state === "connecting" && !this.#transport) {
      this.#attempt = 0;
      this.#begin();
    }
  }

  #listen(how) {
    const g = globalThis;
    if (!g[how]) return;
    for (const type of ["online", "pageshow"]) g[how](type, this.#wake);
    g[how]("offline", this.#offline);
    g.document?.[how]?.("visibilitychange", this.#wake);
  }

  #write(commands) {
    if (!commands.length || !this.#transport) return;
    const lines = commands.map((command) => JSON.stringify(command)).join("\n");
    this.#transport.send(lines, this.#session);
  }

  _numbered(command, resolve, reject) {
    const id = ++this.#lastId;
    const late = () => this.#pending.delete(id) && reject(new LiveError(1, "timeout", true));
    this.#pending.set(id, [resolve, reject, setTimeout(late, this.options.timeout)]);
    return { id, ...command };
  }

  _call(command) {
    return new Promise((resolve, reject) => {
      if (this.state !== "connected") return reject(new LiveError(2, "not connected", true));
      const answered = (reply) =>
        reply.error
          ? reject(new LiveError(reply.error.code, reply.error.message, reply.error.temporary))
          : resolve(reply);
      this.#write([this._numbered(command, answered, reject)]);
    });
  }

  #ask(command) {
    return this.#ready().then(() => this._call(command));
  }

  #ready() {
    if (this.state === "connected") return Promise.resolve();
    if (this.state === "disconnected") return Promise.reject(new LiveError(2, "disconnected"));
    return new Promise((resolve, reject) => {
      const late = () => (this.#waiting.delete(entry), reject(new LiveError(1, "timeout", true)));
      const entry = { resolve, reject, timer: setTimeout(late, this.options.timeout) };
      this.#waiting.add(entry);
    });
  }

  #settle(act) {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const entry of waiting) {
      clearTimeout(entry.timer);
      act(entry);
    }
  }

  _send(command) {
    this.#write([command]);
  }

  _broken(reason) {
    this.#lost(reason);
  }

  #fail(what, error) {
    this._say("error", { what, error });
  }

  get #key() {
    return "squall:" + this.base.href;
  }

  /** Browsers may forbid it. */
  #memory() {
    try {
      return globalThis.sessionStorage;
    } catch {
      return null;
    }
  }
}

export class Subscription extends Speaker {
  #live;
  #call;
  #at = null;
  #before = null;
  #seenOnce = false;
  #delta = false;
  #attempt = 0;
  /** The server has been asked over this connection. */
  #sent = false;

  /** @type {"subscribing" | "subscribed" | "unsubscribed"} */
  state = "unsubscribed";

  constructor(live, channel, options, call) {
    super();
    this.channel = channel;
    this.#live = live;
    const { minDelay, maxDelay } = live.options;
    this.options = { minDelay, maxDelay, ...options };
    this.#call = call;
    this._token = options.token ?? "";
    this.#at = options.since ?? null;
  }

  /** Everything up to here was handed on. */
  get position() {
    return this.#at && { ...this.#at };
  }

  publish(data) {
    return this.#live.publish(this.channel, data);
  }

  presence() {
    return this.#live.presence(this.channel);
  }

  presenceStats() {
    return this.#live.presenceStats(this.channel);
  }

  history(options) {
    return this.#live.history(this.channel, options);
  }

  unsubscribe() {
    if (this.state === "unsubscribed") return;
    const sent = this.#sent;
    this._end(0, "unsubscribe called");
    if (sent) this.#call({ unsubscribe: { channel: this.channel } }).catch(noop);
  }

  _subscribe() {
    this.state = "subscribing";
    if (this.#live.state === "connected") this.#ask();
  }

  _lost() {
    this._clear();
    this.#sent = false;
    if (this.state !== "subscribed") return;
    this.state = "subscribing";
    this._say("subscribing", {});
  }

  _command() {
    if (this.state === "unsubscribed") return null;
    clearTimeout(this._timers.retry);
    const { getToken } = this.options;
    if (!this._token && getToken) {
      this.#ask();
      return null;
    }
    return this.#request();
  }

  #request() {
    const { data, recoverable = true, positioned = true, joinLeave, delta, tagsFilter } = this.options;
    const asked = ++this._age;
    this.#sent = true;
    const subscribe = {
      channel: this.channel,
      token: this._token || undefined,
      data,
      recoverable,
      positioned,
      join_leave: joinLeave,
      delta,
      tf: tagsFilter,
      ...(this.#at && { recover: true, ...this.#at }),
    };
    const current = (act) => (value) => asked === this._age && this.state === "subscribing" && act(value);
    return this.#live._numbered(
      { subscribe },
      current((reply) => this.#answered(reply)),
      // Whether it has been subscribed is not known: the next connection tells.
      current((error) => error.code === 1 && this.#live._broken("subscribe timeout")),
    );
  }

  async #ask() {
    const { getToken } = this.options;
    const asked = ++this._age;
    if (!this._token && getToken) {
      try {
        this._token = await getToken({ channel: this.channel });
      } catch (error) {
        return asked === this._age && this.#again(error);
      }
      if (asked !== this._age) return;
      if (!this._token) return this._end(1, "unauthorized");
    }
    if (this.#live.state !== "connected") return;
    this.#live._send(this.#request());
  }

  #again(error) {
    this._say("error", { error });
    this._later("retry", backoff(this.#attempt++, this.options), () => this.#ask());
  }

  #answered({ error, subscribe: result }) {
    if (error) {
      const { code, message, temporary } = error;
      const expired = code === 109 && this.options.getToken;
      if (expired) this._token = "";
      if (temporary || code < 100 || expired) return this.#again(new LiveError(code, message, temporary));
      return this._end(code, message);
    }
    const { epoch = "", offset = 0, recovered, was_recovering, publications, data } = result;
    const keeps = !!(result.recoverable || result.positioned);
    const before = this.#at;
    const missed = before ? !recovered && !(before.epoch === epoch && before.offset === offset) : this.#seenOnce;
    this.state = "subscribed";
    this.#seenOnce = true;
    this.#attempt = 0;
    // The first message is whole, whatever came before.
    this.#before = null;
    this.#delta = !!result.delta;
    this.#at = keeps ? (recovered ? before : { epoch, offset }) : null;
    const { channel } = this;
    const renew = (token) => this.#call({ sub_refresh: { channel, token } }).then(({ sub_refresh: next }) => next);
    this._renew(result, { channel }, renew);
    if (missed) this._say("gap", { from: before, to: this.position });
    const asked = this._age;
    this._say("subscribed", { recovered: !!recovered, wasRecovering: !!was_recovering, data });
    for (const pub of publications ?? []) {
      // Whoever was told may have unsubscribed.
      if (asked !== this._age) return;
      this.#published(pub);
    }
    if (keeps && asked === this._age) this.#at = { epoch, offset: Math.max(offset, this.#at?.offset ?? 0) };
  }

  _push({ pub, join, leave, unsubscribe }) {
    if (this.state !== "subscribed") return;
    if (pub) return this.#published(pub);
    if (join) return this._say("join", { info: join.info });
    if (leave) return this._say("leave", { info: leave.info });
    if (!unsubscribe) return;
    const { code, reason } = unsubscribe;
    if (code < 2500) return this._end(code, reason);
    if (code === 2501) this._token = "";
    this._lost();
    this.#again(new LiveError(code, reason, true));
  }

  #published(pub) {
    const { offset, tags, info } = pub;
    // Handed on already.
    if (this.#at && offset && offset <= this.#at.offset) return;
    let { data } = pub;
    if (this.#delta) {
      try {
        const bytes = encoder.encode(data);
        this.#before = pub.delta ? applyDelta(this.#before, bytes) : bytes;
        data = JSON.parse(decoder.decode(this.#before));
      } catch (error) {
        this._say("error", { error });
        return this.#live._broken("a delta that does not fit");
      }
    }
    if (this.#at && offset) this.#at = { ...this.#at, offset };
    this._say("message", { data, offset, tags, info });
  }

  _end(code, reason) {
    this._clear();
    this.#sent = false;
    this.state = "unsubscribed";
    this._say("unsubscribed", { code, reason });
  }

}

/** The target that a Fossil delta makes of its source. */
function applyDelta(source, delta) {
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
  let at = 0;
  const number = () => {
    let sum = 0;
    for (let digit; (digit = digits.indexOf(String.fromCharCode(delta[at]))) >= 0; at++) sum = sum * 64 + digit;
    return sum;
  };
  const size = number();
  const target = new Uint8Array(Math.min(size, 2 ** 24));
  let end = 0;
  at++;
  while (at < delta.length) {
    const count = number();
    const command = String.fromCharCode(delta[at++]);
    if (command === "@") {
      const from = number();
      at++;
      target.set(source.subarray(from, from + count), end);
      end += count;
    } else if (command === ":") {
      target.set(delta.subarray(at, at + count), end);
      at += count;
      end += count;
    } else if (command === ";" && end === size && count === checksum(target)) {
      return target;
    } else break;
  }
  throw new LiveError(4, "a delta that does not fit");
}

/** The sum of all big-endian 32-bit words, the last one filled up with zeros. */
function checksum(bytes) {
  let sum = 0;
  bytes.forEach((byte, at) => (sum = (sum + (byte << (24 - 8 * (at % 4)))) | 0));
  return sum >>> 0;
}
