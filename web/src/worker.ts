// The planner in a worker: keeps the page free while it thinks, and reads files in ranges, which only workers can.

declare class FileReaderSync { readAsArrayBuffer(blob: Blob): ArrayBuffer }

interface Exports {
  memory: WebAssembly.Memory;
  reserve(length: number): number; open(length: number): number; answer(): void; result_start(): number; result_length(): number;
}
type Message =
  | { kind: "start"; wasm: Uint8Array }
  | { kind: "open"; id: number; file: Blob; name: string; source: string }
  | { kind: "answer"; id: number; question: string };

let planner: Exports;
let file: Blob = new Blob();
const reader = new FileReaderSync();

const page = {
  read_range(offset: number, into: number, length: number): number {
    try {
      const part = reader.readAsArrayBuffer(file.slice(offset, offset + length));
      if (part.byteLength !== length) return 1;
      new Uint8Array(planner.memory.buffer, into >>> 0, length).set(new Uint8Array(part));
      return 0;
    } catch {
      return 1;
    }
  },
};

function write(text: string) {
  const bytes = new TextEncoder().encode(text);
  const place = planner.reserve(bytes.length) >>> 0;
  new Uint8Array(planner.memory.buffer, place, bytes.length).set(bytes);
}
function result(): Uint8Array {
  return new Uint8Array(planner.memory.buffer, planner.result_start() >>> 0, planner.result_length() >>> 0).slice();
}

let compiled: WebAssembly.Module;
const fresh = () => { planner = new WebAssembly.Instance(compiled, { page }).exports as unknown as Exports; };

self.onmessage = (event: MessageEvent<Message>) => {
  const message = event.data;
  if (message.kind === "start") {
    compiled = new WebAssembly.Module(message.wasm as BufferSource);
    fresh();
    return;
  }
  try {
    if (message.kind === "open") {
      file = message.file;
      write(`${message.name.replaceAll("\n", " ")}\n${message.source}`);
      const failed = planner.open(message.file.size) !== 0;
      self.postMessage({ id: message.id, failed, bytes: failed ? result() : new Uint8Array() });
    } else {
      write(message.question);
      planner.answer();
      self.postMessage({ id: message.id, failed: false, bytes: result() });
    }
  } catch (problem) {
    // A trap leaves the planner's memory as it was: begin anew.
    fresh();
    const text = JSON.stringify({ error: `the planner stopped: ${problem}`, help: "this is a bug of fusewright; the command line may say more", code: 70 });
    self.postMessage({ id: message.id, failed: true, bytes: new TextEncoder().encode(text) });
  }
};
