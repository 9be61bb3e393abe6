//! Causal attention as ONNX Runtime's `GroupQueryAttention`: groups of queries share keys and values as they are, or each
//! has its own.
//!
//! The operator always hides what follows. It is told how many rows there are by numbers, and turns queries and keys
//! itself where both were turned by the same tables from their first row on.

use fusewright_ir::DType;

use super::masks::Masks;
use super::{Found, Plan, Reason, Work};
use crate::MICROSOFT;
use crate::document::{Document, Slot};
use crate::emit::{Emitter, I32, Place};
use crate::lengths::extent;
use crate::message::{Attribute, Node};
use crate::recipe::Extent;

/// The operator takes heads whose width is a multiple of this, and of twice as much where it turns them.
const WIDTH: u64 = 8;

/// Most sequences whose lengths are written into the file.
const MOST: i32 = 4096;

/// An attention that the operator computes.
pub(super) struct Grouped {
    heads: u64,
    head_dim: u64,
    scale: f64,
    softcap: Option<f64>,
    batch: Extent,
    rows: Extent,
}

/// Tables by which an operand was turned, and what was turned.
struct Turned {
    from: String,
    tables: [String; 2],
}

impl Grouped {
    /// What the operator is told, where it computes the attention.
    pub(super) fn of(found: &Found<'_>, masks: &Masks) -> Option<Self> {
        let [one, two] = &found.steps;
        let single = found.facts[0].graph.tensor(one.query).is_some_and(|tensor| tensor.dtype == DType::F32);
        let fits =
            found.hides_what_follows(masks) && one.head_dim == one.value_dim && one.head_dim.is_multiple_of(WIDTH);
        if !single || !fits {
            return None;
        }
        Some(Self {
            heads: one.heads,
            head_dim: one.head_dim,
            scale: one.scale,
            softcap: one.softcap,
            batch: (one.batch, two.batch),
            rows: (one.queries, two.queries),
        })
    }

    /// Adds the node, and before the first of its kind the numbers that say how many rows there are.
    pub(super) fn emit(
        &self,
        document: &Document,
        work: &mut Work,
        place: &Place,
        plan: &Plan,
    ) -> Result<String, Reason> {
        if (plan.value.factor - 1.0).abs() > 1e-12 {
            return Err("its values are scaled");
        }
        let emitter = &mut work.emitter;
        let [query, key, value] =
            [&plan.query, &plan.key, &plan.value].map(|way| emitter.recipe(place, &way.recipe, &way.name, None));
        let turned = self.turned(document, &query, &key);
        let (query, key) = turned.as_ref().map_or((&query, &key), |[query, key]| (&query.from, &key.from));
        let [last, total] = self.lengths(work, place, query);
        let mut inputs = vec![query.as_str(), key, &value, "", "", &last, &total];
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let mut attributes = vec![
            Attribute::of_int("num_heads", count(self.heads)),
            Attribute::of_int("kv_num_heads", count(plan.key.kv_heads)),
            Attribute::of_float("scale", self.scale * plan.query.factor * plan.key.factor),
        ];
        if let Some(cap) = self.softcap {
            attributes.push(Attribute::of_float("softcap", cap));
        }
        if let Some([query, _]) = &turned {
            attributes.push(Attribute::of_int("do_rotary", 1));
            inputs.extend(query.tables.iter().map(String::as_str));
        }
        let direct = plan.exit.cost == 0;
        let output = direct.then_some(plan.exit.name.as_str());
        let emitter = &mut work.emitter;
        let result = emitter.node(place, (MICROSOFT, "GroupQueryAttention"), &inputs, attributes, output);
        if !direct {
            emitter.recipe(place, &plan.exit.recipe, &result, Some(&plan.exit.name));
        }
        Ok(format!("{MICROSOFT}.GroupQueryAttention"))
    }

    /// Queries and keys before they were turned, where the operator can turn them.
    fn turned(&self, document: &Document, query: &str, key: &str) -> Option<[Turned; 2]> {
        if !self.head_dim.is_multiple_of(2 * WIDTH) {
            return None;
        }
        let makers = document.makers();
        let constants = document.constants();
        let turned = |name: &str| {
            let node: &Node = makers.get(name).and_then(|&at| document.slots.get(at)).map(Slot::node)?;
            let rotary = node.domain == MICROSOFT && node.op_type == "RotaryEmbedding";
            let plain = node.attributes.iter().all(|setting| {
                <Attribute as prost::Message>::decode(setting.clone()).is_ok_and(|setting| setting.name == "num_heads")
            });
            let [from, positions, cosines, sines] = &node.inputs[..] else { return None };
            let first = crate::literal::ints(constants.get(positions.as_str())?)?;
            let tables = [cosines.clone(), sines.clone()];
            (rotary && plain && first == [0]).then(|| Turned { from: from.clone(), tables })
        };
        let both = [turned(query)?, turned(key)?];
        (both[0].tables == both[1].tables).then_some(both)
    }

    /// The number of the last row of each sequence, and how many rows there are.
    fn lengths(&self, work: &mut Work, place: &Place, rows: &str) -> [String; 2] {
        let Work { emitter, made, .. } = work;
        let key = format!("{:?}x{:?}", self.batch, self.rows);
        let names = ["last", "total"].map(|part| format!("{key}:{part}"));
        if let [Some(last), Some(total)] = names.each_ref().map(|name| made.get(name)) {
            return [last.clone(), total.clone()];
        }
        let fixed = |(one, two): Extent| if one == two { i32::try_from(one).ok() } else { None };
        let made_now = match (fixed(self.batch), fixed(self.rows)) {
            (Some(batch), Some(rows)) if batch <= MOST => {
                let last = vec![rows.saturating_sub(1); usize::try_from(batch).unwrap_or(0)];
                [emitter.shorts(&last), emitter.shorts(&[rows])]
            }
            _ => open_lengths(emitter, place, rows),
        };
        for (name, value) in names.into_iter().zip(&made_now) {
            made.insert(name, value.clone());
        }
        made_now
    }
}

/// The same, computed from rows `[batch, rows, width]` when the model runs.
fn open_lengths(emitter: &mut Emitter, place: &Place, rows: &str) -> [String; 2] {
    let [batch, total] = [0, 1].map(|axis| extent(emitter, place, (rows, axis)));
    let total = emitter.node(place, ("", "Cast"), &[&total], vec![Attribute::of_int("to", i64::from(I32))], None);
    let one = emitter.shorts(&[1]);
    let last = emitter.node(place, ("", "Sub"), &[&total, &one], Vec::new(), None);
    [emitter.node(place, ("", "Expand"), &[&last, &batch], Vec::new(), None), total]
}
