// What it is worth, in one screen.

import type { Strategy } from "../data";
import * as f from "../format";
import { update } from "../state";
import type { ViewProps } from "./index";

type Row = [string, (s: Strategy) => number | null | undefined, (value: number) => string];
const ROWS: Row[] = [
  ["kernels", (s) => s.kernels, f.count],
  ["kernels on the device", (s) => s.times?.device_kernels, f.count],
  ["bytes moved", (s) => s.bytes.read + s.bytes.written, f.bytes],
  ["kept on chip", (s) => s.bytes.internal, f.bytes],
  ["peak memory of activations", (s) => s.peak_memory_bytes, f.bytes],
  ["time", (s) => s.latency_us?.mid, f.time],
  ["eager dispatch adds", (s) => s.times?.framework_overhead_us, f.time],
  ["found in cache, less", (s) => s.times?.found_in_cache_us || null, f.time],
  ["of the roofline", (s) => s.times?.attained, f.percent],
  ["energy", (s) => s.energy_mj, f.energy],
  ["FLOPs of contractions", (s) => s.flops.contraction, f.flops],
  ["Q/K/V and other merges", (s) => s.parallel_merges, f.count],
  ["attentions in one kernel", (s) => s.attention_chains, f.count],
  ["bytes above the floor", (s) => s.above_floor.bytes, (v) => `${f.plain(v)} ×`],
];
/** Rows that fusion makes smaller, drawn as bars. */
const LESS = new Set(["kernels", "kernels on the device", "bytes moved", "peak memory of activations", "time", "energy"]);

const from = (s: Strategy) => {
  const { optimal, gap } = s.certificate;
  return optimal === null ? "not asked" : optimal ? "proven the best" : gap === null ? "not known" : `at most ${f.percent(gap)} from the best`;
};

export function Summary({ data, plan }: ViewProps) {
  const { report } = data;
  const { model } = report;
  const top = [...plan.strategy().patterns].filter((p) => p.kernels_saved > 0 || p.bytes_saved > 0).sort((a, b) => b.bytes_saved - a.bytes_saved || b.kernels_saved - a.kernels_saved).slice(0, 5);
  const misses = plan.view.misses.filter((miss) => miss.bytes_saved || miss.kernels_saved).slice(0, 5);
  return (
    <>
      <p class="verdict">{data.verdict.length > 2000 ? `${data.verdict.slice(0, 2000)}…` : data.verdict}</p>
      <p class="quiet">
        {f.count(model.nodes)} nodes, {f.large(model.parameters)} parameters, {f.flops(report.flops.contraction)} (2 per multiply-accumulate) and {f.flops(report.flops.other)} other,
        {" "}{report.device.dtype ?? "no"} weights{report.device.title ? `, on ${report.device.title}` : ""}{model.dims.map((dim) => `, ${f.cut(dim.name, 24)} ${dim.size}`).join("")}
        {report.attention.found ? `; ${report.attention.found} attentions` : ""}.
      </p>
      <table class="score">
        <thead><tr><th /> {report.strategies.map((s) => <th class={s.name === plan.view.strategy ? "now" : ""}><button class="link" onClick={() => update({ plan: s.name })}>{s.name}</button></th>)}</tr></thead>
        <tbody>
          {ROWS.map(([name, value, text]) => {
            const values = report.strategies.map(value);
            if (values.every((v) => v === null || v === undefined)) return null;
            const most = Math.max(...values.map((v) => v ?? 0));
            return (
              <tr>
                <th>{name}</th>
                {values.map((v, at) => (
                  <td class={report.strategies[at].name === plan.view.strategy ? "now" : ""}>
                    {v === null || v === undefined ? "–" : text(v)}
                    {name === "time" && report.strategies[at].latency_us && <span class="quiet"> ±{Math.round(50 * (report.strategies[at].latency_us!.high - report.strategies[at].latency_us!.low) / (v || 1))} %</span>}
                    {LESS.has(name) && most > 0 && <svg class="bar" width="72" height="5" aria-hidden="true"><rect width={72 * ((v ?? 0) / most)} height="5" /></svg>}
                  </td>
                ))}
              </tr>
            );
          })}
          <tr><th>certificate</th>{report.strategies.map((s) => <td class={s.name === plan.view.strategy ? "now" : ""}>{s.certificate.valid ? "valid" : "invalid"}<br /><span class="quiet">{from(s)}</span></td>)}</tr>
        </tbody>
      </table>
      <div class="columns">
        <section>
          <h2>Saved by {plan.view.strategy}</h2>
          {top.length === 0 ? <p class="quiet">Nothing: {plan.view.strategy === "eager" ? "every op runs alone" : "no group holds several ops"}.</p> : (
            <table class="list"><thead><tr><th>pattern</th><th>times</th><th>kernels</th><th>bytes</th></tr></thead>
              <tbody>{top.map((p) => (
                <tr><td><button class="link" title={p.name.slice(0, 400)} onClick={() => {
                  const k = plan.view.kernels.group.indexOf(p.example.group);
                  if (k >= 0) update({ op: plan.workers(k)[0] ?? -1, view: "graph" });
                }}>{f.cut(p.name, 44)}</button></td><td>{p.count}</td><td>{f.signed(-p.kernels_saved, f.count)}</td><td>{f.signed(-p.bytes_saved, f.bytes)}</td></tr>
              ))}</tbody>
            </table>
          )}
        </section>
        <section>
          <h2>Left on the table</h2>
          {misses.length === 0 ? <p class="quiet">Nothing that a rule would still fuse.</p> : (
            <table class="list"><thead><tr><th>rule</th><th>times</th><th>kernels</th><th>bytes</th></tr></thead>
              <tbody>{misses.map((miss) => (
                <tr><td><button class="link" onClick={() => update({ view: "why-not" })}>{miss.rule}</button> <span class="quiet">{miss.reason}</span></td><td>{miss.times}</td><td>{f.count(miss.kernels_saved * miss.times)}</td><td>{f.bytes(miss.bytes_saved * miss.times)}</td></tr>
              ))}</tbody>
            </table>
          )}
        </section>
      </div>
      <section>
        <h2>What stands behind the figures</h2>
        <ul>
          <li>Counts of kernels, bytes and FLOPs are exact; {report.device.name ? "times and energies are modelled, with a range" : "without a device there are no times"}.</li>
          <li>One forward pass{model.training ? " in training mode" : ""}{report.device.name ? ", kernels in a replayed launch graph" : ""}.</li>
          <li>{model.uncounted_ops.length === 0 ? "Every op is counted." : <>Not counted: {model.uncounted_ops.map((op) => `${op.count} × ${f.cut(op.name, 60)}`).join(", ")}.</>}</li>
          {report.notes.map((note) => <li>{f.cut(note, 400)}</li>)}
          {report.warnings.slice(0, 8).map((warning) => <li>{f.cut(warning.node, 80)}: {f.cut(warning.text, 300)}</li>)}
          {report.warnings.length > 8 && <li>and {report.warnings.length - 8} more nodes that were not read exactly</li>}
        </ul>
        <p class="quiet">Written by <code>{f.cut(data.settings.command, 300)}</code>, fusewright {report.tool_version}
          {report.device.name && <>, device {report.device.name} revision {report.device.revision}</>}; read from {f.cut(model.source, 160)} ({model.format}), profile {data.settings.profile}.</p>
      </section>
    </>
  );
}
