"""The package without torch: imports, files and names, tables, errors."""

from __future__ import annotations

import ast
import gc
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fusewright
from fusewright import FusewrightError, Table
from fusewright.native import native

PACKAGE = Path(fusewright.__file__).parent
CONFIG = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


@pytest.fixture(scope="module")
def found():
    return fusewright.analyze("vit_b_16", hw="a100-sxm-80", dtype="f16")


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_import_is_quick_and_imports_no_library():
    code = (
        "import time, sys; before = set(sys.modules); start = time.process_time();"
        "import fusewright;"
        "print(time.process_time() - start);"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    runs = [python(code).stdout.splitlines() for _ in range(5)]
    assert min(float(run[0]) for run in runs) < 0.05
    imported = set(ast.literal_eval(runs[0][1]))
    assert not imported & {"torch", "numpy", "transformers", "pandas", "polars", "onnx"}


HIDE = (
    "import sys, importlib.abc\n"
    "class Hide(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name in HIDDEN: raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
    "sys.meta_path.insert(0, Hide())\n"
)


def test_without_torch_files_are_analysed_and_the_rest_says_what_it_needs():
    code = (
        f"HIDDEN = ['torch']\n{HIDE}"
        "import fusewright\n"
        "print(fusewright.analyze('vit_b_16')['attention'].kernels)\n"
        "for name in ('torch', 'transform', 'fx'):\n"
        "    try: getattr(fusewright, name)\n"
        "    except ImportError as error: print(type(error).__name__, error)\n"
    )
    run = python(code)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == "76"
    needs = [line for line in lines if line.startswith("MissingDependencyError")]
    assert len(needs) == 3 and all("needs torch" in line for line in needs)


def test_without_the_native_module_the_message_says_how_to_get_it():
    run = python(
        f"HIDDEN = ['fusewright._native']\n{HIDE}"
        "import fusewright\n"
        "try: fusewright.analyze('vit_b_16')\n"
        "except fusewright.MissingDependencyError as error: print(error)\n"
    )
    assert "cargo xtask python" in run.stdout, run.stderr


def test_every_public_name_is_there():
    for name in fusewright.__all__:
        assert getattr(fusewright, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        fusewright.nothing  # noqa: B018


def test_figures_are_attributes(found):
    assert found.flops.contraction == 35_127_656_448
    assert found.macs * 2 == found.flops.contraction
    assert found.model.parameters == 86_567_656
    assert (found.attention.found, found.attention.self_) == (12, 12)
    assert found["attention"].parallel_merges == 12
    assert found.best.latency_us.low <= found.best.latency_us.mid <= found.best.latency_us.high
    assert found.via == "file" and found.name == "vit_b_16"
    assert {"flops", "best", "groups"} <= set(dir(found))
    with pytest.raises(AttributeError, match="there is no figure `flop`"):
        found.flop  # noqa: B018
    with pytest.raises(
        fusewright.UsageError, match="there are eager, standard, attention, optimal"
    ):
        found["optimum"]


def test_the_figures_are_those_of_the_command_line(found, built):
    run = subprocess.run(
        [built, "plan", "vit_b_16", "--hw", "a100-sxm-80", "--dtype", "f16", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.to_json()) == json.loads(run.stdout)
    text = subprocess.run(
        [built, "plan", "vit_b_16", "--hw", "a100-sxm-80", "--dtype", "f16"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert repr(found) == text.stdout.rstrip("\n")


def test_other_forms(found):
    assert found.to_dot().startswith("digraph")
    assert found.to_markdown().count("|") > 20
    assert found.to_csv().splitlines()[0].startswith("model,strategy")
    page = found.to_html(planner=False)
    assert "default-src 'none'" in page and "connect-src 'none'" in page
    assert 'id="data"' in page and 'id="planner"' not in page
    assert 'id="planner"' in found.to_html()
    assert "76" in found._repr_html_()
    assert found.dump().startswith('graph "vit_b_16"')
    assert json.loads(found.to_json(groups=True))["groups"]


def test_tables_are_arrow(found):
    groups = found.groups
    assert len(groups) == len(groups["id"]) == len(list(groups))
    best = groups.where(strategy="attention", kind="parallel")
    assert len(best) == 12 and all(len(row["nodes"]) >= 3 for row in best)
    assert sum(groups["contraction_flops"]) == 4 * found.flops.contraction
    assert (
        abs(
            sum(r["time_us"] for r in found.kernels if r["strategy"] == "attention")
            - found["attention"].latency_us.mid
        )
        < 1e-6 * found["attention"].latency_us.mid
    )
    assert len(found.attentions) == 12 and len(found.table("missed")) == 0
    with pytest.raises(fusewright.UsageError, match="no table `rows`"):
        found.table("rows")
    with pytest.raises(fusewright.UsageError, match="no column `time`"):
        groups["time"]


def test_dataframes_read_the_columns_where_they_are(found):
    pyarrow = pytest.importorskip("pyarrow")
    stream = found.groups
    table = pyarrow.table(stream)
    assert table.column_names == stream.column_names
    assert table.to_pydict() == stream.to_dict()
    polars = pytest.importorskip("polars")
    frame = stream.to_polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame["id"].to_list() == stream["id"]
    pandas = pytest.importorskip("pandas")
    assert isinstance(stream.to_pandas(), pandas.DataFrame)
    # A consumer owns what it took: the analysis may be gone.
    kept = pyarrow.table(fusewright.analyze("resnet50").groups)
    gc.collect()
    assert kept.num_rows > 0 and sum(kept["contraction_flops"].to_pylist()) > 0


def test_an_arrow_consumer_that_drops_the_stream_leaks_nothing(found):
    table = native().open("vit_b_16").plan().table("groups")
    assert isinstance(Table(table).to_dict(), dict)
    for _ in range(100):
        table.__arrow_c_stream__()
        table.__arrow_c_schema__()


def test_a_configuration_is_a_model():
    config = fusewright.analyze(CONFIG, batch=2, seq=32)
    assert config.via == "config" and config.attention.found == 2
    sizes = {dim.name: dim.size for dim in config.model.dims}
    assert (sizes["batch"], sizes["seq"]) == (2, 32)
    twice = fusewright.analyze(CONFIG, dims={"batch": 4, "seq": 32})
    assert twice.flops.contraction == 2 * config.flops.contraction


def test_a_file_is_a_model(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    assert fusewright.analyze(path).flops == fusewright.analyze(str(path)).flops
    assert fusewright.analyze(path).flops == fusewright.analyze(CONFIG).flops
    assert fusewright.analyze(path.read_bytes(), name="config").flops.contraction > 0


ERRORS = [
    (lambda: fusewright.analyze("vit_b"), fusewright.ModelNotFoundError, "did you mean `vit_b_16`"),
    (lambda: fusewright.analyze(b"nonsense"), fusewright.ModelReadError, "bytes"),
    (lambda: fusewright.analyze(CONFIG, dims={"width": 3}), fusewright.UsageError, "width"),
    (lambda: fusewright.analyze(CONFIG, batch=-1), fusewright.UsageError, "0 or more"),
    (
        lambda: fusewright.analyze(CONFIG, batch=1, dims={"batch": 2}),
        fusewright.UsageError,
        "twice",
    ),
    (lambda: fusewright.analyze(CONFIG, dtype="i7"), fusewright.UsageError, "no dtype"),
    (lambda: fusewright.analyze(CONFIG, phase="train"), fusewright.UsageError, "no phase"),
    (lambda: fusewright.analyze(CONFIG, profile="own"), fusewright.UsageError, "no profile"),
    (lambda: fusewright.analyze(CONFIG, strategies=["x"]), fusewright.UsageError, "no strategy"),
    (lambda: fusewright.analyze(CONFIG, hw="h1000"), fusewright.DeviceNotFoundError, "h1000"),
    (lambda: fusewright.analyze(CONFIG, hw="./no.toml"), fusewright.ModelReadError, "no.toml"),
    (lambda: fusewright.analyze(3), fusewright.UsageError, "builtins.int"),
    (lambda: fusewright.analyze("resnet50").optimize(), fusewright.UsageError, "live module"),
    (lambda: fusewright.predict_kernels("h100-sxm", "no.csv"), FusewrightError, "no.csv"),
]


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS, ids=range(len(ERRORS)))
def test_errors_say_what_and_what_to_do(call, kind, text):
    with pytest.raises(kind, match=re.escape(text)) as caught:
        call()
    assert isinstance(caught.value, FusewrightError)
    assert caught.value.message in str(caught.value)


def test_devices():
    assert {"h100-sxm", "a100-sxm-80"} <= {row.name for row in fusewright.devices()}
    assert fusewright.device("h100-sxm").family == "hopper"
    assert "H100" in fusewright.device_page("h100-sxm")
    with pytest.raises(fusewright.DeviceNotFoundError, match="did you mean"):
        fusewright.device("h100")


def test_other_verbs(tmp_path):
    assert any(row.name == "gpt2" for row in fusewright.models())
    assert fusewright.strategies()[0] == "eager"
    assert json.loads(fusewright.schema())["properties"]["schema_version"]
    assert fusewright.dump(CONFIG).startswith("graph")
    page = tmp_path / "page.html"
    fusewright.report(CONFIG, page)
    assert page.read_text().startswith("<!doctype html>")


def test_comparison(found):
    both = fusewright.compare(found, "vit_l_16")
    assert both["attention: parallel merges"].ratio == 2.0
    # The second is analysed as the first was: for the same device and dtype.
    assert both["attention: latency µs"].after > both["attention: latency µs"].before
    assert "vit_b_16 → vit_l_16" in repr(both)
    assert "all figures are equal" in repr(found.compare(found))


def test_a_lock_file_fails_what_became_worse(tmp_path, found, built):
    lock = tmp_path / "fusewright.lock.json"
    with pytest.raises(fusewright.UsageError, match="update=True"):
        found.check(lock)
    written = found.check(lock, update=True)
    assert written.verdict == "updated"
    assert found.check(lock).verdict == "same" and "vit_b_16" in repr(found.check(lock))
    # The command line reads what Python wrote.
    run = [built, "check", "--lock", str(lock), "--format", "json"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["verdict"] == "same"
    text = lock.read_text()
    figures = json.loads(text)
    (entry,) = figures["models"].values()
    kernels = entry["strategies"]["attention"]["kernels"]
    entry["strategies"]["attention"]["kernels"] = kernels + 1
    lock.write_text(json.dumps(figures))
    assert found.check(lock).verdict == "improved"
    with pytest.raises(fusewright.FusionRegression):
        found.check(lock, exact=True)
    entry["strategies"]["attention"]["kernels"] = kernels - 1
    lock.write_text(json.dumps(figures))
    with pytest.raises(fusewright.FusionRegression, match="fuses worse"):
        fusewright.check(found, lock)
    lock.write_text("[]")
    with pytest.raises(FusewrightError, match="fusewright.lock.json"):
        found.check(lock)


def test_a_configuration_can_be_locked(tmp_path):
    lock = tmp_path / "configs.lock.json"
    fusewright.check(CONFIG, lock, update=True)
    assert fusewright.check(CONFIG, lock).verdict == "same"
    wider = {**CONFIG, "hidden_size": 128}
    with pytest.raises(fusewright.FusionRegression):
        fusewright.check(wider, lock)


def test_reasons():
    wanted = ["eager", "standard", "attention"]
    found = fusewright.analyze("vit_b_16", hw="a100-sxm-80", dtype="f16", strategies=wanted)
    reasons = found.why_not()
    assert reasons.top(1)[0].kind == "device" and "several-products" in repr(reasons)
    first = found.groups.where(strategy="attention", kind="fused")[0]["nodes"]
    assert list(found.why_not(*first[:2])) == []
    apart = found.why_not("conv_proj", "encoder_layers_encoder_layer_0_ln_1")
    assert "neither of" in repr(apart)
    forked = found.why_not("encoder_dropout", "encoder_layers_encoder_layer_0_ln_1")
    assert "is read by 2 nodes" in repr(forked)
    with pytest.raises(fusewright.UsageError, match="no node"):
        found.why_not("nothing")


def test_plans_are_explained(found, built):
    page = found.explain(strategies=["attention"])
    assert page.plans[0].groups and "Parallel_QKV_Linear" in repr(page)
    node = fusewright.explain("vit_b_16", "conv_proj")
    run = subprocess.run(
        [built, "explain", "vit_b_16", "--node", "conv_proj", "--strategy", "eager"],
        capture_output=True,
        text=True,
        check=True,
    )
    eager = fusewright.analyze("vit_b_16").explain("conv_proj", strategies=["eager"])
    assert repr(eager) == run.stdout.rstrip("\n") and "conv_proj" in repr(node)
    with pytest.raises(fusewright.UsageError, match="no_such_node"):
        found.explain("no_such_node")


def test_rules(tmp_path):
    assert any(row.name == "layer-norm" for row in fusewright.patterns())
    assert "layer-norm" in fusewright.pattern_page("layer-norm")
    assert fusewright.pattern("layer-norm").name == "layer-norm"
    with pytest.raises(fusewright.PatternNotFoundError, match="layer-nrm"):
        fusewright.pattern("layer-nrm")
    path = tmp_path / "rule.toml"
    path.write_text("no = 1")
    with pytest.raises(fusewright.PatternError, match="rule.toml"):
        fusewright.check_pattern(path)
    findings = fusewright.analyze("bert-base").findings()
    assert findings.candidates and all(row.saving.kernels >= 0 for row in findings.candidates)


def test_other_threads_run_while_rust_works():
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        fusewright.analyze("deepseek-v3", seq=4096)
    finally:
        stop.set()
        thread.join()
    assert ticks >= 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by POSIX means")
def test_ctrl_c_ends_the_work():
    code = (
        "import fusewright, os, signal, threading\n"
        "threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    while True: fusewright.analyze('llama-3-70b')\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    assert signal.SIGINT and python(code).stdout == "interrupted\n"


def test_the_stub_has_what_the_native_module_has():
    stub = ast.parse((PACKAGE / "_native.pyi").read_text())
    described: dict[str, set[str]] = {"": set()}
    for node in stub.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            described[""].add(node.name)
        if isinstance(node, ast.ClassDef):
            described[node.name] = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
    module = native()
    public = {name for name in dir(module) if not name.startswith("_")}
    assert described[""] == public
    for name in public:
        cls = getattr(module, name)
        if inspect.isclass(cls):
            own = {n for n, v in vars(cls).items() if not n.startswith("_") or "arrow" in n}
            own |= {"__len__"} & set(vars(cls))
            assert described[name] == own, name
