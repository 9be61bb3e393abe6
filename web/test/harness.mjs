// Chromium without a window, the pages under test, and what may go wrong in them.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const root = resolve(import.meta.dirname, "../..");
export const TOOL = process.env.FUSEWRIGHT ?? join(root, "target/debug/fusewright");
export const SHOTS = process.env.SCREENSHOTS;
export const repository = (path) => join(root, path);
export const folder = mkdtempSync(join(tmpdir(), "fusewright-page-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
if (SHOTS) mkdirSync(SHOTS, { recursive: true });

const BROWSERS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const BROWSER = BROWSERS.find((path) => path && existsSync(path));

/** What the tool prints; the error output where it fails. */
export function tool(...words) {
  try {
    return { code: 0, text: execFileSync(TOOL, words, { encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "pipe"] }) };
  } catch (failure) {
    return { code: failure.status, text: failure.stderr };
  }
}
export const plan = (...words) => JSON.parse(tool("plan", "--format", "json", "-q", ...words).text);
export function report(name, ...words) {
  const file = join(folder, `${name}.html`);
  const { code, text } = tool("report", ...words, "-q", "--force", "-o", file);
  if (code !== 0) throw new Error(`report ${words.join(" ")}: ${text}`);
  return file;
}

let browser;
export async function open(file, { hash = "", scheme = "light", width = 1360, height = 860 } = {}) {
  browser ??= await chromium.launch({
    executablePath: BROWSER,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  /** Everything that a page must not do. */
  const wrong = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) wrong.push(`${message.type()}: ${message.text()}`); });
  page.on("pageerror", (error) => wrong.push(`${error.message}\n${error.stack}`));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    const own = request.url() === `file://${file}` || request.url().startsWith(`file://${file}#`);
    if (!own && !/^(blob|data):/.test(request.url())) wrong.push(`request: ${request.url()}`);
  });
  await page.goto(`file://${file}${hash}`);
  await page.waitForFunction(() => document.documentElement.dataset.ready, null, { timeout: 60_000 });
  return { page, wrong, close: () => context.close() };
}
/** An empty page in a window of its own. */
export const blank = async () => (await browser.newContext()).newPage();
/** Most memory that a process which draws pages has taken so far, bytes; of Linux alone. */
export async function memory() {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const drawing = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => `/proc/${id}/status`).filter(existsSync);
  return Math.max(...drawing.map((path) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(path, "utf8"))[1]) * 1024));
}
export const finish = () => browser?.close();

export const VIEWS = ["summary", "graph", "kernels", "roofline", "waterfall", "memory", "timeline", "why-not", "diff"];

export async function show(page, view) {
  await page.click(`nav a[href="#view=${view}"]`);
  await page.waitForSelector(`main.view-${view}`);
  // A canvas is painted in the next frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}
export async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}
/** Part of a canvas that is painted in other colours than its corner. */
export const painted = (page, selector) =>
  page.evaluate((selector) => {
    // Read from a copy: a canvas that is read often is drawn differently, which browsers warn of.
    const canvas = document.querySelector(selector);
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let other = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] !== data[0] || data[i + 1] !== data[1] || data[i + 2] !== data[2]) other++;
    return (other * 4) / data.length;
  }, selector);
/** The data that the page shows now are not reachable from outside; what the score table says is. */
export const score = (page) =>
  page.$$eval("table.score tbody tr", (rows) =>
    Object.fromEntries(rows.map((row) => [row.querySelector("th").textContent, [...row.querySelectorAll("td")].map((cell) => cell.firstChild.textContent)])));
