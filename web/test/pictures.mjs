// Pictures of every view for the documentation, and how fast a page of ten thousand ops is: `node pictures.mjs FOLDER`.
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

process.env.SCREENSHOTS = resolve(process.argv[2]);
const h = await import("./harness.mjs");
const { manyOps } = await import("./onnx.mjs");
mkdirSync(process.env.SCREENSHOTS, { recursive: true });
const size = { width: 1240, height: 780 };

const vit = await h.open(h.report("vit", "vit_b_16", "--hw", "a100-sxm-80", "--dtype", "f16"), size);
for (const view of h.VIEWS) {
  await h.show(vit.page, view);
  if (view === "graph") {
    await vit.page.focus(".graph canvas");
    for (const key of ["ArrowDown", "ArrowRight", "ArrowRight"]) await vit.page.keyboard.press(key);
    await h.show(vit.page, view);
  }
  await h.shot(vit.page, view);
}
await vit.close();

const llama = await h.open(h.report("llama", "llama-3-8b", "--hw", "h100-sxm", "--seq", "2048"), { ...size, scheme: "dark" });
await h.show(llama.page, "graph");
await h.shot(llama.page, "graph-llama-dark");
await llama.close();

const app = await h.open(h.report("app", "--app"), size);
await h.shot(app.page, "app");
await app.close();

/** Frames a second while the graph is zoomed and moved. */
const frames = (page) =>
  page.evaluate(async () => {
    const canvas = document.querySelector(".graph canvas");
    const box = canvas.getBoundingClientRect();
    const next = () => new Promise((done) => requestAnimationFrame(done));
    const wheel = (deltaY) => canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, clientX: box.left + 400, clientY: box.top + 300, bubbles: true, cancelable: true }));
    await next();
    const start = performance.now();
    for (let frame = 0; frame < 90; frame++) {
      wheel(frame % 30 < 15 ? -60 : 60);
      await next();
    }
    return 90_000 / (performance.now() - start);
  });

const model = join(h.folder, "many.onnx");
writeFileSync(model, manyOps(10_000));
const stack = join(h.folder, "stack.json");
writeFileSync(stack, JSON.stringify({ model_type: "llama", num_hidden_layers: 330, hidden_size: 1024, num_attention_heads: 16, num_key_value_heads: 4, intermediate_size: 2816, vocab_size: 32000 }));
for (const [what, path, ...more] of [["10,000 ops without repetition", model], ["a stack of 330 layers", stack]]) {
  const file = h.report("large", path, "--hw", "a100-sxm-80", "--no-planner", ...more);
  const times = [];
  for (let run = 0; run < 3; run++) {
    const { page, close } = await h.open(file, { ...size, hash: "#view=graph&plan=eager" });
    times.push(Number(await page.evaluate(() => document.documentElement.dataset.shown)));
    if (run === 2) {
      await page.click(".choice >> text=kernels");
      const whole = await frames(page);
      await page.click(".choice >> text=ops");
      const ops = await frames(page);
      console.log(`${what}: page ${(statSync(file).size / 1e6).toFixed(2)} MB without planner, first view after ${Math.min(...times)} to ${Math.max(...times)} ms, ${whole.toFixed(0)} frames/s with all kernels unfolded, ${ops.toFixed(0)} with all ops`);
    }
    await close();
  }
}
await h.finish();
