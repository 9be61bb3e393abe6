// Every kernel of the plan: sorted, filtered, cut to the first N with a line for the rest, or as CSV.

import { useMemo, useState } from "preact/hooks";
import { LIMITERS } from "../colours";
import type { Plan } from "../data";
import * as f from "../format";
import { download } from "../save/buttons";
import { select, selected } from "../select";
import { useShared } from "../state";
import type { ViewProps } from "./index";

interface Column { id: string; title: string; value: (plan: Plan, k: number) => number | string; text: (plan: Plan, k: number) => string; timed?: boolean; wide?: boolean }

const number = (id: string, title: string, value: (plan: Plan, k: number) => number, text: (v: number) => string, timed = false): Column =>
  ({ id, title, value, text: (plan, k) => text(value(plan, k)), timed });

const COLUMNS: Column[] = [
  number("kernel", "#", (_, k) => k, String),
  { id: "pattern", title: "pattern or op", value: (plan, k) => plan.label(k), text: (plan, k) => f.cut(plan.label(k), 48), wide: true },
  { id: "module", title: "module", value: (plan, k) => plan.module(k), text: (plan, k) => f.cut(plan.module(k), 40), wide: true },
  number("ops", "ops", (plan, k) => plan.workers(k).length, String),
  number("us", "time", (plan, k) => plan.us(k), f.time, true),
  number("share", "share", (plan, k) => plan.us(k) / (plan.total || 1), f.percent, true),
  { id: "limiter", title: "waits for", value: (plan, k) => plan.limiter(k), text: (plan, k) => LIMITERS[plan.limiter(k)]?.text ?? plan.limiter(k), timed: true },
  number("roofline", "of roofline", (plan, k) => (plan.us(k) ? plan.view.kernels.roofline[k] / plan.us(k) : 0), f.percent, true),
  number("bytes", "bytes", (plan, k) => plan.moved(k), f.bytes),
  number("weights", "weights", (plan, k) => plan.view.kernels.weights[k], f.bytes),
  number("flops", "FLOPs", (plan, k) => plan.view.kernels.flops[k], f.flops),
  number("intensity", "FLOP/B", (plan, k) => plan.intensity(k), f.plain),
];

const ROW = 24;

const cell = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csv(plan: Plan, rows: number[], columns: Column[]) {
  const lines = [columns.map((c) => c.id).join(","), ...rows.map((k) => columns.map((c) => cell(String(c.value(plan, k)))).join(","))];
  download(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }), "kernels.csv");
}

export function Table({ plan }: ViewProps) {
  useShared();
  const [sort, setSort] = useState<{ id: string; down: boolean }>({ id: plan.timed ? "us" : "bytes", down: true });
  const [filter, setFilter] = useState("");
  const [top, setTop] = useState(0);
  const [scroll, setScroll] = useState(0);
  const columns = COLUMNS.filter((column) => plan.timed || !column.timed);
  const rows = useMemo(() => {
    const column = columns.find((column) => column.id === sort.id) ?? columns[0];
    const wanted = filter.toLowerCase();
    const all = Array.from({ length: plan.count }, (_, k) => k).filter((k) => !wanted || plan.label(k).toLowerCase().includes(wanted) || plan.module(k).toLowerCase().includes(wanted));
    const values = all.map((k) => column.value(plan, k));
    const order = all.map((_, at) => at).sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      const compared = typeof x === "number" ? x - (y as number) : x < y ? -1 : x > y ? 1 : 0;
      return (sort.down ? -compared : compared) || a - b;
    });
    return order.map((at) => all[at]);
  }, [plan, sort, filter]);
  const shown = top > 0 ? rows.slice(0, top) : rows;
  const rest = rows.slice(shown.length);
  const first = Math.max(0, Math.floor(scroll / ROW) - 10);
  const visible = shown.slice(first, first + 60);
  const picked = selected(plan);
  const sum = (of: number[], value: (k: number) => number) => of.reduce((sum, k) => sum + value(k), 0);
  return (
    <>
      <div class="tools">
        <input type="search" placeholder="filter by name or module" aria-label="filter" value={filter} onInput={(event) => { setFilter(event.currentTarget.value); setScroll(0); }} />
        <label>show <select value={top} onChange={(event) => setTop(Number(event.currentTarget.value))}><option value={0}>all</option><option value={10}>10</option><option value={50}>50</option><option value={200}>200</option></select></label>
        <button onClick={() => csv(plan, rows, columns)}>CSV</button>
        <span class="quiet">{f.count(rows.length)} kernels, {plan.timed && `${f.time(sum(rows, (k) => plan.us(k)))}, `}{f.bytes(sum(rows, (k) => plan.moved(k)))}</span>
      </div>
      <div class="rows" onScroll={(event) => setScroll(event.currentTarget.scrollTop)}>
        <table class="kernels">
          <thead><tr>{columns.map((column) => (
            <th class={column.wide ? "text" : ""} aria-sort={sort.id === column.id ? (sort.down ? "descending" : "ascending") : "none"}>
              <button class="link" onClick={() => setSort({ id: column.id, down: sort.id === column.id ? !sort.down : !column.wide })}>{column.title}{sort.id === column.id ? (sort.down ? " ▾" : " ▴") : ""}</button>
            </th>
          ))}</tr></thead>
          <tbody>
            {first > 0 && <tr style={{ height: `${first * ROW}px` }}><td colSpan={columns.length} /></tr>}
            {visible.map((k) => (
              <tr class={k === picked ? "picked" : ""} onClick={() => select(plan, k)} data-kernel={k}>
                {columns.map((column, at) => (
                  <td class={column.wide ? "text" : ""} title={column.wide ? String(column.value(plan, k)).slice(0, 400) : undefined}>
                    {at === 1 ? <button class="link">{column.text(plan, k)}</button> : column.text(plan, k)}
                  </td>
                ))}
              </tr>
            ))}
            {shown.length - first - visible.length > 0 && <tr style={{ height: `${(shown.length - first - visible.length) * ROW}px` }}><td colSpan={columns.length} /></tr>}
            {rest.length > 0 && (
              <tr class="rest"><td /><td class="text">and {f.count(rest.length)} more</td><td />{columns.slice(3).map((column) => (
                <td>{column.id === "us" ? f.time(sum(rest, (k) => plan.us(k))) : column.id === "share" ? f.percent(sum(rest, (k) => plan.us(k)) / (plan.total || 1)) : column.id === "bytes" ? f.bytes(sum(rest, (k) => plan.moved(k))) : column.id === "flops" ? f.flops(sum(rest, (k) => plan.view.kernels.flops[k])) : ""}</td>
              ))}</tr>
            )}
          </tbody>
        </table>
      </div>
    </>
  );
}
