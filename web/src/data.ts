// The data of a page as the planner makes them: types, and what is derived from them once.

export interface Strategy {
  name: string; profile: string; nodes: number; groups: number; kernels: number; kernels_saved: number;
  parallel_merges: number; attention_chains: number;
  bytes: { read: number; written: number; internal: number; weights: number };
  bytes_saved: number; peak_memory_bytes: number; flops: { contraction: number; other: number };
  intensity: number; latency_us: Range | null; energy_mj: number | null; not_realizable: number | null;
  times: null | {
    device_kernels: number; by_limiter: Record<string, number>; roofline_us: number; attained: number;
    framework_overhead_us: number; found_in_cache_us: number; not_realizable: { reason: string; groups: number }[];
  };
  patterns: { name: string; count: number; kernels_saved: number; bytes_saved: number; example: { group: number; module: string; node: string } }[];
  above_floor: { bytes: number | null; latency: number | null };
  certificate: { valid: boolean; optimal: boolean | null; gap: number | null };
}
export interface Range { low: number; mid: number; high: number }
export interface Report {
  tool_version: string;
  model: {
    name: string; source: string; format: string; training: boolean; dims: { name: string; size: number }[]; nodes: number;
    parameters: number; parameter_bytes: number; uncounted_ops: { name: string; count: number; reason: string | null }[];
  };
  flops: { contraction: number; other: number };
  attention: { found: number; self: number; cross: number };
  device: { name: string | null; title: string | null; revision: number | null; dtype: string | null };
  strategies: Strategy[];
  floor: { bytes: number; latency_us: number | null };
  notes: string[];
  warnings: { node: string; text: string }[];
}
export interface Kernels {
  group: number[]; label: number[]; kind: number[]; module: number[];
  ops: number[]; ops_start: number[]; reads: number[]; reads_start: number[]; inputs: number[]; inputs_start: number[];
  flops: number[]; read: number[]; weights: number[]; written: number[]; internal: number[];
  us: number[]; low: number[]; high: number[]; launch: number[]; roofline: number[]; limiter: number[]; dtype: number[];
  device: number[]; device_us: number[]; device_start: number[]; reason: number[];
}
export interface SectionLayout { layer: number[]; x: number[]; layers: number; width: number; edges: [number, number][]; chains: [number, number[]][] }
export interface Section { name: number; first: number; count: number; like: number; layout: SectionLayout | null }
export interface Miss {
  rule: string; variant: string | null; reason: string; kind: string; times: number; places: Record<string, number>;
  node: string | null; value: string | null; shape: string | null; text: string; nodes: string[];
  kernels_saved: number; bytes_saved: number; change: string | null;
}
export interface Saving { class: string; groups: number; kernels: number; bytes: number; us: number | null }
export interface PlanView {
  strategy: string; kernels: Kernels; sections: Section[];
  outline: { first: number; period: number; times: number; name: number }[];
  memory: { inputs: number; node: number[]; bytes: number[]; from: number[]; to: number[] };
  savings: Saving[]; misses: Miss[];
}
export interface Settings {
  device: string | null; dtype: string | null; autocast: string | null; phase: string | null; dims: Record<string, number>;
  strategies: string[]; profile: string; command: string;
}
export interface Side {
  model: string; strategy: string; kernels: number; bytes: { read: number; written: number; internal: number }; peak_memory_bytes: number;
  latency_us: Range | null; nodes: number; parameters: number; [key: string]: unknown;
}
export interface FusionEntry { pattern: string; times: number; places: Record<string, number> }
export interface Diff {
  same_model: boolean; sides: Side[]; from: number; to: number; vanished: FusionEntry[]; appeared: FusionEntry[];
  moved: { pattern: string; times: number; from: Record<string, number>; to: Record<string, number> }[];
  same: { groups: number; patterns: number };
  left_apart: { what: string; times: number; kernels: number; bytes: number; places: Record<string, number> }[];
}
export interface PageData {
  page_version: number; verdict: string; report: Report; settings: Settings; strings: string[]; inputs: number[];
  ops: { name: number[]; op: number[]; module: number[]; shape: number[]; flops: number[]; free: number[]; reads: number[]; reads_start: number[] };
  plans: PlanView[];
  roofs: null | { peaks: { name: string; rate: number }[]; memory: { name: string; rate: number }[]; floor_us: number };
  rules: Record<string, { id: string; kind: string; title: string; text: string }>;
  devices: { id: string; title: string; class: string }[];
  diff: Diff | null;
}

/** A plan with what is looked up often. */
export class Plan {
  readonly kernelOf: Int32Array;
  readonly readers: number[][];
  readonly total: number;
  readonly sectionOf: Int32Array;

