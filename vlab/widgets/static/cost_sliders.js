// Counts times costs: everything is computed and drawn here, nothing is asked of the kernel.

const TOP = 100000; // cycles at the right end of a slider
const POSITIONS = 1000;
const toPosition = (cycles) =>
  Math.round((POSITIONS * Math.log1p(Math.min(cycles, TOP))) / Math.log1p(TOP));
const toCycles = (position) => Math.round(Math.expm1((position / POSITIONS) * Math.log1p(TOP)));

/** Cycles of each run by category, and in total. */
function priced(runs, figures) {
  return runs.map(({ workload, mode, charges }) => {
    const categories = {};
    let total = 0;
    for (const [category, cost, often] of charges) {
      const cycles = often * figures[cost];
      categories[category] = (categories[category] ?? 0) + cycles;
      total += cycles;
    }
    return { workload, mode, categories, total };
  });
}

function build(ui) {
  let shown = null, end = () => {};
  ui.onEnd = () => end();
  return (view) => {
    if (!view.runs || view.runs === shown) return;
    shown = view.runs;
    end();
    end = sliders(ui, view);
  };
}

/** A name that may be broken behind its dots and underscores. */
const breakable = (name) =>
  name.split(/(?<=[._])/).flatMap((part, n) => (n ? [h("wbr"), part] : [part]));

