// Two plans against each other.

import type { Diff, Side } from "../data";
import * as f from "../format";
import { update } from "../state";
import type { ViewProps } from "./index";

const ROWS: [string, (side: Side) => number | null | undefined, (v: number) => string][] = [
  ["nodes", (s) => s.nodes, f.count], ["parameters", (s) => s.parameters, f.large], ["kernels", (s) => s.kernels, f.count], ["bytes", (s) => s.bytes.read + s.bytes.written, f.bytes],
  ["kept on chip", (s) => s.bytes.internal, f.bytes], ["peak memory", (s) => s.peak_memory_bytes, f.bytes], ["time", (s) => s.latency_us?.mid, f.time],
];

function Changes({ title, entries, find }: { title: string; entries: { pattern: string; times: number; places: string[] }[]; find: (pattern: string) => (() => void) | null }) {
  return (
    <section>
      <h2>{title}</h2>
      {entries.length === 0 ? <p class="quiet">nothing</p> : (
        <ul>{entries.slice(0, 60).map((entry) => {
          const go = find(entry.pattern);
          return <li>{entry.times} × {go ? <button class="link" onClick={go} title={entry.pattern.slice(0, 400)}>{f.cut(entry.pattern, 60)}</button> : <span title={entry.pattern.slice(0, 400)}>{f.cut(entry.pattern, 60)}</span>} <span class="quiet">in {entry.places.slice(0, 3).join(", ")}{entry.places.length > 3 && " …"}</span></li>;
        })}{entries.length > 60 && <li class="quiet">and {entries.length - 60} more</li>}</ul>
      )}
    </section>
  );
}

export function DiffView({ data, plans }: ViewProps) {
  const diff: Diff | null = data.diff;
  if (!diff) return <p class="quiet">There is one plan only. Write the page with two models or two strategies to compare: <code>fusewright report old.onnx new.onnx -o diff.html</code>.</p>;
  const [a, b] = [diff.sides[diff.from], diff.sides[diff.to]];
  // Kernels of this page's model by pattern, where one side is a plan of it.
  const find = (side: Side) => (pattern: string) => {
    const plan = side.model === data.report.model.name ? plans.find((plan) => plan.view.strategy === side.strategy) : undefined;
    if (!plan) return null;
    const place = data.strings.indexOf(pattern);
    const k = place < 0 ? -1 : plan.view.kernels.label.indexOf(place);
    return k < 0 ? null : () => update({ plan: plan.view.strategy, op: plan.workers(k)[0] ?? -1 });
  };
  const entries = (list: Diff["vanished"]) => list.map((entry) => ({ pattern: entry.pattern, times: entry.times, places: f.places(entry.places) }));
  return (
    <>
      <table class="score">
        <thead><tr><th />{[a, b].map((side) => <th>{f.cut(side.model, 40)}<br /><span class="quiet">{side.strategy}</span></th>)}<th>ratio</th></tr></thead>
        <tbody>
          {ROWS.map(([name, value, text]) => {
            const [x, y] = [value(a), value(b)];
            if (x === null || x === undefined || y === null || y === undefined) return null;
            return <tr><th>{name}</th><td>{text(x)}</td><td>{text(y)}</td><td>{x ? f.plain(y / x) : ""}</td></tr>;
          })}
        </tbody>
      </table>
      <p class="quiet">{diff.same_model ? "Plans of one structure." : "The two models differ in structure."} {diff.same.groups} fused groups of {diff.same.patterns} patterns are in both.</p>
      {diff.left_apart.map((left) => <p>{f.count(left.times)} × {left.what} left apart by {a.strategy}: {f.count(left.kernels)} kernels and {f.bytes(left.bytes)} more than fused.</p>)}
      <div class="columns">
        <Changes title={`Only in ${a.strategy === b.strategy ? f.cut(a.model, 30) : a.strategy}`} entries={entries(diff.vanished)} find={find(a)} />
        <Changes title={`Only in ${a.strategy === b.strategy ? f.cut(b.model, 30) : b.strategy}`} entries={entries(diff.appeared)} find={find(b)} />
      </div>
      {diff.moved.length > 0 && <Changes title="In both, elsewhere" find={find(b)} entries={diff.moved.map((m) => ({ pattern: m.pattern, times: m.times, places: [...f.places(m.from), "→", ...f.places(m.to)] }))} />}
    </>
  );
}
