// Shared by all widgets: elements, the bar with progress, Stop and errors, and drawing by generation.

// JupyterLab's shortcuts (arrows fold headings) look at the element itself before those around it.
const TAKES_KEYS = ["button", "input", "select", "summary", "textarea"];

// h("button", {class: "x", onclick: f, "aria-label": "…"}, "text", child, …)
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  if (TAKES_KEYS.includes(name) || "tabindex" in attributes)
    element.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false));
  return element;
}

// Replace an element's children, keeping the keyboard's place if it was on one with a data-key.
function fill(element, ...children) {
  const active = element.contains(document.activeElement) ? document.activeElement : null;
  const key = active?.dataset?.key;
  element.replaceChildren(
    ...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false),
  );
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

const hex = (n, digits = 0) => "0x" + BigInt(n).toString(16).padStart(digits, "0");
const count = (n) => Number(n).toLocaleString("en-US");

let vlabIds = 0;
// A labelled field: the label is tied to the control for screen readers.
function field(text, control) {
  control.id = control.id || `vlab-field-${++vlabIds}`;
  return h("span", { class: "vlab-field" }, h("label", { for: control.id }, text), control);
}

function choice(name, options, value, onchange) {
  return h(
    "select",
    { "data-key": name, onchange: (event) => onchange(event.target.value) },
    options.map((option) => {
      const [key, text] = Array.isArray(option) ? option : [option, option];
      return h("option", { value: key, selected: String(key) === String(value) }, text);
    }),
  );
}

function button(key, text, onclick, attributes = {}) {
  return h("button", { type: "button", "data-key": key, onclick, ...attributes }, text);
}

function vlabRender({ model, el }) {
  const name = model.get("_anywidget_id").split(".").pop();
  const bar = h("div", {
    class: "vlab-bar", role: "progressbar", "aria-label": "Progress",
    "aria-valuemin": 0, "aria-valuemax": 100,
  }, h("div", { class: "vlab-bar-done" }));
  const text = h("span", { class: "vlab-progress-text" });
  const stop = button("stop", "■ Stop", () => model.send({ do: "stop" }), { class: "vlab-stop" });
  const work = h("div", { class: "vlab-work" }, stop, bar, text);
  const error = h("div", { class: "vlab-error", role: "alert" });
  const body = h("div", { class: "vlab-body" });
  const root = h("section", {
    class: `vlab vlab-${name}`, "aria-label": model.get("label"), "data-widget": name,
    "data-generation": 0, "data-busy": "false", "data-lm-suppress-shortcuts": "true",
  }, h("div", { class: "vlab-title" }, h("strong", {}, model.get("label")), work), error, body);
  el.append(root);

  const ui = {
    root, body, model,
    ask: (what, fields = {}) => model.send({ do: what, ...fields }),
    onEnd: () => {},
  };
  const draw = build(ui);
  let drawn = null;

  function refresh() {
    const view = model.get("view");
    const status = model.get("status");
    if (view !== drawn && Object.keys(view).length) {
      drawn = view;
      draw(view, status);
    }
    work.classList.toggle("vlab-idle", !status.busy);
    stop.disabled = !status.busy;
    const known = status.fraction !== null && status.fraction !== undefined;
    bar.classList.toggle("vlab-bar-unknown", !known);
    if (known) bar.setAttribute("aria-valuenow", Math.round(100 * status.fraction));
    else bar.removeAttribute("aria-valuenow");
    bar.firstChild.style.width = known ? `${100 * status.fraction}%` : "";
    text.textContent = status.text || (status.busy ? "working …" : "");
    if (error.textContent !== (status.error || "")) error.textContent = status.error || "";
    root.dataset.busy = String(Boolean(status.busy));
    root.dataset.generation = status.generation || 0;
  }
  model.on("change:view", refresh);
  model.on("change:status", refresh);
  refresh();
  return () => {
    model.off("change:view", refresh);
    model.off("change:status", refresh);
    ui.onEnd();
  };
}

export default { render: vlabRender };

