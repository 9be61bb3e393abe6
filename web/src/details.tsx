// What is known of the selected kernel.

import { LIMITERS } from "./colours";
import type { PageData, Plan } from "./data";
import * as f from "./format";
import { kernelNamed, select, selected } from "./select";
import { current, update } from "./state";

const SHOWN = 12;

function Kernel({ plan, k }: { plan: Plan; k: number }) {
  return <button class="link" onClick={() => select(plan, k)} title={plan.module(k).slice(0, 300)}>{f.cut(plan.label(k), 40)} <span class="quiet">#{k}</span></button>;
}
function List({ plan, kernels }: { plan: Plan; kernels: number[] }) {
  return <ul>{kernels.slice(0, SHOWN).map((k) => <li><Kernel plan={plan} k={k} /></li>)}{kernels.length > SHOWN && <li class="quiet">and {kernels.length - SHOWN} more</li>}</ul>;
}

export function Details({ data, plan, plans }: { data: PageData; plan: Plan; plans: Plan[] }) {
  const k = selected(plan);
  const { strings, ops } = data;
  if (k < 0) return <aside class="details empty" aria-label="selection"><p class="quiet">Select a kernel in any view to see it here and in all others.</p></aside>;
  const kernels = plan.view.kernels;
  const members = plan.ops(k);
  const rows: [string, string][] = [];
  if (plan.timed) {
    rows.push(["time", `${f.time(kernels.us[k])} (${f.time(kernels.low[k])} to ${f.time(kernels.high[k])})`]);
    rows.push(["share of the plan", f.percent(plan.us(k) / plan.total)]);
    rows.push(["waits for", LIMITERS[plan.limiter(k)]?.text ?? plan.limiter(k)]);
    rows.push(["of its roofline", f.percent(kernels.us[k] ? kernels.roofline[k] / kernels.us[k] : 0)]);
  }
  rows.push(["FLOPs", f.flops(kernels.flops[k])], ["reads", `${f.bytes(kernels.read[k])}, weights ${f.bytes(kernels.weights[k])}`], ["writes", f.bytes(kernels.written[k])]);
  rows.push(["keeps on chip", f.bytes(kernels.internal[k])], ["intensity", `${f.plain(plan.intensity(k))} FLOP/B`]);
  const reason = plan.timed ? strings[kernels.reason[k]] : "";
  const misses = plan.view.misses.filter((miss) => miss.nodes.some((name) => kernelNamed(plan, name) === k));
  return (
    <aside class="details" aria-label="selection">
      <div class="line"><h2>{f.cut(plan.label(k), 80)}</h2><button aria-label="close" onClick={() => update({ op: -1 })}>×</button></div>
      <p class="quiet">kernel {k} of {plan.count}, {f.cut(plan.module(k) || "the model itself", 120)}</p>
      <table class="facts"><tbody>{rows.map(([name, value]) => <tr><th>{name}</th><td>{value}</td></tr>)}</tbody></table>
      {plan.device(k).length > 0 && (
        <>
          <h3>on the device</h3>
          <ul>{plan.device(k).map((text, at) => <li>{strings[text]} <span class="quiet">{f.time(plan.deviceUs(k)[at])}</span></li>)}</ul>
          {reason && <p class="quiet">several kernels: {data.rules[reason]?.title ?? reason}</p>}
        </>
      )}
      <h3>{members.length} ops</h3>
      <ol class="ops">
        {members.slice(0, 60).map((op) => (
          <li class={`${ops.free[op] ? "quiet" : ""} ${op === current().op ? "picked" : ""}`}>
            <button class="link" onClick={() => update({ op })} title={strings[ops.name[op]].slice(0, 400)}>{f.cut(strings[ops.op[op]], 30)}</button>{" "}
            <span class="quiet">{f.cut(strings[ops.name[op]], 44)} {f.cut(strings[ops.shape[op]], 40)}</span>
          </li>
        ))}
        {members.length > 60 && <li class="quiet">and {members.length - 60} more</li>}
      </ol>
      <h3>reads from</h3>
      {plan.inputs(k).length > 0 && <p class="quiet">{plan.inputs(k).slice(0, SHOWN).map((input) => f.cut(strings[data.inputs[input]], 40)).join(", ")}</p>}
      <List plan={plan} kernels={plan.reads(k)} />
      <h3>read by</h3>
      <List plan={plan} kernels={plan.readers[k]} />
      {misses.length > 0 && (
        <><h3>not fused</h3><ul>{misses.slice(0, 5).map((miss) => <li>{f.cut(data.rules[miss.rule]?.title ?? miss.rule, 80)}: {f.cut(miss.text, 200)}</li>)}</ul></>
      )}
      <h3>in other plans</h3>
      <ul>
        {plans.filter((other) => other !== plan).map((other) => {
          const found = [...new Set(plan.workers(k).map((op) => other.kernelOf[op]).filter((k) => k >= 0))];
          const us = found.reduce((sum, k) => sum + other.us(k), 0);
          return <li><button class="link" onClick={() => update({ plan: other.view.strategy })}>{other.view.strategy}</button>: {found.length} {found.length === 1 ? "kernel" : "kernels"}{other.timed && `, ${f.time(us)}`}</li>;
        })}
      </ul>
    </aside>
  );
}
