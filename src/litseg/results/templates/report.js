"use strict";
// Sliders between truth and prediction, the strength of the colours, a chosen class, and values read off charts.
for (const cut of document.querySelectorAll(".cut")) {
  const show = () => {
    cut.parentElement.style.setProperty("--cut", `${cut.value}%`);
    cut.setAttribute("aria-valuetext", `truth left, prediction right of ${cut.value} percent`);
  };
  cut.addEventListener("input", show);
  show(); // browsers keep a slider's place over a reload
}

for (const opacity of document.querySelectorAll(".opacity")) {
  const show = () => {
    opacity.closest(".gallery").style.setProperty("--opacity", opacity.value / 100);
    opacity.setAttribute("aria-valuetext", `${opacity.value} percent`);
  };
  opacity.addEventListener("input", show);
  show();
}

for (const choice of document.querySelectorAll("select.class")) {
  const show = () => {
    for (const line of choice.closest(".class-curves").querySelectorAll("[data-class]")) {
      const chosen = line.dataset.class === choice.value;
      line.classList.toggle("chosen", chosen);
      if (chosen) line.parentElement.insertBefore(line, line.parentElement.querySelector(".cursor"));
    }
  };
  choice.addEventListener("change", show);
  show();
}

const short = (value) => (Math.abs(value) >= 1000 || Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(4));

for (const plot of document.querySelectorAll(".plot[data-values]")) {
  const lines = JSON.parse(plot.dataset.values), names = JSON.parse(plot.dataset.names);
  const cursor = plot.querySelector(".cursor"), readout = plot.closest("figure").querySelector(".readout");
  const places = [...new Set(lines.flat().map((point) => point[2]))].sort((a, b) => a - b);
  let at = places.length - 1;

  const read = (index) => {
    at = Math.min(Math.max(index, 0), places.length - 1);
    const left = places[at], chosen = plot.querySelector(".chosen")?.dataset.class;
    cursor.removeAttribute("hidden");
    cursor.setAttribute("x1", left);
    cursor.setAttribute("x2", left);
    const near = lines.map((points, line) => {
      const point = points.reduce((a, b) => (Math.abs(b[2] - left) < Math.abs(a[2] - left) ? b : a));
      return { name: names[line], point };
    }).filter(({ name }) => chosen === undefined || name === chosen);
    const x = near.length ? near[0].point : null;
    readout.textContent = x ? `${short(x[0])}: ${near.map(({ name, point }) => `${name} ${short(point[1])}`).join(", ")}` : "";
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.querySelector("svg").getBoundingClientRect();
    const left = ((event.clientX - box.left) / box.width) * 360;
    read(places.reduce((best, place, index) => (Math.abs(place - left) < Math.abs(places[best] - left) ? index : best), 0));
  });
  plot.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: places.length - 1 }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    read(move);
  });
  const leave = () => { cursor.setAttribute("hidden", ""); readout.textContent = ""; };
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("blur", leave);
}

// What is folded away is printed too.
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
