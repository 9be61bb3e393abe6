// The views, in the order of their tabs and number keys.

import type { ComponentType } from "preact";
import type { PageData, Plan } from "../data";
import { Graph } from "../graph/view";
import { DiffView } from "./diff";
import { Memory } from "./memory";
import { Roofline } from "./roofline";
import { Summary } from "./summary";
import { Table } from "./table";
import { Timeline } from "./timeline";
import { Waterfall } from "./waterfall";
import { WhyNot } from "./whynot";

export interface ViewProps { data: PageData; plan: Plan; plans: Plan[] }

export const VIEWS: { id: string; title: string; show: ComponentType<ViewProps> }[] = [
  { id: "summary", title: "Summary", show: Summary },
  { id: "graph", title: "Graph", show: Graph },
  { id: "kernels", title: "Kernels", show: Table },
  { id: "roofline", title: "Roofline", show: Roofline },
  { id: "waterfall", title: "Waterfall", show: Waterfall },
  { id: "memory", title: "Memory", show: Memory },
  { id: "timeline", title: "Timeline", show: Timeline },
  { id: "why-not", title: "Why not", show: WhyNot },
  { id: "diff", title: "Diff", show: DiffView },
];
