// ONNX models written by hand, without a library.

const varint = (n) => {
  const out = [];
  while (n > 127) {
    out.push((n & 127) | 128);
    n = Math.floor(n / 128);
  }
  return Buffer.from([...out, n]);
};
const field = (number, payload) => {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
};
const int = (number, value) => Buffer.concat([varint(number * 8), varint(value)]);
const type = (...shape) => field(1, Buffer.concat([int(1, 1), field(2, Buffer.concat(shape.map((extent) => field(1, int(1, extent)))))]));
const value = (name, ...shape) => Buffer.concat([field(1, name), field(2, type(...shape))]);
const node = (inputs, output, name, op, domain = "") =>
  field(1, Buffer.concat([...inputs.map((input) => field(1, input)), field(2, output), field(3, name), field(4, op), ...(domain ? [field(7, domain)] : [])]));
const model = (graph, ...opsets) =>
  Buffer.concat([int(1, 8), ...opsets.map(([domain, version]) => field(8, Buffer.concat([field(1, domain), int(2, version)]))), field(7, Buffer.concat(graph))]);

/** A chain of ops whose names, and those of their results, are those given; the last op is one that nobody knows. */
export function hostileOnnx(names) {
  const graph = [];
  let last = "input <b>x</b>";
  for (const [at, name] of names.entries()) {
    const out = `${name} out ${at}`;
    graph.push(node([last], out, `/${name}/${at}`, at % 2 ? "Sigmoid" : "Relu"));
    last = out;
  }
  const domain = "evil.\"domain\"";
  graph.push(node([last], "odd", names[0], "Strange<script>", domain), field(2, names[0]));
  graph.push(field(11, value("input <b>x</b>", 4, 64)), field(12, value(last, 4, 64)), field(12, value("odd", 4, 64)));
  return model(graph, ["", 17], [domain, 1]);
}

/** So many ops in an order that does not repeat itself, with residual sums over short and long distances. */
export function manyOps(count) {
  const graph = [];
  let seed = 12345;
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  const values = ["x"];
  for (let at = 0; at < count; at++) {
    const op = ["Relu", "Sigmoid", "Tanh", "Softmax", "Add", "Mul", "MatMul"][random(7)];
    const last = values[values.length - 1];
    const other = values[Math.max(0, values.length - 1 - random(random(40) === 0 ? 400 : 6))];
    const out = `v${at}`;
    const inputs = ["Add", "Mul"].includes(op) ? [last, other] : op === "MatMul" ? [last, "w"] : [last];
    graph.push(node(inputs, out, `/block.${Math.floor(at / 97)}/part_${random(9)}/${op}_${at}`, op));
    values.push(out);
  }
  const dims = Buffer.concat([int(1, 64), int(1, 64), int(2, 1), field(8, "w"), field(9, Buffer.alloc(64 * 64 * 4, 1))]);
  graph.push(field(2, "many"), field(5, dims), field(11, value("x", 32, 64)), field(12, value(values[values.length - 1], 32, 64)));
  return model(graph, ["", 17]);
}

/** A product with a weight of so many bytes and what follows it: the model's bytes before those of the weight, and after. */
export function chain(bytes) {
  const rows = 4096, columns = Math.floor(bytes / 4 / rows);
  if (columns * rows * 4 !== bytes) throw new Error(`${bytes} is no multiple of ${rows * 4}`);
  const facts = Buffer.concat([int(1, rows), int(1, columns), int(2, 1), field(8, "w")]);
  const raw = Buffer.concat([varint(9 * 8 + 2), varint(bytes)]);
  const tensor = Buffer.concat([varint(5 * 8 + 2), varint(facts.length + raw.length + bytes), facts, raw]);
  const nodes = Buffer.concat([node(["x", "w"], "h", "product", "MatMul"), node(["h"], "y", "activation", "Gelu"), field(2, "chain")]);
  const after = Buffer.concat([field(11, value("x", 8, rows)), field(12, value("y", 8, columns))]);
  const head = Buffer.concat([int(1, 8), field(8, Buffer.concat([field(1, ""), int(2, 20)]))]);
  const graph = Buffer.concat([varint(7 * 8 + 2), varint(nodes.length + tensor.length + bytes + after.length)]);
  return { before: Buffer.concat([head, graph, nodes, tensor]), after };
}
