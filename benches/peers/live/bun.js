// Rooms on Bun.serve, which is uWebSockets: a WebSocket in /ws/room/NAME is subscribed to the topic NAME.
const room = (path, prefix) => (path.startsWith(prefix) ? path.slice(prefix.length) : null);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request, server) {
    const path = new URL(request.url).pathname;
    const follow = room(path, "/ws/room/");
    if (follow !== null && server.upgrade(request, { data: { room: follow } })) return undefined;
    const publish = room(path, "/pub/");
    if (publish !== null && request.method === "POST") {
      server.publish(publish, await request.text());
      return new Response(null, { status: 204 });
    }
    return new Response("Hello, World!");
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 960,
    sendPings: false,
    open: (socket) => socket.subscribe(socket.data.room),
    message() {},
  },
});
console.log(`listening on 127.0.0.1:${server.port}`);
