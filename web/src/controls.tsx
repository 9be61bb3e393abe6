// Device, batch, sequence, element type: what the planner in the page plans anew for.

import type { PageData } from "./data";
import { current, update } from "./state";

const DTYPES = ["f32", "f16", "bf16", "f8e4m3"];

const parseDims = () => Object.fromEntries(current().dims.split(",").filter(Boolean).map((part) => {
  const at = part.lastIndexOf("=");
  return [part.slice(0, at), Number(part.slice(at + 1))];
})) as Record<string, number>;

function setDim(name: string, size: number) {
  const dims = parseDims();
  dims[name] = size;
  update({ dims: Object.entries(dims).map(([name, size]) => `${name}=${size}`).join(",") });
}

/** A size: a slider over powers of two, and a field for any. */
function Dim({ name, size, fixed }: { name: string; size: number; fixed: boolean }) {
  const power = Math.round(Math.log2(Math.max(size, 1)));
  return (
    <label class="dim">
      {name.slice(0, 24)}
      <input type="range" min={0} max={name === "batch" ? 10 : 17} step={1} value={power} disabled={fixed} aria-label={`${name}, power of two`}
        onInput={(event) => setDim(name, 2 ** Number(event.currentTarget.value))} />
      <input type="number" min={1} value={size} disabled={fixed} aria-label={name} data-dim={name}
        onChange={(event) => {
          const size = Math.floor(Number(event.currentTarget.value));
          if (size >= 1 && Number.isSafeInteger(size)) setDim(name, size);
        }} />
    </label>
  );
}

export function Controls({ data, base, planner }: { data: PageData; base: PageData; planner: boolean }) {
  const state = current();
  const { report } = data;
  const wished = parseDims();
  const device = state.device || base.settings.device || "none";
  const dtype = state.dtype || base.settings.dtype || "none";
  const changed = state.device || state.dtype || state.phase || state.dims;
  const classes = ["gpu", "systolic", "cpu"].map((name) => [name, data.devices.filter((device) => device.class === name)] as const);
  return (
    <div class="controls">
      <label>device
        <select value={device} disabled={!planner} data-control="device" onChange={(event) => update({ device: event.currentTarget.value })}>
          <option value="none">none</option>
          {classes.map(([name, devices]) => (
            <optgroup label={name}>{devices.map((each) => <option value={each.id} title={each.title}>{each.id}</option>)}</optgroup>
          ))}
        </select>
      </label>
      <label>type
        <select value={dtype} disabled={!planner || base.settings.autocast !== null} data-control="dtype" onChange={(event) => update({ dtype: event.currentTarget.value })}>
          <option value="none">{`as it is${base.settings.dtype ? "" : ` (${base.report.device.dtype ?? "?"})`}`}</option>
          {DTYPES.map((name) => <option value={name}>{name}</option>)}
        </select>
      </label>
      {report.model.format === "config" && (
        <label>phase
          <select value={state.phase || base.settings.phase || "prefill"} disabled={!planner} data-control="phase" onChange={(event) => update({ phase: event.currentTarget.value })}>
            <option>prefill</option><option>decode</option>
          </select>
        </label>
      )}
      {report.model.dims.slice(0, 5).map((dim) => <Dim name={dim.name} size={wished[dim.name] ?? dim.size} fixed={!planner} />)}
      {changed && <button onClick={() => update({ device: "", dtype: "", phase: "", dims: "" })}>as written</button>}
    </div>
  );
}
