// Rooms on Socket.IO: a client that emits "join" with a name is in that room.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((request, response) => {
  const publish = request.url.startsWith("/pub/") ? request.url.slice("/pub/".length) : null;
  if (publish === null || request.method !== "POST") {
    response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" }).end("Hello, World!");
    return;
  }
  let text = "";
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    io.to(publish).emit("m", JSON.parse(text));
    response.writeHead(204).end();
  });
});
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  pingInterval: 600_000,
  maxHttpBufferSize: 1e6,
});
io.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    socket.join(room);
    done();
  });
});
http.keepAliveTimeout = 600_000;
http.listen(0, "127.0.0.1", 4096, () => console.log(`listening on 127.0.0.1:${http.address().port}`));
