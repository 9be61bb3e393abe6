//! Attentions in random clothes: the written model has the same results of the same types, and reads back.

use proptest::prelude::*;

use super::model::{Dim, Model};
use super::{graph, interface, rewritten, written};
use crate::emit::F32;
use crate::message::Attribute;
use crate::{Rewrite, Target};

#[derive(Clone, Copy, Debug)]
struct Clothes {
    heads: i64,
    width: i64,
    packed: bool,
    open: bool,
    merged: bool,
    mask: usize,
    divided: bool,
    read_elsewhere: bool,
}

fn clothes() -> impl Strategy<Value = Clothes> {
    let shape = (1_i64..5, prop::sample::select(vec![2_i64, 4, 8]));
    (shape, any::<[bool; 5]>(), 0_usize..4).prop_map(
        |((heads, width), [packed, open, merged, divided, read_elsewhere], mask)| Clothes {
            heads,
            width,
            packed,
            // Heads merged with an open batch cannot be told apart again by a reshape.
            open: open && !merged,
            merged,
            mask,
            divided,
            read_elsewhere,
        },
    )
}

fn model(c: Clothes) -> Model {
    let (batch, rows, all) = (3, 5, c.heads * c.width);
    let lead = if c.open { [Dim::Open("b"), Dim::Open("s")] } else { [Dim::Fixed(batch), Dim::Fixed(rows)] };
    let mut model = Model::new(23);
    model.input("x", &[lead[0], lead[1], Dim::Fixed(24)], F32).number("scale", 2.0);
    model.ints("split", &[0, 0, c.heads, c.width]).ints("join", &[0, 0, all]);
    if c.packed {
        model.weight("w", &[24, 3 * all]).node("MatMul", &["x", "w"], "packed", vec![]);
        model.ints("apart", &[0, 0, 3, c.heads, c.width]).node("Reshape", &["packed", "apart"], "parts", vec![]);
        model.perm("parts", "stacked", &[2, 0, 3, 1, 4]);
        for (at, name) in ["q", "k", "v"].into_iter().enumerate() {
            let index = format!("index_{name}");
            let raw = Some(i64::try_from(at).unwrap().to_le_bytes().to_vec().into());
            let tensor = crate::message::TensorMessage { name: index.clone(), data_type: 7, raw, ..Default::default() };
            model.tensor(&tensor);
            let attributes = vec![Attribute::of_int("axis", 0)];
            model.node("Gather", &["stacked", &index], &format!("{name}_heads"), attributes);
        }
    } else {
        for name in ["q", "k", "v"] {
            let [weight, flat, apart, heads] = ["w", "flat", "apart", "heads"].map(|part| format!("{name}_{part}"));
            model.weight(&weight, &[24, all]).node("MatMul", &["x", &weight], &flat, vec![]);
            model.node("Reshape", &[&flat, "split"], &apart, vec![]).perm(&apart, &heads, &[0, 2, 1, 3]);
        }
    }
    let mut names = ["q_heads", "k_heads", "v_heads"].map(str::to_owned);
    if c.merged {
        model.ints("lead", &[batch * c.heads, rows, c.width]).ints("heads", &[batch, c.heads, rows, c.width]);
        for name in &mut names {
            let merged = format!("{name}_merged");
            model.node("Reshape", &[name, "lead"], &merged, vec![]);
            *name = merged;
        }
    }
    let turned: &[i64] = if c.merged { &[0, 2, 1] } else { &[0, 1, 3, 2] };
    model.perm(&names[1], "keys", turned).node("MatMul", &[&names[0], "keys"], "scores", vec![]);
    model.node(if c.divided { "Div" } else { "Mul" }, &["scores", "scale"], "scaled", vec![]);
    let mut last = "scaled";
    if c.mask > 0 && !c.merged {
        let dims = [
            [lead[0], Dim::Fixed(1), Dim::Fixed(1), lead[1]],
            [Dim::Fixed(1), Dim::Fixed(c.heads), lead[1], lead[1]],
            [lead[0], Dim::Fixed(c.heads), lead[1], lead[1]],
        ];
        model.input("mask", &dims[c.mask - 1], F32).node("Add", &["scaled", "mask"], "masked", vec![]);
        last = "masked";
    }
    model.node("Softmax", &[last], "weights", vec![Attribute::of_int("axis", -1)]);
    model.node("MatMul", &["weights", &names[2]], "mixed", vec![]);
    let mut mixed = "mixed";
    if c.merged {
        model.node("Reshape", &["mixed", "heads"], "unmerged", vec![]);
        mixed = "unmerged";
    }
    model.perm(mixed, "moved", &[0, 2, 1, 3]).node("Reshape", &["moved", "join"], "y", vec![]);
    model.output("y", &[lead[0], lead[1], Dim::Fixed(all)]);
    if c.read_elsewhere {
        let dims = if c.merged {
            vec![Dim::Fixed(batch * c.heads), Dim::Fixed(rows), Dim::Fixed(rows)]
        } else {
            vec![lead[0], Dim::Fixed(c.heads), lead[1], lead[1]]
        };
        model.output("weights", &dims);
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
    ))]

    #[test]
    fn results_keep_their_names_and_types(clothes in clothes()) {
        let before = model(clothes).bytes();
        for target in Target::ALL {
            let found = rewritten(&before, target);
            let after = written(&found);
            prop_assert_eq!(interface(&graph(&after)), interface(&graph(&before)));
            prop_assert_eq!(&graph(&after).dims, &graph(&before).dims);
            let report = found.report();
            let fused = u64::from(!clothes.read_elsewhere);
            prop_assert_eq!(report.count(Rewrite::Attention), fused, "{:?}", report.skips);
            // Nothing is left to do, and the same bytes come out again.
            prop_assert_eq!(written(&rewritten(&after, target)), after);
        }
    }
}
