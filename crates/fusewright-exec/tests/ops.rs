//! Kernels against plain loops in `f64`, and composite ops against the steps that they stand for.

#![allow(
    clippy::unwrap_used,
    clippy::many_single_char_names,
    reason = "a test fails by panicking; formulas have letters"
)]

use fusewright_exec::{Difference, NoFiles, Tensor, Weights, random_inputs, run};
use fusewright_ir::{Contents, DType, Graph, text};
use fusewright_testing::cases_up_to;
use proptest::prelude::*;

fn graph(body: &str) -> Graph {
    let graph = text::parse(&format!("graph \"g\" {{\n{body}\n}}")).unwrap();
    fusewright_ir::verify(&graph).unwrap();
    graph
}

fn outputs(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let weights = Weights::load(graph, &Contents::default(), &NoFiles, 0).unwrap();
    run(graph, &weights, inputs).unwrap().outputs
}

/// Both graphs give the same for the same made-up inputs.
fn assert_same(a: &str, b: &str, tolerance: f64) {
    let (a, b) = (graph(a), graph(b));
    let inputs = random_inputs(&a, 7);
    for (x, y) in outputs(&a, &inputs).iter().zip(&outputs(&b, &inputs)) {
        let found = Difference::between(x, y);
        assert!(found.relative <= tolerance, "{found:?}");
    }
}

fn check(found: &Tensor, expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(1e-30_f64, |m, v| m.max(v.abs()));
    assert_eq!(found.elements(), expected.len());
    for (at, (&a, &b)) in found.floats().iter().zip(expected).enumerate() {
        assert!((f64::from(a) - b).abs() <= tolerance * largest, "element {at}: {a} instead of {b}");
    }
}

fn wide(tensor: &Tensor) -> Vec<f64> {
    tensor.floats().iter().map(|&value| f64::from(value)).collect()
}

