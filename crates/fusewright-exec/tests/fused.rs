//! Plans give what eager execution gives: on graphs with every kind of kernel, and on random ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_exec::{Difference, ExecError, NoFiles, Program, Tensor, Weights, random_inputs, run};
use fusewright_ir::{Contents, Graph, text};
use fusewright_pattern::decompose;
use fusewright_plan::{
    Analysis, AttentionFusionPartitioner, EagerPartitioner, FusionBasedPartitioner, OptimalFusionPartitioner,
    Partitioner, Plan, Profile,
};
use fusewright_testing::{Sample, cases_up_to, graphs};
use proptest::prelude::*;

fn plans(graph: &Graph) -> Vec<Plan> {
    let analysis = Analysis::of(graph);
    let partitioners: [&dyn Partitioner; 4] = [
        &EagerPartitioner,
        &FusionBasedPartitioner::default(),
        &AttentionFusionPartitioner::default(),
        &OptimalFusionPartitioner::new(None),
    ];
    partitioners.iter().map(|partitioner| partitioner.partition(&analysis, Profile::Default).unwrap()).collect()
}

/// Runs every plan of a graph against the interpreter; gives the number of fused kernels of each plan.
fn check(graph: &Graph, tolerance: f64) -> Result<Vec<usize>, ExecError> {
    let weights = Weights::load(graph, &Contents::default(), &NoFiles, 3)?;
    let inputs = random_inputs(graph, 3);
    let expected = run(graph, &weights, &inputs)?.outputs;
    plans(graph)
        .iter()
        .map(|plan| {
            let program = Program::new(graph, &weights, plan)?;
            let found = program.run(&inputs)?.outcome.outputs;
            for (position, (a, b)) in expected.iter().zip(&found).enumerate() {
                let difference = Difference::between(a, b);
                assert!(difference.relative <= tolerance, "{} output {position}: {difference:?}", plan.strategy);
            }
            Ok(program.fused_kernels())
        })
        .collect()
}

fn parsed(body: &str) -> Graph {
    let graph = text::parse(&format!("graph \"g\" {{\n{body}\n}}")).unwrap();
    fusewright_ir::verify(&graph).unwrap();
    graph
}

const BLOCK: &str = "\
input %x: f32[2, 33, 48]
input %mask: f32[2, 1, 1, 33]
parameter %nw: f32[48]
parameter %nb: f32[48]
parameter %wq: f32[48, 48]
parameter %bq: f32[48]
parameter %wk: f32[48, 48]
parameter %bk: f32[48]
parameter %wv: f32[48, 48]
parameter %wo: f32[48, 48]
parameter %bo: f32[48]
parameter %w1: f32[96, 48]
parameter %b1: f32[96]
parameter %w2: f32[48, 96]
%n: f32[2, 33, 48] = layer_norm(%x, %nw, %nb) {axes = 1, epsilon = 0.00001}
%q: f32[2, 33, 48] = linear(%n, %wq, %bq)
%k: f32[2, 33, 48] = linear(%n, %wk, %bk)
%v: f32[2, 33, 48] = linear(%n, %wv)
%q4: f32[2, 33, 4, 12] = reshape(%q) {shape = [2, 33, 4, 12]}
%k4: f32[2, 33, 4, 12] = reshape(%k) {shape = [2, 33, 4, 12]}
%v4: f32[2, 33, 4, 12] = reshape(%v) {shape = [2, 33, 4, 12]}
%qh: f32[2, 4, 33, 12] = permute(%q4) {axes = [0, 2, 1, 3]}
%kt: f32[2, 4, 12, 33] = permute(%k4) {axes = [0, 2, 3, 1]}
%vh: f32[2, 4, 33, 12] = permute(%v4) {axes = [0, 2, 1, 3]}
%s: f32[2, 4, 33, 33] = matmul(%qh, %kt)
%sc: f32[2, 4, 33, 33] = mul(%s) {scalar = 0.288, reversed = false}
%sm: f32[2, 4, 33, 33] = add(%sc, %mask)
%p: f32[2, 4, 33, 33] = softmax(%sm) {axis = -1, zero_masked = false}
%a: f32[2, 4, 33, 12] = matmul(%p, %vh)
%at: f32[2, 33, 4, 12] = permute(%a) {axes = [0, 2, 1, 3]}
%ar: f32[2, 33, 48] = reshape(%at) {shape = [2, 33, 48]}
%o: f32[2, 33, 48] = linear(%ar, %wo, %bo)
%r: f32[2, 33, 48] = add(%x, %o)
%h: f32[2, 33, 96] = linear(%r, %w1, %b1)
%g: f32[2, 33, 96] = gelu(%h)
%d: f32[2, 33, 48] = linear(%g, %w2)
%y: f32[2, 33, 48] = add(%r, %d)
output %y";

#[test]
fn a_transformer_block_is_the_same_in_every_plan() {
    let fused = check(&parsed(BLOCK), 2e-5).unwrap();
    // Products are kernels of their own even in the eager plan: six of them.
    assert_eq!(fused[0], 6);
    assert!(fused.iter().all(|&count| count >= 4), "{fused:?}");
}

