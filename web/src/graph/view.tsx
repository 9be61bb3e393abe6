// The graph: layers folded by repetition, their kernels, the ops in these.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { COLOURINGS, legend } from "../colours";
import type { Plan } from "../data";
import * as f from "../format";
import { useVector } from "../save/buttons";
import { select, selected } from "../select";
import { update, useShared } from "../state";
import type { ViewProps } from "../views";
import { draw, drawing, type Eye } from "./draw";
import { levelAtFirst, sceneOf, type Card, type Scene, type Unfolded } from "./scene";

/** Kernels whose name, module, op or shape holds a text. */
function search(plan: Plan, text: string): Set<number> | null {
  if (!text) return null;
  const wanted = text.toLowerCase();
  const { strings, ops } = plan.data;
  const holds = strings.map((s) => s.toLowerCase().includes(wanted));
  const found = new Set<number>();
  for (let k = 0; k < plan.count; k++) if (holds[plan.view.kernels.label[k]] || holds[plan.view.kernels.module[k]]) found.add(k);
  for (let op = 0; op < ops.name.length; op++) {
    const k = plan.kernelOf[op];
    if (k >= 0 && (holds[ops.name[op]] || holds[ops.op[op]] || holds[ops.module[op]] || holds[ops.shape[op]])) found.add(k);
  }
  return found;
}

function hit(scene: Scene, x: number, y: number): { card: Card; k: number; stub: number } | null {
  for (const card of scene.cards) {
    if (x < card.x || x > card.x + card.w || y < card.y || y > card.y + card.h) continue;
    const box = card.boxes.find((box) => x - card.x >= box.x && x - card.x <= box.x + box.w && y - card.y >= box.y && y - card.y <= box.y + box.h);
    const stub = card.stubs.find((stub) => {
      const box = card.boxes.find((box) => box.k === stub.k)!;
      const bottom = card.y + box.y - 2 - 13 * stub.at;
      return stub.at < 3 && x >= card.x + box.x && x <= card.x + box.x + box.w && y <= bottom && y > bottom - 13;
    });
    return { card, k: box?.k ?? -1, stub: stub?.from ?? -1 };
  }
  return null;
}

