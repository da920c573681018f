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

/** Strokes of matplotlib's hatches on a square of 6, as paths. */
const STROKES = {
  "/": "M-1 7L7 -1M-1 1L1 -1M5 7L7 5", "\\": "M-1 -1L7 7M5 -1L7 1M-1 5L1 7", "-": "M0 3H6", "|": "M3 0V6",
};
STROKES.x = STROKES["/"] + STROKES["\\"];
const DOTS = { ".": 1.1, o: 1.6 };

let patterns = 0;

/** Fill patterns of named styles [label, colour, hatch], as in the figures: {defs, fill(name)}. */
function hatches(styles) {
  const stem = `vlab-hatch-${patterns++}`;
  const defs = s("defs");
  for (const [name, [, colour, hatch]] of Object.entries(styles)) {
    const mark = hatch[0];
    defs.append(s("pattern", { id: `${stem}-${name}`, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      s("rect", { width: 6, height: 6, fill: colour }),
      STROKES[mark] ? s("path", { d: STROKES[mark], stroke: "#222", "stroke-opacity": 0.55, "stroke-width": 0.9 }) : null,
      DOTS[mark] ? s("circle", { cx: 3, cy: 3, r: DOTS[mark], fill: "#222", "fill-opacity": 0.6 }) : null));
  }
  return { defs, fill: (name) => `url(#${stem}-${name})` };
}

/** The same for a canvas: what to set `fillStyle` to, at the size of the screen's points. */
function brush(pen, [, colour, hatch], scale) {
  const tile = document.createElement("canvas"), mark = hatch[0];
  tile.width = tile.height = Math.round(6 * scale);
  const ink = tile.getContext("2d");
  ink.scale(scale, scale);
  ink.fillStyle = colour;
  ink.fillRect(0, 0, 6, 6);
  ink.strokeStyle = ink.fillStyle = "rgba(34, 34, 34, 0.55)";
  ink.lineWidth = 0.9;
  if (STROKES[mark]) ink.stroke(new Path2D(STROKES[mark]));
  if (DOTS[mark]) { ink.arc(3, 3, DOTS[mark], 0, 7); ink.fill(); }
  const pattern = pen.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
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
