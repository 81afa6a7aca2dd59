// One-way connections, and what the doors refuse: no SDK needed, as that is their point.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';

import { EventSource } from 'eventsource';
import WebSocket from 'ws';

import { Server } from './server.mjs';

describe('one way', { timeout: 30_000 }, () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server.stop());

  const url = (path) => `http://127.0.0.1:${server.port}${path}`;
  const query = (request) => new URLSearchParams({ cf_connect: JSON.stringify(request) });

  /** The lines of a response that goes on. */
  async function* lines(response) {
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split('\n');
      text = parts.pop();
      yield* parts.filter((line) => line !== '' && line !== '{}').map((line) => JSON.parse(line));
    }
  }

  test('a WebSocket gets what the server subscribes it to', async () => {
    const channel = 'uni:ws';
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/connection/uni_websocket`);
    await once(socket, 'open');
    const said = [];
    socket.on('message', (data) => {
      const push = JSON.parse(data);
      if (Object.keys(push).length > 0) said.push(push);
      socket.emit('said');
    });
    socket.send(JSON.stringify({ token: `alice+${channel}` }));
    while (said.length < 1) await once(socket, 'said');
    assert.ok(said[0].connect.client);
    assert.equal(said[0].connect.subs[channel].recoverable, true);
    assert.equal(said[0].connect.pong, undefined);
    const { offset } = await server.publish(channel, { n: 1 });
    while (said.length < 2) await once(socket, 'said');
    assert.deepEqual(said[1], { channel, pub: { data: { n: 1 }, offset } });
    const closed = once(socket, 'close');
    await server.api('disconnect', { user: 'alice' });
    assert.equal((await closed)[0], 3503);
    assert.deepEqual(said[2], { disconnect: { code: 3503, reason: 'force disconnect' } });
  });

  test('events do, and recover', async () => {
    const channel = 'uni:sse';
    const first = await server.publish(channel, 1);
    await server.publish(channel, 2);
    const subs = { [channel]: { recover: true, ...first } };
    const events = new EventSource(`${url('/connection/uni_sse')}?${query({ token: `bob+${channel}`, subs })}`);
    const [{ data }] = await heard(events, 'message');
    const { connect } = JSON.parse(data);
    assert.equal(connect.subs[channel].recovered, true);
    assert.deepEqual(connect.subs[channel].publications.map((publication) => publication.data), [2]);
    events.close();
  });

  test('so does a response that goes on', async () => {
    const channel = 'uni:stream';
    const abort = new AbortController();
    const response = await fetch(url('/connection/uni_http_stream'), {
      method: 'POST',
      body: JSON.stringify({ token: `carl+${channel}` }),
      signal: abort.signal,
    });
    assert.equal(response.headers.get('content-type'), 'application/x-ndjson');
    const said = lines(response);
    assert.ok((await said.next()).value.connect);
    await server.publish(channel, 'x');
    assert.equal((await said.next()).value.pub.data, 'x');
    await server.api('disconnect', { user: 'carl' });
    assert.equal((await said.next()).value.disconnect.code, 3503);
    assert.equal((await said.next()).done, true);
    abort.abort();
  });

  test('a link begins a session and does nothing else', async () => {
    const command = (commands) => new URLSearchParams({ cf_connect: commands.map((c) => JSON.stringify(c)).join('\n') });
    const forged = command([
      { id: 1, connect: {} },
      { id: 2, publish: { channel: 'uni:forged', data: 1 } },
    ]);
    const response = await fetch(`${url('/connection/sse')}?${forged}`);
    assert.match(await response.text(), /"disconnect":\{"code":3501/);
    const { result } = await server.api('history', { channel: 'uni:forged', limit: 1 });
    assert.deepEqual(result.publications, []);
    assert.equal((await fetch(url('/connection/sse'))).status, 400);
  });

  test('pages of other origins are refused, and so are commands of nobody', async () => {
    const headers = { origin: 'https://evil.example' };
    for (const path of ['/connection/http_stream', '/connection/sse', '/emulation', '/connection/uni_sse']) {
      const response = await fetch(url(path), { method: 'POST', headers, body: '{}' });
      assert.equal(response.status, 403, path);
    }
    const post = async (body) => (await fetch(url('/emulation'), { method: 'POST', body })).status;
    assert.equal(await post('{"node":"another","session":"x","data":"{}"}'), 404);
    assert.equal(await post('no json'), 400);
    assert.equal(await post('x'.repeat(200_000)), 413);
    const big = await fetch(url('/connection/http_stream'), { method: 'POST', body: 'x'.repeat(70_000) });
    assert.equal(big.status, 413);
  });

  test('a WebSocket that says nothing is closed', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/connection/websocket`);
    assert.equal((await once(socket, 'close'))[0], 3502);
  });

  test('too large a message is said to be', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/connection/websocket`);
    await once(socket, 'open');
    socket.send('x'.repeat((64 << 10) + 1));
    assert.equal((await once(socket, 'close'))[0], 1009);
  });
});

/** As `once`, for what is no emitter of node's. */
function heard(target, event) {
  return new Promise((resolve) => {
    target.addEventListener(event, (...args) => resolve(args), { once: true });
  });
}
