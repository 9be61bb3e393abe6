// What the graph shows and where: cards of sections in columns, boxes of kernels in cards, ops in boxes.
//
// Where boxes stand in a card comes with the data; here heights are added, which depend on what is unfolded.

import type { Plan } from "../data";

export const BOX = 196, GAP = 26, LINE = 15, HEAD = 30, PAD = 16;
/** Room between layers of boxes, for edges. */
const BETWEEN = 22;
/** Boxes that are shown unfolded at first. */
const AT_FIRST = 120;

export interface Box { k: number; x: number; y: number; w: number; h: number; ops: number[] }
export interface Line { from: number; to: number; points: [number, number][] }
export interface Card {
  entry: number; section: number; level: number; x: number; y: number; w: number; h: number;
  /** How often the stretch repeats that this card is of. */
  times: number; boxes: Box[]; lines: Line[]; entries: number[]; stubs: { k: number; from: number; at: number }[];
}
export interface Frame { x: number; y: number; w: number; h: number; times: number; entry: number; name: number }
export interface Scene { cards: Card[]; frames: Frame[]; links: [number, number][]; w: number; h: number; cardOf: Map<number, Card>; boxOf: Map<number, { card: Card; box: Box }> }

/** How far each section is unfolded: 0 a line, 1 kernels, 2 their ops; and which of equal layers is shown. */
export interface Unfolded { level: number; levels: Map<number, number>; instance: Map<number, number>; hideViews: boolean }

export function levelAtFirst(plan: Plan): number {
  const boxes = plan.view.outline.reduce((sum, entry) => sum + plan.view.sections.slice(entry.first, entry.first + entry.period).reduce((sum, section) => sum + section.count, 0), 0);
  return boxes <= AT_FIRST ? 1 : 0;
}

export function sceneOf(plan: Plan, unfolded: Unfolded, ratio: number): Scene {
  const cards: Card[] = [];
  plan.view.outline.forEach((entry, number) => {
    const shown = Math.min(unfolded.instance.get(number) ?? 0, entry.times - 1);
    for (let step = 0; step < entry.period; step++) cards.push(card(plan, unfolded, number, entry.first + shown * entry.period + step, entry.times));
  });
  const links = arrange(cards, ratio);
  const frames = framesOf(plan, cards);
  const boxOf = new Map<number, { card: Card; box: Box }>();
  const cardOf = new Map<number, Card>();
  for (const card of cards) {
    cardOf.set(card.section, card);
    for (const box of card.boxes) boxOf.set(box.k, { card, box });
  }
  const w = Math.max(0, ...cards.map((card) => card.x + card.w)), h = Math.max(0, ...cards.map((card) => card.y + card.h));
  return { cards, frames, links, w, h, cardOf, boxOf };
}

