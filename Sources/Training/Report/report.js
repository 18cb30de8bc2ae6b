"use strict";
// Draws the curves of a report: one SVG a chart, redrawn when the width, the axis or the choice of runs changes.
const data = JSON.parse(document.getElementById("data").textContent);
// Okabe and Ito's colours, which people with any colour vision can tell apart; beyond seven runs lines are dashed too.
const palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A"];
const dashes = ["", "7 3", "2 3"];
const phaseColors = {
  data: "#999999", forward: "#56B4E9", vjp: "#E69F00", jvp: "#F0E442", metric: "#CC79A7", gram: "#D55E00",
  communication: "#0072B2", solve: "#009E73", update: "#6B4C9A", other: "#C9C9C9",
};
const color = run => palette[run % palette.length];
const dash = run => dashes[Math.floor(run / palette.length) % dashes.length];
const hidden = new Set();
let against = 0; // 0: step, 1: seconds

// --- Small helpers

function svg(name, attributes, parent, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) if (attributes[key] !== "") node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}
function html(name, parent, text, className) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  if (parent) parent.appendChild(node);
  return node;
}
// A number with at most `digits` significant digits, and no more zeros than needed.
function format(value, digits = 4) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(Math.max(0, digits - 1)).replace(/\.?0+e/, "e").replace("e+", "e").replace("-", "−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}
function timeUnit(seconds) {
  return seconds > 3 * 86400 ? [86400, "d"] : seconds > 2 * 3600 ? [3600, "h"] : seconds > 300 ? [60, "min"] : [1, "s"];
}

// --- Axes

function niceTicks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(k => k * power).find(step => step >= raw * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9) + 1e-12; k++) ticks.push(k * step);
  return ticks;
}
function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const factors = decades > 2.5 ? [1] : decades > 1.2 ? [1, 3] : decades > 0.5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  const every = Math.max(1, Math.ceil(decades / 7)), ticks = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++) {
    if (factors.length === 1 && k % every !== 0) continue;
    for (const factor of factors) ticks.push(factor * 10 ** k);
  }
  return ticks.filter(tick => tick >= low * 0.9999 && tick <= high * 1.0001);
}
// The range of an axis around values, with some air; `limits` bound it, or say where it starts.
function range(low, high, log, limits) {
  if (log) {
    const air = Math.max(1.06, (high / low) ** 0.04);
    return [low / air, high * air];
  }
  if (limits.clip) [low, high] = [Math.max(low, limits.clip[0]), Math.min(high, limits.clip[1])];
  if (limits.include !== undefined) [low, high] = [Math.min(low, limits.include), Math.max(high, limits.include)];
  if (!(high > low)) [low, high] = [low - (Math.abs(low) * 0.1 || 1), high + (Math.abs(high) * 0.1 || 1)];
  const air = 0.05 * (high - low);
  return [limits.include === low ? low : low - air, limits.include === high ? high : high + air];
}

// --- One chart

