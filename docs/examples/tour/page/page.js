const $ = (id) => document.getElementById(id);

// Chat: one WebSocket. The first two messages are room and name.
let chat = null;
$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  if (chat?.readyState === WebSocket.CONNECTING) return; // the button was pressed twice
  const form = new FormData(event.target);
  chat = new WebSocket(`ws://${location.host}/chat`);
  chat.onopen = () => {
    chat.send(form.get("room"));
    chat.send(form.get("name"));
    swap(true);
    $("say").elements.text.focus();
  };
  chat.onmessage = (message) => line(message.data);
  chat.onclose = (end) => {
    line(`(left: ${end.code}${end.reason ? " " + end.reason : ""})`);
    const focused = $("say").contains(document.activeElement);
    swap(false);
    if (focused) $("join").elements.name.focus(); // its element is hidden now
  };
});
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = event.target.elements.text;
  chat.send(text.value);
  text.value = "";
});
$("leave").addEventListener("click", () => chat.close(1000));
function swap(inside) {
  $("join").hidden = inside;
  $("say").hidden = !inside;
}
function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  $("heard").append(item);
  while ($("heard").children.length > 200) $("heard").firstChild.remove();
  item.scrollIntoView({ block: "nearest" });
}

// Metrics: server-sent events, one per second.
const seconds = [];
const metrics = new EventSource("metrics"); // it is open as long as the server can be reached
metrics.onerror = () => ($("gone").hidden = false);
metrics.onopen = () => ($("gone").hidden = true);
metrics.addEventListener("second", (event) => {
  const second = JSON.parse(event.data);
  seconds.push(second.hits);
  if (seconds.length > 60) seconds.shift();
  const most = Math.max(1, ...seconds);
  const points = seconds.map((hits, i) => `${(i * 600) / 59},${155 - (145 * hits) / most}`);
  $("plot").innerHTML = `<polyline points="${points.join(" ")}"/>`;
  $("top").textContent = most;
  $("plotted").textContent = `${second.hits} hits in the last second; maximum ${most}`;
});

// Numbers: the body of a reply, as it arrives. Pressing the button again starts anew.
let counts = 0;
$("count").addEventListener("click", async () => {
  const mine = ++counts;
  $("counted").textContent = "";
  const reply = await fetch("numbers");
  const text = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await text.read();
    if (mine !== counts) return text.cancel();
    if (done) break;
    $("counted").textContent += value.replaceAll("\n", " ");
  }
});

// Frame inspector.
async function inspect(question) {
  const reply = await fetch("inspect", { method: "POST", body: JSON.stringify(question) });
  return reply.ok ? reply.json() : { error: await reply.text(), offset: -1 };
}
$("encode").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const value = {
    id: Number(form.get("id")), weight: Number(form.get("weight")), name: form.get("name"),
    tags: form.get("tags").split(" ").filter((tag) => tag !== ""),
  };
  const found = await inspect({ value });
  if (found.boxes) $("decode").elements.hex.value = spaced(found.boxes.map((box) => box.bytes).join(""));
  show(found);
});
$("decode").addEventListener("submit", async (event) => {
  event.preventDefault();
  const hex = event.target.elements.hex.value;
  show(await inspect({ hex }), hex);
});
$("break").addEventListener("click", () => {
  const field = $("decode").elements.hex;
  field.value = field.value.replace(/^(..\s*){9}/, (start) => start.trimEnd().slice(0, -2) + "ff ");
  $("decode").requestSubmit();
});
function spaced(hex) {
  return hex.replace(/../g, "$& ").trim();
}
function show(found, hex = "") {
  const boxes = $("boxes");
  boxes.replaceChildren();
  for (const box of found.boxes ?? []) {
    const cell = document.createElement("div");
    const name = document.createElement("small");
    name.textContent = box.name;
    cell.append(name, spaced(box.bytes) || "(none)");
    boxes.append(cell);
  }
  if (found.error && found.offset >= 0) {
    const cell = document.createElement("div");
    const bytes = hex.replaceAll(/\s/g, "").match(/../g) ?? [];
    bytes.forEach((byte, i) => {
      const part = document.createElement("span");
      part.textContent = byte;
      if (i === found.offset) part.className = "bad";
      cell.append(part, " ");
    });
    boxes.append(cell);
  }
  $("verdict").className = found.error ? "bad" : "";
  $("verdict").textContent = found.error ?? JSON.stringify(found.value);
}

// Back-pressure: a stream of levels for the current values of the sliders.
let levels = null;
function restart() {
  levels?.close();
  const form = new FormData($("flow"));
  for (const range of $("flow").querySelectorAll("input[type=range]")) range.nextElementSibling.value = range.value;
  $("flowcode").textContent =
    `queued := pipeline.BufferWith(ctx, src, &pipeline.Queue[int]{Size: ${form.get("size")}, Policy: pipeline.${form.get("policy")}})\n` +
    `for v := range queued.All(ctx) {\n\twork(v) // takes ${form.get("consume")} ms; one arrives every ${form.get("arrive")} ms\n}`;
  levels = new EventSource("pressure?" + new URLSearchParams(form));
  levels.addEventListener("level", (event) => {
    const level = JSON.parse(event.data);
    for (const name of ["produced", "queued", "consumed", "dropped"]) $(name).textContent = level[name];
    $("waiting").textContent = level.waiting ? "waits for room" : "runs";
    $("fill").style.width = `${Math.min(100, (100 * level.queued) / level.size)}%`;
    $("fill").className = level.queued >= level.size ? "full" : "";
  });
}
let pending = 0;
$("flow").addEventListener("input", () => {
  clearTimeout(pending);
  pending = setTimeout(restart, 150);
});
restart();

// Versions: the traffic between a client and the same handler.
$("ask").addEventListener("click", async () => {
  const answers = await (await fetch("versions", { method: "POST" })).json();
  $("asked").replaceChildren(
    ...answers.flatMap((answer) => {
      const title = document.createElement("h3");
      title.textContent = answer.version;
      const text = document.createElement("pre");
      text.textContent = answer.passed.join("\n");
      return [title, text];
    }),
  );
});
$("encode").requestSubmit();
