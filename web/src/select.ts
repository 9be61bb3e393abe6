// The selection: an op, so that it holds in every plan.

import type { Plan } from "./data";
import { current, update } from "./state";

export const selected = (plan: Plan): number => {
  const { op } = current();
  return op >= 0 && op < plan.kernelOf.length ? plan.kernelOf[op] : -1;
};
export const select = (plan: Plan, k: number) => update({ op: k < 0 ? -1 : (plan.workers(k)[0] ?? plan.ops(k)[0] ?? -1) });

/** The kernel of a plan that holds an op of this name. */
export function kernelNamed(plan: Plan, name: string): number {
  const { strings, ops } = plan.data;
  const place = strings.indexOf(name);
  if (place < 0) return -1;
  const op = ops.name.indexOf(place);
  return op < 0 ? -1 : plan.kernelOf[op];
}