// The frame of a chart: axes with their labels. Gives the scales, and a group that is clipped to the plot.
function frame(card, [x0, x1], [y0, y1], log, unit, height = 260) {
  const width = Math.max(300, card.clientWidth - 28);
  const box = svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img"}, card);
  const ticks = log ? logTicks(y0, y1) : niceTicks(y0, y1, 5);
  const labels = ticks.map(tick => format(tick));
  const left = 14 + 6.6 * Math.max(3, ...labels.map(label => label.length)), right = width - 10, top = 8, bottom = height - 34;
  const X = x => left + (right - left) * (x - x0) / (x1 - x0 || 1);
  const Y = log
    ? y => bottom - (bottom - top) * Math.log(y / y0) / Math.log(y1 / y0)
    : y => bottom - (bottom - top) * (y - y0) / (y1 - y0 || 1);
  ticks.forEach((tick, k) => {
    svg("line", {x1: left, x2: right, y1: Y(tick), y2: Y(tick), class: "grid-line"}, box);
    svg("text", {x: left - 6, y: Y(tick) + 4, "text-anchor": "end"}, box, labels[k]);
  });
  const [size, name] = against ? timeUnit(x1) : [1, "step"];
  const marks = niceTicks(x0 / size, x1 / size, Math.max(3, Math.min(8, Math.floor(width / 90))));
  for (const tick of marks) {
    svg("line", {x1: X(tick * size), x2: X(tick * size), y1: bottom, y2: bottom + 4, class: "grid-line"}, box);
    svg("text", {x: X(tick * size), y: bottom + 16, "text-anchor": "middle"}, box, format(tick, 6));
  }
  svg("text", {x: (left + right) / 2, y: height - 3, "text-anchor": "middle"}, box, against ? `time of training (${name})` : name);
  const id = `clip${frame.count = (frame.count || 0) + 1}`;
  const clip = svg("clipPath", {id}, svg("defs", {}, box));
  svg("rect", {x: left, y: top - 4, width: right - left + 4, height: bottom - top + 8}, clip);
  const plot = svg("g", {"clip-path": `url(#${id})`}, box);
  return {box, plot, X, Y, left, right, top, bottom, width, height};
}

// Calls `show(x)` with the position under the pointer, which gives the rows of a small table: [colour, name, value].
function hover(card, axes, [x0, x1], show) {
  const {box, left, right, top, bottom, width} = axes;
  const cursor = svg("line", {y1: top, y2: bottom, class: "cursor", visibility: "hidden"}, box);
  const tip = html("div", card, "", "tip");
  tip.hidden = true;
  box.addEventListener("pointermove", event => {
    const bounds = box.getBoundingClientRect(), scale = bounds.width / width;
    const at = (event.clientX - bounds.left) / scale;
    if (at < left || at > right) return leave();
    const [title, rows] = show(x0 + (x1 - x0) * (at - left) / (right - left));
    if (!rows.length) return leave();
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    cursor.setAttribute("visibility", "visible");
    tip.replaceChildren();
    html("div", tip, title);
    const table = html("tbody", html("table", tip));
    for (const [color, name, value] of rows) {
      const row = html("tr", table), cell = html("td", row);
      html("i", cell).style.background = color;
      cell.append(name);
      html("td", row, value);
    }
    tip.hidden = false;
    const outer = card.getBoundingClientRect(), place = bounds.left - outer.left + at * scale;
    tip.style.top = `${bounds.top - outer.top + 12}px`;
    tip.style.left = `${Math.max(4, place > card.clientWidth / 2 ? place - tip.offsetWidth - 12 : place + 12)}px`;
  });
  const leave = () => { tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
  box.addEventListener("pointerleave", leave);
}
function nearest(points, x) {
  let low = 0, high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][against] < x) low = middle + 1; else high = middle;
  }
  return low > 0 && x - points[low - 1][against] < points[low][against] - x ? points[low - 1] : points[low];
}
function position(x) {
  if (!against) return `step ${Math.round(x)}`;
  const [size, name] = timeUnit(x);
  return `${format(x / size)} ${name}`;
}

