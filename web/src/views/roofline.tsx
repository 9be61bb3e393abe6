// Where kernels stand under the roofs of the device.

import { useMemo, useState } from "preact/hooks";
import { LIMITERS } from "../colours";
import type { Plan } from "../data";
import * as f from "../format";
import { select, selected } from "../select";
import { useShared } from "../state";
import type { ViewProps } from "./index";

const W = 960, H = 520, LEFT = 86, BOTTOM = 50, TOP = 24, RIGHT = 20;

interface Point { k: number; times: number; intensity: number; rate: number; us: number; kernels: number[] }

/** Kernels that stand at one place are one point. */
function pointsOf(plan: Plan, of?: number[]): Point[] {
  const known = new Map<string, Point>();
  for (const k of of ?? Array.from({ length: plan.count }, (_, k) => k)) {
    const flops = plan.view.kernels.flops[k];
    const us = plan.us(k);
    if (!flops || !us || !plan.moved(k)) continue;
    const key = `${plan.view.kernels.label[k]} ${flops} ${plan.moved(k)} ${us}`;
    const point = known.get(key);
    if (point) {
      point.times++;
      point.us += us;
      point.kernels.push(k);
    } else known.set(key, { k, times: 1, intensity: plan.intensity(k), rate: flops / us / 1e3, us, kernels: [k] });
  }
  return [...known.values()].sort((a, b) => b.us - a.us);
}

