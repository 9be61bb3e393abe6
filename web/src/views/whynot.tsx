// What could fuse and does not: rule, evidence, saving, what to change.

import { useState } from "preact/hooks";
import type { Miss } from "../data";
import * as f from "../format";
import { kernelNamed, select } from "../select";
import { current } from "../state";
import type { ViewProps } from "./index";

const KINDS: Record<string, string> = {
  near: "a rule holds but for one constraint",
  apart: "a rule holds, and this plan does otherwise",
  refused: "it would be no faster on the device",
};

function Card({ data, plan, miss }: ViewProps & { miss: Miss }) {
  const [open, setOpen] = useState(false);
  const rule = data.rules[miss.variant ?? miss.rule];
  const reason = data.rules[miss.reason];
  const kernels = [...new Set(miss.nodes.map((name) => kernelNamed(plan, name)).filter((k) => k >= 0))];
  const picked = kernels.includes(plan.kernelOf[current().op] ?? -2);
  const where = f.places(miss.places);
  return (
    <article class={`miss ${picked ? "picked" : ""}`} data-kind={miss.kind}>
      <h2>{miss.times > 1 && `${miss.times} × `}{rule?.title ?? miss.rule} <span class="quiet">{miss.rule}{miss.variant && `, ${miss.variant}`}</span></h2>
      <p><b>{miss.reason}</b>, {KINDS[miss.kind] ?? miss.kind}: {f.cut(miss.text, 600)}{miss.shape && <span class="quiet"> {f.cut(miss.shape, 80)}</span>}</p>
      {(miss.kernels_saved > 0 || miss.bytes_saved > 0) && <p class="saving">would save {f.count(miss.kernels_saved * miss.times)} kernels and {f.bytes(miss.bytes_saved * miss.times)}{miss.times > 1 && `, ${f.count(miss.kernels_saved)} and ${f.bytes(miss.bytes_saved)} each`}</p>}
      {miss.change && <p><b>to change it:</b> {f.cut(miss.change, 600)}</p>}
      <p class="quiet">in {where.slice(0, 4).join(", ")}{where.length > 4 && ` and ${where.length - 4} more places`}</p>
      <div class="line">
        {kernels.slice(0, 6).map((k) => <button onClick={() => select(plan, k)}>{f.cut(plan.label(k), 30)} #{k}</button>)}
        {(rule || reason) && <button aria-expanded={open} onClick={() => setOpen(!open)}>{open ? "less" : "what it means"}</button>}
      </div>
      {open && [rule, reason].map((text) => text && <div class="rule"><h3>{text.id} <span class="quiet">{text.kind}</span></h3>{text.text.split("\n\n").map((paragraph) => <p>{paragraph}</p>)}</div>)}
    </article>
  );
}

export function WhyNot(props: ViewProps) {
  const { plan } = props;
  const [kind, setKind] = useState("");
  const misses = plan.view.misses.filter((miss) => !kind || miss.kind === kind);
  const kinds = Object.keys(KINDS).filter((kind) => plan.view.misses.some((miss) => miss.kind === kind));
  return (
    <>
      <div class="tools">
        <label>show <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
          <option value="">everything that {plan.view.strategy} does not fuse</option>
          {kinds.map((kind) => <option value={kind}>{KINDS[kind]}</option>)}
        </select></label>
        <span class="quiet">{misses.length} kinds of places, largest saving first</span>
      </div>
      {misses.length === 0 && <p class="quiet">Nothing: every place where a rule holds is fused, and none nearly holds.</p>}
      {misses.slice(0, 200).map((miss) => <Card {...props} miss={miss} />)}
      {misses.length > 200 && <p class="quiet">and {misses.length - 200} more</p>}
    </>
  );
}
