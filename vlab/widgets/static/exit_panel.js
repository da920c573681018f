// One exit: the guest's instruction, what the monitor did, what changed, what it cost.

/** A number's digits, those that differ from another's marked. */
function digits(text, other) {
  const parts = [];
  for (let n = 0; n < text.length; n++) {
    const differs = other !== null && text[n] !== other[n];
    const last = parts.at(-1);
    if (last && last.differs === differs) last.text += text[n];
    else parts.push({ text: text[n], differs });
  }
  return parts.map((part) => part.differs ? h("mark", {}, part.text) : h("span", {}, part.text));
}

function listing(what, lines) {
  return h("ol", { class: "listing", tabindex: 0, "aria-label": what }, lines.map((line) => h("li", { class: line.current ? "current" : null, "aria-current": line.current ? "true" : null },
    h("span", { class: "where" }, line.where), h("span", { class: "what" }, line.what || " "))));
}

function exitPanel(exit, handler, { fills, style, ask, trapping, named }) {
  const source = exit.source;
  const code = source ? [
    h("h5", {}, `${source.file}:${source.line}`),
    source.lines.length ? listing("Source lines", source.lines.map((line) => ({ where: line.line, what: line.text, current: line.line === source.line }))) : null,
    source.inlined.map((call) => h("div", { class: "inlined" }, h("span", { class: "note" }, `↳ inlined, ${call.place}`), h("code", {}, call.text))),
  ] : [h("h5", {}, "source line not known")];
  const assembly = listing("Instructions", exit.code.map((line) => ({ where: line.address, what: line.text, current: line.current })));
  const handlers = h("div", { class: "chips" }, exit.handlers.map(({ name }, n) => [
    n ? h("span", { class: "then", "aria-hidden": "true" }, "→") : null,
    h("button", { type: "button", class: "chip", "data-key": `handler-${n}`, "aria-expanded": String(handler?.name === name), title: "Show its Python source",
      onclick: () => ask("source", { name: handler?.name === name ? "" : name }) }, name)]));
  const accesses = exit.accesses.length ? h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Memory accesses" }, h("table", { class: "accesses" },
    h("tbody", {}, exit.accesses.map((access) => h("tr", { class: access.kind },
      h("td", {}, access.kind === "read" ? "read " : h("b", {}, "wrote "), access.what), h("td", { class: "vlab-mono" }, access.address),
      h("td", { class: "vlab-mono" }, access.value === null ? `${access.size} bytes` : access.before === null ? access.value : digits(access.value, access.before)))))))
    : trapping ? h("p", { class: "note" }, "It read and wrote no memory.") : null;
  const more = exit.accesses_left_out ? h("p", { class: "note" }, `… and ${count(exit.accesses_left_out)} accesses more`) : null;
  const changes = exit.changes.length ? h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Changed words" }, h("table", { class: "changes" },
    h("thead", {}, h("tr", {}, ["word", "before", "after"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, exit.changes.map((change) => h("tr", { "data-word": change.word }, h("th", { scope: "row" }, change.word),
      [["before", "after", 0], ["after", "before", 1]].map(([mine, other, n]) => h("td", { class: "vlab-mono" }, digits(change[mine], change[other]),
        change.means[n] ? h("div", { class: "means" }, change.means[n]) : null)))))))
    : h("p", { class: "note" }, "No word of it changed: the guest cannot tell.");
  const entries = Object.keys(style.categories).filter((name) => exit.cycles[name]).map((name) => [name, exit.cycles[name]]);
  let at = 0;
  const bar = s("svg", { width: "100%", height: 20, role: "img", "aria-label": entries.map(([name, n]) => `${style.categories[name][0]} ${n}`).join(", ") }, fills.defs.cloneNode(true),
    entries.map(([name, n]) => {
      const part = s("rect", { x: `${(100 * at) / exit.total}%`, width: `${(100 * n) / exit.total}%`, height: 20, fill: fills.fill(name), stroke: "#333", "stroke-width": 0.6 });
      at += n;
      return part;
    }));
  const cost = h("div", { class: "cost" }, bar, h("table", {}, h("tbody", {}, entries.map(([name, n]) => h("tr", { "data-category": name },
    h("td", {}, s("svg", { width: 13, height: 11 }, s("rect", { width: 13, height: 11, fill: fills.fill(name), stroke: "#333", "stroke-width": 0.6 })), " ", style.categories[name][0]), h("td", { class: "vlab-number" }, count(n)))),
    h("tr", { class: "sum" }, h("td", {}, "cycles in all"), h("td", { class: "vlab-number total" }, count(exit.total))))));
  return [
    h("div", { class: "exit-title" }, h("strong", {}, `${trapping ? "Exit" : "Trap"} #${count(exit.index)}: ${named(exit.reason)}`),
      h("span", {}, exit.why), h("span", { class: "note" }, `at ${count(exit.cycle)} cycles, after ${count(exit.instructions)} instructions${exit.measured ? "" : ", outside the measured region"}`)),
    h("div", { class: "exit-columns" },
      h("section", { "aria-label": "The guest" }, h("h4", {}, `The guest, in its ${exit.privilege}-mode`), code, h("h5", {}, exit.symbol || exit.pc), assembly),
      h("section", { "aria-label": "The monitor" }, h("h4", {}, "The hardware stopped it"),
        h("p", {}, h("b", {}, exit.cause.replace(/_/g, " ")), `: ${exit.hardware}`, exit.tval !== "0x0" ? [" (", h("code", {}, exit.tval), ")"] : null),
        trapping ? h("h4", {}, "The monitor read, decided and wrote") : h("h4", {}, "Nobody else took part"),
        exit.handlers.length ? handlers : h("p", { class: "note" }, trapping ? "in machine code, without a handler in Python" : "the hardware vectored to the guest's own handler"),
        accesses, more),
      h("section", { "aria-label": "The CPU" }, h("h4", {}, trapping ? "The virtual CPU, before and after" : "The CPU, before and after"), changes, h("h4", {}, "What it cost"), cost)),
    handler ? h("div", { class: "source" }, h("div", { class: "exit-title" }, h("strong", {}, handler.owner ?? handler.name), h("span", { class: "note" }, `${handler.file}:${handler.line}`),
      h("button", { type: "button", "data-key": "close-source", onclick: () => ask("source", { name: "" }) }, "Close")), h("pre", { tabindex: 0 }, handler.text)) : null,
  ];
}