export function Roofline({ data, plan, plans }: ViewProps) {
  useShared();
  const [covered, setCovered] = useState(100);
  const [only, setOnly] = useState("");
  const all = useMemo(() => pointsOf(plan), [plan]);
  if (!data.roofs || !plan.timed) return <p class="quiet">A roofline is that of a device: choose one above, or write the page with <code>--hw a100-sxm-80</code>.</p>;
  let sum = 0;
  const shown = all.filter((point) => { const inside = sum <= (plan.total * covered) / 100; sum += point.us; return inside && (!only || plan.limiter(point.k) === only); });
  const picked = selected(plan);
  const eager = plans.find((p) => p.view.strategy === "eager");
  const before = picked >= 0 && eager && eager !== plan ? pointsOf(eager, [...new Set(plan.workers(picked).map((op) => eager.kernelOf[op]).filter((k) => k >= 0))]) : [];
  const dtypes = new Set(all.map((point) => data.strings[plan.view.kernels.dtype[point.k]]));
  const named = data.roofs.peaks.filter((peak) => dtypes.has(peak.name) || (dtypes.has("f32") && peak.name === "tf32"));
  const peaks = named.length ? named : data.roofs.peaks;
  const top = Math.max(...peaks.map((peak) => peak.rate));
  const points = [...all, ...before];
  const low = Math.min(1, ...points.map((p) => p.intensity)), high = Math.max(1e3, ...points.map((p) => p.intensity));
  const bottom = Math.max(top * 1e-7, Math.min(top / 1e3, ...points.map((p) => p.rate)));
  const [x0, x1] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high) + 0.2)];
  const [y0, y1] = [Math.floor(Math.log10(bottom)), Math.log10(top) + 0.35];
  const x = (v: number) => LEFT + ((W - LEFT - RIGHT) * (Math.log10(v) - x0)) / (x1 - x0);
  const y = (v: number) => H - BOTTOM - ((H - BOTTOM - TOP) * (Math.log10(Math.max(v, 10 ** y0)) - y0)) / (y1 - y0);
  const size = (us: number) => 3.5 + 22 * Math.sqrt(us / plan.total);
  const decades = (from: number, to: number) => Array.from({ length: Math.floor(to) - Math.ceil(from) + 1 }, (_, i) => 10 ** (Math.ceil(from) + i));
  const chosen = all.find((point) => point.kernels.includes(picked));
  const occurring = Object.entries(LIMITERS).filter(([id]) => all.some((point) => plan.limiter(point.k) === id));
  return (
    <>
      <div class="tools">
        <label>kernels that make up <input type="range" min={10} max={100} value={covered} onInput={(event) => setCovered(Number(event.currentTarget.value))} /> {covered} % of the time</label>
        {occurring.map(([id, { colour, letter, text }]) => (
          <button aria-pressed={only === id} onClick={() => setOnly(only === id ? "" : id)}><svg width="10" height="10" aria-hidden="true"><circle cx="5" cy="5" r="5" fill={colour} /></svg> {letter} {text}</button>
        ))}
      </div>
      <svg class="chart" viewBox={`0 0 ${W} ${H}`} role="img" aria-label="roofline: FLOP/s over FLOP per byte">
        {decades(x0, x1).map((v) => <g><line class="grid" x1={x(v)} x2={x(v)} y1={TOP} y2={H - BOTTOM} /><text class="quiet" x={x(v)} y={H - BOTTOM + 16} text-anchor="middle" font-size="11">{f.plain(v)}</text></g>)}
        {decades(y0, y1).map((v) => <g><line class="grid" x1={LEFT} x2={W - RIGHT} y1={y(v)} y2={y(v)} /><text class="quiet" x={LEFT - 8} y={y(v) + 4} text-anchor="end" font-size="11">{f.rate(v)}</text></g>)}
        <text class="quiet" x={(LEFT + W - RIGHT) / 2} y={H - 8} text-anchor="middle" font-size="12">FLOP per byte moved</text>
        {data.roofs.memory.map((memory, at) => {
          const end = Math.min(top / memory.rate, 10 ** x1), start = Math.max(10 ** x0, 10 ** y0 / memory.rate);
          const middle = Math.sqrt(start * end);
          const angle = (-Math.atan2(y(start * memory.rate) - y(end * memory.rate), x(end) - x(start)) * 180) / Math.PI;
          return <g><line class={`roof ${at ? "second" : ""}`} x1={x(start)} y1={y(start * memory.rate)} x2={x(end)} y2={y(end * memory.rate)} />
            <text class="roofname" transform={`translate(${x(middle)},${y(middle * memory.rate) - 6}) rotate(${angle})`} text-anchor="middle" font-size="11">{memory.name} {f.bytes(memory.rate * 1e9)}/s</text></g>;
        })}
        {peaks.map((peak) => {
          const ridge = peak.rate / data.roofs!.memory[data.roofs!.memory.length - 1].rate;
          return <g><line class="roof" x1={x(Math.min(Math.max(ridge, 10 ** x0), 10 ** x1))} x2={W - RIGHT} y1={y(peak.rate)} y2={y(peak.rate)} /><text class="roofname" x={W - RIGHT - 4} y={y(peak.rate) - 5} text-anchor="end" font-size="11">{peak.name} {f.rate(peak.rate)}</text></g>;
        })}
        {[...shown].reverse().filter((_, at, list) => at >= list.length - 2500).map((point) => {
          const limiter = LIMITERS[plan.limiter(point.k)];
          return <circle class={`point ${point === chosen ? "picked" : ""}`} cx={x(point.intensity)} cy={y(point.rate)} r={size(point.us)} fill={limiter?.colour ?? "#999"} data-kernel={point.k}
            onClick={() => select(plan, point.k)}><title>{`${point.times > 1 ? `${point.times} × ` : ""}${f.cut(plan.label(point.k), 60)}\n${f.time(point.us)}, ${f.rate(point.rate)}, waits for ${limiter?.text ?? ""}\n${f.percent(plan.view.kernels.roofline[point.k] / plan.us(point.k))} of the roofline`}</title></circle>;
        })}
        {chosen && before.map((point) => (
          <g class="before"><line x1={x(point.intensity)} y1={y(point.rate)} x2={x(chosen.intensity)} y2={y(chosen.rate)} marker-end="url(#tip)" /><circle cx={x(point.intensity)} cy={y(point.rate)} r={size(point.us)}><title>{`before: ${f.cut(eager!.label(point.k), 60)}, ${f.time(point.us)}`}</title></circle></g>
        ))}
        {chosen && <circle class="ring" cx={x(chosen.intensity)} cy={y(chosen.rate)} r={size(chosen.us) + 3} />}
        <defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0L10 5L0 10z" /></marker></defs>
      </svg>
      <p class="quiet">A point is a kernel, or equal ones of several layers; its area is its share of the time. {chosen && before.length > 0 ? "Dashed: what the selected kernel is made of, run op by op." : "Select a point to see what it was before fusion."} Kernels without arithmetic are not drawn.</p>
    </>
  );
}
