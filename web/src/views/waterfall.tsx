// From eager to the plan, by class of fusion.

import { useState } from "preact/hooks";
import { CLASSES } from "../colours";
import * as f from "../format";
import { update } from "../state";
import type { ViewProps } from "./index";

const NAMES: Record<string, string> = {
  attention: "attention", projections: "parallel projections", norm: "norms and softmax", epilogue: "product with what follows", elementwise: "loops over elements", other: "other",
};
const W = 860, ROW = 46, LEFT = 190, RIGHT = 150;

export function Waterfall({ data, plan, plans }: ViewProps) {
  const measures = [
    ...(plan.timed ? [{ id: "time", text: f.time, of: (s: (typeof plan.view.savings)[0]) => s.us ?? 0, total: (p: typeof plan) => p.strategy().latency_us?.mid ?? 0 }] : []),
    { id: "bytes", text: f.bytes, of: (s: (typeof plan.view.savings)[0]) => s.bytes, total: (p: typeof plan) => p.strategy().bytes.read + p.strategy().bytes.written },
    { id: "kernels", text: f.count, of: (s: (typeof plan.view.savings)[0]) => s.kernels, total: (p: typeof plan) => p.strategy().kernels },
  ];
  const [chosen, setChosen] = useState("time");
  const measure = measures.find((m) => m.id === chosen) ?? measures[0];
  const strategy = plan.strategy();
  const after = measure.total(plan);
  const eager = plans.find((p) => p.view.strategy === "eager");
  const rows = plan.view.savings.filter((row) => measure.of(row) !== 0);
  const before = eager ? measure.total(eager) : after + rows.reduce((sum, row) => sum + measure.of(row), 0);
  const floor = measure.id === "time" ? data.report.floor.latency_us : measure.id === "bytes" ? data.report.floor.bytes : null;
  const bars: { name: string; from: number; to: number; colour: string; text: string; more: string }[] = [{ name: "eager", from: 0, to: before, colour: "", text: measure.text(before), more: "" }];
  let level = before;
  for (const row of rows) {
    const saved = measure.of(row);
    bars.push({ name: NAMES[row.class] ?? row.class, from: level, to: level - saved, colour: CLASSES[row.class], text: f.signed(-saved, measure.text), more: row.groups ? `${f.count(row.groups)} groups` : "" });
    level -= saved;
  }
  bars.push({ name: plan.view.strategy, from: 0, to: after, colour: "", text: measure.text(after), more: before ? `${f.plain(before / (after || 1))} × less` : "" });
  if (floor) bars.push({ name: "no plan is below", from: 0, to: floor, colour: "", text: measure.text(floor), more: "" });
  const most = Math.max(...bars.map((bar) => Math.max(bar.from, bar.to)), 1e-12);
  const x = (value: number) => LEFT + (W - LEFT - RIGHT) * (Math.max(0, value) / most);
  return (
    <>
      <div class="tools">
        {measures.map((m) => <button aria-pressed={m === measure} onClick={() => setChosen(m.id)}>{m.id}</button>)}
        <span class="quiet">eager to {strategy.name}</span>
      </div>
      <svg class="chart" viewBox={`0 0 ${W} ${bars.length * ROW + 10}`} role="img" aria-label={`${measure.id} from eager to ${strategy.name}`}>
        {bars.map((bar, at) => {
          const [left, right] = [Math.min(x(bar.from), x(bar.to)), Math.max(x(bar.from), x(bar.to))];
          return (
            <g>
              <text x={LEFT - 10} y={at * ROW + 24} text-anchor="end">{bar.name}</text>
              {bar.more && <text class="quiet" x={LEFT - 10} y={at * ROW + 38} text-anchor="end" font-size="11">{bar.more}</text>}
              <rect x={left} y={at * ROW + 8} width={Math.max(1, right - left)} height={ROW - 18} class={bar.colour ? "" : "total"} fill={bar.colour || undefined} />
              <text x={right + 8} y={at * ROW + 26}>{bar.text}</text>
              {at < bars.length - 1 && bar.name !== plan.view.strategy && <line x1={x(bar.to)} x2={x(bar.to)} y1={at * ROW + ROW - 10} y2={at * ROW + ROW + 8} class="guide" />}
            </g>
          );
        })}
      </svg>
      <p class="quiet">A group counts to the first class that fits it: attention, parallel projections, norm, product, loop. What eager runs as one op costs the same in both.
        {plan.view.strategy === "eager" && <> This is the eager plan itself; <button class="link" onClick={() => update({ plan: plans[plans.length - 1].view.strategy })}>choose another</button>.</>}</p>
    </>
  );
}
