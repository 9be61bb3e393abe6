//! What leaf modules become: node, operands from their tensors, source.

use super::support::{arguments, document, node_text, out, read};
use fusewright_ir::{Form, Op, Origin};

/// The tables of a document with one module, whose tensors are given as `name shape` pairs.
fn tables(class: &str, attrs: &str, tensors: &[(&str, &str)]) -> String {
    let entry = |(name, shape): &(&str, &str)| {
        let kind = if name.starts_with("running") { "buffer" } else { "parameter" };
        format!(r#"{{"name": "layer.{name}", "shape": {shape}, "dtype": "float32", "kind": "{kind}"}}"#)
    };
    let local: Vec<String> = tensors.iter().map(|tensor| format!(r#""{}": {}"#, tensor.0, entry(tensor))).collect();
    let all: Vec<String> = tensors.iter().map(entry).collect();
    format!(
        r#", "modules": {{"layer": {{"class": "{class}", "attrs": {{{attrs}}}, "params": {{{}}}}}}}, "params": [{}]"#,
        local.join(", "),
        all.join(", ")
    )
}

fn call(args: &str, kwargs: &str, result: &str) -> String {
    let (args, kwargs, result) = (arguments(args), arguments(kwargs), out(result));
    format!(
        r#"{{"name": "y", "op": "call_module", "target": "layer", "args": [{args}], "kwargs": {{{kwargs}}},
            "out": {result}, "scope": "caller"}}"#
    )
}

#[derive(Default)]
struct Case {
    class: &'static str,
    attrs: &'static str,
    tensors: &'static [(&'static str, &'static str)],
    args: &'static str,
    kwargs: &'static str,
    out: &'static str,
    expected: &'static str,
}

const VECTOR: (&str, &str) = ("weight", "[3]");
const IMAGE: &str = "f32[2, 3, 8, 8]";
const MHA: &str = r#""embed_dim": 16, "num_heads": 4, "batch_first": true, "add_zero_attn": false, "dropout": 0.1"#;

#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn modules_become_their_functions() {
    let cases = [
        Case {
            class: "torch.nn.modules.linear.Linear",
            attrs: r#""bias": true"#,
            tensors: &[("bias", "[7]"), ("weight", "[7, 16]")],
            args: "%s",
            out: "f32[2, 5, 7]",
            expected: "linear(%s, %layer.weight, %layer.bias)",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.linear.Linear",
            attrs: r#""bias": false"#,
            tensors: &[("weight", "[7, 16]")],
            kwargs: r#""input": %s"#,
            out: "f32[2, 5, 7]",
            expected: "linear(%s, %layer.weight)",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.conv.Conv2d",
            attrs: r#""bias": false, "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "padding_mode": "zeros""#,
            tensors: &[("weight", "[6, 3, 3, 3]")],
            args: "%x",
            out: "f32[2, 6, 4, 4]",
            expected: "conv(%x, %layer.weight) {stride = [2, 2], padding = [1, 1], dilation = [1, 1], groups = 1}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.conv.Conv2d",
            attrs: r#""padding": [1, 1], "padding_mode": "circular""#,
            tensors: &[("weight", "[6, 3, 3, 3]")],
            args: "%x",
            out: "f32[2, 6, 8, 8]",
            expected: "opaque(%x, %layer.weight) {name = \"torch.nn.modules.conv.Conv2d\", \
                reason = \"padding mode `circular` has no counterpart\"}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.batchnorm.BatchNorm2d",
            attrs: r#""eps": 0.001, "training": false"#,
            tensors: &[VECTOR, ("bias", "[3]"), ("running_mean", "[3]"), ("running_var", "[3]")],
            args: "%x",
            out: IMAGE,
            expected: "batch_norm(%x, %layer.weight, %layer.bias, %layer.running_mean, %layer.running_var) {epsilon = 0.001}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.normalization.LayerNorm",
            attrs: r#""normalized_shape": [5, 16], "eps": 1e-06"#,
            args: "%s",
            out: "f32[2, 5, 16]",
            expected: "layer_norm(%s) {axes = 2, epsilon = 1e-6}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.normalization.GroupNorm",
            attrs: r#""num_groups": 3, "eps": 1e-05"#,
            tensors: &[VECTOR, ("bias", "[3]")],
            args: "%x",
            out: IMAGE,
            expected: "group_norm(%x, %layer.weight, %layer.bias) {groups = 3, epsilon = 1e-5}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.sparse.Embedding",
            attrs: r#""max_norm": null, "padding_idx": 0"#,
            tensors: &[("weight", "[11, 16]")],
            args: "%idx2",
            out: "f32[2, 3, 16]",
            expected: "embedding(%idx2, %layer.weight)",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.activation.GELU",
            attrs: r#""approximate": "tanh""#,
            args: "%x",
            out: IMAGE,
            expected: "gelu_tanh(%x)",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.activation.ReLU6",
            attrs: r#""inplace": true, "min_val": 0.0, "max_val": 6.0"#,
            args: "%x",
            out: IMAGE,
            expected: "relu6(%x)",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.dropout.Dropout",
            attrs: r#""p": 0.25, "training": true, "inplace": false"#,
            args: "%x",
            out: IMAGE,
            expected: "dropout(%x) {p = 0.25, training = true}",
            ..Case::default()
        },
        Case {
            class: "torchvision.ops.stochastic_depth.StochasticDepth",
            attrs: r#""p": 0.25, "mode": "row""#,
            args: "%x",
            out: IMAGE,
            expected: "stochastic_depth(%x) {p = 0.25}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.linear.Identity",
            args: "%x",
            out: IMAGE,
            expected: "alias(%x)",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.flatten.Unflatten",
            attrs: r#""dim": 2, "unflattened_size": [4, 4]"#,
            args: "%s",
            out: "f32[2, 5, 4, 4]",
            expected: "reshape(%s) {shape = [2, 5, 4, 4]}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.padding.ConstantPad2d",
            attrs: r#""padding": [1, 0, 1, 0], "value": 2.0"#,
            args: "%x",
            out: "f32[2, 3, 9, 9]",
            expected: "pad(%x) {pads = [0, 0, 0, 0, 1, 0, 1, 0], value = 2.0}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.upsampling.Upsample",
            attrs: r#""mode": "bilinear", "scale_factor": 2.0, "size": null"#,
            args: "%x",
            out: "f32[2, 3, 16, 16]",
            expected: "resize(%x) {taps = 2, output = [16, 16]}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.pooling.AdaptiveAvgPool2d",
            attrs: r#""output_size": [null, 1]"#,
            args: "%x",
            out: "f32[2, 3, 8, 1]",
            expected: "adaptive_avg_pool(%x) {output = [8, 1]}",
            ..Case::default()
        },
        Case {
            class: "my.Linear",
            tensors: &[("weight", "[7, 16]"), ("bias", "[7]")],
            args: "%s",
            out: "f32[2, 5, 7]",
            expected: "opaque(%s, %layer.bias, %layer.weight) {name = \"my.Linear\"}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.activation.MultiheadAttention",
            attrs: MHA,
            tensors: &[
                ("in_proj_weight", "[48, 16]"),
                ("in_proj_bias", "[48]"),
                ("out_proj.weight", "[16, 16]"),
                ("out_proj.bias", "[16]"),
            ],
            args: "%s, %s, %s",
            out: "f32[2, 5, 16] + f32[2, 5, 5]",
            expected: "multihead_attention(%s, %s, %s, %layer.in_proj_weight, %layer.in_proj_bias, %layer.out_proj.weight, \
                %layer.out_proj.bias) {embed_dim = 16, num_heads = 4, batch_first = true, dropout = 0.1, need_weights = true, \
                average_weights = true, operands = \"query key value in_weight in_bias out_weight out_bias\"}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.activation.MultiheadAttention",
            attrs: MHA,
            tensors: &[("in_proj_weight", "[48, 16]"), ("out_proj.weight", "[16, 16]")],
            kwargs: r#""query": %s, "value": %s, "key": %s, "need_weights": false, "attn_mask": %mask"#,
            out: r#"[{"shape": [2, 5, 16], "dtype": "float32"}, {"const": null}]"#,
            expected: "multihead_attention(%s, %s, %s, %layer.in_proj_weight, %layer.out_proj.weight, %mask) \
                {embed_dim = 16, num_heads = 4, batch_first = true, dropout = 0.1, average_weights = true, \
                operands = \"query key value in_weight out_weight mask\"}",
            ..Case::default()
        },
        Case {
            class: "torch.nn.modules.activation.MultiheadAttention",
            attrs: r#""embed_dim": 9223372036854775807, "num_heads": 1"#,
            tensors: &[("in_proj_weight", "[48, 16]"), ("out_proj.weight", "[16, 16]")],
            args: "%s, %s, %s",
            out: "f32[2, 5, 16] + f32[2, 5, 5]",
            expected: "opaque(%s, %s, %s, %layer.in_proj_weight, %layer.out_proj.weight) \
                {name = \"torch.nn.modules.activation.MultiheadAttention\", \
                reason = \"the query must have width 9223372036854775807\"}",
            ..Case::default()
        },
    ];
    for case in cases {
        let json = document(
            &call(case.args, case.kwargs, case.out),
            r#"{"ref": "y"}"#,
            &tables(case.class, case.attrs, case.tensors),
        );
        let loaded = read(&json).unwrap_or_else(|error| panic!("{}: {error}", case.class));
        assert_eq!(node_text(&loaded, "y"), case.expected, "{}", case.class);
        let (_, node) = loaded.graph.nodes().last().unwrap();
        assert_eq!(loaded.warnings.len(), usize::from(matches!(node.op, Op::Opaque(_))), "{}", case.class);
        assert_eq!(node.source.form, Form::Module);
        assert_eq!(loaded.graph.text(node.source.op), case.class);
        assert_eq!(loaded.graph.text(node.source.scope), "layer");
    }
}

