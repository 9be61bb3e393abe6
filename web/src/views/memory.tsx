// What lives in memory while the plan runs, kernel by kernel.

import { useMemo, useState } from "preact/hooks";
import * as f from "../format";
import { select, selected } from "../select";
import { useShared } from "../state";
import type { ViewProps } from "./index";

const W = 960, H = 320, LEFT = 78, BOTTOM = 34, TOP = 26;

export function Memory({ data, plan }: ViewProps) {
  useShared();
  const [hover, setHover] = useState(-1);
  const { memory } = plan.view;
  const count = Math.max(plan.count, 1);
  const { live, peak } = useMemo(() => {
    const change = new Float64Array(count + 2);
    memory.bytes.forEach((bytes, at) => {
      change[memory.from[at]] += bytes;
      change[Math.min(memory.to[at] + 1, count + 1)] -= bytes;
    });
    const live = new Float64Array(count);
    let sum = memory.inputs;
    for (let k = 0; k < count; k++) {
      sum += change[k];
      live[k] = sum;
    }
    let peak = 0;
    live.forEach((bytes, k) => { if (bytes > live[peak]) peak = k; });
    return { live, peak };
  }, [plan]);
  const picked = selected(plan);
  const at = hover >= 0 ? hover : picked >= 0 ? picked : peak;
  const alive = useMemo(() => memory.bytes.map((_, tensor) => tensor).filter((t) => memory.from[t] <= at && memory.to[t] >= at)
    .sort((a, b) => memory.bytes[b] - memory.bytes[a]), [plan, at]);
  const most = live[peak] || 1;
  const x = (k: number) => LEFT + ((W - LEFT - 10) * k) / count;
  const y = (bytes: number) => H - BOTTOM - ((H - BOTTOM - TOP) * bytes) / most;
  const points: string[] = [];
  for (let k = 0; k < count; k++) points.push(`${x(k).toFixed(1)},${y(live[k]).toFixed(1)} ${x(k + 1).toFixed(1)},${y(live[k]).toFixed(1)}`);
  const kernel = (event: MouseEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    const k = Math.floor(((((event.clientX - box.left) / box.width) * W - LEFT) / (W - LEFT - 10)) * count);
    return k >= 0 && k < plan.count ? k : -1;
  };
  const steps = Array.from({ length: 5 }, (_, i) => (most * i) / 4);
  return (
    <>
      <p>At most <b>{f.bytes(live[peak] ?? 0)}</b> of activations live at once, while kernel {peak} runs ({plan.count > 0 && f.cut(plan.label(peak), 40)}). Weights take {f.bytes(data.report.model.parameter_bytes)} besides, inputs {f.bytes(memory.inputs)} of it.</p>
      <svg class="chart" viewBox={`0 0 ${W} ${H}`} role="img" aria-label="bytes of activations alive, by kernel"
        onMouseMove={(event) => setHover(kernel(event))} onMouseLeave={() => setHover(-1)} onClick={(event) => select(plan, kernel(event))}>
        {steps.map((bytes) => <g><line class="grid" x1={LEFT} x2={W - 10} y1={y(bytes)} y2={y(bytes)} /><text class="quiet" x={LEFT - 8} y={y(bytes) + 4} text-anchor="end" font-size="11">{f.bytes(bytes)}</text></g>)}
        <polygon class="area" points={`${LEFT},${y(0)} ${points.join(" ")} ${x(count)},${y(0)}`} />
        <rect class="area inputs" x={LEFT} width={W - LEFT - 10} y={y(memory.inputs)} height={y(0) - y(memory.inputs)} />
        <text class="quiet" x={LEFT} y={H - 10} font-size="11">kernel 0</text>
        <text class="quiet" x={W - 10} y={H - 10} font-size="11" text-anchor="end">kernel {count - 1}</text>
        {picked >= 0 && <line class="cursor picked" x1={x(picked + 0.5)} x2={x(picked + 0.5)} y1={TOP} y2={H - BOTTOM} />}
        <line class="cursor" x1={x(at + 0.5)} x2={x(at + 0.5)} y1={TOP} y2={H - BOTTOM} />
        <text x={Math.min(Math.max(x(at), LEFT + 60), W - 120)} y={16} text-anchor="middle">{`kernel ${at}: ${f.bytes(live[at] ?? 0)}`}</text>
      </svg>
      <h2>Alive at kernel {at}{plan.count > 0 && <span class="quiet"> {f.cut(plan.label(at), 60)}</span>}</h2>
      <table class="list">
        <thead><tr><th>tensor of</th><th>type</th><th>bytes</th><th>from</th><th>to</th></tr></thead>
        <tbody>
          {alive.slice(0, 12).map((t) => (
            <tr>
              <td title={data.strings[data.ops.name[memory.node[t]]].slice(0, 400)}>{f.cut(data.strings[data.ops.name[memory.node[t]]], 56)}</td>
              <td>{f.cut(data.strings[data.ops.shape[memory.node[t]]], 40)}</td><td>{f.bytes(memory.bytes[t])}</td>
              <td><button class="link" onClick={() => select(plan, memory.from[t])}>{memory.from[t]}</button></td>
              <td>{memory.to[t] >= plan.count ? "the end" : <button class="link" onClick={() => select(plan, memory.to[t])}>{memory.to[t]}</button>}</td>
            </tr>
          ))}
          {alive.length > 12 && <tr><td class="quiet">and {alive.length - 12} smaller</td><td /><td>{f.bytes(alive.slice(12).reduce((sum, t) => sum + memory.bytes[t], 0))}</td><td /><td /></tr>}
        </tbody>
      </table>
    </>
  );
}
