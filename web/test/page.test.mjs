// The page in a real browser: `node --test web/test`.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as h from "./harness.mjs";
import { largeArchive, largeOnnx } from "./large.mjs";
import { hostileOnnx } from "./onnx.mjs";

after(h.finish);

const DEVICE = "a100-sxm-80";
const MODELS = [
  ["vit_b_16", ["vit_b_16"]],
  ["bert-base", ["bert-base", "--seq", "128"]],
  ["llama-3-8b", ["llama-3-8b", "--seq", "512"]],
  ["swin_t", [h.repository("crates/fusewright-torch/tests/pt2/models/swin_t.pt2")]],
  ["resnet50", ["resnet50"]],
];

for (const [name, words] of MODELS) {
  test(`${name}: every view renders, from disk, without errors and requests`, async () => {
    const file = h.report(name, ...words, "--hw", DEVICE);
    const { page, wrong, close } = await h.open(file);
    const expected = h.plan(...words, "--hw", DEVICE);
    const best = expected.strategies.find((strategy) => strategy.name === "optimal");
    for (const view of h.VIEWS) {
      await h.show(page, view);
      const text = await page.innerText("main");
      assert.ok(text.trim().length > 40 || view === "graph", `${view} says something: ${text}`);
      if (view === "graph") assert.ok((await h.painted(page, ".graph canvas")) > 0.02, "the graph is painted");
      if (view === "timeline") assert.ok((await h.painted(page, "canvas.timeline")) > 0.02, "the timeline is painted");
      if (view === "kernels") assert.match(text, new RegExp(`${best.kernels.toLocaleString("en")} kernels`));
      if (view === "roofline") assert.ok((await page.$$("circle.point")).length > 2);
      await h.shot(page, `${name}-${view}`);
    }
    await h.show(page, "summary");
    const kernels = (await h.score(page)).kernels.map((text) => Number(text.replaceAll(",", "")));
    assert.deepEqual(kernels, expected.strategies.map((strategy) => strategy.kernels));
    assert.deepEqual(wrong, []);
    await close();
  });
}

test("one selection is seen in graph, table, roofline, timeline and memory, and is part of the address", async () => {
  const file = h.report("selection", "vit_b_16", "--hw", DEVICE);
  const { page, wrong, close } = await h.open(file);
  await h.show(page, "graph");
  // The first box stands below the middle of the top of its card: walk to it by key, as a reader without a mouse does.
  await page.focus(".graph canvas");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  const title = await page.innerText(".details h2");
  assert.equal(title, "Parallel_QKV_Linear");
  await h.shot(page, "selection-graph");
  await h.show(page, "kernels");
  assert.match(await page.innerText("tr.picked"), /Parallel_QKV_Linear/);
  await h.shot(page, "selection-kernels");
  await h.show(page, "roofline");
  assert.equal((await page.$$("circle.ring")).length, 1);
  assert.ok((await page.$$(".before circle")).length >= 1, "what it was before");
  await h.shot(page, "selection-roofline");
  await h.show(page, "memory");
  assert.equal((await page.$$("line.cursor.picked")).length, 1);
  await h.show(page, "timeline");
  await page.click("text=to the selection");
  await h.shot(page, "selection-timeline");
  await h.show(page, "kernels");
  await page.click("tbody tr[data-kernel]:nth-child(1)");
  const picked = await page.innerText(".details h2");
  const address = await page.evaluate(() => location.hash);
  assert.match(address, /op=\d+/);
  const again = await h.open(file, { hash: address });
  assert.equal(await again.page.innerText(".details h2"), picked);
  // In another plan the same op is selected.
  await again.page.click("text=eager");
  assert.notEqual(await again.page.innerText(".details h2"), "");
  assert.deepEqual([...wrong, ...again.wrong], []);
  await again.close();
  await close();
});

test("a click on the canvas selects, a search dims, folding and unfolding keep the page well", async () => {
  const { page, wrong, close } = await h.open(h.report("clicks", "bert-base", "--hw", DEVICE));
  await h.show(page, "graph");
  const box = await (await page.$(".graph canvas")).boundingBox();
  let found = false;
  for (let y = 30; y < box.height && !found; y += 12) {
    for (let x = 40; x < box.width && !found; x += 90) {
      await page.mouse.click(box.x + x, box.y + y);
      found = (await page.$(".details h2")) !== null;
    }
  }
  assert.ok(found, "some click meets a kernel");
  await page.fill("input[type=search]", "softmax");
  assert.match(await page.innerText(".tools"), /\d+ kernels/);
  await page.keyboard.press("Enter");
  for (const level of ["layers", "ops", "kernels"]) {
    await page.click(`.choice >> text=${level}`);
    await page.waitForTimeout(50);
    assert.ok((await h.painted(page, ".graph canvas")) > 0.01, level);
    if (level !== "kernels") await h.shot(page, `levels-${level}`);
  }
  await page.click("text=hide shape ops");
  await page.keyboard.press("Escape");
  assert.deepEqual(wrong, []);
  await close();
});