function sliders({ root, body, model }, data) {
  const { runs, costs, presets, style } = data;
  const workloads = [...new Set(runs.map((run) => run.workload))];
  const modes = Object.keys(style.modes).filter((mode) => runs.some((run) => run.mode === mode));
  const charged = new Set(runs.flatMap((run) => run.charges.map(([, cost]) => cost)));
  const unique = `vlab-${Math.random().toString(36).slice(2)}`;
  let figures = { ...model.get("figures") };
  let before = Object.fromEntries(costs.map((row) => [row.name, row.cycles]));
  let earlier = before; // where the figures moved from
  let chosen = workloads.includes(model.get("workload")) ? model.get("workload") : workloads[0];
  let drawn = 0;

  // -- the controls ------------------------------------------------------------------

  const title = h("h3", { "aria-live": "polite", class: "finding" });
  const note = h("p", { class: "note" }, data.exact
    ? "Nothing is run again: the counts of these runs do not depend on costs (clock=\"retired\")."
    : "Nothing is run again: these are the counts as recorded. With other costs, a guest whose " +
      "clock counts cycles would have seen other timer ticks.");
  const presetButtons = Object.keys(presets).map((name) =>
    h("button", { type: "button", role: "radio", "data-preset": name,
                  onclick: () => usePreset(name) }, name));
  const radios = h("div", { class: "bar-row", role: "radiogroup", "aria-label": "Cost preset",
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = presetButtons.indexOf(document.activeElement);
      const next = presetButtons[(at + step + presetButtons.length) % presetButtons.length];
      next.focus();
      next.click();
    } }, presetButtons);
  const filter = h("input", { type: "search", placeholder: "Find a cost", "aria-label": "Find a cost",
    oninput: () => {
      const text = filter.value.toLowerCase();
      for (const row of rows.values())
        row.box.hidden = !row.words.includes(text);
    } });

  const rows = new Map();
  const groups = Object.entries(data.groups).map(([group, name]) => {
    const own = costs.filter((row) => row.group === group);
    return h("details", { open: own.some((row) => charged.has(row.name)) },
      h("summary", {}, name[0].toUpperCase() + name.slice(1),
        h("span", { class: "count" }, ` ${own.length}`)),
      own.map(costRow));
  });

  function costRow(row) {
    const id = `${unique}-${row.name}`;
    const range = h("input", { type: "range", min: 0, max: POSITIONS, step: 1, id,
      "data-cost": row.name, "aria-describedby": `${id}-source`,
      oninput: () => change(row.name, toCycles(Number(range.value))) });
    const number = h("input", { type: "number", min: 0, step: 1, "data-number": row.name,
      "aria-label": `${row.name}, cycles per ${row.unit}`,
      oninput: () => {
        const n = Number(number.value);
        const right = number.value !== "" && Number.isInteger(n) && n >= 0 && n <= 1e12;
        number.setAttribute("aria-invalid", String(!right));
        if (right) change(row.name, n, number);
      } });
    const source = h("div", { class: "source", id: `${id}-source` });
    const weight = h("span", { class: "weight" });
    const reset = h("button", { type: "button", class: "reset", title: "Back to the preset's figure",
      "aria-label": `Reset ${row.name}`,
      onclick: () => { change(row.name, before[row.name]); range.focus(); } }, "↺");
    const box = h("div", { class: "cost" + (charged.has(row.name) ? "" : " unused") },
      h("label", { for: id, title: row.sentence }, breakable(row.name)),
      range, number, reset,
      h("div", { class: "says" }, row.sentence, h("span", { class: "unit" }, ` Cycles per ${row.unit}.`)), source,
      h("div", { class: "weigh", "aria-hidden": "true" }, weight));
    rows.set(row.name, { ...row, range, number, source, weight, box, reset,
      words: `${row.name} ${row.sentence} ${row.unit}`.toLowerCase() });
    return box;
  }

  // -- the figures --------------------------------------------------------------------

  const pick = h("select", { "aria-label": "Workload of the stacked figure",
    onchange: () => choose(pick.value) },
    workloads.map((name) => h("option", { value: name }, name)));
  const stacked = s("svg", { role: "img", class: "stacked" });
  const dots = s("svg", { class: "dots", role: "group", "aria-label": "Slowdown by workload" });
  const table = h("tbody");
  const head = h("tr", {}, h("th", { scope: "col" }, "workload"), h("th", { scope: "col" }, "mode"),
    Object.values(style.categories).map(([label]) => h("th", { scope: "col" }, label)),
    h("th", { scope: "col" }, "total"));
  const numbers = h("details", { class: "numbers", ontoggle: () => drawTable() },
    h("summary", {}, "The numbers"),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Cycles by category" },
      h("table", {}, h("thead", {}, head), table)));
  fill(body, title, note,
    h("div", { class: "columns" },
      h("div", { class: "controls" },
        h("div", { class: "bar-row tools" }, radios, filter),
        h("div", { class: "list" }, groups)),
      h("div", { class: "figures" },
        workloads.length > 1 ? h("div", { class: "bar-row" }, h("strong", {}, "Where the cycles go in"), pick)
          : h("strong", {}, `Where the cycles go in ${chosen}`),
        stacked,
        workloads.length > 1 ? h("strong", {}, "Slowdown: modelled cycles, native = 1") : null,
        workloads.length > 1 ? dots : null)),
    numbers);

  const fills = hatches(style.categories);
  let now = [], then = [];

  function drawStack() {
    const width = Math.max(320, stacked.parentElement.clientWidth || 640);
    const left = 78, right = 80, thick = 30, gap = 20, top = 6;
    const mine = modes.map((mode) => now.find((r) => r.workload === chosen && r.mode === mode)).filter(Boolean);
    const old = mine.map((run) => then.find((r) => r.workload === chosen && r.mode === run.mode));
    const direct = mine.filter((run) => run.mode !== "emulate");
    const most = 1.25 * Math.max(1, ...(direct.length ? direct : mine).flatMap((run) =>
      [run.total, then.find((r) => r.workload === chosen && r.mode === run.mode).total]));
    const native = mine.find((run) => run.mode === "native");
    const scale = (cycles) => ((width - left - right) * Math.min(cycles, most)) / most;
    const bottom = top + mine.length * (thick + gap);
    const parts = [fills.defs];
    for (const tick of ticks(most))
      parts.push(s("line", { class: "grid", x1: left + scale(tick), x2: left + scale(tick), y1: top - 4, y2: bottom - 8 }),
        s("text", { class: "muted", x: left + scale(tick), y: bottom + 8, "text-anchor": "middle" }, short(tick)));
    mine.forEach((run, n) => {
      const y = top + n * (thick + gap);
      parts.push(s("text", { x: left - 10, y: y + thick / 2 + 4, "text-anchor": "end", "font-weight": 600 }, run.mode));
      let sum = 0;
      for (const [name, [label]] of Object.entries(style.categories)) {
        const cycles = run.categories[name] ?? 0;
        if (!cycles) continue;
        const x = left + scale(sum), wide = scale(sum + cycles) - scale(sum);
        sum += cycles;
        if (wide < 0.3) continue;
        parts.push(s("rect", { x, y, width: wide, height: thick, fill: fills.fill(name),
          stroke: "#333", "stroke-width": 0.6 },
          s("title", {}, `${run.mode}, ${label}: ${count(cycles)} cycles (${((100 * cycles) / run.total).toFixed(1)} %)`)));
        if (wide > 7.2 * label.length + 8)
          parts.push(s("text", { class: "on-bar", x: x + wide / 2, y: y + thick / 2 + 4, "text-anchor": "middle" }, label));
      }
      if (old[n].total !== run.total)
        parts.push(s("line", { class: "old", x1: left + scale(old[n].total), x2: left + scale(old[n].total), y1: y - 5, y2: y + thick + 5 },
          s("title", {}, `before: ${count(old[n].total)} cycles`)));
      const cut = run.total > most;
      const words = (native && native.total ? times(run.total / native.total) : short(run.total)) + (cut ? " ⟶" : "");
      parts.push(s("text", { x: left + scale(run.total) + 7, y: y + thick / 2 + 5, "font-weight": 650, class: "total halo" }, words));
    });
    parts.push(s("text", { class: "muted", x: width - right, y: bottom + 24, "text-anchor": "end" },
      "modelled cycles" + (mine.some((run) => run.total > most) ? "; ⟶ goes on beyond the edge" : "")));
    // what is too narrow for a label of its own is named below
    const present = Object.entries(style.categories).filter(([name]) => mine.some((run) => run.categories[name]));
    let x = left, y = bottom + 44;
    for (const [name, [label]] of present) {
      const long = 24 + 6.7 * label.length;
      if (x + long > width) { x = left; y += 20; }
      parts.push(s("rect", { x, y: y - 10, width: 14, height: 12, fill: fills.fill(name), stroke: "#333", "stroke-width": 0.6 }),
        s("text", { x: x + 19, y }, label));
      x += long + 12;
    }
    stacked.replaceChildren(...parts);
    stacked.setAttribute("width", width);
    stacked.setAttribute("height", y + 8);
    stacked.setAttribute("aria-label", `Modelled cycles of ${chosen}: ` + mine.map((run) =>
      `${run.mode} ${count(run.total)}` + (native ? ` (${times(run.total / native.total)})` : "")).join(", "));
  }

  function drawDots() {
    if (workloads.length < 2) return;
    const width = Math.max(320, stacked.parentElement.clientWidth || 640);
    const left = 96, right = 24, high = 24, top = 26;
    const ratios = (list) => list.map((run) => {
      const native = list.find((other) => other.workload === run.workload && other.mode === "native");
      return { ...run, ratio: native?.total ? run.total / native.total : null };
    });
    const fresh = ratios(now), old = ratios(then);
    const all = [...fresh, ...old].map((run) => run.ratio).filter((ratio) => ratio > 0);
    const low = Math.min(1, ...all) / 1.1, most = Math.max(2, ...all) * 1.15;
    const x = (ratio) => left + ((width - left - right) * Math.log(ratio / low)) / Math.log(most / low);
    const bottom = top + workloads.length * high;
    const parts = [];
    let at = left;
    for (const mode of modes) {
      const [colour, marker] = style.modes[mode];
      parts.push(s("path", { d: MARKERS[marker], transform: `translate(${at + 6} 9)`, fill: colour, class: "mark" }),
        s("text", { x: at + 17, y: 13 }, mode));
      at += 34 + 7 * mode.length;
    }
    const moved = fresh.some((run, n) => run.ratio && old[n].ratio && run.ratio !== old[n].ratio);
    if (moved) parts.push(s("text", { class: "muted", x: at + 8, y: 13 }, "hollow: before"));
    workloads.forEach((name, row) => {
      const y = top + row * high;
      const mine = fresh.filter((run) => run.workload === name);
      const words = mine.filter((run) => run.ratio).map((run) => `${run.mode} ${times(run.ratio)}`).join(", ");
      const line = s("g", { tabindex: 0, role: "button", "aria-pressed": String(name === chosen),
        "aria-label": `${name}: ${words}`, "data-row": name, class: "row",
        onclick: () => choose(name),
        onkeydown: (event) => {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(name); }
        } },
        s("rect", { x: 0, y, width, height: high, class: name === chosen ? "band chosen" : row % 2 ? "band" : "band even" }),
        s("text", { x: left - 10, y: y + high / 2 + 4, "text-anchor": "end", "font-weight": name === chosen ? 700 : 400 }, name));
      for (const run of old.filter((other) => other.workload === name && other.ratio)) {
        const fresher = mine.find((other) => other.mode === run.mode);
        if (Math.abs(x(run.ratio) - x(fresher.ratio)) < 1) continue;
        line.append(s("line", { x1: x(run.ratio), x2: x(fresher.ratio), y1: y + high / 2, y2: y + high / 2, class: "moved" }),
          s("path", { d: MARKERS[style.modes[run.mode][1]], transform: `translate(${x(run.ratio)} ${y + high / 2})`,
            fill: "none", stroke: style.modes[run.mode][0], class: "mark hollow" }));
      }
      for (const run of mine.filter((other) => other.ratio))
        line.append(s("path", { d: MARKERS[style.modes[run.mode][1]], transform: `translate(${x(run.ratio)} ${y + high / 2})`,
          fill: style.modes[run.mode][0], class: "mark" },
          s("title", {}, `${name}, ${run.mode}: ${times(run.ratio)}`)));
      parts.push(line);
    });
    for (const ratio of [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
      if (ratio >= low && ratio <= most)
        parts.push(s("line", { class: ratio === 1 ? "grid one" : "grid", x1: x(ratio), x2: x(ratio), y1: top, y2: bottom, "pointer-events": "none" }),
          s("text", { class: "muted", x: x(ratio), y: bottom + 16, "text-anchor": "middle" }, `${ratio}×`));
    dots.replaceChildren(...parts);
    dots.setAttribute("width", width);
    dots.setAttribute("height", bottom + 22);
  }

  function drawTable() {
    if (!numbers.open) return;
    table.replaceChildren(...now.map((run) => h("tr", { "data-run": `${run.workload} ${run.mode}` },
      h("th", { scope: "row" }, run.workload), h("td", {}, run.mode),
      Object.keys(style.categories).map((name) => h("td", {}, count(run.categories[name] ?? 0))),
      h("td", { class: "total" }, count(run.total)))));
  }

  function finding() {
    const mine = (mode) => now.find((run) => run.workload === chosen && run.mode === mode);
    const native = mine("native");
    const words = modes.filter((mode) => mode !== "native" && mine(mode)).map((mode) =>
      native?.total ? `${mode} ${times(mine(mode).total / native.total)}` : `${mode} ${short(mine(mode).total)} cycles`);
    const virtual = mine("fullvirt") ?? mine("paravirt") ?? mine(modes.at(-1));
    const [worst, most] = Object.entries(virtual.categories).sort((a, b) => b[1] - a[1])[0] ?? ["", 0];
    const share = virtual.total ? Math.round((100 * most) / virtual.total) : 0;
    return `${chosen}: ${words.join(", ")}${native ? " of native" : ""}. In ${virtual.mode}, ${share}\u00a0% is ` +
      `${style.categories[worst]?.[0] ?? "nothing"}.`;
  }

  function drawRows(source) {
    const weights = {};
    for (const run of runs) {
      const total = now.find((other) => other.workload === run.workload && other.mode === run.mode).total;
      const mine = {};
      for (const [, cost, often] of run.charges) mine[cost] = (mine[cost] ?? 0) + often * figures[cost];
      for (const [cost, cycles] of Object.entries(mine))
        if (total && cycles / total > (weights[cost]?.share ?? 0)) weights[cost] = { share: cycles / total, run };
    }
    for (const [name, row] of rows) {
      const value = figures[name], own = value === before[name];
      row.range.value = toPosition(value);
      row.range.setAttribute("aria-valuetext", `${count(value)} cycles`);
      if (row.number !== source) row.number.value = value;
      if (row.number !== source) row.number.removeAttribute("aria-invalid");
      row.box.classList.toggle("changed", !own);
      row.reset.disabled = own;
      const origin = own ? costs.find((cost) => cost.name === name).source : null;
      const preset = Object.entries(presets).find(([, table]) => table[name][0] === value && same(table));
      const cited = preset ? preset[1][name][1] : own ? origin : `set by hand; it was ${count(before[name])}: ${sourceOf(name)}`;
      if (row.source.textContent !== cited) row.source.textContent = cited;
      const weight = weights[name];
      row.weight.style.width = `${100 * (weight?.share ?? 0)}%`;
      row.weight.parentElement.title = weight
        ? `at most ${(100 * weight.share).toFixed(1)} % of the cycles: ${weight.run.workload}, ${weight.run.mode}`
        : "not charged in these runs";
    }
  }

  let base = data.preset;
  const same = (table) => presets[base] === table;
  const sourceOf = (name) => presets[base]?.[name][1] ?? costs.find((row) => row.name === name).source;

  // -- what moves ---------------------------------------------------------------------

  let asked = 0, typed = null;
  const draw = () => {
    now = priced(runs, figures);
    then = priced(runs, earlier);
    title.textContent = finding();
    drawRows(typed);
    drawStack();
    drawDots();
    drawTable();
    for (const button of presetButtons) {
      const on = button.dataset.preset === base && Object.entries(before).every(([name, n]) => figures[name] === n);
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = button.dataset.preset === base || (!presets[base] && button === presetButtons[0]) ? 0 : -1;
    }
    root.dataset.drawn = ++drawn;
    if (asked) root.dataset.latency = (performance.now() - asked).toFixed(2);
    asked = 0;
    typed = null;
  };
  const redraw = onceAFrame(draw);
  let told = 0;
  const tell = () => {
    clearTimeout(told);
    told = setTimeout(() => { model.set("figures", { ...figures }); model.save_changes(); }, 60);
  };
  function change(name, cycles, source = null) {
    asked ||= performance.now();
    typed = source;
    figures = { ...figures, [name]: cycles };
    redraw();
    tell();
  }
  function usePreset(name) {
    asked ||= performance.now();
    base = name;
    earlier = figures;
    before = Object.fromEntries(Object.entries(presets[name]).map(([cost, [cycles]]) => [cost, cycles]));
    figures = { ...before };
    redraw();
    tell();
  }
  function choose(name) {
    asked ||= performance.now();
    chosen = pick.value = name;
    const focused = document.activeElement?.dataset?.row;
    draw();
    if (focused) dots.querySelector(`[data-row="${focused}"]`)?.focus();
    model.set("workload", name);
    model.save_changes();
  }
  const heard = () => {
    const given = model.get("figures");
    if (Object.entries(given).every(([name, n]) => figures[name] === n)) return;
    figures = { ...given };
    redraw();
  };
  pick.value = chosen;
  model.on("change:figures", heard);
  let seen = 0;
  const watch = new ResizeObserver(() => {
    const width = stacked.parentElement.clientWidth;
    if (width && width !== seen) { seen = width; redraw(); }
  });
  watch.observe(stacked.parentElement);
  draw();
  return () => { watch.disconnect(); clearTimeout(told); model.off("change:figures", heard); };
}