// A chart of curves: `series` gives the points of a run as [step, seconds, mean, least, greatest].
function curves(parent, {title, note, unit = "", log = false, limits = {}, series}) {
  const lines = [];
  data.runs.forEach((run, number) => {
    for (const {key, label = "", dashed = false, marks = false, bare = false} of series) {
      let points = run[key];
      if (log) points = points.filter(point => point[3] > 0);
      if (points.length) lines.push({number, label, dashed, marks, bare, points, name: run.name + label});
    }
  });
  if (!lines.length) return null;
  const card = html("div", parent, undefined, "card");
  return () => {
    card.replaceChildren();
    html("h3", card, title);
    html("p", card, note);
    const shown = lines.filter(line => !hidden.has(line.number));
    if (!shown.length) return;
    const all = shown.flatMap(line => line.points);
    const xs = [Math.min(0, ...all.map(point => point[against])), Math.max(...all.map(point => point[against]))];
    const ys = range(Math.min(...all.map(point => point[3])), Math.max(...all.map(point => point[4])), log, limits);
    const axes = frame(card, xs, ys, log, unit), {plot, X, Y} = axes;
    const clamp = y => Math.max(ys[0], Math.min(ys[1], y));
    for (const {number, dashed, marks, bare, points} of shown) {
      const stroke = color(number);
      const place = point => `${X(point[against]).toFixed(1)},${Y(clamp(point[2])).toFixed(1)}`;
      if (points.some(point => point[4] > point[3])) {
        const above = points.map(point => `${X(point[against]).toFixed(1)},${Y(clamp(point[4])).toFixed(1)}`);
        const below = points.map(point => `${X(point[against]).toFixed(1)},${Y(clamp(point[3])).toFixed(1)}`).reverse();
        svg("polygon", {points: above.concat(below).join(" "), fill: stroke, opacity: 0.22}, plot);
      }
      if (!bare && points.length > 1) {
        svg("polyline", {
          points: points.map(place).join(" "), fill: "none", stroke, "stroke-width": 1.7, "stroke-linejoin": "round",
          "stroke-dasharray": dashed ? "5 3" : dash(number),
        }, plot);
      }
      if ((marks || points.length === 1) && points.length <= 80) {
        for (const point of points) {
          const [x, y] = [X(point[against]), Y(clamp(point[2]))];
          if (bare) svg("rect", {x: x - 3.5, y: y - 3.5, width: 7, height: 7, fill: stroke}, plot);
          else svg("circle", {cx: x, cy: y, r: 2.6, fill: stroke}, plot);
        }
      }
      // What lies outside is shown as a wedge at the edge.
      for (const point of points) {
        const x = X(point[against]);
        if (point[4] > ys[1]) svg("path", {d: `M${x - 3} ${axes.top + 5}h6l-3-6z`, fill: stroke}, plot);
        if (point[3] < ys[0]) svg("path", {d: `M${x - 3} ${axes.bottom - 5}h6l-3 6z`, fill: stroke}, plot);
      }
    }
    hover(card, axes, xs, x => {
      // A curve that ends elsewhere has nothing to say here.
      const slack = 0.02 * (xs[1] - xs[0]);
      const here = shown.filter(({points}) =>
        x > points[0][against] - slack && x < points[points.length - 1][against] + slack);
      const rows = here.map(({number, name, points}) => {
        const point = nearest(points, x);
        const spread = point[4] > point[3] ? ` (${format(point[3])} to ${format(point[4])})` : "";
        return [color(number), name, format(point[2]) + unit + spread];
      });
      return [position(x), rows];
    });
  };
}

// --- Phases: a stack of mean times of a step, one chart a run

const phaseTotals = data.phases.map((_, phase) =>
  data.runs.reduce((sum, run) => sum + run.phases.reduce((sum, point) => sum + point[phase + 2], 0), 0));
const usedPhases = data.phases.map((_, phase) => phase).filter(phase => phaseTotals[phase] > 0);