test("the table gives the CSV of its rows", async () => {
  const { page, close } = await h.open(h.report("csv", "resnet50", "--hw", DEVICE, "--no-planner"), { hash: "#view=kernels" });
  const download = page.waitForEvent("download");
  await page.click("text=CSV");
  const text = readFileSync(await (await download).path(), "utf8");
  const best = h.plan("resnet50", "--hw", DEVICE).strategies.find((strategy) => strategy.name === "optimal");
  assert.equal(text.trim().split("\n").length, best.kernels + 1);
  assert.match(text, /^kernel,pattern,module,ops,us,/);
  await close();
});

test("the sliders give the numbers of the command line", async () => {
  const { page, wrong, close } = await h.open(h.report("sliders", "bert-base", "--hw", DEVICE));
  const shown = async (words) => {
    await page.waitForFunction(() => document.querySelector(".busy").textContent === "", null, { timeout: 60_000 });
    const expected = h.plan("bert-base", ...words);
    const figures = await h.score(page);
    assert.deepEqual(figures.kernels, expected.strategies.map((s) => s.kernels.toLocaleString("en")), words.join(" "));
    for (const [at, strategy] of expected.strategies.entries()) {
      const [bytes, unit] = figures["bytes moved"][at].split(" ");
      const moved = strategy.bytes.read + strategy.bytes.written;
      assert.ok(Math.abs((Number(bytes) * { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }[unit]) / moved - 1) < 0.006, `${bytes} ${unit} is ${moved}`);
      if (strategy.latency_us) {
        const scale = { ns: 1e-3, "µs": 1, ms: 1e3, s: 1e6 }[figures.time[at].split(" ")[1]];
        const us = Number(figures.time[at].split(" ")[0].replaceAll(",", "")) * scale;
        assert.ok(Math.abs(us / strategy.latency_us.mid - 1) < 0.006, `${us} is ${strategy.latency_us.mid}`);
      }
    }
    return figures;
  };
  const before = await shown(["--hw", DEVICE]);
  await page.$eval("input[aria-label='batch, power of two']", (slider) => { slider.value = "3"; slider.dispatchEvent(new Event("input", { bubbles: true })); });
  await page.waitForFunction((old) => [...document.querySelectorAll("table.score tr")].some((row) => row.textContent.startsWith("bytes moved") && !row.textContent.includes(old)), before["bytes moved"][0]);
  const after = await shown(["--hw", DEVICE, "--batch", "8"]);
  assert.notDeepEqual(before["bytes moved"], after["bytes moved"]);
  await h.shot(page, "sliders-batch-8");
  await page.selectOption("[data-control=device]", "h100-sxm");
  await page.waitForFunction(() => document.querySelector("main").innerText.includes("device h100-sxm"));
  await shown(["--hw", "h100-sxm", "--batch", "8"]);
  await page.selectOption("[data-control=dtype]", "f16");
  await page.waitForFunction(() => document.querySelector("main").innerText.includes("f16 weights"));
  await shown(["--hw", "h100-sxm", "--batch", "8", "--dtype", "f16"]);
  assert.match(await page.evaluate(() => location.hash), /device=h100-sxm/);
  await page.click("text=as written");
  await page.waitForFunction(() => document.querySelector("main").innerText.includes("device a100-sxm-80"));
  await shown(["--hw", DEVICE]);
  // A size that the model cannot have is refused in the words of the command line.
  await page.fill("input[data-dim=seq]", "9999999999");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".failure");
  const refused = h.tool("plan", "bert-base", "--hw", DEVICE, "--seq", "9999999999");
  assert.ok(refused.text.replace(/\s+/g, " ").includes((await page.innerText(".failure p")).replace(/^error: /, "").replace(/\s+/g, " ").slice(0, 60)), refused.text);
  assert.deepEqual(wrong, []);
  await close();
});

const FIXTURES = [
  ["crates/fusewright/tests/data/bert_masked.onnx.gz", true],
  ["crates/fusewright-torch/tests/pt2/models/swin_t.pt2", false],
  ["crates/fusewright-hf/configs/t5-small.json", false],
  ["crates/fusewright-hf/configs/qwen2.5-0.5b.json", false],
];

