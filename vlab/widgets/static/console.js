const KEYS = {
  Enter: "\n", Backspace: "\b", Delete: "\x1b[3~", Escape: "\x1b",
  ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D",
};
const TOGETHER_MS = 15;

function build(ui) {
  const counts = h("div", { class: "co-counts", "aria-live": "off" });
  const mode = h("select", { onchange: () => ui.ask("restart", { mode: mode.value }) });
  const text = h("span", {});
  const cursor = h("span", { class: "co-cursor", "aria-hidden": "true" }, " ");
  const behind = h("span", {});
  const screen = h("pre", { class: "co-screen", role: "log", "aria-label": "What the guest prints" },
    text, cursor, behind);
  const terminal = h("div", {
    class: "co-terminal", tabindex: 0, role: "textbox", "aria-multiline": "true",
    "aria-label": "The guest's terminal: type here; Tab leaves it",
    "data-lm-suppress-shortcuts": "true",
  }, screen);
  const ended = h("p", { class: "co-ended", role: "status" });
  const hint = h("span", { class: "vlab-note" });
  let waiting = "", timer = null;

  function type(letters) {
    waiting += letters;
    timer ??= setTimeout(() => {
      ui.ask("type", { text: waiting });
      waiting = "";
      timer = null;
    }, TOGETHER_MS);
  }
  terminal.addEventListener("keydown", (event) => {
    if (event.key === "Tab" || event.metaKey || event.altKey || event.isComposing) return;
    let letters = KEYS[event.key];
    if (event.ctrlKey) {
      if (event.shiftKey || !/^[a-z]$/i.test(event.key)) return;
      if (event.key === "v" || (event.key === "c" && String(getSelection()))) return;
      letters = String.fromCharCode(event.key.toLowerCase().charCodeAt(0) - 96);
    } else if (!letters && event.key.length === 1) letters = event.key;
    if (!letters) return;
    event.preventDefault();
    event.stopPropagation();
    type(letters);
  });
  terminal.addEventListener("paste", (event) => {
    event.preventDefault();
    event.stopPropagation();
    type(event.clipboardData.getData("text").replaceAll("\r\n", "\n"));
  });
  ui.onEnd = () => clearTimeout(timer);
  ui.body.append(
    h("div", { class: "vlab-controls" }, field("Mode", mode),
      button("restart", "↻ Start again", () => ui.ask("restart", { mode: mode.value })),
      button("pass", "Let time pass", () => ui.ask("pass"),
        { title: "The guest's clock stands while it sleeps and nothing is typed" }), hint),
    counts, terminal, ended);

  return (view) => {
    if (!mode.options.length) mode.append(...view.modes.map((m) => h("option", { value: m }, m)));
    mode.value = view.mode;
    hint.textContent = "Click the terminal and type, for example: ls, ps, cat README";
    fill(counts, Object.entries(view.counts).map(([name, n]) =>
      h("span", { class: "co-count" }, h("b", { "data-count": name }, count(n)), ` ${name}`)));
    const bottom = terminal.scrollHeight - terminal.scrollTop - terminal.clientHeight < 40;
    const start = view.text.lastIndexOf("\n") + 1 + view.column;
    text.textContent = view.text.slice(0, start);
    cursor.textContent = view.text[start] ?? " ";
    behind.textContent = view.text.slice(start + 1);
    if (bottom) terminal.scrollTop = terminal.scrollHeight;
    ended.textContent = view.ended ? `The guest has ended: ${view.ended}.` : "";
  };
}