function legend(parent, phases) {
  const box = html("div", parent, undefined, "legend");
  for (const phase of phases) {
    const item = html("span", box);
    html("i", item).style.background = phaseColors[data.phases[phase]];
    item.append(data.phases[phase]);
  }
}
// An empty card with the name of its run, hidden where that is.
function begin(card, number) {
  card.hidden = hidden.has(number);
  card.replaceChildren();
  const head = html("h3", card);
  html("i", head).dataset.run = number;
  head.append(data.runs[number].name);
}
function stack(parent, number) {
  const run = data.runs[number];
  if (!run.phases.length) return null;
  const card = html("div", parent, undefined, "card");
  return () => {
    begin(card, number);
    html("p", card, "ms a step");
    if (card.hidden) return;
    const points = run.phases;
    const xs = [0, points[points.length - 1][against]];
    const sums = points.map(point => usedPhases.reduce((sum, phase) => sum + point[phase + 2], 0));
    // A few slow stretches must not flatten all the rest.
    const ordered = [...sums].sort((a, b) => a - b), usual = ordered[Math.floor(0.9 * (ordered.length - 1))];
    const ys = range(0, Math.min(ordered[ordered.length - 1], 1.6 * usual), false, {include: 0});
    const axes = frame(card, xs, ys, false, " ms", 220), {plot, X, Y} = axes;
    const width = index => points.length > 1 ? X(points[index][against]) : axes.right;
    let below = points.map(() => 0);
    for (const phase of usedPhases) {
      const above = below.map((sum, k) => sum + points[k][phase + 2]);
      const upper = above.map((sum, k) => `${width(k).toFixed(1)},${Y(Math.min(sum, 2 * ys[1])).toFixed(1)}`);
      const lower = below.map((sum, k) => `${width(k).toFixed(1)},${Y(Math.min(sum, 2 * ys[1])).toFixed(1)}`).reverse();
      svg("polygon", {points: upper.concat(lower).join(" "), fill: phaseColors[data.phases[phase]], class: "seam"}, plot);
      below = above;
    }
    sums.forEach((sum, k) => {
      if (sum > ys[1]) svg("path", {d: `M${width(k) - 3} ${axes.top + 5}h6l-3-6z`, fill: "currentColor"}, plot);
    });
    hover(card, axes, xs, x => {
      const point = nearest(points, x), total = usedPhases.reduce((sum, phase) => sum + point[phase + 2], 0);
      const rows = usedPhases.map(phase => [phaseColors[data.phases[phase]], data.phases[phase], format(point[phase + 2], 3) + " ms"]);
      return [`${position(x)}: ${format(total, 3)} ms`, rows.reverse()];
    });
  };
}

// --- Ranks: a bar of seconds each

function ranks(parent, number) {
  const run = data.runs[number];
  if (!run.ranks) return null;
  const card = html("div", parent, undefined, "card");
  return () => {
    begin(card, number);
    const {shown, count, imbalance, communication} = run.ranks;
    html("p", card, `seconds; the slowest rank works ${format(imbalance, 3)} times the mean, `
      + `${format(100 * communication, 2)} % of the time is communication`
      + (shown.length < count ? `; the ${shown.length} of ${count} ranks with the most and the least work` : ""));
    if (card.hidden) return;
    const width = Math.max(300, card.clientWidth - 28), row = 20, height = shown.length * row + 24;
    const box = svg("svg", {viewBox: `0 0 ${width} ${height}`, role: "img"}, card);
    const left = 12 + 6.6 * Math.min(24, Math.max(...shown.map(rank => rank.name.length)));
    const most = Math.max(...shown.map(rank => rank.seconds.reduce((a, b) => a + b)));
    const X = x => left + (width - 14 - left) * x / most;
    for (const tick of niceTicks(0, most, 5)) {
      svg("line", {x1: X(tick), x2: X(tick), y1: 0, y2: height - 20, class: "grid-line"}, box);
      svg("text", {x: X(tick), y: height - 5, "text-anchor": "middle"}, box, format(tick));
    }
    // Work first and communication last, so that its seam shows who works longest.
    const order = usedPhases.filter(phase => phase < shown[0].seconds.length)
      .sort((a, b) => (data.phases[a] === "communication") - (data.phases[b] === "communication"));
    shown.forEach((rank, k) => {
      svg("text", {x: left - 6, y: k * row + 14, "text-anchor": "end", class: "name"}, box, rank.name.slice(0, 24));
      let from = 0;
      for (const phase of order) {
        const seconds = rank.seconds[phase];
        const bar = svg("rect", {
          x: X(from), width: Math.max(0, X(from + seconds) - X(from)), y: k * row + 3, height: row - 6,
          fill: phaseColors[data.phases[phase]], class: "seam",
        }, box);
        svg("title", {}, bar, `${data.phases[phase]}: ${format(seconds)} s`);
        from += seconds;
      }
    });
  };
}