#[test]
fn merged_projections_have_the_bits_of_separate_ones() {
    let graph = parsed(
        "input %x: f32[1, 50, 40]\nparameter %a: f32[24, 40]\nparameter %b: f32[7, 40]\nparameter %c: f32[40, 40]\n\
         %p: f32[1, 50, 24] = linear(%x, %a)\n%q: f32[1, 50, 7] = linear(%x, %b)\n%r: f32[1, 50, 40] = linear(%x, %c)\n\
         output %p\noutput %q\noutput %r",
    );
    let weights = Weights::load(&graph, &Contents::default(), &NoFiles, 0).unwrap();
    let inputs = random_inputs(&graph, 0);
    let plans = plans(&graph);
    let results: Vec<Vec<Tensor>> = [&plans[0], &plans[2]]
        .iter()
        .map(|plan| Program::new(&graph, &weights, plan).unwrap().run(&inputs).unwrap().outcome.outputs)
        .collect();
    assert_eq!((plans[0].merges.len(), plans[2].merges.len()), (0, 1));
    for (separate, merged) in results[0].iter().zip(&results[1]) {
        let bits = |t: &Tensor| t.floats().iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        assert_eq!(bits(separate), bits(merged));
    }
}

#[test]
fn long_causal_attention_streams_over_blocks_of_keys() {
    for options in ["causal = true", "causal = false", "causal = true, window = 100"] {
        let graph = parsed(&format!(
            "input %q: f32[1, 4, 70, 8]\ninput %k: f32[1, 2, 1100, 8]\ninput %v: f32[1, 2, 1100, 16]\n\
             %y: f32[1, 4, 70, 16] = scaled_dot_product_attention(%q, %k, %v) {{{options}, offset = 1030, sinks = false}}\noutput %y"
        ));
        assert_eq!(check(&graph, 1e-5).unwrap()[0], 1, "{options}");
    }
}

/// The block with a mask that hides all keys of the second sample, and weights that pass through a guard.
fn guarded(steps: &str) -> Graph {
    let product = "%a: f32[2, 4, 33, 12] = matmul(%p, %vh)";
    let mask = "%open: f32[1, 1, 1, 33] = full() {shape = [1, 1, 1, 33], dtype = \"f32\", value = 0.0}\n\
                %shut: f32[1, 1, 1, 33] = full() {shape = [1, 1, 1, 33], dtype = \"f32\", value = -inf}\n\
                %both: f32[2, 1, 1, 33] = concat(%open, %shut) {axis = 0}\n%hides: f32[2, 1, 1, 33] = add(%mask, %both)\n";
    let body = BLOCK.replace(product, &format!("{steps}\n{}", product.replace("%p", "%safe")));
    parsed(&body.replace("%s: f32", &format!("{mask}%s: f32")).replace("add(%sc, %mask)", "add(%sc, %hides)"))
}

const NOT_A_NUMBER: &str = "\
%zero: f32[] = full() {shape = [], dtype = \"f32\", value = 0.0}
%none: bool[2, 4, 33, 33] = is_nan(%p)
%safe: f32[2, 4, 33, 33] = where(%none, %zero, %p)";

const NO_KEY: &str = "\
%zero: f32[] = full() {shape = [], dtype = \"f32\", value = 0.0}
%hidden: bool[2, 4, 33, 33] = eq(%sm) {scalar = -inf}
%seen: bool[2, 4, 33, 33] = logical_not(%hidden)
%some: bool[2, 4, 33, 1] = any(%seen) {axes = [-1], keep = true}
%none: bool[2, 4, 33, 1] = logical_not(%some)
%safe: f32[2, 4, 33, 33] = where(%none, %zero, %p)";

#[test]
fn guarded_attention_is_one_kernel_of_the_optimal_plan() {
    let [.., bare] = peaks(&parsed(BLOCK));
    for steps in [NOT_A_NUMBER, NO_KEY] {
        let graph = guarded(steps);
        check(&graph, 2e-5).unwrap();
        let [eager, .., optimal] = peaks(&graph);
        // The mask is all that is larger.
        assert!(optimal < bare + 4 * 33 * 4 && eager > optimal + 30_000, "{bare} {optimal} {eager}");
    }
}

/// Peak memory of each plan.
fn peaks(graph: &Graph) -> [u64; 4] {
    let weights = Weights::load(graph, &Contents::default(), &NoFiles, 0).unwrap();
    let inputs = random_inputs(graph, 0);
    let peak = |plan: &Plan| Program::new(graph, &weights, plan).unwrap().run(&inputs).unwrap().outcome.peak_bytes;
    let plans = plans(graph);
    [0, 1, 2, 3].map(|position: usize| peak(&plans[position]))
}

#[test]
fn memory_of_a_fused_attention_leaves_the_scores_out() {
    let [eager, _, attention, optimal] = peaks(&parsed(BLOCK));
    assert!(attention < eager && optimal < eager, "{attention}, {optimal} and {eager}");
}

proptest! {
    #![proptest_config(cases_up_to(120))]

    #[test]
    fn random_graphs_are_the_same_in_every_plan(Sample(graph) in graphs(24)) {
        let graph = decompose(&graph).unwrap();
        // Random graphs hold ops that are not understood, and layers in training: no plan runs them.
        let weights = Weights::load(&graph, &Contents::default(), &NoFiles, 3);
        let runs = weights.and_then(|weights| run(&graph, &weights, &random_inputs(&graph, 3)));
        if runs.is_ok() {
            check(&graph, 1e-3).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }
}
