// Live progress by server-sent events, and keys. Pages work without it.
"use strict";

// An element with data-events shows what the server sends until it says that the work has ended.
function follow(element) {
  const events = new EventSource(element.dataset.events);
  const bar = element.querySelector("progress");
  const lines = element.querySelector("[data-lines]");
  // After a lost connection all lines come again.
  events.addEventListener("open", () => lines.replaceChildren());
  events.addEventListener("line", (event) => {
    const line = document.createElement("li");
    line.textContent = event.data;
    lines.append(line);
  });
  events.addEventListener("progress", (event) => {
    const [done, total] = event.data.split(" ").map(Number);
    bar.hidden = false;
    bar.max = total || 1;
    bar.value = done;
  });
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
}

document.querySelectorAll("[data-events]").forEach(follow);

// "/" leads to the search box.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const box = document.querySelector("input[type=search]");
  if (box) {
    event.preventDefault();
    box.focus();
  }
});