// --- The page

const charts = document.getElementById("charts");
const draws = [
  curves(charts, {
    title: "Loss of the batches", note: "mean cross-entropy before each step; the band spans the least and the greatest",
    log: true, series: [{key: "loss"}],
  }),
  curves(charts, {
    title: "Loss of the evaluations", note: "mean cross-entropy; ● test, ● dashed validation, ■ training set", log: true,
    series: [
      {key: "testLoss", label: ", test", marks: true},
      {key: "validationLoss", label: ", validation", marks: true, dashed: true},
      {key: "trainLoss", label: ", train", marks: true, bare: true},
    ],
  }),
  curves(charts, {
    title: "Accuracy", note: "in %; ● test, ● dashed validation, ■ training set", unit: " %",
    series: [
      {key: "testAccuracy", label: ", test", marks: true},
      {key: "validationAccuracy", label: ", validation", marks: true, dashed: true},
      {key: "trainAccuracy", label: ", train", marks: true, bare: true},
    ],
  }),
  curves(charts, {title: "Damping", note: "λ of each step", log: true, series: [{key: "damping"}]}),
  curves(charts, {
    title: "Reduction ratio", note: "change of the objective over what the model predicted; 1 is a perfect prediction",
    limits: {clip: [-1, 3], include: 0}, series: [{key: "ratio"}],
  }),
  curves(charts, {
    title: "Solver iterations", note: "of each step", limits: {include: 0}, series: [{key: "iterations"}],
  }),
];
// A heading, the legend of the phases, and the charts that `first` and `make`, for each run, put into a grid.
function section(id, title, make, phases, first = () => null) {
  const parent = document.getElementById(id), grid = document.createElement("div");
  grid.className = "grid small";
  const parts = [first(grid), ...data.runs.map((_, number) => make(grid, number))].filter(Boolean);
  if (!parts.length) return;
  html("h2", parent, title);
  legend(parent, phases);
  parent.appendChild(grid);
  draws.push(...parts);
}
section("phases", "Where a step spends its time, on rank 0", stack, usedPhases);
section("ranks", "What the ranks did", ranks, usedPhases.filter(phase => data.phases[phase] !== "other"), grid =>
  curves(grid, {
    title: "Imbalance", note: "work of the slowest rank over the mean, without communication",
    limits: {include: 1}, series: [{key: "imbalance"}],
  }));

function paint() {
  for (const draw of draws) if (draw) draw();
  for (const node of document.querySelectorAll("i[data-run]")) {
    const run = Number(node.dataset.run);
    node.style.background = dash(run) ? `repeating-linear-gradient(90deg, ${color(run)} 0 3px, #0000 3px 5px)` : color(run);
  }
}
if (data.runs.length > 1) {
  data.runs.forEach((run, number) => {
    const button = html("button", document.getElementById("runs"));
    html("i", button).dataset.run = number;
    button.append(run.name);
    button.setAttribute("aria-pressed", "true");
    button.title = "show or hide";
    button.onclick = () => {
      if (!hidden.delete(number)) hidden.add(number);
      button.setAttribute("aria-pressed", String(!hidden.has(number)));
      paint();
    };
  });
}
["steps", "time"].forEach((name, axis, names) => {
  const button = html("button", document.getElementById("axis"), name);
  button.onclick = () => {
    against = axis;
    [...button.parentNode.children].forEach((other, k) => other.setAttribute("aria-pressed", String(k === axis)));
    paint();
  };
  button.setAttribute("aria-pressed", String(axis === against));
});
let width = 0;
new ResizeObserver(() => {
  if (document.body.clientWidth === width) return;
  width = document.body.clientWidth;
  paint();
}).observe(document.body);
