// A canvas's pen that writes SVG: what a view draws on its canvas, as a file that scales.

const escape = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
const short = (n: number) => String(Math.round(n * 100) / 100);
const FONT = /^(?:(bold|\d+) )?([\d.]+)px (.*)$/;

/** The part of `CanvasRenderingContext2D` that views use. */
export type Pen = Pick<CanvasRenderingContext2D,
  "fillStyle" | "strokeStyle" | "lineWidth" | "font" | "textAlign" | "globalAlpha" | "save" | "restore" | "translate" | "beginPath" | "moveTo" | "lineTo"
  | "bezierCurveTo" | "rect" | "roundRect" | "fill" | "stroke" | "clip" | "fillRect" | "strokeRect" | "fillText" | "measureText">;

interface Look { fillStyle: string; strokeStyle: string; lineWidth: number; font: string; textAlign: CanvasTextAlign; globalAlpha: number; x: number; y: number; clip: string }

export class VectorPen implements Pen {
  fillStyle = "#000"; strokeStyle = "#000"; lineWidth = 1; font = "10px sans-serif"; textAlign: CanvasTextAlign = "left"; globalAlpha = 1;
  private x = 0; private y = 0; private clipped = ""; private path = "";
  private kept: Look[] = [];
  private clips: string[] = [];
  private out: string[] = [];

  /** `measure` knows how wide words are. */
  constructor(private readonly measure: CanvasRenderingContext2D) {}

  save() { this.kept.push({ fillStyle: this.fillStyle, strokeStyle: this.strokeStyle, lineWidth: this.lineWidth, font: this.font, textAlign: this.textAlign, globalAlpha: this.globalAlpha, x: this.x, y: this.y, clip: this.clipped }); }
  restore() {
    const last = this.kept.pop();
    if (!last) return;
    const { x, y, clip, ...look } = last;
    Object.assign(this, look);
    [this.x, this.y, this.clipped] = [x, y, clip];
  }
  translate(x: number, y: number) { this.x += x; this.y += y; }
  beginPath() { this.path = ""; }
  private at(x: number, y: number) { return `${short(x + this.x)} ${short(y + this.y)}`; }
  moveTo(x: number, y: number) { this.path += `M${this.at(x, y)}`; }
  lineTo(x: number, y: number) { this.path += `${this.path ? "L" : "M"}${this.at(x, y)}`; }
  bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number) { this.path += `C${this.at(a, b)} ${this.at(c, d)} ${this.at(x, y)}`; }
  rect(x: number, y: number, w: number, h: number) { this.path += `M${this.at(x, y)}h${short(w)}v${short(h)}h${short(-w)}z`; }
  roundRect(x: number, y: number, w: number, h: number, radii?: number | DOMPointInit | (number | DOMPointInit)[]) {
    const r = Math.min(typeof radii === "number" ? radii : 0, w / 2, h / 2);
    const arc = (dx: number, dy: number) => `a${short(r)} ${short(r)} 0 0 1 ${short(dx)} ${short(dy)}`;
    this.path += `M${this.at(x + r, y)}h${short(w - 2 * r)}${arc(r, r)}v${short(h - 2 * r)}${arc(-r, r)}h${short(2 * r - w)}${arc(-r, -r)}v${short(2 * r - h)}${arc(r, -r)}z`;
  }
  private put(tag: string, attributes: string, content = "") {
    const seen = this.globalAlpha < 1 ? ` opacity="${short(this.globalAlpha)}"` : "";
    this.out.push(`<${tag} ${attributes}${seen}${this.clipped && ` clip-path="url(#${this.clipped})"`}${content ? `>${content}</${tag}>` : "/>"}`);
  }
  private filled(path: string) { this.put("path", `d="${path}" fill="${escape(this.fillStyle.trim())}"`); }
  private stroked(path: string) { this.put("path", `d="${path}" fill="none" stroke="${escape(this.strokeStyle.trim())}" stroke-width="${short(this.lineWidth)}"`); }
  fill() { if (this.path) this.filled(this.path); }
  stroke() { if (this.path) this.stroked(this.path); }
  clip() {
    // A clip inside a clip: both hold.
    const id = `c${this.clips.length}`;
    this.clips.push(`<clipPath id="${id}"${this.clipped && ` clip-path="url(#${this.clipped})"`}><path d="${this.path}"/></clipPath>`);
    this.clipped = id;
  }
  fillRect(x: number, y: number, w: number, h: number) { this.filled(`M${this.at(x, y)}h${short(w)}v${short(h)}h${short(-w)}z`); }
  strokeRect(x: number, y: number, w: number, h: number) { this.stroked(`M${this.at(x, y)}h${short(w)}v${short(h)}h${short(-w)}z`); }
  fillText(text: string, x: number, y: number) {
    const [, weight, size, family] = FONT.exec(this.font) ?? ["", "", "10", "sans-serif"];
    const anchor = this.textAlign === "center" ? ` text-anchor="middle"` : this.textAlign === "right" ? ` text-anchor="end"` : "";
    this.put("text", `x="${short(x + this.x)}" y="${short(y + this.y)}" font-family="${escape(family)}" font-size="${size}"${weight ? ` font-weight="${weight}"` : ""}${anchor} fill="${escape(this.fillStyle.trim())}" xml:space="preserve"`, escape(text) || " ");
  }
  measureText(text: string) {
    this.measure.font = this.font;
    return this.measure.measureText(text);
  }

  /** The picture, of which the part from (x, y) on is shown, in front of a colour. */
  svg(x: number, y: number, w: number, h: number, behind: string): string {
    const defs = this.clips.length ? `<defs>${this.clips.join("")}</defs>` : "";
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${short(w)}" height="${short(h)}" viewBox="${short(x)} ${short(y)} ${short(w)} ${short(h)}">${defs}`
      + `<rect x="${short(x)}" y="${short(y)}" width="${short(w)}" height="${short(h)}" fill="${escape(behind.trim())}"/>${this.out.join("\n")}</svg>\n`;
  }
}
