// The graph on a canvas: only what is in sight, and words only where they can be read.

import { painter } from "../colours";
import type { Plan } from "../data";
import * as f from "../format";
import { VectorPen, type Pen } from "../save/pen";
import { BOX, LINE, type Card, type Scene } from "./scene";

export interface Eye { x: number; y: number; scale: number }
export interface Look { colouring: string; picked: number; found: Set<number> | null }

/** Draws what the eye sees on a canvas. */
export function draw(canvas: HTMLCanvasElement, plan: Plan, scene: Scene, eye: Eye, look: Look) {
  const pen = canvas.getContext("2d")!;
  const dots = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(height * dots);
  }
  const colours = coloursOf(canvas);
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.fillStyle = colours.page;
  pen.fillRect(0, 0, width, height);
  pen.setTransform(dots * eye.scale, 0, 0, dots * eye.scale, -eye.x * eye.scale * dots, -eye.y * eye.scale * dots);
  paintScene(pen, plan, scene, colours, eye.scale, { x0: eye.x - 20, y0: eye.y - 20, x1: eye.x + width / eye.scale + 20, y1: eye.y + height / eye.scale + 20 }, look);
}

/** All of the graph as SVG. */
export function drawing(canvas: HTMLCanvasElement, plan: Plan, scene: Scene, look: Look): string {
  const colours = coloursOf(canvas);
  const pen = new VectorPen(canvas.getContext("2d")!);
  paintScene(pen, plan, scene, colours, 1, { x0: -1e9, y0: -1e9, x1: 1e9, y1: 1e9 }, look);
  return pen.svg(-30, -30, scene.w + 60, scene.h + 60, colours.page);
}

function coloursOf(canvas: HTMLCanvasElement) {
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return { ink: colour("ink"), quiet: colour("quiet"), line: colour("line"), card: colour("card"), page: colour("page"), strong: colour("strong") };
}

interface Seen { x0: number; y0: number; x1: number; y1: number }

