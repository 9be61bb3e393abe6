// The planner and the readers of files in a worker: keeps the page free while they think, and reads files in ranges, which
// only workers can.

declare class FileReaderSync { readAsArrayBuffer(blob: Blob): ArrayBuffer }

interface Exports {
  memory: WebAssembly.Memory;
  reserve(length: number): number; result_start(): number; result_length(): number;
  /** Of a reader: 0 when it takes the file, 1 when it says what is wrong, 2 when it names another reader. */
  open(length: number): number;
  /** Of a reader: 0 when the result is the model for a question. */
  read(): number;
  /** Of the planner. */
  answer(): void;
}
type Message =
  | { kind: "start"; planner: Uint8Array; tables: Uint8Array; readers: Record<string, Uint8Array> }
  | { kind: "open"; id: number; file: Blob; name: string; source: string }
  | { kind: "answer"; id: number; question: string };

let file: Blob = new Blob();
/** Bytes of it that were asked for. */
let taken = 0;
const reader = new FileReaderSync();

/** An instance of a program. */
class Program {
  private readonly exports: Exports;
  constructor(compiled: WebAssembly.Module) {
    const read_range = (offset: number, into: number, length: number) => {
      try {
        const part = reader.readAsArrayBuffer(file.slice(offset, offset + length));
        if (part.byteLength !== length) return 1;
        taken += length;
        new Uint8Array(this.exports.memory.buffer, into >>> 0, length).set(new Uint8Array(part));
        return 0;
      } catch {
        return 1;
      }
    };
    this.exports = new WebAssembly.Instance(compiled, { page: { read_range } }).exports as unknown as Exports;
  }
  private write(...texts: Uint8Array[]) {
    const length = texts.reduce((sum, text) => sum + text.length, 0);
    let place = this.exports.reserve(length) >>> 0;
    for (const text of texts) {
      new Uint8Array(this.exports.memory.buffer, place, text.length).set(text);
      place += text.length;
    }
  }
  private result(): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, this.exports.result_start() >>> 0, this.exports.result_length() >>> 0).slice();
  }
  open(name: string, source: string): { code: number; result: Uint8Array } {
    this.write(bytes(`${name.replaceAll("\n", " ")}\n${source}`));
    const code = this.exports.open(file.size);
    return { code, result: code ? this.result() : new Uint8Array() };
  }
  read(question: string): { failed: boolean; result: Uint8Array } {
    this.write(bytes(question));
    const failed = this.exports.read() !== 0;
    return { failed, result: this.result() };
  }
  answer(question: string, tables: Uint8Array, model: Uint8Array): Uint8Array {
    this.write(bytes(`${question}\n`), tables, bytes("\n"), model);
    this.exports.answer();
    return this.result();
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

let planner: WebAssembly.Module;
/** Devices and rules, a line. */
let tables = new Uint8Array();
const readers = new Map<string, WebAssembly.Module>();
/** The reader of the file that is open. */
let opened: Program | null = null;
/** What it read last, and for which sizes. */
let model: { sizes: string; bytes: Uint8Array } | null = null;

function open(name: string, source: string): { failed: boolean; result: Uint8Array } {
  [opened, model] = [null, null];
  let next = [...readers.keys()][0];
  for (const _ of readers) {
    const program = new Program(readers.get(next)!);
    const { code, result } = program.open(name, source);
    if (code !== 2 || !readers.has(text(result))) {
      if (code === 0) opened = program;
      return { failed: code !== 0, result };
    }
    next = text(result);
  }
  throw new Error("no reader takes the file");
}

function answer(question: string): Uint8Array {
  const { dims, phase } = JSON.parse(question);
  const sizes = JSON.stringify([dims, phase]);
  if (model?.sizes !== sizes) {
    const read = opened!.read(question);
    if (read.failed) return read.result;
    model = { sizes, bytes: read.result };
  }
  // A planner begins anew each time: what it took for a large model is given back.
  return new Program(planner).answer(question, tables, model.bytes);
}

self.onmessage = (event: MessageEvent<Message>) => {
  const message = event.data;
  if (message.kind === "start") {
    planner = new WebAssembly.Module(message.planner as BufferSource);
    tables = message.tables as Uint8Array<ArrayBuffer>;
    for (const [name, wasm] of Object.entries(message.readers)) readers.set(name, new WebAssembly.Module(wasm as BufferSource));
    return;
  }
  try {
    if (message.kind === "open") {
      [file, taken] = [message.file, 0];
      const { failed, result } = open(message.name, message.source);
      self.postMessage({ id: message.id, failed, bytes: result, taken });
    } else {
      self.postMessage({ id: message.id, failed: false, bytes: answer(message.question) });
    }
  } catch (problem) {
    const failure = JSON.stringify({ error: `the planner stopped: ${problem}`, help: "this is a bug of fusewright; the command line may say more", code: 70 });
    self.postMessage({ id: message.id, failed: true, bytes: bytes(failure) });
  }
};
