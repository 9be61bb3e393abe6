// The page's side of the planner.

import { block, parsed, unpacked, type PageData } from "./data";

declare const WORKER_SOURCE: string;

export interface Failure { error: string; help: string | null; code: number }
export interface Question {
  device?: string; dtype?: string; phase?: string; profile?: string; autocast?: string; dims?: Record<string, number>; strategies?: string[];
}
interface Reply { id: number; failed: boolean; bytes: Uint8Array; taken?: number }

export class Planner {
  private waiting = new Map<number, (reply: Reply) => void>();
  private next = 1;
  /** Bytes of the file that is open that were read. */
  taken = 0;

  private constructor(private readonly worker: Worker) {
    worker.onmessage = (event: MessageEvent<Reply>) => {
      this.waiting.get(event.data.id)?.(event.data);
      this.waiting.delete(event.data.id);
    };
  }

  /** The planner of this page; null where it was left out. */
  static async start(): Promise<Planner | null> {
    const packed = block("planner"), tablesPacked = block("tables");
    if (!packed || !tablesPacked) return null;
    const wasm = await unpacked(packed.bytes), tables = await unpacked(tablesPacked.bytes);
    const readers: Record<string, Uint8Array> = {};
    for (const name of ["onnx", "torch", "config"]) {
      const reader = block(`reader-${name}`);
      if (reader) readers[name] = await unpacked(reader.bytes);
    }
    const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" }));
    const planner = new Planner(new Worker(url));
    const all = [wasm, tables, ...Object.values(readers)].map((program) => program.buffer as ArrayBuffer);
    planner.worker.postMessage({ kind: "start", planner: wasm, tables, readers }, all);
    return planner;
  }

  private ask(message: object): Promise<Reply> {
    const id = this.next++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.worker.postMessage({ ...message, id });
    });
  }

  async open(file: Blob, name: string, source: string): Promise<Failure | null> {
    const reply = await this.ask({ kind: "open", file, name, source });
    this.taken = reply.taken ?? 0;
    return reply.failed ? JSON.parse(new TextDecoder().decode(reply.bytes)) : null;
  }

  async answer(question: Question): Promise<PageData | Failure> {
    const reply = await this.ask({ kind: "answer", question: JSON.stringify(question) });
    return parsed(reply.bytes) as PageData | Failure;
  }
}

export const isFailure = (answer: PageData | Failure): answer is Failure => "error" in answer;