function paintScene(pen: Pen, plan: Plan, scene: Scene, { ink, quiet, line, card, page, strong }: ReturnType<typeof coloursOf>, scale: number, seen: Seen, look: Look) {
  const inSight = (x: number, y: number, w: number, h: number) => x < seen.x1 && x + w > seen.x0 && y < seen.y1 && y + h > seen.y0;
  const readable = scale > 0.42;
  const paint = painter(plan, look.colouring);
  const { strings } = plan.data;
  const near = new Set(look.picked >= 0 ? [...plan.reads(look.picked), ...plan.readers[look.picked]] : []);

  for (const frame of scene.frames) {
    if (!inSight(frame.x, frame.y, frame.w + 20, frame.h + 20)) continue;
    // A pile of cards stands for layers that are equal.
    pen.strokeStyle = quiet;
    pen.fillStyle = page;
    for (const shift of [10, 5, 0]) {
      pen.beginPath();
      pen.roundRect(frame.x + shift, frame.y + shift, frame.w, frame.h, 10);
      pen.fill();
      pen.stroke();
    }
  }
  pen.lineWidth = 2;
  pen.strokeStyle = quiet;
  for (const [a, b] of scene.links) {
    const [from, to] = [scene.cards[a], scene.cards[b]];
    pen.beginPath();
    const [x0, y0, x1, y1] = [from.x + from.w / 2, from.y + from.h, to.x + to.w / 2, to.y];
    pen.moveTo(x0, y0);
    if (y1 > y0) pen.lineTo(x1, y1);
    else {
      // On to the top of the next column.
      const middle = (from.x + from.w + to.x) / 2;
      pen.lineTo(x0, y0 + 12);
      pen.lineTo(middle, y0 + 12);
      pen.lineTo(middle, y1 - 12);
      pen.lineTo(x1, y1 - 12);
      pen.lineTo(x1, y1);
    }
    pen.stroke();
    tip(pen, x1, y1, quiet);
  }
  for (const each of scene.cards) {
    if (!inSight(each.x, each.y, each.w, each.h)) continue;
    pen.save();
    pen.translate(each.x, each.y);
    drawCard(pen, each);
    pen.restore();
  }

  function drawCard(pen: Pen, each: Card) {
    const section = plan.view.sections[each.section];
    pen.fillStyle = card;
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.roundRect(0, 0, each.w, each.h, 8);
    pen.fill();
    pen.stroke();
    pen.textAlign = "left";
    pen.fillStyle = ink;
    // The title stays legible when the whole model is in sight.
    const size = Math.max(13, Math.min(30, 10 / scale));
    pen.font = `600 ${size}px system-ui, sans-serif`;
    const outline = plan.view.outline[each.entry];
    const name = strings[section.name] || "the model itself";
    const times = each.times > 1 ? ` × ${each.times}` : "";
    const full = each.times > 1 && outline.period === 1 ? strings[outline.name] : name;
    const room = Math.max(6, Math.floor((each.w - 20) / (size * 0.56)) - times.length);
    pen.fillText(f.cut(full, room) + times, 10, Math.max(20, size + 4));
    if (each.level === 0) {
      let [us, moved] = [0, 0];
      for (let k = section.first; k < section.first + section.count; k++) { us += plan.us(k); moved += plan.moved(k); }
      strip(pen, section.first, section.count, each.w);
      if (readable) {
        pen.fillStyle = quiet;
        pen.font = "11px system-ui, sans-serif";
        pen.fillText(`${section.count} ${section.count === 1 ? "kernel" : "kernels"}, ${plan.timed ? f.time(us) : f.bytes(moved)}`, 10, 34);
      }
      if (holds(section.first, section.count)) ring(pen, 0, 0, each.w, each.h);
      return;
    }
    pen.lineWidth = 1.2;
    if (!readable) {
      // From afar straight lines in one stroke do.
      pen.strokeStyle = quiet;
      pen.beginPath();
      for (const { points } of each.lines) {
        pen.moveTo(points[0][0], points[0][1]);
        for (let i = 1; i < points.length; i++) pen.lineTo(points[i][0], points[i][1]);
      }
      pen.stroke();
    }
    for (const edge of each.lines) {
      if (!readable && edge.from !== look.picked && edge.to !== look.picked) continue;
      const close = edge.from === look.picked || edge.to === look.picked;
      pen.strokeStyle = close ? strong : quiet;
      pen.lineWidth = close ? 2.4 : 1.2;
      pen.beginPath();
      const points = edge.points;
      pen.moveTo(points[0][0], points[0][1]);
      for (let i = 1; i < points.length; i++) {
        const [px, py] = points[i - 1], [x, y] = points[i];
        const middle = (py + y) / 2;
        pen.bezierCurveTo(px, middle, x, middle, x, y);
      }
      pen.stroke();
      const [x, y] = points[points.length - 1];
      if (readable) tip(pen, x, y, close ? strong : quiet);
    }
    pen.strokeStyle = quiet;
    pen.lineWidth = 1.2;
    for (const k of each.entries) {
      const box = each.boxes[k - section.first];
      // Beside the lines from inside the section.
      const x = box.x + box.w * (k === section.first ? 0.5 : 0.86);
      pen.beginPath();
      pen.moveTo(x, box.y - 14);
      pen.lineTo(x, box.y);
      pen.stroke();
      tip(pen, x, box.y, quiet);
    }
    for (const box of each.boxes) {
      if (!inSight(each.x + box.x, each.y + box.y, box.w, box.h)) continue;
      const { fill, letter, dark } = paint(box.k);
      const dim = look.found !== null && !look.found.has(box.k);
      pen.globalAlpha = dim ? 0.25 : 1;
      pen.fillStyle = fill;
      pen.beginPath();
      if (readable) pen.roundRect(box.x, box.y, box.w, box.h, 5);
      else pen.rect(box.x, box.y, box.w, box.h);
      pen.fill();
      if (near.has(box.k)) {
        pen.strokeStyle = strong;
        pen.lineWidth = 2;
        pen.stroke();
      }
      if (readable) {
        pen.fillStyle = dark ? "#fff" : "#14171c";
        pen.font = "12px system-ui, sans-serif";
        pen.fillText(fit(pen, plan.label(box.k), box.w - 30), box.x + 8, box.y + 17);
        pen.font = "bold 11px system-ui, sans-serif";
        if (letter) pen.fillText(letter, box.x + box.w - 16, box.y + 17);
        pen.font = "11px system-ui, sans-serif";
        pen.fillText(`${plan.timed ? `${f.time(plan.us(box.k))}, ` : ""}${f.bytes(plan.moved(box.k))}`, box.x + 8, box.y + 32);
        box.ops.slice(0, 40).forEach((op, at) => {
          const y = box.y + 48 + at * LINE;
          pen.globalAlpha = dim ? 0.25 : plan.data.ops.free[op] ? 0.6 : 1;
          const free = plan.data.ops.free[op] ? "· " : "";
          pen.fillText(fit(pen, `${free}${strings[plan.data.ops.op[op]]}  ${strings[plan.data.ops.shape[op]]}`, box.w - 20), box.x + 12, y);
        });
        if (box.ops.length > 40) pen.fillText(`and ${box.ops.length - 40} more`, box.x + 12, box.y + 48 + 40 * LINE);
      }
      pen.globalAlpha = 1;
      if (box.k === look.picked) ring(pen, box.x, box.y, box.w, box.h);
    }
    if (readable) {
      pen.font = "10px system-ui, sans-serif";
      pen.fillStyle = quiet;
      for (const stub of each.stubs) {
        const box = each.boxes[stub.k - section.first];
        if (stub.at > 2) continue;
        const more = stub.at === 2 ? " …" : "";
        const text = fit(pen, `◂ ${plan.label(stub.from)} #${stub.from}${more}`, BOX - 8);
        // Lines pass behind the words.
        pen.fillStyle = card;
        pen.fillRect(box.x + 2, box.y - 14 - 13 * stub.at, pen.measureText(text).width + 4, 12);
        pen.fillStyle = quiet;
        pen.fillText(text, box.x + 4, box.y - 4 - 13 * stub.at);
      }
    }
  }

  /** A folded section: its kernels as a strip, as wide as they take time. */
  function strip(pen: Pen, first: number, count: number, w: number) {
    let total = 0;
    const weight = (k: number) => (plan.timed ? plan.us(k) : plan.moved(k));
    for (let k = first; k < first + count; k++) total += weight(k);
    let x = 10;
    for (let k = first; k < first + count; k++) {
      const width = ((w - 20) * weight(k)) / (total || 1);
      pen.globalAlpha = look.found !== null && !look.found.has(k) ? 0.2 : 1;
      pen.fillStyle = paint(k).fill;
      pen.fillRect(x, 40, Math.max(width - (width > 3 ? 0.7 : 0), 0.4), 8);
      x += width;
    }
    pen.globalAlpha = 1;
  }
  function holds(first: number, count: number) { return look.picked >= first && look.picked < first + count; }
  function ring(pen: Pen, x: number, y: number, w: number, h: number) {
    pen.strokeStyle = strong;
    pen.lineWidth = 3.5;
    pen.beginPath();
    pen.roundRect(x - 3, y - 3, w + 6, h + 6, 8);
    pen.stroke();
  }
}

function tip(pen: Pen, x: number, y: number, colour: string) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x - 4, y - 7);
  pen.lineTo(x + 4, y - 7);
  pen.fill();
}

const widths = new Map<string, number>();
/** A text cut in its middle to a width in pixels. */
function fit(pen: Pen, text: string, room: number): string {
  const key = `${pen.font}`;
  let width = widths.get(key);
  if (width === undefined) {
    width = pen.measureText("abcdefghijklmnopqrstuvwxyz_0123456789").width / 37;
    widths.set(key, width);
  }
  let most = Math.floor(room / width) + 2;
  let cut = f.cut(text, most);
  while (most > 4 && pen.measureText(cut).width > room) cut = f.cut(text, (most -= 1 + (most >> 4)));
  return cut;
}
