"use strict";

const kept = 200;
const events = document.getElementById("events");
const issues = document.getElementById("issues");
const connection = document.getElementById("connection");
let refresh = 0;

function say(state, text) {
  connection.className = state;
  connection.textContent = text;
}

function part(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function show(event) {
  const line = document.createElement("li");
  line.className = "new";
  const time = part("time", event.recorded_at.slice(11, 19));
  time.dateTime = event.recorded_at;
  const words = [time, part("b", event.type), part("span", event.issue || ""), part("i", event.actor)];
  words.forEach((word) => line.append(word, " "));
  events.prepend(line);
  while (events.children.length > kept) events.lastElementChild.remove();
}

// The table is drawn by the server; a burst of events asks for it once.
async function redraw() {
  refresh = 0;
  const answer = await fetch("/parts/issues");
  if (answer.ok) issues.innerHTML = await answer.text();
}

const stream = new EventSource("/events/stream?after=" + document.body.dataset.position);
stream.addEventListener("open", () => say("live", "live"));
stream.addEventListener("error", () => say("lost", "connecting again"));
stream.addEventListener("event", (message) => {
  show(JSON.parse(message.data));
  refresh ||= setTimeout(redraw, 150);
});
