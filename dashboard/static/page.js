"use strict";

const kept = 200;
const events = document.getElementById("events");
const lines = document.getElementById("lines");
const issues = document.getElementById("issues");
const runs = document.getElementById("runs");
const connection = document.getElementById("connection");
let refresh = 0;
let opened = "";

function say(state, text) {
  connection.className = state;
  connection.textContent = text;
}

function part(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

// Newest first, and not for ever.
function add(list, moment, words, kind) {
  const item = document.createElement("li");
  item.className = kind;
  const time = part("time", moment.slice(11, 19));
  time.dateTime = moment;
  [time, ...words].forEach((word) => item.append(word, " "));
  list.prepend(item);
  while (list.children.length > kept) list.lastElementChild.remove();
}

async function draw(element, path) {
  const answer = await fetch(path);
  if (answer.ok) element.innerHTML = await answer.text();
}

// The parts are drawn by the server; a burst of events asks for them once.
async function redraw() {
  refresh = 0;
  await draw(issues, "/parts/issues");
  if (opened) await draw(runs, opened);
}

issues.addEventListener("click", async (click) => {
  const issue = click.target.dataset.issue;
  if (!issue) return;
  opened = "/parts/runs/" + issue.replace("#", "/");
  await draw(runs, opened);
  runs.hidden = false;
  runs.scrollIntoView({ block: "nearest" });
});

const stream = new EventSource("/events/stream?after=" + document.body.dataset.position);
stream.addEventListener("open", () => say("live", "live"));
stream.addEventListener("error", () => say("lost", "connecting again"));
stream.addEventListener("event", (message) => {
  const event = JSON.parse(message.data);
  add(events, event.recorded_at, [part("b", event.type), part("span", event.issue || ""), part("i", event.actor)], "new");
  refresh ||= setTimeout(redraw, 150);
});

// A page that nobody looks at follows no log, for browsers allow few streams.
let log = null;
let line = document.body.dataset.line;

function follow() {
  if (document.hidden) {
    log?.close();
    log = null;
    return;
  }
  if (log) return;
  log = new EventSource("/log/stream?after=" + line);
  log.addEventListener("line", (message) => {
    const said = JSON.parse(message.data);
    line = said.id;
    add(lines, said.at, [part("b", said.agent), part("span", said.text)], said.step ? "step" : "");
  });
}

document.addEventListener("visibilitychange", follow);
follow();