export function Graph({ data, plan }: ViewProps) {
  const state = useShared();
  const canvas = useRef<HTMLCanvasElement>(null), map = useRef<HTMLCanvasElement>(null);
  const [level, setLevel] = useState<number | null>(null);
  const [levels, setLevels] = useState(new Map<number, number>());
  const [instance, setInstance] = useState(new Map<number, number>());
  const [hideViews, setHideViews] = useState(false);
  const [eye, setEye] = useState<Eye | null>(null);
  const [size, setSize] = useState({ w: 1000, h: 640 });
  const drag = useRef<{ x: number; y: number; eye: Eye; moved: boolean } | null>(null);

  useEffect(() => { setLevels(new Map()); setInstance(new Map()); setEye(null); }, [plan.view.strategy]);
  useEffect(() => {
    const element = canvas.current!;
    const observer = new ResizeObserver(() => setSize({ w: element.clientWidth, h: element.clientHeight }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const unfolded: Unfolded = { level: level ?? levelAtFirst(plan), levels, instance, hideViews };
  const ratio = size.w / Math.max(size.h, 1);
  const scene = useMemo(() => sceneOf(plan, unfolded, ratio), [plan, level, levels, instance, hideViews, Math.round(ratio * 8)]);
  const found = useMemo(() => search(plan, state.search), [plan, state.search]);
  const picked = selected(plan);

  const whole = (): Eye => {
    const scale = Math.min(1.25, (size.w - 40) / Math.max(scene.w, 1), (size.h - 40) / Math.max(scene.h, 1));
    const kept = Math.max(scale, 0.05);
    return { scale: kept, x: (scene.w - size.w / kept) / 2, y: (scene.h - size.h / kept) / 2 };
  };
  const now = eye ?? whole();
  const last = useRef({ scene, now });
  last.current = { scene, now };

  useVector(() => drawing(canvas.current!, plan, scene, { colouring: state.colour, picked, found }));
  useEffect(() => { if (canvas.current) draw(canvas.current, plan, scene, now, { colouring: state.colour, picked, found }); });
  useEffect(() => {
    const element = map.current, pen = element?.getContext("2d");
    if (!element || !pen) return;
    const scale = Math.min(element.width / Math.max(scene.w, 1), element.height / Math.max(scene.h, 1));
    pen.clearRect(0, 0, element.width, element.height);
    const style = getComputedStyle(element);
    pen.fillStyle = style.getPropertyValue("--quiet");
    for (const card of scene.cards) pen.fillRect(card.x * scale, card.y * scale, Math.max(1, card.w * scale), Math.max(1, card.h * scale));
    pen.strokeStyle = style.getPropertyValue("--strong");
    pen.strokeRect(now.x * scale, now.y * scale, (size.w / now.scale) * scale, (size.h / now.scale) * scale);
  });

  const go = (k: number) => {
    const section = plan.sectionOf[k];
    const entry = plan.view.outline.findIndex((entry) => section >= entry.first && section < entry.first + entry.period * entry.times);
    if (entry >= 0) {
      const { first, period } = plan.view.outline[entry];
      const shown = Math.floor((section - first) / period);
      if ((instance.get(entry) ?? 0) !== shown) setInstance(new Map(instance).set(entry, shown));
    }
    select(plan, k);
  };
  // A selection that was made elsewhere is brought into sight.
  useEffect(() => {
    if (picked < 0) return;
    if (!scene.cardOf.has(plan.sectionOf[picked])) { go(picked); return; }
    const place = scene.boxOf.get(picked);
    const card = place?.card ?? scene.cardOf.get(plan.sectionOf[picked])!;
    const [x, y, w, h] = place ? [card.x + place.box.x, card.y + place.box.y, place.box.w, place.box.h] : [card.x, card.y, card.w, card.h];
    const { now } = last.current;
    if (x < now.x || y < now.y || x + w > now.x + size.w / now.scale || y + h > now.y + size.h / now.scale) {
      setEye({ scale: now.scale, x: x + w / 2 - size.w / now.scale / 2, y: y + h / 2 - size.h / now.scale / 2 });
    }
  }, [picked, plan, scene]);

  const zoom = (factor: number, x = size.w / 2, y = size.h / 2) => {
    const { now } = last.current;
    const scale = Math.max(0.02, Math.min(4, now.scale * factor));
    setEye({ scale, x: now.x + x / now.scale - x / scale, y: now.y + y / now.scale - y / scale });
  };
  const place = (event: MouseEvent): [number, number] => { const box = canvas.current!.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const unfold = (card: Card, to: number) => setLevels(new Map(levels).set(plan.view.sections[card.section].like, to));
  const matches = found ? [...found].sort((a, b) => a - b) : [];
  const step = (by: number) => {
    if (!matches.length) return;
    const at = matches.findIndex((k) => k >= picked);
    const next = by > 0 ? matches.find((k) => k > picked) ?? matches[0] : matches[(at <= 0 ? matches.length : at) - 1];
    go(next);
  };
  const keys = (event: KeyboardEvent) => {
    const k = picked;
    const move = (list: number[]) => { if (list.length) go(list[0]); };
    if (event.key === "ArrowDown") k < 0 ? go(0) : move(plan.readers[k]);
    else if (event.key === "ArrowUp") move(k < 0 ? [] : plan.reads(k));
    else if (event.key === "ArrowRight") k + 1 < plan.count && go(k + 1);
    else if (event.key === "ArrowLeft") k > 0 && go(k - 1);
    else if (event.key === "+") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "0") setEye(null);
    else if (event.key === "Enter" && k >= 0) {
      const card = scene.cardOf.get(plan.sectionOf[k]);
      if (card) unfold(card, (card.level + 1) % 3);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const piles = plan.view.outline.map((entry, number) => ({ entry, number })).filter(({ entry }) => entry.times > 1);
  const pickedEntry = picked < 0 ? -1 : plan.view.outline.findIndex((entry) => plan.sectionOf[picked] >= entry.first && plan.sectionOf[picked] < entry.first + entry.period * entry.times);
  const pile = piles.find(({ number }) => number === pickedEntry) ?? piles.reduce<(typeof piles)[0] | undefined>((a, b) => (!a || b.entry.times > a.entry.times ? b : a), undefined);
  return (
    <>
      <div class="tools">
        <span class="choice" role="radiogroup" aria-label="level">{["layers", "kernels", "ops"].map((name, at) => (
          <button role="radio" aria-checked={unfolded.level === at && levels.size === 0} onClick={() => { setLevel(at); setLevels(new Map()); setEye(null); }}>{name}</button>
        ))}</span>
        <label>colour <select value={state.colour} onChange={(event) => update({ colour: event.currentTarget.value })}>{COLOURINGS.filter((name) => plan.timed || (name !== "bound" && name !== "time") || name === state.colour).map((name) => <option>{name}</option>)}</select></label>
        <input type="search" placeholder="search name, op, shape" aria-label="search" value={state.search} onInput={(event) => update({ search: event.currentTarget.value })}
          onKeyDown={(event) => { if (event.key === "Enter") step(event.shiftKey ? -1 : 1); }} />
        {found && <span class="quiet" role="status">{f.count(found.size)} kernels</span>}
        <label><input type="checkbox" checked={hideViews} onChange={(event) => setHideViews(event.currentTarget.checked)} /> hide shape ops</label>
        {pile && <span class="stepper" title="which of equal layers is shown"><button aria-label="previous layer" onClick={() => setInstance(new Map(instance).set(pile.number, Math.max(0, (instance.get(pile.number) ?? 0) - 1)))}>◂</button>
          layer {(instance.get(pile.number) ?? 0) + 1} of {pile.entry.times}
          <button aria-label="next layer" onClick={() => setInstance(new Map(instance).set(pile.number, Math.min(pile.entry.times - 1, (instance.get(pile.number) ?? 0) + 1)))}>▸</button></span>}
        <button aria-label="zoom in" onClick={() => zoom(1.25)}>+</button><button aria-label="zoom out" onClick={() => zoom(0.8)}>−</button><button onClick={() => setEye(null)}>fit</button>
      </div>
      <div class="graph">
        <canvas ref={canvas} tabIndex={0} role="application" aria-label={`graph of ${plan.count} kernels in ${plan.view.sections.length} sections; arrow keys walk along it, Enter unfolds`}
          onKeyDown={keys}
          onWheel={(event) => { event.preventDefault(); const [x, y] = place(event); zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), x, y); }}
          onPointerDown={(event) => { drag.current = { x: event.clientX, y: event.clientY, eye: now, moved: false }; canvas.current!.setPointerCapture(event.pointerId); }}
          onPointerMove={(event) => {
            const from = drag.current;
            if (!from) return;
            const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
            from.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
            if (from.moved) setEye({ ...from.eye, x: from.eye.x - dx / from.eye.scale, y: from.eye.y - dy / from.eye.scale });
          }}
          onPointerUp={(event) => {
            const from = drag.current;
            drag.current = null;
            if (!from || from.moved) return;
            const [x, y] = place(event);
            const found = hit(scene, now.x + x / now.scale, now.y + y / now.scale);
            if (!found) select(plan, -1);
            else if (found.stub >= 0) go(found.stub);
            else if (found.k >= 0) select(plan, found.k);
            else if (found.card.level === 0) unfold(found.card, 1);
          }}
          onDblClick={(event) => {
            const [x, y] = place(event);
            const found = hit(scene, now.x + x / now.scale, now.y + y / now.scale);
            if (found) unfold(found.card, found.card.level === 1 ? 2 : found.k >= 0 ? 1 : 0);
          }} />
        <canvas ref={map} class="map" hidden={eye === null} width={150} height={100} aria-hidden="true" onClick={(event) => {
          const box = map.current!.getBoundingClientRect();
          const scale = Math.min(150 / Math.max(scene.w, 1), 100 / Math.max(scene.h, 1));
          setEye({ ...now, x: (event.clientX - box.left) / scale - size.w / now.scale / 2, y: (event.clientY - box.top) / scale - size.h / now.scale / 2 });
        }} />
      </div>
      <p class="legend">{legend(plan, state.colour).map(({ colour, text }) => <span><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" rx="2" fill={colour} /></svg> {text}</span>)}
        <span class="quiet">◂ reads from far above; double click unfolds, drag moves, wheel zooms</span></p>
      <p class="spoken" aria-live="polite">{picked >= 0 && `kernel ${picked}, ${f.cut(plan.label(picked), 60)}`}</p>
    </>
  );
}
