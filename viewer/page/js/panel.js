// The list of layers with their legends, and the buttons. Names are only ever set as text.

export function fillPanel(renderer, scene, controls) {
  const list = document.getElementById("layers");
  scene.told.layers.forEach((layer, number) => list.append(layerItem(layer, (visible) => {
    scene.visible[number] = visible;
    renderer.request();
  })));
  // Where the panel would hide a small screen, it begins closed.
  if (matchMedia("(max-width: 480px)").matches) document.getElementById("panel").open = false;
  const dark = document.getElementById("dark");
  const switchDark = () => {
    renderer.dark = !renderer.dark;
    document.documentElement.classList.toggle("dark", renderer.dark);
    dark.setAttribute("aria-pressed", renderer.dark);
    renderer.request();
  };
  dark.addEventListener("click", switchDark);
  document.getElementById("home").addEventListener("click", () => controls.home());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "r" || event.key === "R") controls.home();
    if (event.key === "d" || event.key === "D") switchDark();
  });
}

function layerItem({ name, kind, visible, note, legend }, show) {
  const item = element("li"), label = element("label"), box = element("input");
  Object.assign(box, { type: "checkbox", checked: visible });
  const details = element("div");
  details.hidden = !visible;
  box.addEventListener("change", () => {
    details.hidden = !box.checked;
    show(box.checked);
  });
  label.append(box, element("span", "name", name));
  if (name !== kind) label.append(element("span", "kind", kind));
  if (note) details.append(element("p", "note", note));
  if (legend) details.append(legendOf(legend));
  item.append(label, details);
  return item;
}

function legendOf({ title, low, high, colors }) {
  const legend = element("div", "legend", title), bar = element("div", "bar"), range = element("div", "range");
  const stops = colors.length > 1 ? colors : [...colors, ...colors];
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  range.append(element("span", "", low), element("span", "", high));
  legend.append(bar, range);
  return legend;
}

function element(kind, className = "", text = "") {
  return Object.assign(document.createElement(kind), { className, textContent: text });
}
