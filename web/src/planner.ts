// The page's side of the planner.

import { block, parsed, unpacked, type PageData } from "./data";

declare const WORKER_SOURCE: string;

export interface Failure { error: string; help: string | null; code: number }
export interface Question {
  device?: string; dtype?: string; phase?: string; profile?: string; autocast?: string; dims?: Record<string, number>; strategies?: string[];
}
interface Reply { id: number; failed: boolean; bytes: Uint8Array }

export class Planner {
  private waiting = new Map<number, (reply: Reply) => void>();
  private next = 1;

  private constructor(private readonly worker: Worker) {
    worker.onmessage = (event: MessageEvent<Reply>) => {
      this.waiting.get(event.data.id)?.(event.data);
      this.waiting.delete(event.data.id);
    };
  }

  /** The planner of this page; null where it was left out. */
  static async start(): Promise<Planner | null> {
    const packed = block("planner");
    if (!packed) return null;
    const wasm = await unpacked(packed.bytes);
    const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" }));
    const planner = new Planner(new Worker(url));
    planner.worker.postMessage({ kind: "start", wasm }, [wasm.buffer as ArrayBuffer]);
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
    return reply.failed ? JSON.parse(new TextDecoder().decode(reply.bytes)) : null;
  }

  async answer(question: Question): Promise<PageData | Failure> {
    const reply = await this.ask({ kind: "answer", question: JSON.stringify(question) });
    return parsed(reply.bytes) as PageData | Failure;
  }
}

export const isFailure = (answer: PageData | Failure): answer is Failure => "error" in answer;
