// Lanes and curves of the race; each picture is one frame of the kernel's.

const FASTEST = 1, SLOWEST = 240; // seconds that the slowest racer may take

function build(ui) {
  let shown = null, draw = () => {};
  return (view) => {
    if (!view.frame) return;
    const key = `${view.workload} ${view.frame.lanes.map((lane) => lane.mode)}`;
    if (key !== shown) draw = track(ui, view);
    shown = key;
    draw(view);
  };
}

function track({ root, body, ask, model }, first) {
  const { style } = first;
  const fills = hatches(style.categories);
  const finding = h("h3", { class: "finding" });
  const spoken = h("div", { class: "hidden-words", "aria-live": "polite" });
  const play = h("button", { type: "button", class: "vlab-main play", "data-key": "play",
    onclick: () => toggle() }, "▶ Play");
  const step = h("button", { type: "button", "data-key": "step", onclick: () => ask("step") }, "❘▶ Step");
  const again = h("button", { type: "button", "data-key": "again", onclick: () => ask("restart") }, "↺ Again");
  const speed = h("input", { type: "range", min: 0, max: 100, step: 1, "data-key": "speed", style: "width:150px",
    oninput: () => { says(); ask("speed", { seconds: seconds() }); } });
  const seconds = () => SLOWEST * (FASTEST / SLOWEST) ** (Number(speed.value) / 100);
  const saysSpeed = h("span", { class: "note speed" });
  const says = () => {
    const text = `the slowest takes ${seconds() < 10 ? seconds().toFixed(1) : Math.round(seconds())} s`;
    saysSpeed.textContent = text;
    speed.setAttribute("aria-valuetext", text);
  };
  speed.value = Math.round((100 * Math.log(SLOWEST / first.seconds)) / Math.log(SLOWEST / FASTEST));
  says();
  const clock = h("output", { class: "clock", "aria-label": "Modelled time" });
  let playing = false;
  const toggle = () => ask(playing ? "pause" : "play");

  const lanes = Object.fromEntries(first.frame.lanes.map(({ mode }) => [mode, lane(mode)]));
  const curves = s("svg", { class: "curves", role: "img" });
  fill(body,
    finding, spoken,
    h("div", { class: "bar-row race-controls" }, field("Workload", choice("workload", first.workloads, first.workload, (workload) => ask("choose", { workload }))), play, step, again, field("Speed", speed), saysSpeed, clock),
    h("div", { class: "lanes", role: "table", "aria-label": "Lanes" },
      h("div", { class: "lane heads", role: "row" },
        ["mode", "useful work done, of the guest's user instructions", "exits", "translation", "throughput", "finish"].map((text) =>
          h("div", { role: "columnheader" }, text))),
      Object.values(lanes).map((lane) => lane.row)),
    h("div", { class: "legend" },
      h("span", {}, "under each bar, where its cycles went:"),
      s("svg", { width: 0, height: 0, "aria-hidden": true }, fills.defs),
      Object.entries(style.categories).map(([name, [label]]) => h("span", { class: "key", "data-category": name },
        s("svg", { width: 14, height: 12 }, s("rect", { width: 14, height: 12, fill: fills.fill(name), stroke: "#333", "stroke-width": 0.6 })), label)),
      h("span", { class: "key" }, s("svg", { width: 14, height: 14 }, s("path", { d: MARKERS.o, transform: "translate(7 7)", class: "ghost" })), "where simulate predicts it")),
    curves);
  body.onkeydown = (event) => {
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    if (event.key === "k") toggle();
    else if (event.key === ".") ask("step");
    else return;
    event.preventDefault();
  };

  function lane(mode) {
    const [colour, marker] = style.modes[mode];
    const done = h("div", { class: "done moving", style: `background:${colour}` });
    const ghost = s("svg", { class: "ghost-box moving", width: 18, height: 18 },
      s("path", { d: MARKERS[marker], transform: "translate(9 9) scale(1.25)", class: "ghost" }));
    const percent = h("span", { class: "percent moving" });
    const bar = h("div", { class: "track", role: "progressbar", "aria-label": `${mode}: work done`,
      "aria-valuemin": 0, "aria-valuemax": 100 }, done, percent, ghost);
    const strip = s("svg", { class: "strip", width: "100%", height: 9, preserveAspectRatio: "none" });
    const cells = ["exits", "translation", "throughput", "finish"].map((name) =>
      h("div", { role: "cell", class: name }, h("b"), h("span")));
    return { mode, colour, marker, done, ghost, percent, bar, strip, cells, row: h("div", { class: "lane", role: "row", "data-mode": mode },
      h("div", { role: "rowheader", class: "name" },
        s("svg", { width: 16, height: 16, "aria-hidden": true }, s("path", { d: MARKERS[marker], transform: "translate(8 8)", fill: colour, class: "mark" })), mode),
      h("div", { role: "cell", class: "way" }, bar, strip), cells) };
  }

  function drawLane(now, view) {
    const it = lanes[now.mode];
    const share = Math.min(1, now.progress);
    it.done.style.width = it.percent.style.left = `${100 * share}%`;
    it.percent.classList.toggle("inside", share > 0.9);
    it.percent.textContent = now.arrived ? "arrived" : `${Math.floor(100 * share)} %`;
    it.bar.setAttribute("aria-valuenow", Math.floor(100 * share));
    const predicted = view.predicted[now.mode];
    it.ghost.style.left = `${100 * Math.min(1, view.frame.time / predicted)}%`;
    const total = Math.max(1, now.time);
    let at = 0;
    it.strip.replaceChildren(...Object.keys(style.categories).filter((name) => now.cycles[name]).map((name) => {
      const width = (100 * now.cycles[name]) / total;
      const part = s("rect", { x: `${at}%`, width: `${width}%`, height: 9, fill: fills.fill(name), "data-category": name,
        "data-cycles": now.cycles[name] }, s("title", {}, `${now.mode}, ${style.categories[name][0]}: ${count(now.cycles[name])} cycles, ${width.toFixed(1)} %`));
      at += width;
      return part;
    }));
    const [exits, translation, throughput, finish] = it.cells;
    const set = (cell, big, small) => { cell.firstChild.textContent = big; cell.lastChild.textContent = small; };
    set(exits, now.exits ? count(now.exits) : "none", `${count(now.traps)} traps`);
    set(translation, `${((100 * (now.cycles.translation ?? 0)) / total).toFixed(1)} %`, `${count(now.walk_references)} PTEs read`);
    set(throughput, now.throughput === null ? "–" : times(now.throughput), "of native");
    const error = (100 * (predicted - now.time)) / total;
    set(finish, now.arrived ? count(now.time) : "…", `simulate: ${short(predicted)}` + (now.arrived ? ` (${Math.abs(error) < 0.05 ? "±" : error < 0 ? "−" : "+"}${Math.abs(error).toFixed(1)} %)` : ""));
  }

  function drawCurves(view) {
    const width = Math.max(360, curves.parentElement.clientWidth || 900), height = 236;
    const left = 44, right = 96, top = 10, bottom = height - 38;
    const end = Math.max(view.length, ...view.frame.lanes.map((lane) => lane.time)) * 1.01;
    const x = (time) => left + ((width - left - right) * time) / end;
    const y = (share) => bottom - (bottom - top) * Math.min(1, share);
    const parts = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1])
      parts.push(s("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
        s("text", { class: "muted", x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share} %`));
    for (const tick of ticks(end, 6))
      parts.push(s("text", { class: "muted", x: x(tick), y: bottom + 17, "text-anchor": "middle" }, short(tick)));
    parts.push(s("text", { class: "muted", x: width - right, y: bottom + 34, "text-anchor": "end" }, "modelled cycles since the measured region began"));
    const now = Math.min(view.frame.time, end);
    parts.push(s("line", { class: "now", x1: x(now), x2: x(now), y1: top - 4, y2: bottom }));
    const labels = [];
    for (const each of view.frame.lanes) {
      const { colour, marker } = lanes[each.mode];
      const predicted = view.predicted[each.mode];
      parts.push(s("line", { class: "guess", stroke: colour, x1: x(0), y1: y(0), x2: x(predicted), y2: y(1) }),
        s("path", { d: MARKERS[marker], class: "ghost", transform: `translate(${x(predicted)} ${y(1)})` }));
      const points = [...each.curve, [each.time, each.work]].map(([time, work]) => `${x(time).toFixed(1)},${y(work / view.finish).toFixed(1)}`);
      parts.push(s("polyline", { points: points.join(" "), fill: "none", stroke: colour, "stroke-width": 2.4, "stroke-linejoin": "round" }),
        s("path", { d: MARKERS[marker], fill: colour, class: "mark", transform: `translate(${x(each.time)} ${y(each.progress)})` }));
      labels.push({ x: x(each.time) + 10, y: y(each.progress) + (each.arrived ? 18 : 4), text: each.mode });
    }
    labels.sort((a, b) => a.y - b.y || a.x - b.x);
    const put = [];
    for (const label of labels) {
      while (put.some((other) => Math.abs(other.y - label.y) < 14 && Math.abs(other.x - label.x) < 66)) label.y += 14;
      put.push(label);
      parts.push(s("text", { x: label.x, y: label.y, "font-weight": 600, class: "halo" }, label.text));
    }
    curves.replaceChildren(...parts);
    curves.setAttribute("width", width);
    curves.setAttribute("height", height);
    curves.setAttribute("aria-label", "Work done against modelled time: " + sentence(view));
  }

  function sentence(view) {
    const all = [...view.frame.lanes], native = all.find((lane) => lane.mode === "native");
    if (view.frame.time === 0)
      return `${view.workload}: ${count(view.finish)} user instructions to go; who is ahead at equal modelled time?`;
    if (all.every((lane) => lane.arrived)) {
      all.sort((a, b) => a.time - b.time);
      const best = native ?? all[0];
      return `${view.workload}: ` + all.map((lane) => lane === best ? `${lane.mode} ${short(lane.time)} cycles` : `${lane.mode} ${times(lane.time / best.time)}`).join(", ");
    }
    all.sort((a, b) => b.arrived - a.arrived || (a.arrived ? a.time - b.time : b.progress - a.progress));
    const state = (lane) => lane.arrived ? `${lane.mode} has arrived` : `${lane.mode} ${Math.floor(100 * lane.progress)} %`;
    return `${view.workload}: ` + all.map(state).join(", ");
  }

  let said = "";
  return (view) => {
    const words = sentence(view);
    playing = Boolean(view.playing);
    finding.textContent = words;
    const arrived = view.frame.lanes.filter((lane) => lane.arrived).length;
    const state = `${playing} ${arrived}`;
    if (state !== said) { said = state; spoken.textContent = words; }
    play.textContent = playing ? "❚❚ Pause" : "▶ Play";
    play.disabled = view.frame.over;
    step.disabled = playing || view.frame.over;
    clock.textContent = `${count(view.frame.time)} cycles`;
    for (const now of view.frame.lanes) drawLane(now, view);
    for (const key of body.querySelectorAll(".key[data-category]"))
      key.hidden = !view.frame.lanes.some((lane) => lane.cycles[key.dataset.category]);
    drawCurves(view);
    root.dataset.time = view.frame.time;
  };
}
