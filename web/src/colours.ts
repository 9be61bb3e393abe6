// Colours that stay apart for every eye (after Okabe and Ito), each with a letter, in light and dark.

import type { Plan } from "./data";

export const LIMITERS: Record<string, { colour: string; letter: string; text: string }> = {
  compute: { colour: "#4f9fd8", letter: "A", text: "arithmetic" },
  memory: { colour: "#e69f00", letter: "M", text: "main memory" },
  cache: { colour: "#2cb58b", letter: "C", text: "a cache" },
  launch: { colour: "#d386b5", letter: "L", text: "being launched" },
};
export const KINDS = [
  { colour: "#b9bec6", letter: "1", text: "one op" },
  { colour: "#2cb58b", letter: "F", text: "several ops fused" },
  { colour: "#4f9fd8", letter: "P", text: "parallel projections" },
];
export const CLASSES: Record<string, string> = {
  attention: "#4f9fd8", projections: "#2cb58b", norm: "#e69f00", epilogue: "#d386b5", elementwise: "#8a7fd1", other: "#b9bec6",
};

/** From pale to dark: one hue, so that order is seen without names. */
export function ramp(share: number): string {
  const t = Math.max(0, Math.min(1, share));
  const mix = (from: number, to: number) => Math.round(from + (to - from) * t);
  return `rgb(${mix(236, 196)},${mix(231, 74)},${mix(214, 18)})`;
}

export const COLOURINGS = ["bound", "time", "bytes", "kind"];

/** Fill and letter of a kernel. */
export function painter(plan: Plan, colouring: string): (k: number) => { fill: string; letter: string; dark: boolean } {
  const kinds = (k: number) => { const kind = KINDS[plan.view.kernels.kind[k]]; return { fill: kind.colour, letter: kind.letter, dark: false }; };
  if (colouring === "kind" || (!plan.timed && colouring !== "bytes")) return kinds;
  if (colouring === "bound") {
    return (k) => { const found = LIMITERS[plan.limiter(k)]; return found ? { fill: found.colour, letter: found.letter, dark: false } : kinds(k); };
  }
  const value = colouring === "time" ? (k: number) => plan.us(k) : (k: number) => plan.moved(k);
  let most = 0;
  for (let k = 0; k < plan.count; k++) most = Math.max(most, value(k));
  return (k) => { const share = most ? Math.sqrt(value(k) / most) : 0; return { fill: ramp(share), letter: "", dark: share > 0.75 }; };
}

export function legend(plan: Plan, colouring: string): { colour: string; text: string }[] {
  if (colouring === "bound" && plan.timed) return Object.values(LIMITERS).map(({ colour, letter, text }) => ({ colour, text: `${letter} ${text}` }));
  if (colouring === "kind" || (!plan.timed && colouring !== "bytes")) return KINDS.map(({ colour, letter, text }) => ({ colour, text: `${letter} ${text}` }));
  return [{ colour: ramp(0), text: "little" }, { colour: ramp(0.5), text: "" }, { colour: ramp(1), text: `most ${colouring === "time" ? "time" : "bytes"}` }];
}
