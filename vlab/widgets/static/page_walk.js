const FLAG_NAMES = {
  V: "valid", R: "readable", W: "writable", X: "executable", U: "user", G: "global",
  A: "accessed", D: "dirty",
};
const flagWords = (flags) =>
  [...flags].filter((f) => f !== "-").reverse().map((f) => FLAG_NAMES[f]).join(", ") || "none";

function build(ui) {
  const address = h("input", {
    type: "text", class: "vlab-mono pw-address", spellcheck: "false", autocomplete: "off",
    onkeydown: (event) => event.key === "Enter" && walk(),
  });
  const access = h("select", { onchange: () => walk() });
  const entries = h("select", {});
  const ways = h("select", {});
  const goal = h("select", {});
  const walk = (va) => ui.ask("walk", { address: va ?? address.value, access: access.value });
  const quick = ["pc", "sp", "stval", "sepc"].map((name) =>
    button(`go-${name}`, name, () => walk(name), { title: `Walk the address in ${name}` }));

  const where = h("div", { class: "vlab-note pw-where" });
  const parts = h("div", { class: "pw-split", role: "img" });
  const outcome = h("p", { class: "pw-outcome", "aria-live": "polite" });
  const number = h("p", { class: "pw-number" });
  const walks = h("div", { class: "vlab-columns pw-walks" });
  const regions = h("div", { class: "pw-regions" });
  const held = h("div", { class: "pw-tlb" });
  const sofar = h("p", { class: "pw-sofar" });
  const runs = h("div", { class: "pw-runs" });

  ui.body.append(
    where,
    h("div", { class: "vlab-controls" },
      field("Run the machine to", goal),
      button("run", "▶ Run", () => ui.ask("run", { goal: goal.value }))),
    h("div", { class: "vlab-controls" },
      field("Virtual address", address), field("for a", access),
      button("walk", "Walk", () => walk(), { class: "vlab-main" }),
      h("span", { class: "vlab-note" }, "or the address in"), quick),
    parts, outcome, number, walks,
    h("details", { open: true }, h("summary", {}, "Mapped regions: click one to walk its first page"), regions),
    h("details", {}, h("summary", {}, "What the machine's TLB holds now"), held),
    h("div", { class: "pw-experiment" },
      h("strong", {}, "Change the TLB and run the workload again, from the beginning"),
      h("div", { class: "vlab-controls" },
        field("entries", entries), field("ways", ways),
        button("measure", "▶ Run and count", () =>
          ui.ask("measure", { entries: Number(entries.value), ways: Number(ways.value) }),
        { class: "vlab-main" }),
        button("forget", "Clear list", () => ui.ask("forget"))),
      sofar, runs),
  );

  function options(select, items, value) {
    if (select.options.length) return;
    for (const item of items) {
      const [key, text] = Array.isArray(item) ? item : [item, item];
      select.append(h("option", { value: key }, text));
    }
    select.value = value;
  }

  function drawWalk(table) {
    const shadow = table.tables === "shadow";
    const title = shadow
      ? "Shadow tables: the monitor's, walked by the hardware"
      : "Guest's tables: what the guest's kernel wrote";
    const head = ["level [index]", "address of the entry", "bytes read, flags", "meaning"];
    return h("table", { class: `vlab-walk pw-${table.tables}` },
      h("caption", {}, title, h("span", { class: "vlab-note" },
        table.root === null ? "" : ` · root ${table.root}`)),
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {},
        table.rows.map((row) => h("tr", {},
          h("td", {}, `${row.level} [${row.index}]`),
          h("td", { class: "vlab-mono" },
            row.guest === null ? null : h("div", {}, `guest ${row.guest}`),
            row.host === null ? null : h("div", {}, `host ${row.host}`)),
          h("td", { class: "vlab-mono pw-read" }, h("div", {}, row.bytes),
            h("div", { title: flagWords(row.flags), "aria-label": flagWords(row.flags) }, row.flags)),
          h("td", { class: "pw-meaning" }, row.meaning))),
        h("tr", { class: table.fault ? "pw-fault" : "pw-reached" },
          h("td", { colspan: 4 }, table.fault ? `✗ fault: ${table.end}` : `✓ ${table.end}`))));
  }

  function drawRegions(view) {
    const head = ["from", "to", "pages", "page size", "rights"];
    const named = view.rows.some((row) => row.symbol);
    if (named) head.push("begins at symbol");
    if (view.shadow) head.push("4 KiB pages in the shadow");
    if (!view.rows.length) return "Translation is off, or nothing is mapped.";
    return h("div", { class: "vlab-scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, view.rows.map((row) => h("tr", {},
        h("td", {}, button(`region-${row.start}`, row.start, () => walk(row.start),
          { class: "vlab-mono pw-region", "aria-label": `Walk ${row.start}` })),
        h("td", { class: "vlab-mono" }, row.last),
        h("td", { class: "vlab-number" }, count(row.pages)), h("td", {}, row.size),
        h("td", { class: "vlab-mono", title: flagWords(row.flags) }, row.flags),
        named ? h("td", { class: "vlab-mono" }, row.symbol) : null,
        view.shadow ? h("td", { class: "vlab-number" }, count(row.shadowed)) : null)))),
      view.left_out ? `… and ${count(view.left_out)} more` : null);
  }

  function drawTlb(rows) {
    const head = ["set", "way", "virtual page", "size", "ASID", "host-physical", "flags"];
    return h("div", { class: "vlab-scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("td", {}, row.set), h("td", {}, row.way),
        h("td", {}, button(`tlb-${row.set}-${row.way}`, row.va, () => walk(row.va), { class: "vlab-mono" })),
        h("td", {}, row.size), h("td", {}, row.asid),
        h("td", { class: "vlab-mono" }, row.host), h("td", { class: "vlab-mono" }, row.flags))))));
  }

  function drawRuns(rows) {
    if (!rows.length) return null;
    const most = Math.max(1, ...rows.map((row) => row.references));
    const head = ["entries", "ways", "accesses", "hits", "misses", "hit rate", "memory references by walks", "", "cycles"];
    return h("table", {},
      h("caption", {}, "The measured part of the workload, run with each TLB"),
      h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col", class: "vlab-number" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        ["entries", "ways", "accesses", "hits", "misses"].map((key) =>
          h("td", { class: "vlab-number", "data-count": key }, count(row[key]))),
        h("td", { class: "vlab-number" }, `${((100 * row.hits) / Math.max(1, row.accesses)).toFixed(2)} %`),
        h("td", { class: "vlab-number", "data-count": "references" }, count(row.references)),
        h("td", {}, h("div", { class: "pw-bar", style: `width:${(120 * row.references) / most}px` })),
        h("td", { class: "vlab-number", "data-count": "cycles" }, count(row.cycles))))));
  }

  return (view) => {
    const at = view.where;
    where.textContent = `${at.workload} · ${at.mode} · stopped at ${at.symbol || at.pc} · `
      + `privilege ${at.privilege} · ${count(at.instructions)} instructions · ${at.stopped}`;
    options(goal, Object.entries(view.goals), "page_fault");
    options(access, view.accesses, view.access);
    options(entries, view.sizes, view.geometry.tlb_entries);
    options(ways, view.sizes, view.geometry.tlb_ways);
    access.value = view.access;
    if (document.activeElement !== address || !address.value) address.value = view.va;
    parts.setAttribute("aria-label", "Fields of the address: "
      + view.split.map((f) => `${f.name} ${f.value}`).join(", "));
    fill(parts, view.split.map((part) => h("div", { style: `flex:${part.bits}` },
      h("div", { class: "vlab-note" }, `${part.name} · ${part.bits} bits`),
      h("div", { class: "vlab-mono" }, part.name === "offset" ? hex(part.value, 3) : part.value))));
    outcome.textContent = view.outcome;
    number.textContent = view.number;
    fill(walks, view.walks.map(drawWalk));
    fill(regions, drawRegions(view.regions));
    fill(held, drawTlb(view.tlb));
    sofar.textContent = `So far in this session, start-up included: ${count(view.counters.accesses)} accesses, `
      + `${count(view.counters.hits)} TLB hits, ${count(view.counters.misses)} misses, `
      + `${count(view.counters.references)} memory references by the hardware's walker.`;
    fill(runs, drawRuns(view.runs));
  };
}
