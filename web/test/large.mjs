// Files of several gigabytes that take no room on a disk: what is between the parts that describe the model is a hole.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { chain } from "./onnx.mjs";

function sparse(path, size, parts) {
  const file = openSync(path, "w");
  ftruncateSync(file, size);
  for (const [at, bytes] of parts) writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

/** An ONNX model with a weight of so many bytes. */
export function largeOnnx(path, bytes) {
  const { before, after } = chain(bytes);
  sparse(path, before.length + bytes + after.length, [[0, before], [before.length + bytes, after]]);
}

/** An archive with the entries of another one, and before them an entry of so many bytes, as weights are. */
export function largeArchive(path, from, bytes) {
  const small = readFileSync(from);
  const end = small.lastIndexOf(Buffer.from("PK\x05\x06"));
  const [count, length, start] = [small.readUInt16LE(end + 10), small.readUInt32LE(end + 12), small.readUInt32LE(end + 16)];
  const name = Buffer.from("large/data/weights/weight_large");
  // Sizes that take more than 32 bits stand in an extra field.
  const extra = Buffer.alloc(20);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(16, 2);
  extra.writeBigUInt64LE(BigInt(bytes), 4);
  extra.writeBigUInt64LE(BigInt(bytes), 12);
  const facts = Buffer.alloc(26);
  facts.writeUInt16LE(45, 0);
  facts.writeUInt32LE(0xffffffff, 14);
  facts.writeUInt32LE(0xffffffff, 18);
  facts.writeUInt16LE(name.length, 22);
  facts.writeUInt16LE(extra.length, 24);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), facts, name, extra]);
  const shift = local.length + bytes;
  // Places of the entries, too, take more than 32 bits now.
  const listed = [];
  for (let at = start, entry = 0; entry < count; entry++) {
    const [names, extras, comment] = [28, 30, 32].map((field) => small.readUInt16LE(at + field));
    const head = Buffer.from(small.subarray(at, at + 46 + names));
    const place = Buffer.alloc(12);
    place.writeUInt16LE(1, 0);
    place.writeUInt16LE(8, 2);
    place.writeBigUInt64LE(BigInt(head.readUInt32LE(42) + shift), 4);
    head.writeUInt32LE(0xffffffff, 42);
    head.writeUInt16LE(place.length, 30);
    head.writeUInt16LE(0, 32);
    listed.push(head, place);
    at += 46 + names + extras + comment;
  }
  const own = Buffer.concat([Buffer.from("PK\x01\x02\x2d\0"), facts, Buffer.alloc(14), name, extra]);
  const list = Buffer.concat([own, ...listed]);
  const listAt = shift + start;
  const end64 = Buffer.alloc(56);
  end64.write("PK\x06\x06", 0, "latin1");
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(BigInt(count + 1), 24);
  end64.writeBigUInt64LE(BigInt(count + 1), 32);
  end64.writeBigUInt64LE(BigInt(list.length), 40);
  end64.writeBigUInt64LE(BigInt(listAt), 48);
  const locator = Buffer.alloc(20);
  locator.write("PK\x06\x07", 0, "latin1");
  locator.writeBigUInt64LE(BigInt(listAt + list.length), 8);
  locator.writeUInt32LE(1, 16);
  const last = Buffer.alloc(22, 0xff);
  last.write("PK\x05\x06", 0, "latin1");
  last.writeUInt32LE(0, 4);
  last.writeUInt16LE(0, 20);
  const tail = Buffer.concat([list, end64, locator, last]);
  sparse(path, listAt + tail.length, [[0, local], [shift, small.subarray(0, start)], [listAt, tail]]);
}
