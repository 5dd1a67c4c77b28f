// Hovering over a chart shows its values; they are read back from the drawn lines.
"use strict";
const tip = document.getElementById("tip");
const shown = (value) => Number(value.toPrecision(3)).toString();

for (const chart of document.querySelectorAll(".chart[data-ranges]")) {
  const [left, right, low, high] = chart.dataset.ranges.split(" ").map(Number);
  const plot = chart.querySelector(".plot");
  const lines = [...plot.querySelectorAll(".lines path")].map((path) => ({
    name: path.dataset.name,
    colour: path.getAttribute("stroke"),
    points: [...path.getAttribute("d").matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map((m) => [+m[1], +m[2]]),
  }));
  const cursor = document.createElement("div");
  cursor.className = "cursor";

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const at = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    tip.replaceChildren(row(`${shown(left + at * (right - left))} ${chart.dataset.x}`));
    for (const line of lines) {
      const point = nearest(line.points, at * 1000);
      if (!point || Math.abs(point[0] - at * 1000) > 8) continue;
      const value = low + (1 - point[1] / 1000) * (high - low);
      tip.append(row(`${line.name}: ${shown(value)}`, line.colour));
    }
    cursor.style.left = `${100 * at}%`;
    plot.append(cursor);
    tip.hidden = false;
    const aside = event.clientX + 16 + tip.offsetWidth > innerWidth ? -16 - tip.offsetWidth : 16;
    tip.style.left = `${event.clientX + aside}px`;
    tip.style.top = `${event.clientY + 12}px`;
  });
  plot.addEventListener("pointerleave", () => {
    tip.hidden = true;
    cursor.remove();
  });
}

function row(text, colour) {
  const element = document.createElement("div");
  if (colour) {
    const dot = document.createElement("i");
    dot.style.background = colour;
    element.append(dot);
  }
  element.append(text);
  return element;
}

function nearest(points, x) {
  let first = 0;
  let last = points.length - 1;
  while (first < last) {
    const middle = (first + last) >> 1;
    if (points[middle][0] < x) first = middle + 1;
    else last = middle;
  }
  const before = points[first - 1];
  return before && x - before[0] < points[first][0] - x ? before : points[first];
}
