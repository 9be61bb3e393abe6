// What is looked at, shared by all views, and kept in the address so that a view can be linked.

import { useEffect, useState } from "preact/hooks";

export interface State {
  view: string;
  /** Strategy of the plan. */
  plan: string;
  /** Number of the selected op; the selected kernel is the one that holds it. */
  op: number;
  colour: string;
  search: string;
  /** What the planner was asked for, where that is not what the page was written with. */
  device: string; dtype: string; phase: string; dims: string;
}

const empty: State = { view: "summary", plan: "", op: -1, colour: "bound", search: "", device: "", dtype: "", phase: "", dims: "" };
const listeners = new Set<() => void>();
let state: State = fromHash();

function fromHash(): State {
  const found: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) found[key] = value;
  const text = (key: keyof State) => found[key] ?? (empty[key] as string);
  const op = Number(found.op ?? -1);
  return {
    view: text("view"), plan: text("plan"), op: Number.isInteger(op) ? op : -1, colour: text("colour"), search: text("search"),
    device: text("device"), dtype: text("dtype"), phase: text("phase"), dims: text("dims"),
  };
}

function toHash() {
  const parameters = new URLSearchParams();
  for (const key of Object.keys(empty) as (keyof State)[]) if (state[key] !== empty[key]) parameters.set(key, String(state[key]));
  const hash = `#${parameters}`;
  if (hash !== location.hash && !(hash === "#" && !location.hash)) history.replaceState(null, "", hash);
}

export const current = () => state;
export function update(change: Partial<State>) {
  state = { ...state, ...change };
  toHash();
  listeners.forEach((listener) => listener());
}
addEventListener("hashchange", () => {
  state = fromHash();
  listeners.forEach((listener) => listener());
});

export function useShared(): State {
  const [, set] = useState(0);
  useEffect(() => {
    const listener = () => set((n) => n + 1);
    listeners.add(listener);
    return () => { listeners.delete(listener); };
  }, []);
  return state;
}