test("a file that is dropped on the empty page gives what the command line says of it", async () => {
  const file = h.report("app", "--app");
  const { page, wrong, close } = await h.open(file);
  await h.shot(page, "app-empty");
  for (const [path, packed] of FIXTURES) {
    const name = path.split("/").pop();
    const here = join(h.folder, packed ? name.replace(/\.gz$/, "") : name);
    const bytes = readFileSync(h.repository(path));
    writeFileSync(here, packed ? gunzipSync(bytes) : bytes);
    await page.setInputFiles("input[type=file]", here);
    const expected = h.plan(here);
    await page.waitForFunction((name) => document.querySelector("h1").textContent === name, expected.model.name, { timeout: 60_000 });
    const figures = await h.score(page);
    assert.deepEqual(figures.kernels, expected.strategies.map((s) => s.kernels.toLocaleString("en")), name);
    assert.deepEqual(figures["attentions in one kernel"], expected.strategies.map((s) => s.attention_chains.toLocaleString("en")), name);
    for (const view of h.VIEWS) await h.show(page, view);
    await h.show(page, "summary");
  }
  await h.shot(page, "app-dropped");
  assert.deepEqual(wrong, []);
  await close();
});

test("a file that cannot be read gives the message of the command line", async () => {
  const { page, wrong, close } = await h.open(h.report("app-errors", "--app"));
  const cases = [
    ["cut.onnx", gunzipSync(readFileSync(h.repository(FIXTURES[0][0]))).subarray(0, 5000)],
    ["noise.onnx", Buffer.from("this is no model at all")],
    ["empty.json", Buffer.from("{}")],
    ["archive.pt2", Buffer.from("PK\u0003\u0004 and nothing more")],
    ["weights.safetensors", Buffer.concat([Buffer.from([16, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"w":1}         ')])],
    ["nothing.json", Buffer.alloc(0)],
  ];
  for (const [name, bytes] of cases) {
    writeFileSync(join(h.folder, name), bytes);
    await page.setInputFiles("input[type=file]", join(h.folder, name));
    await page.waitForFunction((name) => document.querySelector(".failure")?.textContent.includes(name), name);
    const said = (await page.innerText(".failure")).replace(/\s+/g, " ");
    const expected = h.tool("plan", join(h.folder, name));
    assert.equal(expected.code, 3, name);
    // The command line names the file by its path, the page by its name.
    const message = expected.text.replaceAll(`${h.folder}/`, "").replace(/\s+/g, " ").replace(/ ?help:.*$/, "").trim();
    assert.ok(said.startsWith(message.slice(0, 200)), `${said}\n${message}`);
  }
  await h.shot(page, "app-error");
  assert.deepEqual(wrong, []);
  await close();
});

test("names of a model never become part of the page", async () => {
  const evil = ["</script><script>window.pwned=1</script>", "<img src=x onerror=\"window.pwned=2\">", "'\"><svg onload=window.pwned=3>", "${window.pwned=4}", "\u202e\u0000\u2028 name 名前 🙂", "x".repeat(10_000), "`backtick` & &lt; -->", "javascript:window.pwned=5"];
  const onnx = hostileOnnx(evil);
  writeFileSync(join(h.folder, "hostile.onnx"), onnx);
  const file = h.report("hostile", join(h.folder, "hostile.onnx"), "--hw", DEVICE);
  const text = readFileSync(file, "utf8");
  assert.equal(text.split("</script>").length - 1, 7, "data, model, tables, planner, reader, unpacker, script");
  assert.ok(!text.includes("window.pwned"));
  const { page, wrong, close } = await h.open(file);
  for (const view of h.VIEWS) {
    await h.show(page, view);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${view} is wider than the window by ${overflow}`);
  }
  await h.show(page, "kernels");
  await page.click("tbody tr[data-kernel]:nth-child(1)");
  await h.shot(page, "hostile-kernels");
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.equal((await page.$$("img, script[src], iframe, object")).length, 0);
  assert.deepEqual(wrong, []);
  await close();
});

test("dark, narrow and printed pages are readable", async () => {
  const file = h.report("dark", "bert-base", "--hw", DEVICE);
  const dark = await h.open(file, { scheme: "dark", hash: "#view=graph" });
  assert.notEqual(await dark.page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(251, 251, 250)");
  await dark.page.waitForTimeout(100);
  await h.shot(dark.page, "dark-graph");
  await h.show(dark.page, "roofline");
  await h.shot(dark.page, "dark-roofline");
  assert.deepEqual(dark.wrong, []);
  await dark.close();
  const narrow = await h.open(file, { width: 480, height: 800 });
  for (const view of h.VIEWS) {
    await h.show(narrow.page, view);
    const overflow = await narrow.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${view} is wider than a narrow window by ${overflow}`);
  }
  await narrow.page.emulateMedia({ media: "print" });
  assert.equal(await narrow.page.isVisible("nav"), false);
  assert.equal(await narrow.page.isVisible("main"), true);
  await narrow.close();
});

test("two models are held against each other", async () => {
  const data = (name) => h.repository(`crates/fusewright/tests/data/${name}`);
  const file = h.report("diff", data("bert_masked.onnx.gz"), data("bert_masked-onnxruntime.onnx.gz"));
  const { page, wrong, close } = await h.open(file, { hash: "#view=diff" });
  const text = await page.innerText("main");
  assert.match(text, /bert_masked-onnxruntime/);
  assert.match(text, /Only in/);
  await h.shot(page, "diff-two-models");
  assert.deepEqual(wrong, []);
  await close();
});

test("of a file of gigabytes only what describes the model is read", async () => {
  const { page, wrong, close } = await h.open(h.report("app-large", "--app"));
  const onnx = join(h.folder, "large.onnx"), archive = join(h.folder, "large.pt2");
  largeOnnx(onnx, 2_000_000_000 - (2_000_000_000 % 16384));
  largeArchive(archive, h.repository("crates/fusewright-torch/tests/pt2/models/swin_t.pt2"), 5_000_000_000);
  for (const [path, size, most] of [[onnx, "2 GB", 0.2], [archive, "5 GB", 3]]) {
    const name = path.split("/").pop().replace(/\.[a-z0-9]+$/, "");
    await page.setInputFiles("input[type=file]", path);
    await page.waitForFunction((size) => document.querySelector(".read")?.textContent.endsWith(`of ${size} read`) && document.querySelector(".busy").textContent === "", size);
    assert.equal(await page.innerText("h1"), name);
    const [, read, unit] = /^([\d.]+) (\w+) of/.exec(await page.innerText(".read"));
    assert.ok(Number(read) * { B: 1e-6, kB: 1e-3, MB: 1, GB: 1e3 }[unit] < most, `${read} ${unit} of ${size}`);
    const expected = h.plan(path);
    assert.deepEqual((await h.score(page)).kernels, expected.strategies.map((s) => s.kernels.toLocaleString("en")));
  }
  const taken = await h.memory();
  assert.ok(taken < 500e6, `${taken} bytes of memory`);
  assert.deepEqual(wrong, []);
  await close();
});

/** The picture's size and the part of it that is painted in other colours than its corner. */
const lookAt = (page, kind, bytes) =>
  page.evaluate(async ([kind, base64]) => {
    const image = new Image();
    image.src = `data:${kind};base64,${base64}`;
    await image.decode();
    const canvas = new OffscreenCanvas(Math.min(image.width, 2000), Math.min(image.height, 2000));
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let other = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] !== data[0] || data[i + 1] !== data[1] || data[i + 2] !== data[2]) other++;
    return { width: image.width, height: image.height, painted: (other * 4) / data.length };
  }, [kind, bytes.toString("base64")]);

test("every view is saved as SVG and as PNG", async () => {
  const evil = ["</text><script>window.pwned=1</script>", "a \"quoted\" & <b>name</b>", "\u0000\u0001 名前 🙂"];
  writeFileSync(join(h.folder, "saved.onnx"), hostileOnnx(evil));
  for (const [name, words] of [["saved", ["vit_b_16"]], ["saved-hostile", [join(h.folder, "saved.onnx")]]]) {
    const { page, wrong, close } = await h.open(h.report(name, ...words, "--hw", DEVICE, "--no-planner"));
    // What was saved is looked at elsewhere: the page's content policy allows no styles in texts that are read.
    const elsewhere = await h.blank();
    for (const view of h.VIEWS) {
      await h.show(page, view);
      for (const [kind, type] of [["SVG", "image/svg+xml"], ["PNG", "image/png"]]) {
        const coming = page.waitForEvent("download");
        await page.click(`.save >> text=${kind}`);
        const download = await coming;
        assert.match(download.suggestedFilename(), new RegExp(`^${view}-\\w+\\.${kind.toLowerCase()}$`));
        const bytes = readFileSync(await download.path());
        const seen = await lookAt(elsewhere, type, bytes);
        assert.ok(seen.width > 100 && seen.height > 40 && seen.painted > 0.001, `${name} ${view} ${kind}: ${JSON.stringify(seen)}`);
        if (kind === "SVG") {
          const text = bytes.toString("utf8");
          assert.ok(!/<script|\son\w+=|href=/.test(text), `${view} holds nothing that runs or leads away`);
          const wellFormed = await elsewhere.evaluate((text) => !new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror"), text);
          assert.ok(wellFormed, `${name} ${view} is XML`);
        }
        if (h.SHOTS) writeFileSync(join(h.SHOTS, `${name}-${view}.${kind.toLowerCase()}`), bytes);
      }
    }
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.deepEqual(wrong, []);
    await elsewhere.context().close();
    await close();
  }
});
