// What the page shows as one SVG that needs no style sheet: a chart with its looks as attributes, anything else as HTML in
// a foreign object with its looks inline.

const NAMESPACE = "http://www.w3.org/2000/svg";
/** What makes up the look of a part of a chart. */
const CHART = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "font-variant-numeric"];
/** What makes up the look of an element of the page. */
const PAGE = [
  "display", "color", "background-color", "font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "line-height", "text-align", "text-decoration-line",
  "white-space", "overflow-wrap", "vertical-align", "list-style-type", "opacity", "flex-direction", "flex-wrap", "flex-grow", "flex-shrink", "flex-basis", "column-gap", "row-gap", "align-items",
  "justify-content", "border-collapse", "border-radius", "max-width", "box-sizing",
  ...["top", "right", "bottom", "left"].flatMap((side) => [`margin-${side}`, `padding-${side}`, `border-${side}-width`, `border-${side}-style`, `border-${side}-color`]),
];
/** What only works on a page: tools, and what is there for those who do not see. */
const LEFT_OUT = ".tools, .spoken, script";

/** Gives a copy the looks of what it is a copy of. Styles are set one by one: the content policy refuses them as text. */
function dress(from: Element, to: Element, gone: Element[] = []): Element[] {
  // Rows that only hold the place of rows out of sight.
  if (from.matches(LEFT_OUT) || (from instanceof HTMLTableRowElement && from.style.height)) gone.push(to);
  const style = getComputedStyle(from);
  const inChart = from instanceof SVGElement;
  for (const name of inChart ? CHART : PAGE) {
    const value = style.getPropertyValue(name);
    if (inChart) to.setAttribute(name, value);
    else (to as HTMLElement).style.setProperty(name, value);
  }
  if (inChart && from.tagName === "svg" && from.parentElement && !from.closest("svg.chart")) {
    const box = from.getBoundingClientRect();
    to.setAttribute("width", String(box.width));
    to.setAttribute("height", String(box.height));
    for (const name of ["display", "margin-left", "margin-top"]) (to as SVGElement).style.setProperty(name, style.getPropertyValue(name));
  }
  to.removeAttribute("class");
  [...from.children].forEach((child, at) => { if (to.children[at]) dress(child, to.children[at], gone); });
  return gone;
}

const background = () => getComputedStyle(document.body).backgroundColor;
const text = (element: Element) => new XMLSerializer().serializeToString(element);

function paper(width: number, height: number) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]]) svg.setAttribute(String(name), String(value));
  const behind = document.createElementNS(NAMESPACE, "rect");
  for (const [name, value] of [["width", width], ["height", height], ["fill", background()]]) behind.setAttribute(String(name), String(value));
  svg.append(behind);
  return svg;
}

/** A chart alone. */
export function chart(shown: SVGSVGElement): string {
  const copy = shown.cloneNode(true) as SVGSVGElement;
  dress(shown, copy);
  const { width, height } = shown.viewBox.baseVal;
  const svg = paper(width, height);
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  svg.append(copy);
  return text(svg);
}

/** An element of the page as it is laid out now. */
export function page(shown: HTMLElement): string {
  const copy = shown.cloneNode(true) as HTMLElement;
  dress(shown, copy).forEach((element) => element.remove());
  copy.querySelectorAll("*").forEach((element) => { for (const { name } of [...element.attributes]) if (/^(data-|aria-|tabindex|href|role)/.test(name)) element.removeAttribute(name); });
  const tools = [...shown.querySelectorAll(LEFT_OUT)].reduce((sum, each) => sum + each.getBoundingClientRect().height, 0);
  const width = Math.ceil(shown.clientWidth), height = Math.ceil(shown.scrollHeight - tools);
  copy.style.setProperty("width", `${width}px`);
  const svg = paper(width, height);
  const foreign = document.createElementNS(NAMESPACE, "foreignObject");
  foreign.setAttribute("width", String(width));
  foreign.setAttribute("height", String(height));
  foreign.append(copy);
  svg.append(foreign);
  return text(svg);
}
