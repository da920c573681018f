function build(ui) {
  const where = h("div", { class: "vlab-note mv-where", "aria-live": "polite" });
  const place = h("input", { type: "text", class: "vlab-mono mv-place", spellcheck: "false",
    placeholder: "address or symbol", onkeydown: (e) => e.key === "Enter" && until() });
  const memoryAt = h("input", { type: "text", class: "vlab-mono mv-place", spellcheck: "false",
    placeholder: "sp", onkeydown: (e) => e.key === "Enter" && memory() });
  const space = h("select", { onchange: () => memory() });
  const until = () => ui.ask("until", { place: place.value });
  const memory = () => ui.ask("memory", { place: memoryAt.value, space: space.value });
  const step = (what, fields) => () => ui.ask(what, fields);
  const exit = button("exit", "▶ Next exit", step("exit"));
  const panes = Object.fromEntries(["code", "source", "registers", "csrs", "counters", "memory", "devices", "console", "stops"]
    .map((name) => [name, h("div", { class: `mv-${name}` })]));

  ui.body.append(
    where,
    h("div", { class: "vlab-controls", role: "toolbar", "aria-label": "Move the machine" },
      button("start", "|◀ Start", step("start"), { title: "Back to before the first instruction" }),
      button("back10", "◀◀ Back 10", step("back", { n: 10 })),
      button("back", "◀ Step back", step("back", { n: 1 })),
      button("step", "Step ▶", step("step", { n: 1 }), { class: "vlab-main" }),
      button("step10", "Step 10 ▶▶", step("step", { n: 10 })),
      exit,
      button("mark", "▶ Measured part", step("mark"), { title: "Run to where the measured part begins" }),
      button("run", "▶ Run", step("run"), { title: "To a breakpoint, or to the end" })),
    h("div", { class: "vlab-controls" },
      field("Address or symbol", place),
      button("until", "Run to it", until),
      button("breakpoint", "Breakpoint on / off", () => ui.ask("breakpoint", { place: place.value })),
      panes.stops),
    h("div", { class: "vlab-columns" },
      h("div", {}, h("h4", {}, "Code around the program counter"), panes.code, panes.source),
      h("div", {}, h("h4", {}, "Registers"), panes.registers,
        h("h4", {}, "Counts so far, and their change by the last move"), panes.counters)),
    h("h4", { class: "mv-csr-title" }, "CSRs"), panes.csrs,
    h("h4", {}, "Memory"),
    h("div", { class: "vlab-controls" }, field("from", memoryAt), field("in", space),
      button("memory", "Show", memory)),
    panes.memory,
    h("details", {}, h("summary", {}, "Devices"), panes.devices),
    h("details", {}, h("summary", {}, "What the guest has printed"), panes.console));

  // Changed values are marked by a sign and bold type, not by colour alone.
  const mark = (text, changed) => changed
    ? h("span", { class: "vlab-changed", "data-changed": "true" }, "◆", text) : text;

  function drawCode(lines) {
    let symbol = null;
    return h("table", { class: "vlab-mono" }, h("tbody", {}, lines.flatMap((line) => {
      const name = line.symbol.split("+")[0];
      const head = name && name !== symbol
        ? h("tr", {}, h("td", { colspan: 4, class: "mv-symbol" }, `${name}:`)) : null;
      symbol = name;
      return [head, h("tr", { class: line.current ? "mv-current" : null, "data-address": line.address },
        h("td", {}, button(`bp-${line.address}`, line.stop ? "●" : "○",
          () => ui.ask("breakpoint", { place: line.address }),
          { class: "mv-stop", "aria-pressed": String(line.stop), "aria-label": `Breakpoint at ${line.address}` })),
        h("td", {}, line.current ? "➤" : "", line.address), h("td", { class: "vlab-note" }, line.bits),
        h("td", {}, line.text))];
    })));
  }

  function drawRegisters(rows) {
    const half = Math.ceil(rows.length / 2);
    const column = (part) => h("table", { class: "vlab-mono" }, h("tbody", {}, part.map(([name, value, symbol, changed]) =>
      h("tr", { "data-register": name }, h("th", { scope: "row" }, name),
        h("td", { title: symbol || null }, mark(value, changed))))));
    return h("div", { class: "vlab-columns mv-halves" }, column(rows.slice(0, half)), column(rows.slice(half)));
  }

  const drawCsrs = (rows) => h("div", { class: "vlab-scroll" }, h("table", {}, h("tbody", {}, rows.map((row) =>
    h("tr", { "data-csr": row.name },
      h("th", { scope: "row", class: "vlab-mono" }, row.name), h("td", { class: "vlab-note" }, row.words),
      h("td", { class: "vlab-mono" }, mark(row.value, row.changed)),
      h("td", { class: "mv-fields" }, row.symbol ? h("span", { class: "mv-field" }, row.symbol) : null,
        row.fields.map(([name, value, meaning]) =>
          h("span", { class: "mv-field" }, h("b", {}, `${name} ${value < 4096 ? value : hex(value)}`), ` ${meaning}`))))))));

  function drawMemory(view) {
    const missing = view.missing ? h("p", { class: "vlab-note" }, `At ${view.missing} (${view.space}) nothing can be read: it is not mapped, or not RAM.`) : null;
    return h("div", {}, h("table", { class: "vlab-mono" }, h("tbody", {}, view.rows.map((row) =>
      h("tr", {}, h("th", { scope: "row" }, row.address),
        h("td", {}, row.bytes.map((byte, n) => h("span", { class: row.changed[n] ? "mv-byte vlab-changed" : "mv-byte" }, byte))),
        h("td", { class: "mv-ascii" }, row.text))))), missing);
  }

  return (view) => {
    const at = view.where;
    where.textContent = `${at.workload} · ${at.mode} · ${at.stopped} · at ${at.symbol || at.pc} · privilege ${at.privilege} · `
      + `step ${count(at.steps)} · ${count(at.instructions)} instructions · ${count(at.cycles)} cycles`;
    exit.textContent = view.virtual ? "▶ Next VM exit" : "▶ Next trap";
    if (!space.options.length) space.append(...view.spaces.map((s) => h("option", { value: s }, s)));
    ui.root.querySelector(".mv-csr-title").textContent = at.mode === "fullvirt" ? "CSRs of the virtual CPU"
      : at.mode === "paravirt" ? "In place of CSRs: the page shared with the monitor" : "CSRs";
    fill(panes.stops, view.breakpoints.length ? "Breakpoints: " : null, view.breakpoints.map((stop) =>
      button(`clear-${stop.address}`, `✕ ${stop.symbol || stop.address}`,
        () => ui.ask("breakpoint", { place: stop.address }), { "aria-label": `Clear the breakpoint at ${stop.symbol || stop.address}` })));
    fill(panes.code, drawCode(view.code));
    fill(panes.source, view.source ? h("figure", {}, h("figcaption", { class: "vlab-note" }, `${view.source.file}:${view.source.line}`),
      h("pre", {}, view.source.lines.map(([n, text]) =>
        h("div", { class: n === view.source.line ? "mv-current" : null }, `${String(n).padStart(4)}  ${text}`)))) : null);
    fill(panes.registers, drawRegisters(view.registers));
    fill(panes.csrs, drawCsrs(view.csrs));
    const half = Math.ceil(view.counters.length / 2);
    const counters = (rows) => h("table", {}, h("tbody", {}, rows.map(([name, n, change]) =>
      h("tr", { "data-counter": name }, h("th", { scope: "row" }, name), h("td", { class: "vlab-number" }, count(n)),
        h("td", { class: "vlab-number" }, change ? mark(`${change > 0 ? "+" : "−"}${count(Math.abs(change))}`, true) : "")))));
    fill(panes.counters, h("div", { class: "vlab-columns" }, counters(view.counters.slice(0, half)), counters(view.counters.slice(half))));
    fill(panes.memory, drawMemory(view.memory));
    fill(panes.devices, h("table", {}, h("tbody", {}, view.devices.map((row) => h("tr", { "data-device": row.name },
      h("th", { scope: "row" }, mark(row.name, row.changed)), h("td", { class: "vlab-mono" }, row.base),
      h("td", { class: "mv-fields vlab-mono" }, Object.entries(row.state).map(([name, value]) =>
        h("span", { class: "mv-field" }, h("b", {}, name), ` ${value}`))))))));
    fill(panes.console, h("pre", { class: "vlab-scroll" }, view.console));
  };
}
