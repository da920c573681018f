// What drawn widgets share: elements of pictures, numbers, hatches. It stands between base.js and the widget's own.

const SVG = "http://www.w3.org/2000/svg";

/** An element of a picture, as `h` makes one of a page. */
function s(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  if ("tabindex" in attributes) node.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A number in three digits, with its unit prefix. */
function short(n) {
  for (const [size, letter] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]])
    if (Math.abs(n) >= size) return (n / size).toPrecision(3) + letter;
  return Number.isInteger(n) ? String(n) : n.toPrecision(3);
}

/** A ratio: 1.04×, 12.3×, 431×. */
const times = (ratio) =>
  (ratio >= 100 ? Math.round(ratio) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)) + "×";

let patterns = 0;

/** Fill patterns of named styles [label, colour, hatch], as in the figures: {defs, fill(name)}. */
function hatches(styles) {
  const stem = `vlab-hatch-${patterns++}`;
  const defs = s("defs");
  for (const [name, [, colour, hatch]] of Object.entries(styles)) {
    const pattern = s("pattern", {
      id: `${stem}-${name}`, width: 6, height: 6, patternUnits: "userSpaceOnUse",
    }, s("rect", { width: 6, height: 6, fill: colour }));
    const line = (d) => s("path", { d, stroke: "#222", "stroke-opacity": 0.55, "stroke-width": 0.9 });
    if (hatch.includes("/") || hatch.includes("x")) pattern.append(line("M-1 7L7 -1M-1 1L1 -1M5 7L7 5"));
    if (hatch.includes("\\") || hatch.includes("x")) pattern.append(line("M-1 -1L7 7M5 -1L7 1M-1 5L1 7"));
    if (hatch.includes(".") || hatch.includes("o"))
      pattern.append(s("circle", { cx: 3, cy: 3, r: 1.1, fill: "#222", "fill-opacity": 0.6 }));
    defs.append(pattern);
  }
  return { defs, fill: (name) => `url(#${stem}-${name})` };
}

/** A mode's marker as a path around (0, 0): the shapes of the figures. */
const MARKERS = {
  D: "M0 -6L6 0L0 6L-6 0Z", s: "M-5 -5H5V5H-5Z",
  o: "M-5.5 0A5.5 5.5 0 1 0 5.5 0A5.5 5.5 0 1 0 -5.5 0Z", "^": "M0 -6L6 5H-6Z",
};

/** Round numbers from 0 to at most `most`, about `count` of them. */
function ticks(most, count = 5) {
  const raw = most / count, size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= raw) ?? raw;
  const result = [];
  for (let n = 0; n <= most * (1 + 1e-9); n += step) result.push(n);
  return result;
}

/** Call `draw` once before the next picture, however often it is asked for. */
function onceAFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
}
