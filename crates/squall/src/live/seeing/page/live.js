// What is published, as it is published: the newest ROWS_MAX messages, at most one repaint a frame.
const ROWS_MAX = 200;
const table = document.querySelector("table[data-tap]");
const body = table.tBodies[0];
const state = document.getElementById("state");
const pause = document.getElementById("pause");
let waiting = [];
let skipped = 0;

function cell(row, text, name) {
  const made = row.insertCell();
  made.textContent = text;
  if (name) made.className = name;
}

function show() {
  for (const message of waiting) {
    const row = body.insertRow(0);
    cell(row, message.offset, "n");
    cell(row, new Date(message.at_ms).toLocaleTimeString());
    cell(row, message.bytes.toLocaleString("en"), "n");
    cell(row, message.data ?? "not shown", message.data === null ? "data of" : "data");
  }
  waiting = [];
  while (body.rows.length > ROWS_MAX) body.deleteRow(-1);
}

const stream = new EventSource(table.dataset.tap);
stream.onopen = () => { state.textContent = "Messages are shown as they are published."; };
stream.onerror = () => { state.textContent = "The connection was lost; trying again."; };
stream.addEventListener("gap", () => { state.textContent = "Some messages came too fast to be shown."; });
stream.onmessage = (event) => {
  if (pause.getAttribute("aria-pressed") === "true") {
    skipped += 1;
    state.textContent = `Paused; ${skipped} messages were not shown.`;
    return;
  }
  if (waiting.length === 0) requestAnimationFrame(show);
  waiting.push(JSON.parse(event.data));
  if (waiting.length > ROWS_MAX) waiting.shift();
};
pause.hidden = false;
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", paused);
  skipped = 0;
  state.textContent = paused ? "Paused." : "Messages are shown as they are published.";
});
