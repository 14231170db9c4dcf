// Echoes, and closes with 4001 when it is told so by a text. It prints its port.
const { WebSocketServer } = require("ws");
const mode = process.argv[2];
const alone = mode === "compressed alone";
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  maxPayload: 32 << 20,
  perMessageDeflate: mode === "plain" ? false : { threshold: 1, serverNoContextTakeover: alone, clientNoContextTakeover: alone },
}, () => console.log(server.address().port));
server.on("connection", s => s.on("message", (data, binary) => {
  if (!binary && data.toString() === "close") s.close(4001, "as told");
  else s.send(data, { binary });
}));