  constructor(readonly data: PageData, readonly view: PlanView) {
    const { kernels } = view;
    const count = kernels.group.length;
    this.kernelOf = new Int32Array(data.ops.name.length).fill(-1);
    this.readers = Array.from({ length: count }, () => []);
    this.sectionOf = new Int32Array(count);
    for (let k = 0; k < count; k++) {
      for (const op of this.ops(k)) this.kernelOf[op] = k;
      for (const from of this.reads(k)) this.readers[from].push(k);
    }
    view.sections.forEach((section, number) => this.sectionOf.fill(number, section.first, section.first + section.count));
    this.total = kernels.us.reduce((sum, us) => sum + us, 0);
  }
  get count() { return this.view.kernels.group.length; }
  get timed() { return this.view.kernels.us.length > 0; }
  private row(items: number[], starts: number[], k: number) { return items.slice(starts[k], starts[k + 1]); }
  ops(k: number) { return this.row(this.view.kernels.ops, this.view.kernels.ops_start, k); }
  workers(k: number) { return this.ops(k).filter((op) => !this.data.ops.free[op]); }
  reads(k: number) { return this.row(this.view.kernels.reads, this.view.kernels.reads_start, k); }
  inputs(k: number) { return this.row(this.view.kernels.inputs, this.view.kernels.inputs_start, k); }
  device(k: number) { return this.timed ? this.row(this.view.kernels.device, this.view.kernels.device_start, k) : []; }
  deviceUs(k: number) { return this.timed ? this.row(this.view.kernels.device_us, this.view.kernels.device_start, k) : []; }
  label(k: number) { return this.data.strings[this.view.kernels.label[k]]; }
  module(k: number) { return this.data.strings[this.view.kernels.module[k]]; }
  limiter(k: number) { return this.timed ? this.data.strings[this.view.kernels.limiter[k]] : ""; }
  moved(k: number) { return this.view.kernels.read[k] + this.view.kernels.written[k]; }
  us(k: number) { return this.view.kernels.us[k] ?? 0; }
  intensity(k: number) { const moved = this.moved(k); return moved ? this.view.kernels.flops[k] / moved : 0; }
  strategy() { return this.data.report.strategies.find((s) => s.name === this.view.strategy)!; }
  /** The section whose picture a section shares, and this one's shift of kernels against it. */
  layout(section: number): SectionLayout { return this.view.sections[this.view.sections[section].like].layout!; }
}

export const plansOf = (data: PageData) => data.plans.map((view) => new Plan(data, view));

/** Bytes of a script element that holds base64; null where there is none. */
export function block(id: string): { bytes: Uint8Array; name: string } | null {
  const element = document.getElementById(id);
  if (!element) return null;
  const text = atob(element.textContent ?? "");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return { bytes, name: element.dataset.name ?? "" };
}

interface Unpacker { memory: WebAssembly.Memory; reserve(length: number): number; unpack(): number; result_start(): number; result_length(): number }

async function unpacker(): Promise<WebAssembly.Module> {
  const stream = new Blob([block("unpacker")!.bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  return WebAssembly.compile(await new Response(stream).arrayBuffer());
}
let compiled: Promise<WebAssembly.Module> | null = null;

/** What a block holds packed. */
export async function unpacked(bytes: Uint8Array): Promise<Uint8Array> {
  // An instance of its own each time: its memory goes with it.
  const instance = await WebAssembly.instantiate(await (compiled ??= unpacker()));
  const program = instance.exports as unknown as Unpacker;
  const place = program.reserve(bytes.length) >>> 0;
  new Uint8Array(program.memory.buffer, place, bytes.length).set(bytes);
  if (program.unpack() !== 0) throw new Error("this page is damaged");
  return new Uint8Array(program.memory.buffer, program.result_start() >>> 0, program.result_length() >>> 0).slice();
}

/** Columns that are written as differences become what they were. */
function summed(owner: object, ...columns: string[]) {
  for (const column of columns) {
    const numbers = (owner as Record<string, number[]>)[column];
    let sum = 0;
    for (let i = 0; i < numbers.length; i++) numbers[i] = sum += numbers[i];
  }
}

export function parsed(bytes: Uint8Array): PageData {
  const data: PageData = JSON.parse(new TextDecoder().decode(bytes));
  // A failure has no plans.
  if (!data.plans) return data;
  summed(data.ops, "name", "reads", "reads_start");
  for (const plan of data.plans) {
    summed(plan.kernels, "group", "ops", "ops_start", "reads", "reads_start", "inputs", "inputs_start", "device_start");
    summed(plan.memory, "node", "from", "to");
    for (const section of plan.sections) if (section.layout) summed(section.layout, "layer");
  }
  return data;
}
