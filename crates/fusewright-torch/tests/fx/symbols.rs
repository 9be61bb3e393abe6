//! Named sizes: bound by the caller, hinted by the document, computed from each other.

use fusewright_ir::{Bindings, Loaded};
use fusewright_ir::{BoundDim, text};
use fusewright_torch::fx::{self, FxError};

const SYMBOLS: &str = r#"{"n": {"min": 2, "max": 64, "hint": 2}, "len": {"min": 1, "max": null, "hint": 6},
    "2*len": {"min": 2, "max": null, "hint": 12}, "len*n": {"min": 2, "max": null, "hint": 12}}"#;

fn document(symbols: &str) -> String {
    format!(
        r#"{{"format": "fx-graph", "version": 1, "symbols": {symbols}, "nodes": [
        {{"name": "x", "op": "placeholder", "target": "x", "out": {{"shape": ["n", "len", 4], "dtype": "float32"}}}},
        {{"name": "size", "op": "call_method", "target": "size", "args": [{{"ref": "x"}}, 1], "out": {{"const": "len"}}}},
        {{"name": "twice", "op": "call_function", "target": "torch.cat", "args": [[{{"ref": "x"}}, {{"ref": "x"}}], 1],
          "out": {{"shape": ["n", "2*len", 4], "dtype": "float32"}}}},
        {{"name": "flat", "op": "call_method", "target": "view", "args": [{{"ref": "x"}}, -1, 4],
          "out": {{"shape": ["len*n", 4], "dtype": "float32"}}}},
        {{"name": "scaled", "op": "call_function", "target": "operator.mul", "args": [{{"ref": "flat"}}, {{"ref": "size"}}],
          "out": {{"shape": ["len*n", 4], "dtype": "float32"}}}},
        {{"name": "output", "op": "output", "target": "output", "args": [[{{"ref": "twice"}}, {{"ref": "scaled"}}]]}}]}}"#
    )
}

fn load(symbols: &str, bound: &[(&str, u64)]) -> Result<Loaded, FxError> {
    let bindings: Bindings = bound.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    fx::read(document(symbols).as_bytes(), &bindings)
}

#[test]
fn hints_apply_where_nothing_is_bound() {
    let loaded = load(SYMBOLS, &[]).unwrap();
    let dim = |name: &str, size| BoundDim { name: name.to_owned(), size };
    assert_eq!(loaded.graph.dims, [dim("len", 6), dim("n", 2)]);
    let printed = text::print(&loaded.graph);
    for line in
        ["%size: host(6) = size", "%twice: f32[2, 12, 4] = concat", "%flat: f32[12, 4]", "mul(%flat) {scalar = 6.0}"]
    {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert_eq!(loaded.warnings, []);
}

#[test]
fn bound_sizes_reach_expressions_and_host_values() {
    let loaded = load(SYMBOLS, &[("n", 3), ("len", 10)]).unwrap();
    let printed = text::print(&loaded.graph);
    for line in
        ["dim \"n\" = 3", "%size: host(10) = size", "%twice: f32[3, 20, 4]", "%flat: f32[30, 4]", "{scalar = 10.0}"]
    {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert_eq!(loaded.warnings, []);
}

/// Declared symbols, bound sizes, the message.
type Case<'a> = (&'a str, &'a [(&'a str, u64)], &'a str);

#[test]
fn sizes_that_do_not_fit_are_errors() {
    let cases: &[Case] = &[
        (SYMBOLS, &[("batch", 2)], "no dim is named `batch`; the document has `len`, `n`"),
        (SYMBOLS, &[("2*len", 2)], "no dim is named `2*len`; the document has `len`, `n`"),
        ("{}", &[("batch", 2)], "no dim is named `batch`; all its sizes are fixed"),
        (SYMBOLS, &[("n", 65)], "dim `n` = 65 is outside the range 2..=64 of the document; bind a size inside it"),
        (SYMBOLS, &[("n", 1)], "dim `n` = 1 is outside the range 2..=64 of the document; bind a size inside it"),
        (SYMBOLS, &[("len", 0)], "dim `len` = 0 is outside the range 1..=∞ of the document; bind a size inside it"),
        (
            SYMBOLS,
            &[("len", u64::MAX)],
            "node `x`: extent 9223372036854775807 in a shape, expected an integer from 0 to 2^48",
        ),
        (r#"{"n": {"hint": 2}}"#, &[], "node `x`: size `len` is not declared in `symbols`; declared: `n`"),
        (
            r#"{"n": {"hint": 2}, "len": {"min": 1}}"#,
            &[],
            "dim `len` has no size: the document gives no hint; bind it, e.g. `len=8`",
        ),
        (
            r#"{"n": {"hint": 2}, "len": {"hint": -4}}"#,
            &[],
            "node `x`: extent -4 in a shape, expected an integer from 0 to 2^48",
        ),
        (
            r#"{"n": {"hint": 2}, "len": {"hint": 6}, "2*len": {"hint": 12}, "len*n": {}, "len*m": {}}"#,
            &[("len", 281_474_976_710_656)],
            "node `x`: shape [2, 281474976710656, 4] has more than 281474976710656 elements (2^48); check the sizes",
        ),
    ];
    for (symbols, bound, expected) in cases {
        assert_eq!(&load(symbols, bound).unwrap_err().to_string(), expected);
    }
    let unknown =
        document(r#"{"n": {"hint": 2}, "len": {"hint": 6}, "Foo(len)": {"hint": 12}, "len*n": {"hint": 12}}"#)
            .replace("2*len", "Foo(len)");
    assert!(fx::read(unknown.as_bytes(), &Bindings::default()).is_ok(), "hints need no arithmetic");
    let bindings = [("len".to_owned(), 7)].into_iter().collect();
    assert_eq!(
        fx::read(unknown.as_bytes(), &bindings).unwrap_err().to_string(),
        "size `Foo(len)` cannot be computed: the function `Foo` of 1 arguments is not known; \
         bind the dims to their hints or export at the wanted sizes"
    );
}
