// Has everything echoed by the server at a URL, then closes, and then has the server close.
const { WebSocket } = require("ws");
const assert = require("assert");
const [url, mode] = process.argv.slice(2);
const alone = mode === "compressed alone";
const options = {
  maxPayload: 32 << 20,
  perMessageDeflate: mode === "plain" ? false : { threshold: 1, serverNoContextTakeover: alone, clientNoContextTakeover: alone },
};
const open = () => new Promise((ok, no) => {
  const s = new WebSocket(url, options);
  s.setMaxListeners(0);
  s.on("open", () => ok(s));
  s.on("error", no);
});
const message = s => new Promise((ok, no) => {
  s.once("message", (data, binary) => ok([data, binary]));
  s.once("close", code => no(new Error("closed " + code)));
});
const closed = s => new Promise(ok => s.once("close", (code, reason) => ok(("closed " + code + " " + reason).trim())));
(async () => {
  let s = await open();
  assert.strictEqual(s.extensions.includes("permessage-deflate"), mode !== "plain");
  const big = Buffer.alloc(16 << 20, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
  const all = ["héllo 😀", "", Buffer.alloc(0), big, "compress me ".repeat(1 << 17)];
  for (const n of [1, 125, 126, 127, 65535, 65536]) all.push("x".repeat(n), big.subarray(0, n));
  for (const m of all) {
    const back = message(s);
    s.send(m);
    const [data, binary] = await back;
    assert.strictEqual(binary, typeof m !== "string");
    assert.ok(data.equals(Buffer.from(m)));
  }
  const back = message(s);
  s.send("in ", { fin: false });
  s.send("three ", { fin: false });
  s.send("pieces", { fin: true });
  assert.strictEqual((await back)[0].toString(), "in three pieces");
  console.log("echoed");
  const pong = new Promise(ok => s.once("pong", p => ok(p.toString())));
  s.ping("payload");
  assert.strictEqual(await pong, "payload");
  console.log("ponged");
  let end = closed(s);
  s.close(4000, "mine");
  console.log(await end);
  s = await open();
  end = closed(s);
  s.send("close");
  console.log(await end);
})().catch(err => {
  console.error(err);
  process.exit(1);
});