proptest! {
    #![proptest_config(cases_up_to(60))]

    #[test]
    fn a_linear_layer_is_a_sum_of_products(rows in 1_usize..20, width in 1_usize..40, out in 1_usize..40) {
        let graph = graph(&format!(
            "input %x: f32[{rows}, {width}]\ninput %w: f32[{out}, {width}]\ninput %b: f32[{out}]\n\
             %y: f32[{rows}, {out}] = linear(%x, %w, %b)\noutput %y"
        ));
        let inputs = random_inputs(&graph, 1);
        let (x, w, b) = (wide(&inputs[0]), wide(&inputs[1]), wide(&inputs[2]));
        let mut expected = Vec::new();
        for r in 0..rows {
            for o in 0..out {
                expected.push(b[o] + (0..width).map(|k| x[r * width + k] * w[o * width + k]).sum::<f64>());
            }
        }
        check(&outputs(&graph, &inputs)[0], &expected, 1e-5);
    }

    #[test]
    fn a_batched_product_broadcasts(b in 1_usize..4, h in 1_usize..4, m in 1_usize..9, k in 1_usize..9, n in 1_usize..9) {
        let graph = graph(&format!(
            "input %x: f32[{b}, 1, {m}, {k}]\ninput %y: f32[{h}, {k}, {n}]\n\
             %z: f32[{b}, {h}, {m}, {n}] = matmul(%x, %y)\noutput %z"
        ));
        let inputs = random_inputs(&graph, 2);
        let (x, y) = (wide(&inputs[0]), wide(&inputs[1]));
        let mut expected = Vec::new();
        for i in 0..b { for j in 0..h { for r in 0..m { for c in 0..n {
            let terms = (0..k).map(|t| x[(i * m + r) * k + t] * y[(j * k + t) * n + c]);
            expected.push(terms.sum());
        } } } }
        check(&outputs(&graph, &inputs)[0], &expected, 1e-5);
    }

    #[test]
    fn a_convolution_is_a_sum_over_taps(
        channels in 1_usize..4, out in 1_usize..4, extent in 3_usize..9, kernel in 1_usize..4,
        stride in 1_usize..3, padding in 0_usize..3, dilation in 1_usize..3,
    ) {
        let reach = (kernel - 1) * dilation + 1;
        prop_assume!(extent + 2 * padding >= reach);
        let size = (extent + 2 * padding - reach) / stride + 1;
        let graph = graph(&format!(
            "input %x: f32[2, {channels}, {extent}, {extent}]\ninput %w: f32[{out}, {channels}, {kernel}, {kernel}]\n\
             %y: f32[2, {out}, {size}, {size}] = conv(%x, %w) {{stride = [{stride}, {stride}], padding = [{padding}, {padding}], dilation = [{dilation}, {dilation}], groups = 1}}\noutput %y"
        ));
        let inputs = random_inputs(&graph, 3);
        let (x, w) = (wide(&inputs[0]), wide(&inputs[1]));
        let at = |image: usize, channel: usize, row: usize, column: usize| {
            let (row, column) = (row.checked_sub(padding), column.checked_sub(padding));
            match (row.filter(|&r| r < extent), column.filter(|&c| c < extent)) {
                (Some(r), Some(c)) => x[((image * channels + channel) * extent + r) * extent + c],
                _ => 0.0,
            }
        };
        let mut expected = Vec::new();
        for i in 0..2 { for o in 0..out { for r in 0..size { for c in 0..size {
            let mut sum = 0.0;
            for channel in 0..channels { for a in 0..kernel { for b in 0..kernel {
                let factor = w[((o * channels + channel) * kernel + a) * kernel + b];
                sum += factor * at(i, channel, r * stride + a * dilation, c * stride + b * dilation);
            } } }
            expected.push(sum);
        } } } }
        check(&outputs(&graph, &inputs)[0], &expected, 1e-5);
    }

    #[test]
    fn softmax_along_any_axis(a in 1_usize..5, b in 1_usize..5, c in 1_usize..5, axis in 0_usize..3) {
        let graph = graph(&format!(
            "input %x: f32[{a}, {b}, {c}]\n%y: f32[{a}, {b}, {c}] = softmax(%x) {{axis = {axis}, zero_masked = false}}\noutput %y"
        ));
        let inputs = random_inputs(&graph, 4);
        let x = wide(&inputs[0]);
        let extents = [a, b, c];
        let strides = [b * c, c, 1];
        let expected: Vec<f64> = (0..x.len()).map(|at| {
            let own = at / strides[axis] % extents[axis];
            let line = (0..extents[axis]).map(|other| x[at - own * strides[axis] + other * strides[axis]].exp());
            x[at].exp() / line.sum::<f64>()
        }).collect();
        check(&outputs(&graph, &inputs)[0], &expected, 1e-5);
    }

    #[test]
    fn permuted_and_reshaped_elements_stay_where_they_belong(a in 1_usize..5, b in 1_usize..5, c in 1_usize..5) {
        let graph = graph(&format!(
            "input %x: f32[{a}, {b}, {c}]\n%t: f32[{c}, {a}, {b}] = permute(%x) {{axes = [2, 0, 1]}}\n\
             %y: f32[{0}] = reshape(%t) {{shape = [{0}]}}\noutput %y", a * b * c
        ));
        let inputs = random_inputs(&graph, 5);
        let x = wide(&inputs[0]);
        let mut expected = Vec::new();
        for k in 0..c { for i in 0..a { for j in 0..b { expected.push(x[(i * b + j) * c + k]); } } }
        check(&outputs(&graph, &inputs)[0], &expected, 0.0);
    }
}

#[test]
fn attention_is_its_steps() {
    let head = "input %q: f32[2, 4, 5, 8]\ninput %k: f32[2, 2, 7, 8]\ninput %v: f32[2, 2, 7, 6]\n\
                input %mask: bool[2, 1, 5, 7]\n";
    let core = "%y: f32[2, 4, 5, 6] = scaled_dot_product_attention(%q, %k, %v, %mask) {causal = false, sinks = false}\noutput %y";
    let steps = "%k4: f32[2, 2, 1, 7, 8] = reshape(%k) {shape = [2, 2, 1, 7, 8]}\n\
                 %ke: f32[2, 2, 2, 7, 8] = expand(%k4) {shape = [2, 2, 2, 7, 8]}\n\
                 %kr: f32[2, 4, 7, 8] = reshape(%ke) {shape = [2, 4, 7, 8]}\n\
                 %v4: f32[2, 2, 1, 7, 6] = reshape(%v) {shape = [2, 2, 1, 7, 6]}\n\
                 %ve: f32[2, 2, 2, 7, 6] = expand(%v4) {shape = [2, 2, 2, 7, 6]}\n\
                 %vr: f32[2, 4, 7, 6] = reshape(%ve) {shape = [2, 4, 7, 6]}\n\
                 %t: f32[2, 4, 8, 7] = permute(%kr) {axes = [0, 1, 3, 2]}\n\
                 %s: f32[2, 4, 5, 7] = matmul(%q, %t)\n\
                 %m: f32[2, 4, 5, 7] = mul(%s) {scalar = 0.35355339059327373, reversed = false}\n\
                 %f: f32[2, 4, 5, 7] = masked_keep(%m, %mask) {value = -inf}\n\
                 %p: f32[2, 4, 5, 7] = softmax(%f) {axis = -1, zero_masked = true}\n\
                 %y: f32[2, 4, 5, 6] = matmul(%p, %vr)\noutput %y";
    assert_same(&format!("{head}{core}"), &format!("{head}{steps}"), 1e-6);
}

