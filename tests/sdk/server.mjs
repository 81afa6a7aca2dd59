// The program under test, and a proxy in front of it that can be cut.
//
// SESSIONS_BIN names the program; it listens on a port of its own choosing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import readline from 'node:readline';

/** A running server. */
export class Server {
  static async start(...args) {
    const program = process.env.SESSIONS_BIN;
    if (!program) throw new Error('SESSIONS_BIN names the program to test');
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of readline.createInterface({ input: child.stdout })) {
      const found = line.match(/listening on (127\.0\.0\.1):(\d+)/);
      if (found) return new Server(child, Number(found[2]));
    }
    throw new Error('the server did not start');
  }

  constructor(child, port) {
    this.child = child;
    this.port = port;
  }

  async publish(channel, data) {
    const url = `http://127.0.0.1:${this.port}/publish/${channel}`;
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify(data) });
    const [epoch, offset] = (await answer.text()).split(':');
    return { epoch, offset: Number(offset) };
  }

  async api(method, body) {
    const url = `http://127.0.0.1:${this.port}/api/${method}`;
    const headers = { 'X-API-Key': 'the key of the tests' };
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    return answer.json();
  }

  async stop() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Passes connections on until it is cut; then it refuses new ones until it is mended. */
export class Proxy {
  static async before(server) {
    const proxy = new Proxy(server.port);
    proxy.listener.listen(0, '127.0.0.1');
    await once(proxy.listener, 'listening');
    proxy.port = proxy.listener.address().port;
    return proxy;
  }

  constructor(port) {
    this.pairs = new Set();
    this.isCut = false;
    this.listener = net.createServer((client) => {
      if (this.isCut) return client.destroy();
      const server = net.connect(port, '127.0.0.1');
      const pair = [client, server];
      this.pairs.add(pair);
      for (const [from, to] of [[client, server], [server, client]]) {
        from.on('error', () => to.destroy());
        from.on('close', () => {
          to.destroy();
          this.pairs.delete(pair);
        });
        from.pipe(to);
      }
    });
  }

  cut() {
    this.isCut = true;
    for (const [client, server] of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  mend() {
    this.isCut = false;
  }

  stop() {
    this.cut();
    this.listener.close();
  }
}
