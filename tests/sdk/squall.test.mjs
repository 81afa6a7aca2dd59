// Our own client for browsers against our sessions: the same tests over every transport that it has.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { EventSource } from 'eventsource';
import WebSocket from 'ws';

import { Squall } from '../../crates/squall/assets/squall.js';
import { Proxy, Server } from './server.mjs';

const STORY = { home: 'Squall', guests: 'Tornado', events: ['kick-off', 'corner', 'corner', 'free kick'] };

let server;
before(async () => {
  server = await Server.start();
});
after(() => server.stop());

let names = 0;
/** A channel that no other test uses. */
const unique = (kind) => `${kind}:own-${process.pid}-${++names}`;

for (const transport of ['websocket', 'http_stream', 'sse']) {
  describe(transport, { timeout: 60_000 }, () => {
    const clients = [];
    after(() => clients.forEach((live) => live.disconnect()));

    async function connected(options = {}, port = server.port) {
      const live = new Squall({
        url: `http://127.0.0.1:${port}/`,
        transports: [transport],
        WebSocket,
        EventSource,
        minDelay: 1,
        maxDelay: 20,
        ...options,
      });
      clients.push(live);
      await once(live, 'connected');
      return live;
    }

    /** Everything that a subscription says, and a way to wait for it. */
    function listen(sub) {
      const said = [];
      for (const type of ['message', 'gap', 'subscribed', 'unsubscribed', 'join', 'leave']) {
        sub.addEventListener(type, (event) => said.push([type, event]));
      }
      const of = (type) => said.filter(([name]) => name === type).map(([, event]) => event);
      const messages = async (count) => {
        while (of('message').length < count) await once(sub, 'message');
        return of('message').map(({ data }) => data);
      };
      return { of, messages };
    }

    test('messages come in order, each once, with what there is to know of them', async () => {
      const live = await connected({ token: 'alice' });
      const channel = unique('tagged');
      const sub = live.subscribe(channel);
      const heard = listen(sub);
      await once(sub, 'subscribed');
      assert.deepEqual(heard.of('subscribed')[0].data, { welcome: 1 });
      const { offset } = await server.publish(channel, 0);
      await sub.publish({ one: 1 });
      assert.deepEqual(await heard.messages(2), [0, { one: 1 }]);
      const [first, second] = heard.of('message');
      assert.equal(first.offset, offset);
      assert.deepEqual(second.tags, { size: '9' });
      assert.equal(second.info.user, 'alice');
      assert.deepEqual(sub.position.offset, second.offset);
    });

    test('what was missed is there after a cut, once, and in order', async () => {
      const proxy = await Proxy.before(server);
      const live = await connected({}, proxy.port);
      const channel = unique('room');
      const sub = live.subscribe(channel);
      const heard = listen(sub);
      await once(sub, 'subscribed');
      let sent = 0;
      for (let round = 0; round < 4; round++) {
        await server.publish(channel, sent++);
        await heard.messages(sent);
        const away = once(live, 'connecting');
        proxy.cut();
        await away;
        for (let number = 0; number < 5; number++) await server.publish(channel, sent++);
        proxy.mend();
        await once(sub, 'subscribed');
        await server.publish(channel, sent++);
        await heard.messages(sent);
      }
      assert.deepEqual(await heard.messages(sent), Array.from({ length: sent }, (_, number) => number));
      assert.deepEqual(heard.of('gap'), []);
      assert.deepEqual(heard.of('subscribed').map(({ recovered }) => recovered), [false, true, true, true, true]);
      live.disconnect();
      proxy.stop();
    });

    test('what the log has forgotten is a gap', async () => {
      const proxy = await Proxy.before(server);
      const live = await connected({}, proxy.port);
      const channel = unique('short');
      const sub = live.subscribe(channel);
      const heard = listen(sub);
      await once(sub, 'subscribed');
      await server.publish(channel, 'seen');
      await heard.messages(1);
      const away = once(live, 'connecting');
      proxy.cut();
      await away;
      for (let number = 0; number < 20; number++) await server.publish(channel, 'x'.repeat(200));
      proxy.mend();
      await once(sub, 'gap');
      await server.publish(channel, 'after');
      assert.deepEqual(await heard.messages(2), ['seen', 'after']);
      assert.equal(heard.of('gap').length, 1);
      live.disconnect();
      proxy.stop();
    });

    test('deltas and filters', async () => {
      const live = await connected();
      const channel = unique('room');
      const sub = live.subscribe(channel, { delta: 'fossil' });
      const heard = listen(sub);
      await once(sub, 'subscribed');
      const states = Array.from({ length: 20 }, (_, minute) => ({ ...STORY, minute, name: 'Zoë' }));
      for (const state of states) await server.publish(channel, state);
      assert.deepEqual(await heard.messages(20), states);

      const tagged = unique('tagged');
      const long = live.subscribe(tagged, { tagsFilter: { key: 'size', cmp: 'gt', val: '5' } });
      const picked = listen(long);
      await once(long, 'subscribed');
      for (const data of ['a', 'long enough', 'b', 'and again']) await live.publish(tagged, data);
      assert.deepEqual(await picked.messages(2), ['long enough', 'and again']);
    });

    test('questions', async () => {
      const live = await connected({ token: 'bob' });
      assert.deepEqual(await live.rpc('echo', { a: [1] }), { a: [1] });
      await assert.rejects(live.rpc('fail'), { code: 1_000, message: 'it failed' });
      const channel = unique('room');
      const sub = live.subscribe(channel, { joinLeave: true });
      await once(sub, 'subscribed');
      const { epoch, offset } = await server.publish(channel, 1);
      assert.deepEqual(await sub.history({ limit: -1 }), { messages: [{ data: 1, offset }], offset, epoch });
      const there = await sub.presence();
      assert.deepEqual(Object.values(there).map(({ user }) => user), ['bob']);
      assert.deepEqual(await sub.presenceStats(), { clients: 1, users: 1 });
      // One hears of oneself, too.
      const said = new Promise((resolve) => {
        sub.addEventListener('join', ({ info }) => info.user === 'carol' && resolve());
      });
      const other = await connected({ token: 'carol' });
      other.subscribe(channel);
      await said;
      const left = once(sub, 'leave');
      other.disconnect();
      assert.equal((await left)[0].info.user, 'carol');
    });

    test('channels that the server chose, and tokens that end', async () => {
      const channel = unique('news');
      let asked = 0;
      const getToken = async () => (asked++ ? 'again' : `alice/2+${channel}`);
      const live = await connected({ getToken });
      const heard = once(live, 'publication');
      await server.publish(channel, 'for all');
      const [{ data, channel: name }] = await heard;
      assert.deepEqual([data, name], ['for all', channel]);
      while (asked < 2) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(await live.rpc('whoami'), 'alice');
      assert.equal(live.state, 'connected');
    });

    test('who may not is told so, and stays away', async () => {
      const live = await connected();
      const [{ code }] = await once(live.subscribe(unique('secret')), 'unsubscribed');
      assert.equal(code, 103);
      const gone = once(live, 'disconnected');
      live.rpc('leave').catch(() => {});
      assert.equal((await gone)[0].code, 4500);
      assert.equal(live.state, 'disconnected');
    });
  });
}

test('a transport that does not work is passed over', async () => {
  // Whatever is upgraded is refused, as some proxies do.
  class Refused extends WebSocket {
    constructor(url) {
      super(url.replace('/connection/websocket', '/nothing'));
    }
  }
  const live = new Squall({ url: `http://127.0.0.1:${server.port}/`, WebSocket: Refused, EventSource });
  await once(live, 'connected');
  assert.equal(live.transport, 'http_stream');
  live.disconnect();
});