#[test]
fn norms_and_activations_are_their_steps() {
    let head = "input %x: f32[3, 32]\n";
    assert_same(
        &format!("{head}%y: f32[3, 32] = layer_norm(%x) {{axes = 1, epsilon = 0.00001}}\noutput %y"),
        &format!(
            "{head}%m: f32[3, 1] = mean(%x) {{axes = [-1], keep = true}}\n%c: f32[3, 32] = sub(%x, %m)\n\
             %s: f32[3, 32] = square(%c)\n%v: f32[3, 1] = mean(%s) {{axes = [-1], keep = true}}\n\
             %e: f32[3, 1] = add(%v) {{scalar = 0.00001, reversed = false}}\n%r: f32[3, 1] = rsqrt(%e)\n\
             %y: f32[3, 32] = mul(%c, %r)\noutput %y"
        ),
        1e-6,
    );
    assert_same(
        &format!("{head}%y: f32[3, 32] = gelu(%x)\noutput %y"),
        &format!(
            "{head}%a: f32[3, 32] = mul(%x) {{scalar = 0.7071067811865476, reversed = false}}\n%b: f32[3, 32] = erf(%a)\n\
             %c: f32[3, 32] = add(%b) {{scalar = 1.0, reversed = false}}\n%d: f32[3, 32] = mul(%x, %c)\n\
             %y: f32[3, 32] = mul(%d) {{scalar = 0.5, reversed = false}}\noutput %y"
        ),
        1e-6,
    );
    assert_same(
        &format!("{head}%y: f32[3, 32] = silu(%x)\noutput %y"),
        &format!("{head}%s: f32[3, 32] = sigmoid(%x)\n%y: f32[3, 32] = mul(%x, %s)\noutput %y"),
        1e-6,
    );
}

#[test]
fn indices_pick_scatter_and_count_from_the_end() {
    let graph = graph(
        "input %x: f32[3, 2]\ninput %i: i64[2]\n%g: f32[2, 2] = index_select(%x, %i) {axis = 0}\n\
         %s: f32[3, 2] = scatter_slices(%x, %g, %i) {axis = 0, add = true}\noutput %g\noutput %s",
    );
    let x = Tensor::from_floats(DType::F32, &[3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let found = outputs(&graph, &[x.clone(), Tensor::from_ints(DType::I64, &[2], vec![-1, 0])]);
    check(&found[0], &[5.0, 6.0, 1.0, 2.0], 0.0);
    check(&found[1], &[2.0, 4.0, 3.0, 4.0, 10.0, 12.0], 0.0);
    let weights = Weights::load(&graph, &Contents::default(), &NoFiles, 0).unwrap();
    let outside = [x, Tensor::from_ints(DType::I64, &[2], vec![3, 0])];
    let error = run(&graph, &weights, &outside).unwrap_err().to_string();
    assert!(error.contains("index_select") && error.contains("index 3 leaves an axis of extent 3"), "{error}");
}

#[test]
fn half_precision_is_rounded_after_each_op() {
    let graph = graph("input %x: f16[1]\n%y: f16[1] = add(%x) {scalar = 0.0001, reversed = false}\noutput %y");
    let found = outputs(&graph, &[Tensor::from_floats(DType::F16, &[1], vec![1.0])]);
    check(&found[0], &[1.0], 0.0);
}

#[test]
fn what_is_not_understood_is_named() {
    let graph = graph("input %x: f32[2]\n%y: f32[2] = opaque(%x) {name = \"my.Op\"}\noutput %y");
    let weights = Weights::load(&graph, &Contents::default(), &NoFiles, 0).unwrap();
    let error = run(&graph, &weights, &random_inputs(&graph, 0)).unwrap_err().to_string();
    assert!(error.contains("my.Op"), "{error}");
}
