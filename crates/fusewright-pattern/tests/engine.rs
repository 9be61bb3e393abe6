//! What holds for any graph and any text: no panic, no nonsense, the same answer each time, in linear time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::sync::LazyLock;

use fusewright_ir::{Consumers, Graph, NodeId, Storage, text, verify};
use fusewright_pattern::{Findings, Library, Surroundings, find, find_attentions};
use fusewright_testing::{cases, graphs};
use proptest::prelude::*;

static LIBRARY: LazyLock<Library> = LazyLock::new(Library::built_in);

fn search(graph: &Graph, library: &Library) -> Findings {
    let (storage, consumers) = (Storage::of(graph), Consumers::of(graph));
    let attentions = find_attentions(graph, &storage, &consumers);
    find(&Surroundings::new(graph, &storage, &consumers, &attentions), library)
}

/// Nothing outside depends on the nodes and feeds them.
fn is_convex(graph: &Graph, nodes: &[NodeId]) -> bool {
    let inside = |id: NodeId| nodes.binary_search(&id).is_ok();
    let mut depends = vec![false; graph.node_count()];
    for (id, node) in graph.nodes() {
        for maker in node.inputs.iter().filter_map(|&input| graph.producer(input)) {
            if inside(id) && !inside(maker) && depends[maker.index()] {
                return false;
            }
            depends[id.index()] |= inside(maker) || depends[maker.index()];
        }
    }
    true
}

fn look_sound(graph: &Graph, findings: &Findings) -> Result<(), TestCaseError> {
    for candidate in &findings.candidates {
        prop_assert!(candidate.nodes.is_sorted_by(|a, b| a < b), "{candidate:?}");
        prop_assert!(candidate.nodes.iter().all(|id| id.index() < graph.node_count()), "{candidate:?}");
        prop_assert!(candidate.nodes.contains(&candidate.anchor), "{candidate:?}");
        prop_assert!(is_convex(graph, &candidate.nodes), "{candidate:?}");
    }
    for miss in &findings.misses {
        prop_assert!(miss.nodes.is_sorted_by(|a, b| a < b), "{miss:?}");
        prop_assert!(miss.nodes.iter().all(|id| id.index() < graph.node_count()), "{miss:?}");
        let value = miss.evidence.value.is_none_or(|value| value.index() < graph.value_count());
        prop_assert!(value && miss.evidence.node.is_none_or(|id| id.index() < graph.node_count()), "{miss:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn findings_of_random_graphs_are_sound(sample in graphs(40)) {
        let findings = search(&sample.0, &LIBRARY);
        look_sound(&sample.0, &findings)?;
        prop_assert_eq!(findings, search(&sample.0, &LIBRARY));
    }

    /// An example of the library with a few characters changed: whatever it is then, reading it ends well.
    #[test]
    fn texts_that_are_nearly_patterns_are_read_or_refused(
        file in 0_usize..1000,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[ -~]{0,3}"), 1..4),
    ) {
        let names: Vec<&str> = Library::files().collect();
        let name = names[file % names.len()];
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("library").join(name);
        let mut text = std::fs::read_to_string(path).unwrap();
        for (at, new) in cuts {
            let at = at.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(at..=at, &new);
            }
        }
        let lines = text.lines().count();
        if let Err(problem) = Library::default().add("changed.toml", &text) {
            prop_assert_eq!(&problem.file, "changed.toml");
            prop_assert!((1..=lines + 1).contains(&problem.line), "{problem}");
            prop_assert!(!problem.problem.is_empty());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(pattern in "\\PC{0,200}") {
        let _ = Library::default().add("any.toml", &pattern);
        let quoted = pattern.replace(['\'', '\\'], "");
        let file = format!(
            "id = 'a'\ntitle = 'b'\nfamily = 'c'\nexactness = 'bit-identical'\ndocumentation = 'd'\n[[form]]\npattern = '''\n{quoted}\n'''\n"
        );
        let _ = Library::default().add("any.toml", &file);
    }
}

/// Pieces of real models, whole and broken.
#[test]
fn findings_of_all_examples_are_sound() {
    for (_, rule) in LIBRARY.rules() {
        for example in &rule.examples {
            let graph = text::parse(&example.graph).unwrap();
            look_sound(&graph, &search(&graph, &LIBRARY)).unwrap();
        }
    }
}

/// A pattern of a user that is as greedy as patterns get, on random graphs.
#[test]
fn a_greedy_pattern_ends() {
    let mut library = Library::default();
    let file = r#"
        id = "greedy"
        title = "products of sums of products"
        family = "mine"
        exactness = "approximate"
        documentation = "As many choices as a form may have."
        [[form]]
        pattern = """
        input %a, %b, %c, %d, %e, %f
        output mul(add(%a, %b, %c, tanh(%d)), add(%e, %f, %a), %b, %c?, %d?)
        """
    "#;
    library.add("greedy.toml", file).unwrap();
    let mut body = String::from("input %x0: f32[2, 2]\n");
    for layer in 0..400 {
        let next = layer + 1;
        let _ = write!(
            body,
            "%t{layer}: f32[2, 2] = tanh(%x{layer})
            %m{layer}: f32[2, 2] = mul(%t{layer}, %x{layer})
            %n{layer}: f32[2, 2] = add(%m{layer}, %t{layer})
            %x{next}: f32[2, 2] = mul(%n{layer}, %m{layer})
            "
        );
    }
    let graph = text::parse(&format!("graph \"greedy\" {{\n{body} output %x400\n}}")).unwrap();
    verify(&graph).unwrap();
    search(&graph, &library);
}

#[test]
fn ten_thousand_layers_are_searched_layer_by_layer() {
    let mut body = String::from("input %x0: f32[2, 4]\nparameter %w: f32[4, 4]\nparameter %g: f32[4]\n");
    for layer in 0..10_000 {
        let next = layer + 1;
        let _ = write!(
            body,
            "%q{layer}: f32[2, 4] = square(%x{layer})
            %m{layer}: f32[2, 1] = mean(%q{layer}) {{axes = [-1], keep = true}}
            %e{layer}: f32[2, 1] = add(%m{layer}) {{scalar = 1e-6}}
            %r{layer}: f32[2, 1] = rsqrt(%e{layer})
            %n{layer}: f32[2, 4] = mul(%x{layer}, %r{layer})
            %y{layer}: f32[2, 4] = mul(%n{layer}, %g)
            %p{layer}: f32[2, 4] = linear(%y{layer}, %w)
            %a{layer}: f32[2, 4] = silu(%p{layer})
            %x{next}: f32[2, 4] = add(%x{layer}, %a{layer})
            "
        );
    }
    let graph = text::parse(&format!("graph \"deep\" {{\n{body} output %x10000\n}}")).unwrap();
    let library = Library::built_in();
    let findings = search(&graph, &library);
    let count = |id: &str| findings.candidates.iter().filter(|c| library.rule(c.rule).id == id).count();
    // Each norm but the first follows a residual sum.
    assert_eq!((count("skip-norm"), count("rms-norm"), count("linear-activation")), (9_999, 1, 10_000));
    assert!(findings.misses.is_empty());
}
