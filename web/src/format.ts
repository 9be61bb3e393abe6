// Figures as text: three digits, decimal units.

const digits = (value: number) => {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  return size >= 100 ? Math.round(value).toLocaleString("en") : Number(value.toPrecision(3)).toString();
};
const scaled = (value: number, units: [number, string][]) => {
  const [scale, unit] = units.find(([scale]) => Math.abs(value) >= scale * 0.9995) ?? units[units.length - 1];
  return `${digits(value / scale)} ${unit}`;
};
export const bytes = (value: number) => scaled(value, [[1e15, "PB"], [1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]);
export const time = (us: number) => scaled(us, [[1e6, "s"], [1e3, "ms"], [1, "µs"], [1e-3, "ns"]]);
export const flops = (value: number) => scaled(value, [[1e15, "PFLOP"], [1e12, "TFLOP"], [1e9, "GFLOP"], [1e6, "MFLOP"], [1e3, "kFLOP"], [1, "FLOP"]]);
export const rate = (gflops: number) => scaled(gflops * 1e9, [[1e15, "PFLOP/s"], [1e12, "TFLOP/s"], [1e9, "GFLOP/s"], [1e6, "MFLOP/s"], [1, "FLOP/s"]]);
export const energy = (mj: number) => scaled(mj, [[1e6, "kJ"], [1e3, "J"], [1, "mJ"], [1e-3, "µJ"]]);
export const count = (value: number) => value.toLocaleString("en");
export const large = (value: number) => scaled(value, [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]).trim();
export const percent = (share: number) => `${digits(share * 100)} %`;
export const plain = digits;
export const signed = (value: number, text: (v: number) => string) => (value > 0 ? "+" : value < 0 ? "−" : "") + text(Math.abs(value));

/** A text of at most so many characters, cut in its middle; control characters are shown as dots. */
export function cut(text: string, most: number): string {
  const clean = text.length > 4 * most + 8 ? text.slice(0, 2 * most) + text.slice(-2 * most) : text;
  const chars = Array.from(clean.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g, "·"));
  if (chars.length <= most) return chars.join("");
  const head = Math.ceil((most - 1) / 2);
  return chars.slice(0, head).join("") + "…" + chars.slice(chars.length - (most - 1 - head)).join("");
}
export const places = (places: Record<string, number>) =>
  Object.entries(places).map(([path, times]) => `${times > 1 ? `${times} × ` : ""}${cut(path || "the model itself", 70)}`);
