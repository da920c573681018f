// The timeline of exits on canvases, computed here from columns of numbers; details come on demand.

const LANE = 26; // height of a reason's lane
const INDIVIDUAL = 3; // pixels from which an exit is drawn by itself

/** The columns that the kernel packed: begin and cost in cycles, symbol and reason by number. */
function unpack(view, n) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer;
  return {
    n, begin: new Float64Array(bytes, 0, n), cost: new Float64Array(bytes, 8 * n, n),
    where: new Uint16Array(bytes, 16 * n, n), why: new Uint8Array(bytes, 18 * n, n),
  };
}

/** The first place at which a sorted column is at least (or beyond) a value. */
function search(column, value, beyond = false) {
  let low = 0, high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (beyond ? column[middle] <= value : column[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function build(ui) {
  let shown = null, scope = null;
  ui.onEnd = () => scope?.end();
  return (view) => {
    if (!view.reasons) return;
    const key = JSON.stringify([view.workload, view.mode, view.exits, view.end]);
    if (key !== shown) {
      scope?.end();
      scope = microscope(ui, view);
      shown = key;
    }
    scope.details(view);
  };
}

function microscope({ root, body, ask, model }, view) {
  const data = unpack(model.get("columns"), view.exits);
  const { reasons, looks, style } = view;
  const named = (reason) => looks[reason]?.[0] ?? reason.replace(/_/g, " ");
  const swatches = hatches(looks);
  const visible = new Set(reasons.map((_, n) => n));
  const full = { from: 0, to: view.end * 1.005 };
  let span = { ...full };
  let selected = -1, hovered = -1;

  // -- elements ---------------------------------------------------------------------------

  const whole = view.totals.reduce((sum, row) => sum + row.exits, 0);
  const spentAt = (row) => Object.values(row.cycles).reduce((a, b) => a + b, 0);
  const allSpent = view.totals.reduce((sum, row) => sum + spentAt(row), 0);
  const trapping = ["fullvirt", "paravirt"].includes(view.mode);
  const handling = (row) => trapping ? (row.cycles.trap ?? 0) + (row.cycles.monitor ?? 0) : spentAt(row);
  const allHandling = view.totals.reduce((sum, row) => sum + handling(row), 0);
  const most = [...view.totals].sort((a, b) => handling(b) - handling(a))[0];
  const finding = h("h3", { class: "finding" },
    `${view.workload} in ${view.mode}: ${count(view.total)} ${trapping ? "exits to the monitor" : "traps into the guest's own kernel"} ` +
    `cost ${Math.round((100 * allHandling) / view.end)}\u00a0% of ${short(view.end)} modelled cycles, ` +
    `most for ${named(most.reason)} (${Math.round((100 * handling(most)) / allHandling)}\u00a0%)`);
  const left = view.total - view.exits;
  const note = left > 0 ? h("p", { class: "note" }, `The first ${count(left)} are counted but were not kept.`) : null;
  const help = h("p", { class: "note", id: `${root.dataset.widget}-help` },
    "← → next exit · ↑ ↓ next of another reason · + − zoom · Shift ← → pan · 0 all · click, drag, Ctrl-wheel. " +
    "Zoomed out, a bar's height is the square root of the share of time in exits; grey is outside the measured region.");
  const status = h("output", { class: "in-view" });
  const spoken = h("div", { class: "hidden-words", "aria-live": "polite" });
  const overview = h("canvas", { class: "overview", "aria-hidden": "true" });
  const lanes = h("canvas", { class: "lanes", tabindex: 0, role: "application", "aria-roledescription": "timeline",
    "aria-label": `Timeline of ${count(view.exits)} exits`, "aria-describedby": help.id });
  const tip = h("div", { class: "tip", hidden: true });
  const switches = reasons.map((name, n) => {
    const row = view.totals.find((each) => each.reason === name);
    return h("button", { type: "button", class: "reason", "aria-pressed": "true", "data-key": `reason-${name}`,
      "data-reason": name, title: `${name}: ${view.says[name]}. Click to hide or show.`, style: `height:${LANE}px`,
      onclick: () => toggle(n), ondblclick: () => only(n) },
      s("svg", { width: 13, height: 13, "aria-hidden": true }, s("rect", { width: 13, height: 13, fill: swatches.fill(name), stroke: "#333" })), h("span", {}, named(name)), h("b", {}, count(row.exits)));
  });
  const panel = h("div", { class: "panel" }, h("p", { class: "note" }, "Choose an exit to see the instruction, the cause, what the monitor did, and what it cost."));
  const number = h("input", { type: "number", min: view.first, max: view.first + data.n - 1, style: "width:92px", "data-key": "number",
    onchange: () => select(Number(number.value) - view.first),
    onkeydown: (event) => { if (event.key === "Enter") select(Number(number.value) - view.first); } });
  const key = (name, text, act, label) => button(name, text, act, { "aria-label": label, title: label });
  fill(body, finding, note,
    h("div", { class: "bar-row tools" },
      key("earlier", "◀", () => step(-1), "Previous exit"), key("later", "▶", () => step(1), "Next exit"), field(trapping ? "Exit" : "Trap", number),
      key("in", "+", () => zoom(0.5), "Zoom in"), key("out", "−", () => zoom(2), "Zoom out"),
      key("all", "All", () => move(full), "The whole run"),
      view.measured[1] > view.measured[0] ? key("region", "Measured region", () => region(), "The measured region") : null,
      status),
    h("div", { class: "stage" },
      h("div", { class: "labels", role: "group", "aria-label": "Reasons shown" }, s("svg", { width: 0, height: 0, "aria-hidden": true }, swatches.defs), h("div", { class: "over-label note" }, "share of time in exits"), switches,
        h("div", { class: "axis-label note" }, "modelled cycles")),
      h("div", { class: "plots" }, overview, lanes, tip)),
    help, spoken, panel, numbers());

  function numbers() {
    const categories = Object.keys(style.categories).filter((name) => view.totals.some((row) => row.cycles[name]) || view.outside[name]);
    const line = (name, cells, end, attributes = {}) => h("tr", attributes, h("th", { scope: "row" }, name), cells.map((cell) => h("td", {}, cell)), h("td", {}, end));
    return h("details", { class: "numbers" }, h("summary", {}, "The numbers"),
      h("div", { class: "all-numbers", tabindex: 0, role: "region", "aria-label": "Exits and cycles by reason" }, h("table", {},
        h("thead", {}, h("tr", {}, ["reason", "exits", "measured region", ...categories.map((name) => style.categories[name][0]), "cycles"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, view.totals.map((row) => line(row.reason, [count(row.exits), count(row.measured), ...categories.map((name) => count(row.cycles[name] ?? 0))], count(spentAt(row)), { "data-total": row.reason })),
          trapping ? line("at no exit that was kept", ["", "", ...categories.map((name) => name in view.outside ? count(view.outside[name]) : "")], "", { "data-total": "outside" }) : null,
          line("all", [count(whole), count(view.totals.reduce((sum, row) => sum + row.measured, 0)),
            ...categories.map((name) => count(view.totals.reduce((sum, row) => sum + (row.cycles[name] ?? 0), 0) + (view.outside[name] ?? 0)))], count(allSpent), { "data-total": "all", class: "sum" })))));
  }

  // -- drawing ----------------------------------------------------------------------------

  let width = 600, brushes = {};
  const ratio = () => window.devicePixelRatio || 1;
  const token = (name, otherwise) => getComputedStyle(root).getPropertyValue(name).trim() || otherwise;
  function paper(canvas, height) {
    const scale = ratio();
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    if (brushes.scale !== scale) brushes = { scale, of: reasons.map((name) => brush(pen, looks[name], scale)) };
    return pen;
  }
  const x = (time) => ((time - span.from) / (span.to - span.from)) * width;
  const timeAt = (pixel) => span.from + (pixel / width) * (span.to - span.from);

  /** Share of each pixel's time spent in exits, a row of pixels a reason. */
  function shares(from, to) {
    const rows = reasons.map(() => new Float32Array(width));
    const per = (to - from) / width;
    const last = search(data.begin, to, true);
    for (let i = Math.max(0, search(data.begin, from) - 1); i < last; i++) {
      const row = rows[data.why[i]];
      let start = Math.max(data.begin[i], from);
      const stop = Math.min(data.begin[i] + data.cost[i], to);
      let pixel = Math.floor((start - from) / per);
      const end = Math.min(width - 1, Math.floor((stop - from) / per));
      for (; pixel <= end; pixel++) {
        const edge = from + (pixel + 1) * per;
        const part = (Math.min(stop, edge) - start) / per;
        if (part > 0) row[pixel] += part;
        start = edge;
      }
    }
    return rows;
  }

  function drawOverview() {
    const height = 46, pen = paper(overview, height);
    pen.fillStyle = token("--well", "#f2f2f2");
    pen.fillRect(0, 0, width, height);
    const rows = shares(full.from, full.to);
    for (let pixel = 0; pixel < width; pixel++) {
      let y = height;
      rows.forEach((row, n) => {
        if (!row[pixel] || !visible.has(n)) return;
        const tall = Math.min(1, row[pixel]) * height;
        pen.fillStyle = brushes.of[n];
        pen.fillRect(pixel, y - tall, 1, tall);
        y -= tall;
      });
    }
    const at = (time) => (time / full.to) * width;
    pen.fillStyle = "rgba(127, 127, 127, 0.42)";
    pen.fillRect(0, 0, at(span.from), height);
    pen.fillRect(at(span.to), 0, width, height);
    pen.strokeStyle = token("--ink", "#222");
    pen.lineWidth = 1.5;
    pen.strokeRect(at(span.from) + 0.75, 0.75, Math.max(3, at(span.to) - at(span.from)) - 1.5, height - 1.5);
    if (selected >= 0) { pen.fillStyle = token("--ink", "#222"); pen.fillRect(at(data.begin[selected]) - 0.75, 0, 1.5, height); }
  }

  function drawLanes() {
    const height = LANE * reasons.length + 20, pen = paper(lanes, height);
    const ink = token("--ink", "#222"), muted = token("--muted", "#666");
    const [from, to] = view.measured.map((place) => place < data.n ? data.begin[place] : full.to);
    reasons.forEach((_, n) => {
      pen.fillStyle = n % 2 ? "transparent" : token("--well", "#f2f2f2");
      pen.fillRect(0, n * LANE, width, LANE);
    });
    const length = span.to - span.from;
    const size = 10 ** Math.floor(Math.log10(length / 6));
    const each = [1, 2, 5, 10].map((n) => n * size).find((n) => length / n <= 8);
    pen.textAlign = "center";
    for (let tick = Math.ceil(span.from / each) * each; tick <= span.to; tick += each) {
      pen.fillStyle = token("--rule", "#ddd");
      pen.fillRect(Math.round(x(tick)), 0, 1, LANE * reasons.length);
      pen.fillStyle = muted;
      const label = each >= 1000 && each % 1000 === 0 && tick < 1e6 ? `${tick / 1000} k` : each >= 1e4 ? `${+(tick / 1e6).toFixed(3)} M` : count(tick);
      if (x(tick) > 20 && x(tick) < width - 20) pen.fillText(label, x(tick), height - 6);
    }
    const first = Math.max(0, search(data.begin, span.from) - 1), last = search(data.begin, span.to, true);
    const scale = width / length;
    const per = (last - first) / width;
    if (per * INDIVIDUAL < 1) {
      pen.textAlign = "left";
      for (let i = first; i < last; i++) {
        if (!visible.has(data.why[i])) continue;
        const at = x(data.begin[i]), wide = Math.max(2, data.cost[i] * scale), y = data.why[i] * LANE;
        pen.fillStyle = brushes.of[data.why[i]];
        pen.fillRect(at, y + 3, wide, LANE - 6);
        if (wide > 4) { pen.strokeStyle = "rgba(0, 0, 0, 0.45)"; pen.lineWidth = 0.8; pen.strokeRect(at + 0.4, y + 3.4, wide - 0.8, LANE - 6.8); }
        if (wide > 46) label(pen, view.symbols[data.where[i]], at + 4, y + LANE / 2 + 4, wide - 8);
      }
    } else {
      shares(span.from, span.to).forEach((row, n) => {
        if (!visible.has(n)) return;
        pen.fillStyle = brushes.of[n];
        for (let pixel = 0; pixel < width; pixel++) {
          if (!row[pixel]) continue;
          const tall = Math.max(2.5, Math.sqrt(Math.min(1, row[pixel])) * (LANE - 4));
          pen.fillRect(pixel, (n + 1) * LANE - 2 - tall, 1, tall);
        }
      });
    }
    reasons.forEach((_, n) => {
      if (visible.has(n)) return;
      pen.fillStyle = muted;
      pen.textAlign = "left";
      pen.fillText("hidden", 6, n * LANE + LANE / 2 + 4);
    });
    pen.fillStyle = "rgba(127, 127, 127, 0.16)";
    if (view.measured[1] > view.measured[0]) {
      if (x(from) > 0) pen.fillRect(0, 0, Math.min(width, x(from)), LANE * reasons.length);
      if (x(to) < width) pen.fillRect(Math.max(0, x(to)), 0, width, LANE * reasons.length);
    }
    if (selected >= 0) {
      const at = x(data.begin[selected]), wide = Math.max(3, data.cost[selected] * scale), y = data.why[selected] * LANE;
      pen.fillStyle = ink;
      pen.fillRect(at - 0.5, 0, 1, LANE * reasons.length);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.strokeRect(at - 1, y + 1, wide + 2, LANE - 2);
    }
    let cycles = 0, exits = 0, inside = 0;
    for (let i = first; i < last; i++) {
      if (!visible.has(data.why[i])) continue;
      const begin = data.begin[i], end = begin + data.cost[i];
      inside += Math.max(0, Math.min(end, span.to) - Math.max(begin, span.from));
      if (begin >= span.from) { exits++; cycles += data.cost[i]; }
    }
    status.textContent = `${count(exits)} ${trapping ? "exits" : "traps"} in view, ${count(cycles)} cycles, ${((100 * inside) / length).toFixed(1)} % of the time`;
    root.dataset.inView = exits;
    root.dataset.cyclesInView = cycles;
  }

  function label(pen, text, at, y, room) {
    if (pen.measureText(text).width > room) return;
    pen.lineWidth = 3;
    pen.strokeStyle = "rgba(255, 255, 255, 0.8)";
    pen.strokeText(text, at, y);
    pen.fillStyle = "#111";
    pen.fillText(text, at, y);
  }

  let asked = 0, drawn = 0;
  const redraw = onceAFrame(() => {
    drawOverview();
    drawLanes();
    if (asked) root.dataset.latency = (performance.now() - asked).toFixed(2);
    asked = 0;
    root.dataset.drawn = ++drawn;
  });
  const change = () => { asked ||= performance.now(); redraw(); };

  // -- moving -------------------------------------------------------------------------------

  function move({ from, to }) {
    const length = Math.min(Math.max(to - from, 200), full.to);
    const begin = Math.min(Math.max(0, from), full.to - length);
    span = { from: begin, to: begin + length };
    change();
  }
  function zoom(factor, around = selected >= 0 && data.begin[selected] >= span.from && data.begin[selected] <= span.to ? data.begin[selected] : (span.from + span.to) / 2) {
    move({ from: around - (around - span.from) * factor, to: around + (span.to - around) * factor });
  }
  const pan = (share) => move({ from: span.from + share * (span.to - span.from), to: span.to + share * (span.to - span.from) });
  function region() {
    const [first, behind] = view.measured;
    const begin = data.begin[first], end = data.begin[behind - 1] + data.cost[behind - 1];
    move({ from: begin - 0.01 * (end - begin), to: end + 0.01 * (end - begin) });
  }
  function toggle(n) {
    if (visible.has(n)) visible.delete(n);
    else visible.add(n);
    marks();
  }
  function only(n) {
    const alone = visible.size === 1 && visible.has(n);
    reasons.forEach((_, each) => alone || each === n ? visible.add(each) : visible.delete(each));
    marks();
  }
  function marks() {
    switches.forEach((node, n) => node.setAttribute("aria-pressed", String(visible.has(n))));
    change();
  }
  function select(place, told = true) {
    if (!(place >= 0 && place < data.n)) return;
    selected = place;
    root.dataset.selected = place;
    number.value = place + view.first;
    const time = data.begin[place], length = span.to - span.from;
    if (time < span.from + 0.02 * length || time + Math.min(data.cost[place], length / 2) > span.to - 0.02 * length)
      move({ from: time - length / 2, to: time + length / 2 });
    change();
    if (told) ask("select", { place });
  }
  function step(direction, other = false) {
    if (selected < 0) { select(search(data.begin, span.from)); return; }
    let place = selected + direction;
    while (place >= 0 && place < data.n && (!visible.has(data.why[place]) || (other && data.why[place] === data.why[selected])))
      place += direction;
    select(place);
  }
  lanes.onkeydown = (event) => {
    const act = {
      ArrowRight: () => event.shiftKey ? pan(0.2) : step(1), ArrowLeft: () => event.shiftKey ? pan(-0.2) : step(-1),
      ArrowDown: () => step(1, true), ArrowUp: () => step(-1, true),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => move(full),
      Home: () => select(0), End: () => select(data.n - 1),
      PageDown: () => select(Math.min(data.n - 1, selected + 100)), PageUp: () => select(Math.max(0, selected - 100)),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    tip.hidden = true;
    act();
  };
  lanes.onwheel = (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
    event.preventDefault();
    if (event.shiftKey) pan((event.deltaY || event.deltaX) > 0 ? 0.1 : -0.1);
    else zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.offsetX));
  };

  /** The shown exit nearest to a point, of its lane; -1 if there is none within reach. */
  function nearest(pixel, lane, reach) {
    if (!visible.has(lane)) return -1;
    const time = timeAt(pixel), far = (reach * (span.to - span.from)) / width;
    let best = -1, distance = far;
    const consider = (i) => {
      const off = time < data.begin[i] ? data.begin[i] - time : Math.max(0, time - data.begin[i] - data.cost[i]);
      if (data.why[i] === lane && off <= distance && (off < distance || best < 0)) { best = i; distance = off; }
    };
    const middle = search(data.begin, time);
    for (let i = middle; i < data.n && data.begin[i] <= time + far; i++) { consider(i); if (best >= 0) break; }
    for (let i = middle - 1; i >= 0 && data.begin[i] >= time - far - 2e5; i--) { consider(i); if (best >= 0 && data.begin[i] < time - distance) break; }
    return best;
  }
  let drag = null;
  lanes.onpointerdown = (event) => { drag = { x: event.offsetX, span: { ...span }, moved: false }; lanes.setPointerCapture(event.pointerId); };
  lanes.onpointermove = (event) => {
    if (drag) {
      const by = event.offsetX - drag.x;
      drag.moved ||= Math.abs(by) > 4;
      if (drag.moved) {
        const cycles = (by / width) * (drag.span.to - drag.span.from);
        move({ from: drag.span.from - cycles, to: drag.span.to - cycles });
      }
      return;
    }
    hovered = nearest(event.offsetX, Math.floor(event.offsetY / LANE), 6);
    tip.hidden = hovered < 0;
    if (hovered < 0) return;
    tip.textContent = `#${count(hovered + view.first)} ${named(reasons[data.why[hovered]])} · ${view.symbols[data.where[hovered]]} · ${count(data.cost[hovered])} cycles`;
    tip.style.left = `${Math.min(event.offsetX + 12, width - 230)}px`;
    tip.style.top = `${event.offsetY + 62}px`;
  };
  lanes.onpointerup = (event) => {
    if (drag && !drag.moved) {
      const place = nearest(event.offsetX, Math.floor(event.offsetY / LANE), 40);
      if (place >= 0) select(place);
    }
    drag = null;
  };
  lanes.onpointerleave = () => { tip.hidden = true; };
  lanes.ondblclick = (event) => zoom(0.25, timeAt(event.offsetX));
  let held = null;
  const brushed = (event) => (Math.max(0, Math.min(width, event.offsetX)) / width) * full.to;
  overview.onpointerdown = (event) => { held = brushed(event); overview.setPointerCapture(event.pointerId); };
  overview.onpointermove = (event) => {
    if (held === null) return;
    const now = brushed(event);
    if (Math.abs(now - held) > full.to / 150) move({ from: Math.min(held, now), to: Math.max(held, now) });
  };
  overview.onpointerup = (event) => {
    const now = brushed(event), length = span.to - span.from;
    if (held !== null && Math.abs(now - held) <= full.to / 150) move({ from: now - length / 2, to: now + length / 2 });
    held = null;
  };

  // -- one exit -----------------------------------------------------------------------------

  const fills = hatches(style.categories);
  let lately = "", chosen = 0;
  function details(now) {
    const text = JSON.stringify([now.selected, now.source]);
    if (!now.selected || text === lately) return;
    lately = text;
    if (selected < 0 || now.selected.chosen !== chosen) select(now.selected.place, false);
    chosen = now.selected.chosen;
    spoken.textContent = now.selected.sentence;
    fill(panel, exitPanel(now.selected, now.source, { fills, style, ask, trapping, named }));
    root.dataset.detailed = now.selected.place;
  }

  const watch = new ResizeObserver(() => {
    const room = Math.floor(lanes.parentElement.clientWidth);
    if (room > 50 && room !== width) { width = room; redraw(); }
  });
  watch.observe(lanes.parentElement);
  redraw();
  return { details, end: () => watch.disconnect() };
}
