//! Sizes that may change.

use fusewright_torch::pt2::Pt2Error;

use crate::support::{Parts, call, read, read_with, symbol};

/// Names and sizes that a caller gives.
type Given<'a> = &'a [(&'a str, u64)];

const GUARDS: &str = r#", "guards_code": ["L['mask'].size()[1] == L['ids'].size()[1]", "L['x']>2", "L['ids'].size()[0]*2 == 4"],
    "range_constraints": {"s1": {"min_val": 2, "max_val": 16}, "s2": {"min_val": 3, "max_val": null},
    "s0": {"min_val": 0, "max_val": 9223372036854775807}}"#;

/// Two inputs whose second axes have two symbols for one size.
fn program(more: &str) -> String {
    let nodes = format!(
        "{}, {}",
        call("mul.Tensor", "self=%ids other=%mask", "mul"),
        call("cat.default", r#"tensors={"as_tensors":[{"name":"mul"},{"name":"mul"}]} dim={"as_int":1}"#, "cat")
    );
    let parts = Parts {
        inputs: &["ids", "mask"],
        outputs: &["cat"],
        tensors: &[
            ("ids", "5[s0, s1]"),
            ("mask", "5[s0, s2]"),
            ("mul", "5[s0, s2]"),
            ("cat", "5[s0, Mul(Integer(2)\u{0} Symbol('s1'))]"),
        ],
        nodes: &nodes,
        more,
        ..Parts::default()
    };
    let size = symbol("Mul(Integer(2), Symbol('s1'))", 8);
    let json = parts.json();
    json.replace(&symbol("Mul(Integer(2)\u{0} Symbol('s1'))", 4), &size)
}

fn shape(program: &str, sizes: &[(&str, u64)]) -> Vec<u64> {
    let loaded = read_with(program, sizes).unwrap();
    assert_eq!(loaded.warnings, [], "{sizes:?}");
    loaded.graph.tensor(loaded.graph.outputs()[0]).unwrap().shape.to_vec()
}

#[test]
fn any_name_of_a_dim_binds_it() {
    let program = program(GUARDS);
    let cases: [(Given<'_>, [u64; 2]); 9] = [
        (&[], [4, 8]),
        (&[("batch", 3)], [3, 8]),
        (&[("ids.0", 3)], [3, 8]),
        (&[("mask.0", 3), ("seq", 5)], [3, 10]),
        (&[("ids.1", 5)], [4, 10]),
        (&[("mask.1", 5)], [4, 10]),
        (&[("s1", 5)], [4, 10]),
        (&[("s2", 5), ("ids.1", 5)], [4, 10]),
        (&[("seq", 9), ("ids.1", 5)], [4, 10]),
    ];
    for (sizes, expected) in cases {
        assert_eq!(shape(&program, sizes), expected, "{sizes:?}");
    }
}

#[test]
fn dims_are_called_by_what_they_mean() {
    let loaded = read(&program(GUARDS)).unwrap();
    let dims: Vec<(&str, u64)> = loaded.graph.dims.iter().map(|dim| (dim.name.as_str(), dim.size)).collect();
    assert_eq!(dims, [("batch", 4), ("seq", 4)]);
}

#[test]
fn without_a_guard_equal_dims_fall_apart() {
    let program = program("");
    // Both answer to `seq`; each alone does not fit the other.
    assert_eq!(shape(&program, &[("seq", 5)]), [4, 10]);
    let loaded = read_with(&program, &[("ids.1", 5)]).unwrap();
    assert_eq!(loaded.warnings.len(), 2);
}

#[test]
fn ranges_are_joined_and_checked() {
    let program = program(GUARDS);
    for (name, size) in [("ids.1", 2), ("mask.1", 17), ("seq", 0)] {
        let error = read_with(&program, &[(name, size)]).unwrap_err().to_string();
        assert!(error.contains("`seq`") && error.contains("3..=16"), "{error}");
    }
}

#[test]
fn unknown_and_contradicting_names_are_named() {
    let program = program(GUARDS);
    let error = read_with(&program, &[("length", 2)]).unwrap_err();
    assert!(
        matches!(&error, Pt2Error::UnknownBinding { name, known } if name == "length" && *known == ["batch", "seq"])
    );
    let error = read_with(&program, &[("ids.1", 5), ("mask.1", 6)]).unwrap_err();
    assert_eq!(error, Pt2Error::Contradiction { name: "mask.1".to_owned(), size: 6, other: 5 });
    let fixed = Parts { inputs: &["x"], outputs: &["x"], tensors: &[("x", "7[2]")], ..Parts::default() };
    let error = read_with(&fixed.json(), &[("batch", 2)]).unwrap_err().to_string();
    assert!(error.contains("all sizes of the program are fixed"), "{error}");
}

#[test]
fn an_expression_that_is_not_known_keeps_its_hint() {
    let program = program(GUARDS).replace("Mul(Integer(2), ", "Mystery(Integer(2), ");
    let loaded = read(&program).unwrap();
    assert_eq!(loaded.graph.tensor(loaded.graph.outputs()[0]).unwrap().shape.to_vec(), [4, 8]);
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(loaded.warnings[0].node, "cat");
}

#[test]
fn computed_sizes_are_host_values() {
    let size = r#"{"target": "torch.ops.aten.sym_size.int", "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}},
        {"name": "dim", "arg": {"as_int": 0}}], "outputs": [{"as_sym_int": {"as_name": "n"}}], "name": "n"},
        {"target": "_operator.mul", "inputs": [{"name": "a", "arg": {"as_sym_int": {"as_name": "n"}}},
        {"name": "b", "arg": {"as_int": 2}}], "outputs": [{"as_sym_int": {"as_name": "n2"}}], "name": "n2"}"#;
    let view = call("view.default", r#"self=%x size={"as_sym_ints":[{"as_name":"n2"},{"as_int":-1}]}"#, "view");
    let mul = call("mul.Tensor", r#"self=%view other={"as_sym_int":{"as_name":"n"}}"#, "mul");
    let double = "Mul(Integer(2), Symbol('s0'))";
    let symbols = format!("\"n\": {}, \"n2\": {}", symbol("s0", 4), symbol(double, 8));
    let parts = Parts {
        inputs: &["x"],
        outputs: &["mul"],
        tensors: &[("x", "7[s0, 6]"), ("view", "7[8, 3]"), ("mul", "7[8, 3]")],
        nodes: &format!("{size}, {view}, {mul}"),
        symbols: &symbols,
        ..Parts::default()
    };
    let program =
        parts.json().replace(r#"{"as_int": 8}, {"as_int": 3}"#, &format!("{}, {{\"as_int\": 3}}", symbol(double, 8)));
    assert_eq!(shape(&program, &[]), [8, 3]);
    assert_eq!(shape(&program, &[("x.0", 5)]), [10, 3]);
}
