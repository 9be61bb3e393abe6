// Plans as lanes of kernels over time, the part that is starting hatched.

import { useEffect, useRef, useState } from "preact/hooks";
import { painter } from "../colours";
import * as f from "../format";
import { useVector } from "../save/buttons";
import { page } from "../save/clone";
import { VectorPen, type Pen } from "../save/pen";
import { select, selected } from "../select";
import { update, useShared } from "../state";
import type { ViewProps } from "./index";

const LANE = 64, HEAD = 26, LEFT = 86;

export function Timeline({ plan, plans }: ViewProps) {
  const state = useShared();
  const canvas = useRef<HTMLCanvasElement>(null);
  const total = Math.max(...plans.map((p) => p.total), 1e-9);
  const [range, setRange] = useState<[number, number]>([0, total]);
  const [mark, setMark] = useState<[number, number] | null>(null);
  const drag = useRef<{ from: number; x: number; pan: boolean; range: [number, number] } | null>(null);
  const [width, setWidth] = useState(900);
  useEffect(() => setRange([0, total]), [total]);
  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(320, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const starts = plans.map((p) => { const at = new Float64Array(p.count + 1); for (let k = 0; k < p.count; k++) at[k + 1] = at[k] + p.us(k); return at; });
  const height = HEAD + LANE * plans.length;
  const x = (us: number) => LEFT + ((width - LEFT - 8) * (us - range[0])) / (range[1] - range[0] || 1);
  const us = (px: number) => range[0] + ((px - LEFT) / (width - LEFT - 8)) * (range[1] - range[0]);

  const paintLanes = (pen: Pen) => {
    const style = getComputedStyle(canvas.current!);
    const ink = style.getPropertyValue("--ink"), quiet = style.getPropertyValue("--quiet"), line = style.getPropertyValue("--line");
    pen.font = "11px system-ui, sans-serif";
    const step = 10 ** Math.floor(Math.log10((range[1] - range[0]) / 4 || 1));
    const ticks = (range[1] - range[0]) / step > 12 ? step * 5 : (range[1] - range[0]) / step > 6 ? step * 2 : step;
    pen.fillStyle = quiet;
    pen.strokeStyle = line;
    pen.textAlign = "center";
    for (let t = Math.ceil(range[0] / ticks) * ticks; t <= range[1]; t += ticks) {
      pen.beginPath();
      pen.moveTo(x(t), HEAD - 6);
      pen.lineTo(x(t), height);
      pen.stroke();
      if (x(t) < width - 30) pen.fillText(t === 0 ? "0" : f.time(t), x(t), 14);
    }
    plans.forEach((each, lane) => {
      const top = HEAD + lane * LANE + 10;
      const paint = painter(each, "bound");
      const picked = selected(each);
      pen.textAlign = "left";
      pen.fillStyle = ink;
      pen.font = each === plan ? "bold 12px system-ui, sans-serif" : "12px system-ui, sans-serif";
      pen.fillText(each.view.strategy, 4, top + 18);
      pen.fillStyle = quiet;
      pen.font = "11px system-ui, sans-serif";
      pen.fillText(f.time(each.total), 4, top + 33);
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, 0, width - LEFT, height);
      pen.clip();
      let filledTo = -1;
      for (let k = 0; k < each.count; k++) {
        const [a, b] = [x(starts[lane][k]), x(starts[lane][k + 1])];
        if (b < LEFT || a > width) continue;
        // What is thinner than a pixel is drawn once a pixel.
        if (b < filledTo && k !== picked) continue;
        const { fill } = paint(k);
        const w = Math.max(b - a - (b - a > 4 ? 1 : 0), 0.7);
        pen.fillStyle = fill;
        pen.fillRect(a, top, w, LANE - 24);
        filledTo = b - a < 1 ? a + 1 : b;
        const launch = each.view.kernels.launch[k];
        if (b - a > 5 && launch > 0) {
          pen.save();
          pen.beginPath();
          pen.rect(a, top, Math.min(w, (w * launch) / (each.us(k) || 1)), LANE - 24);
          pen.clip();
          pen.strokeStyle = "rgba(0,0,0,.55)";
          pen.beginPath();
          for (let s = a - 50; s < b; s += 5) { pen.moveTo(s, top + LANE - 24); pen.lineTo(s + LANE - 24, top); }
          pen.stroke();
          pen.restore();
        }
        if (b - a > 60) {
          pen.fillStyle = "#111";
          pen.fillText(f.cut(each.label(k), Math.max(4, Math.floor((b - a - 8) / 6.2))), a + 4, top + 24);
        }
        if (k === picked) {
          pen.strokeStyle = ink;
          pen.lineWidth = 2;
          pen.strokeRect(a - 1, top - 2, Math.max(w, 2) + 2, LANE - 20);
          pen.lineWidth = 1;
        }
      }
      pen.restore();
    });
    if (mark) {
      pen.fillStyle = "rgba(80,140,220,.22)";
      pen.fillRect(x(mark[0]), HEAD, x(mark[1]) - x(mark[0]), height);
    }
  };
  useVector(() => {
    if (!canvas.current) return page(document.querySelector("main")!);
    const pen = new VectorPen(canvas.current.getContext("2d")!);
    paintLanes(pen);
    return pen.svg(0, 0, width, height, getComputedStyle(canvas.current).getPropertyValue("--page"));
  });
  useEffect(() => {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (!element || !pen || !plan.timed) return;
    const scale = devicePixelRatio || 1;
    element.width = width * scale;
    element.height = height * scale;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    paintLanes(pen);
  });

  if (!plan.timed) return <p class="quiet">Times are those of a device: choose one above, or write the page with <code>--hw a100-sxm-80</code>.</p>;
  const place = (event: PointerEvent | WheelEvent) => { const box = canvas.current!.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const zoom = (factor: number, at: number) => {
    const length = Math.min(total, Math.max(total * 1e-5, (range[1] - range[0]) * factor));
    const share = (at - range[0]) / (range[1] - range[0] || 1);
    const from = Math.max(0, Math.min(total - length, at - length * share));
    setRange([from, from + length]);
  };
  const hit = (px: number, py: number) => {
    const lane = Math.floor((py - HEAD) / LANE);
    if (lane < 0 || lane >= plans.length) return null;
    const at = us(px);
    const k = starts[lane].findIndex((start, k) => start <= at && at < (starts[lane][k + 1] ?? -1));
    return k < 0 ? null : { plan: plans[lane], k };
  };
  const marked = mark && plans.map((p, lane) => {
    let kernels = 0, time = 0, launch = 0;
    for (let k = 0; k < p.count; k++) if (starts[lane][k + 1] > mark[0] && starts[lane][k] < mark[1]) { kernels++; time += p.us(k); launch += p.view.kernels.launch[k]; }
    return `${p.view.strategy}: ${kernels} kernels, ${f.time(time)}, of it starting ${f.time(launch)}`;
  });
  const launch = plan.view.kernels.launch.reduce((a, b) => a + b, 0);
  return (
    <>
      <div class="tools">
        <button onClick={() => zoom(0.5, (range[0] + range[1]) / 2)} aria-label="zoom in">+</button><button onClick={() => zoom(2, (range[0] + range[1]) / 2)} aria-label="zoom out">−</button><button onClick={() => { setRange([0, total]); setMark(null); }}>all</button>
        <button onClick={() => { const k = selected(plan); if (k >= 0) { const lane = plans.indexOf(plan); const length = Math.max(plan.us(k) * 12, total * 1e-5); const middle = (starts[lane][k] + starts[lane][k + 1]) / 2; setRange([Math.max(0, middle - length / 2), middle + length / 2]); } }} disabled={selected(plan) < 0}>to the selection</button>
        <span class="quiet">wheel zooms, drag marks a stretch, Shift-drag moves</span>
      </div>
      <div class="wide"><canvas ref={canvas} class="timeline" style={{ width: `${width}px`, height: `${height}px` }} tabIndex={0} role="img"
        aria-label={`predicted schedule: ${plans.map((p) => `${p.view.strategy} ${f.time(p.total)}`).join(", ")}`}
        onKeyDown={(event) => {
          const k = selected(plan);
          if (event.key === "ArrowRight" && k + 1 < plan.count) select(plan, k + 1);
          else if (event.key === "ArrowLeft" && k > 0) select(plan, k - 1);
          else if (event.key === "+") zoom(0.5, (range[0] + range[1]) / 2);
          else if (event.key === "-") zoom(2, (range[0] + range[1]) / 2);
          else return;
          event.preventDefault();
        }}
        onWheel={(event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, us(place(event)[0])); }}
        onPointerDown={(event) => { const [px] = place(event); drag.current = { from: us(px), x: px, pan: event.shiftKey, range }; canvas.current!.setPointerCapture(event.pointerId); }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (!from) return;
          const [px] = place(event);
          if (from.pan) {
            const shift = ((from.x - px) / (width - LEFT)) * (from.range[1] - from.range[0]);
            const start = Math.max(0, Math.min(total - (from.range[1] - from.range[0]), from.range[0] + shift));
            setRange([start, start + from.range[1] - from.range[0]]);
          } else if (Math.abs(px - from.x) > 4) setMark([Math.min(from.from, us(px)), Math.max(from.from, us(px))]);
        }}
        onPointerUp={(event) => {
          const from = drag.current;
          drag.current = null;
          const [px, py] = place(event);
          if (!from || Math.abs(px - from.x) > 4) return;
          setMark(null);
          const found = hit(px, py);
          if (found) { if (found.plan.view.strategy !== state.plan) update({ plan: found.plan.view.strategy }); select(found.plan, found.k); }
        }} /></div>
      {marked && <ul>{marked.map((text) => <li>{text}</li>)}</ul>}
      <p class="quiet">Kernels follow each other in a replayed launch graph; hatched is the part of a kernel that is its start: {f.time(launch)} of {f.time(plan.total)} in this plan. An eager framework adds {f.time(plan.strategy().times?.framework_overhead_us ?? 0)} where the host is slower than the device.</p>
    </>
  );
}