#[test]
fn training_follows_the_document_where_a_module_does_not_say() {
    let tables = tables("torch.nn.modules.dropout.Dropout", r#""p": 0.5"#, &[]);
    for (training, expected) in [("true", "dropout(%x) {p = 0.5, training = true}"), ("false", "dropout(%x) {p = 0.5}")]
    {
        let tables = format!("{tables}, \"training\": {training}");
        let loaded = read(&document(&call("%x", "", IMAGE), r#"{"ref": "y"}"#, &tables)).unwrap();
        assert_eq!(node_text(&loaded, "y"), expected);
        assert_eq!(loaded.graph.training.to_string(), training);
    }
}

#[test]
fn tensors_are_added_once_tied_ones_are_one_value_and_unused_ones_stay() {
    let tables = r#", "modules": {"layer": {"class": "torch.nn.modules.linear.Linear", "attrs": {}, "params": {
        "weight": {"name": "head.weight", "shape": [11, 16], "dtype": "float32"},
        "bias": {"name": "head.bias", "shape": [11], "dtype": "float32"}}}},
      "params": [
        {"name": "tok.weight", "shape": [11, 16], "dtype": "float32", "kind": "parameter"},
        {"name": "head.weight", "shape": [11, 16], "dtype": "float32", "kind": "parameter", "alias_of": "tok.weight"},
        {"name": "unused", "shape": [4], "dtype": "float32", "kind": "parameter"},
        {"name": "steps", "shape": [], "dtype": "int64", "kind": "buffer"}]"#;
    let nodes = format!(
        r#"{{"name": "token", "op": "get_attr", "target": "tok.weight", "out": {}}},
           {{"name": "constant", "op": "get_attr", "target": "band", "out": {}}},
           {}, {}"#,
        out("f32[11, 16]"),
        out("f32[16]"),
        call("%s", "", "f32[2, 5, 11]"),
        r#"{"name": "tail", "op": "call_function", "target": "operator.mul", "args": [{"ref": "token"}, {"ref": "constant"}],
            "out": {"shape": [11, 16], "dtype": "float32"}}"#
    );
    let loaded = read(&document(&nodes, r#"[{"ref": "y"}, {"dict": {"t": {"ref": "tail"}}}]"#, tables)).unwrap();
    let graph = &loaded.graph;
    let named = |origin: &Origin| -> Vec<&str> {
        graph.values().filter(|(_, value)| value.origin == *origin).map(|(id, _)| graph.value_name(id)).collect()
    };
    assert_eq!(named(&Origin::Parameter), ["tok.weight", "unused", "head.bias"]);
    assert_eq!(named(&Origin::Buffer), ["steps"]);
    assert_eq!(named(&Origin::Constant), ["band"]);
    assert_eq!(node_text(&loaded, "y"), "linear(%s, %tok.weight, %head.bias)");
    assert_eq!(node_text(&loaded, "tail"), "mul(%tok.weight, %band)");
    assert_eq!(graph.outputs().iter().map(|&id| graph.value_name(id)).collect::<Vec<_>>(), ["y", "tail"]);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn a_parameter_and_a_node_may_have_the_same_name() {
    let nodes = r#"{"name": "scale", "op": "call_function", "target": "operator.add", "args": [{"ref": "v"}, {"ref": "v"}],
        "out": {"shape": [16], "dtype": "float32"}}"#;
    let tables = r#", "params": [{"name": "scale", "shape": [1], "dtype": "float32"}]"#;
    let loaded = read(&document(nodes, r#"{"ref": "scale"}"#, tables)).unwrap();
    let (_, node) = loaded.graph.nodes().last().unwrap();
    assert_eq!(loaded.graph.value_name(node.outputs[0]), "scale.2");
}