function card(plan: Plan, unfolded: Unfolded, entry: number, number: number, times: number): Card {
  const section = plan.view.sections[number];
  const layout = plan.layout(number);
  const level = unfolded.levels.get(section.like) ?? unfolded.level;
  const empty = { entry, section: number, level, x: 0, y: 0, times, boxes: [], lines: [], entries: [], stubs: [] };
  if (level === 0) return { ...empty, w: BOX + 2 * PAD + 60, h: 54 };
  const ops = Array.from({ length: section.count }, (_, local) => {
    const k = section.first + local;
    return level < 2 ? [] : unfolded.hideViews ? plan.workers(k) : plan.ops(k);
  });
  const stubs = layout.layer.map((_, local) => stubsOf(plan, number, section.first + local));
  const height = (local: number) => 40 + LINE * Math.min(ops[local].length, 40) + (ops[local].length ? 6 : 0);
  const rows = new Float64Array(layout.layers + 1), tops = new Float64Array(layout.layers + 1), above = new Float64Array(layout.layers + 1);
  layout.layer.forEach((layer, local) => {
    rows[layer] = Math.max(rows[layer], height(local));
    above[layer] = Math.max(above[layer], Math.min(stubs[local].length, 3) * 13);
  });
  tops[0] = HEAD + PAD + above[0];
  for (let layer = 1; layer <= layout.layers; layer++) tops[layer] = tops[layer - 1] + rows[layer - 1] + BETWEEN + (above[layer] ?? 0);
  const x = (middle: number) => PAD + middle * (BOX + GAP) + BOX / 2;
  const boxes = layout.layer.map((layer, local): Box => ({ k: section.first + local, x: x(layout.x[local]) - BOX / 2, y: tops[layer], w: BOX, h: height(local), ops: ops[local] }));
  const chains = new Map(layout.chains);
  const lines = layout.edges.map(([from, to]): Line => {
    const chain = chains.get(from) ?? [];
    const points: [number, number][] = [[x(layout.x[from]), boxes[from].y + boxes[from].h]];
    for (let layer = layout.layer[from] + 1; layer < layout.layer[to]; layer++) {
      const at = chain[layer - layout.layer[from] - 1];
      if (at !== undefined) points.push([x(at), tops[layer] - 6], [x(at), tops[layer] + rows[layer] + 4]);
    }
    points.push([x(layout.x[to]), boxes[to].y]);
    return { from: section.first + from, to: section.first + to, points };
  });
  const passing = layout.chains.flatMap(([, xs]) => xs);
  const widest = Math.max(layout.width, ...passing, 0);
  return {
    ...empty, boxes, lines,
    entries: layout.layer.map((_, local) => section.first + local).filter((k) => plan.reads(k).some((from) => plan.sectionOf[from] === number - 1)),
    stubs: stubs.flat(),
    w: 2 * PAD + BOX + widest * (BOX + GAP), h: tops[layout.layers - 1] + rows[layout.layers - 1] + PAD,
  };
}

/** What a kernel reads from far before its section: a stub at the box instead of a long line. */
function stubsOf(plan: Plan, section: number, k: number) {
  return plan.reads(k).filter((from) => plan.sectionOf[from] < section - 1).map((from, at) => ({ k, from, at }));
}

/** Cards run down and then on in the next column, so that the whole has the window's proportions. */
function arrange(cards: Card[], ratio: number): [number, number][] {
  const between = 34, aside = 46;
  const total = cards.reduce((sum, card) => sum + card.h + between, 0);
  const widest = Math.max(1, ...cards.map((card) => card.w));
  const highest = Math.max(1, ...cards.map((card) => card.h));
  const columns = Math.max(1, Math.round(Math.sqrt((total * ratio) / (widest + aside))));
  const most = Math.max(highest, total / columns);
  let [x, y, w] = [0, 0, 0];
  const links: [number, number][] = [];
  let column: Card[] = [];
  const close = () => { for (const card of column) card.x += (w - card.w) / 2; column = []; };
  cards.forEach((card, number) => {
    if (y > 0 && y + card.h > most * 1.08) {
      close();
      x += w + aside;
      [y, w] = [0, 0];
    }
    card.x = x;
    card.y = y;
    y += card.h + between;
    w = Math.max(w, card.w);
    column.push(card);
    if (number > 0) links.push([number - 1, number]);
  });
  close();
  return links;
}

/** Around cards that repeat together, where they stand in one column. */
function framesOf(plan: Plan, cards: Card[]): Frame[] {
  const frames: Frame[] = [];
  plan.view.outline.forEach((entry, number) => {
    const own = cards.filter((card) => card.entry === number);
    if (entry.times < 2 || own.length === 0) return;
    const left = Math.min(...own.map((card) => card.x)), top = Math.min(...own.map((card) => card.y));
    const right = Math.max(...own.map((card) => card.x + card.w)), bottom = Math.max(...own.map((card) => card.y + card.h));
    frames.push({ x: left - 8, y: top - 8, w: right - left + 16, h: bottom - top + 16, times: entry.times, entry: number, name: entry.name });
  });
  return frames;
}
