// The page: reads the data that came with it, or waits for a file.

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { block, parsed, plansOf, unpacked, type PageData } from "./data";
import { Controls } from "./controls";
import { Details } from "./details";
import { DropZone } from "./drop";
import { bytes } from "./format";
import { Planner, isFailure, type Failure, type Question } from "./planner";
import { SaveButtons } from "./save/buttons";
import { current, update, useShared } from "./state";
import { VIEWS } from "./views";

const title = (data: PageData) => data.report.model.name;

/** What the planner is asked so that the answer is what the page was written with, but for what the reader changed. */
function question(base: PageData): Question {
  const { settings } = base;
  const state = current();
  const dims = { ...settings.dims };
  for (const part of state.dims.split(",").filter(Boolean)) {
    const at = part.lastIndexOf("=");
    dims[part.slice(0, at)] = Number(part.slice(at + 1));
  }
  const asked: Question = { dims, strategies: settings.strategies, profile: settings.profile };
  const device = state.device || settings.device;
  if (device && device !== "none") asked.device = device;
  const dtype = state.dtype || settings.dtype;
  if (dtype && dtype !== "none") asked.dtype = dtype;
  if (settings.autocast) asked.autocast = settings.autocast;
  const phase = state.phase || settings.phase;
  if (phase) asked.phase = phase;
  return asked;
}

function Page({ first, planner }: { first: PageData | null; planner: Planner | null }) {
  const state = useShared();
  const [base, setBase] = useState(first);
  const [data, setData] = useState(first);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState("");
  const [dropped, setDropped] = useState("");
  const plans = useMemo(() => (data ? plansOf(data) : []), [data]);

  const ask = base && planner ? JSON.stringify(question(base)) : "";
  useEffect(() => {
    if (!base || !planner) return;
    const { device, dtype, phase, dims } = current();
    if (!device && !dtype && !phase && !dims) {
      setData(base);
      setFailure(null);
      return;
    }
    let stale = false;
    setBusy("planning");
    planner.answer(JSON.parse(ask)).then((answer) => {
      if (stale) return;
      setBusy("");
      if (isFailure(answer)) setFailure(answer);
      else {
        setFailure(null);
        setData(answer);
      }
    });
    return () => { stale = true; };
  }, [ask, base]);

  useEffect(() => { document.title = data ? `fusewright: ${title(data).slice(0, 80)}` : "fusewright"; }, [data]);

  async function open(file: Blob, name: string) {
    if (!planner) return;
    setBusy("reading");
    setFailure(null);
    update({ op: -1, device: "", dtype: "", phase: "", dims: "", search: "" });
    const failed = await planner.open(file, name, name);
    setDropped(failed ? "" : `${bytes(planner.taken)} of ${bytes(file.size)} read`);
    const answer = failed ?? (await planner.answer({}));
    setBusy("");
    if (isFailure(answer as PageData | Failure)) {
      setFailure(answer as Failure);
      setBase(null);
      setData(null);
    } else {
      setBase(answer as PageData);
      setData(answer as PageData);
    }
  }

  const view = VIEWS.find((view) => view.id === state.view) ?? VIEWS[0];
  const plan = plans.find((plan) => plan.view.strategy === state.plan) ?? best(plans);
  return (
    <>
      <header>
        <div class="line">
          <h1>{data ? title(data).slice(0, 120) : "fusewright"}</h1>
          {plans.length > 0 && (
            <div class="choice" role="radiogroup" aria-label="plan">
              {plans.map((each) => (
                <button role="radio" aria-checked={each === plan} onClick={() => update({ plan: each.view.strategy })}>{each.view.strategy}</button>
              ))}
            </div>
          )}
          {data && base && <Controls data={data} base={base} planner={planner !== null} />}
          <span class="busy" role="status">{busy && `${busy} …`}</span>
        </div>
        {data && (
          <nav aria-label="views">
            {VIEWS.map((each) => (
              <a href={`#view=${each.id}`} aria-current={each === view ? "page" : undefined}
                onClick={(event) => { event.preventDefault(); update({ view: each.id }); }}>{each.title}</a>
            ))}
            {plan && <SaveButtons name={`${view.id}-${plan.view.strategy}`} />}
          </nav>
        )}
      </header>
      {failure && (
        <div class="failure" role="alert"><p><b>error:</b> {failure.error}</p>{failure.help && <p><b>help:</b> {failure.help}</p>}</div>
      )}
      {!first && planner && <DropZone open={open} small={data !== null} said={dropped} />}
      {!data && !first && !planner && <p class="failure">This file holds neither a model nor a planner.</p>}
      {data && plan && (
        <div class="body">
          <main class={`view-${view.id}`} tabIndex={-1}><view.show data={data} plan={plan} plans={plans} /></main>
          <Details data={data} plan={plan} plans={plans} />
        </div>
      )}
    </>
  );
}

function best(plans: ReturnType<typeof plansOf>) {
  const weight = (plan: (typeof plans)[0]) => plan.strategy().latency_us?.mid ?? plan.strategy().bytes.read + plan.strategy().bytes.written;
  return plans.reduce<(typeof plans)[0] | undefined>((a, b) => (!a || weight(b) < weight(a) ? b : a), undefined);
}

async function start() {
  const root = document.getElementById("page")!;
  if (typeof DecompressionStream === "undefined") {
    root.textContent = "This page takes a browser of 2023 or newer.";
    return;
  }
  const packed = block("data");
  const data = packed ? parsed(await unpacked(packed.bytes)) : null;
  if (data) render(<Page first={data} planner={null} />, root);
  document.documentElement.dataset.shown = String(Math.round(performance.now()));
  const planner = await Planner.start();
  const model = block("model");
  if (planner && model && data) {
    const failed = await planner.open(new Blob([(await unpacked(model.bytes)) as BlobPart]), model.name, data.report.model.source);
    if (failed) return;
  }
  render(<Page first={data} planner={planner} />, root);
  document.documentElement.dataset.ready = "1";
}

addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || event.ctrlKey || event.metaKey || event.altKey) return;
  const number = Number(event.key);
  if (number >= 1 && number <= VIEWS.length) update({ view: VIEWS[number - 1].id });
  if (event.key === "/") {
    const field = document.querySelector<HTMLInputElement>("input[type=search]");
    if (field) {
      event.preventDefault();
      field.focus();
    }
  }
  if (event.key === "Escape") update({ op: -1 });
});

start();
