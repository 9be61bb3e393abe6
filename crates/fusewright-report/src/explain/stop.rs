//! Why a group ends, in words.

use fusewright_ir::{Graph, NodeId, TensorType, ValueId};
use fusewright_plan::{Analysis, Reason, Stop, StopReason, Stops};
use serde::Serialize;

use crate::figures::{bytes_text, us_text};

/// Readers and producers that are named.
const NAMED: usize = 3;

/// What to do where a rule is missing.
pub(super) const OTHER_STRATEGY: &str = "plan with --strategy optimal, which knows no pair rules";

/// The end of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StopReport {
    /// Stable id of the reason; `fusewright explain --rule ID` has the long text.
    pub rule: String,
    /// Name of the node whose result leaves the group.
    pub node: String,
    /// Its op, as patterns call it.
    pub op: String,
    /// Name of the result.
    pub value: String,
    /// Dtype and shape of the result, e.g. `f32[1, 197, 768]`.
    pub shape: String,
    /// Bytes of the result: what a reader in the same kernel would not read again.
    pub bytes: u64,
    /// Names of the nodes outside the group that read it.
    pub readers: Vec<String>,
    /// Their ops, each once.
    pub reader_ops: Vec<String>,
    /// The reason with its evidence, a sentence without its full stop.
    pub text: String,
    /// What would let the group run on; `null` where nothing would.
    pub change: Option<String>,
}

impl StopReport {
    pub(crate) fn of(analysis: &Analysis, stops: &Stops, strategy: &str, timed: bool, stop: &Stop) -> Self {
        let graph = analysis.graph;
        let names = |ids: &[NodeId]| ids.iter().map(|&id| graph.node_name(id).to_owned()).collect::<Vec<_>>();
        let mut reader_ops: Vec<String> = stop.readers.iter().map(|&id| stops.name_of(id).to_owned()).collect();
        reader_ops.dedup();
        let op = stops.name_of(stop.node).to_owned();
        let (text, change) = words(graph, stop, strategy, timed, &op, &reader_ops);
        Self {
            rule: id_of(&stop.reason).to_owned(),
            node: graph.node_name(stop.node).to_owned(),
            value: stop.value.map_or_else(String::new, |value| graph.value_name(value).to_owned()),
            shape: stop.value.map_or_else(String::new, |value| shape_text(graph, value)),
            bytes: stop.value.and_then(|value| graph.tensor(value)).map_or(0, TensorType::bytes),
            readers: names(&stop.readers),
            op,
            reader_ops,
            text,
            change,
        }
    }
}

/// Stable id of a reason.
pub(crate) fn id_of(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::Result => "is-result",
        StopReason::Unread => "unread",
        StopReason::SeveralReaders { .. } => "several-readers",
        StopReason::OtherProducers { .. } => "other-producers",
        StopReason::NoRule => "no-rule",
        StopReason::ReaderTaken => "reader-taken",
        StopReason::SeenByMethod => "seen-by-method",
        StopReason::LibraryCall => "library-call",
        StopReason::OtherElements => "other-elements",
        StopReason::NotOneKernel(reason) => reason.id(),
        StopReason::NoGain { .. } => "no-gain",
        StopReason::Circle => "circle",
        StopReason::NotTried => "not-tried",
    }
}

/// Why nodes are no one kernel, in words.
pub(crate) fn realize_text(reason: Reason) -> &'static str {
    match reason {
        Reason::SeveralProducts => "a second product needs whole rows of the first one's result",
        Reason::AttentionDoesNotFit => {
            "the blocks of the attention do not fit on chip, or the device has no such kernel"
        }
        Reason::ScoresAreRead => "something outside the attention reads its scores",
        Reason::StepsAreFaster => "the attention could stream, but is faster as product, softmax and product here",
        Reason::RowAfterProduct => "a norm, softmax or reduction needs whole rows, and a product makes parts of them",
        Reason::EpilogueTooWide => "the steps around the product read more tensors than registers hold",
        Reason::OtherElements => "the two run over different elements",
        Reason::ReadElsewhere => "others read it too, so it would be computed again for all elements",
        Reason::TooLong => "it would hold more nodes than a kernel does",
        Reason::Unrelated => {
            "one of them is scattered, sorted or not understood, or the two do not read from each other"
        }
    }
}

/// Dtype and shape of a value.
pub(crate) fn shape_text(graph: &Graph, value: ValueId) -> String {
    let Some(tensor) = graph.tensor(value) else { return "host".to_owned() };
    let extents: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    format!("{}[{}]", tensor.dtype.name(), extents.join(", "))
}

fn words(
    graph: &Graph,
    stop: &Stop,
    strategy: &str,
    timed: bool,
    op: &str,
    reader_ops: &[String],
) -> (String, Option<String>) {
    let value = stop.value.map_or_else(String::new, |value| {
        let bytes = graph.tensor(value).map_or(0, TensorType::bytes);
        format!("`{}` ({}, {})", graph.value_name(value), shape_text(graph, value), bytes_text(bytes))
    });
    let reader = stop.readers.first().map_or("", |&id| graph.node_name(id));
    let reader_op = reader_ops.first().map_or("", String::as_str);
    match &stop.reason {
        StopReason::Result => (format!("{value} is a result of the model"), None),
        StopReason::Unread => (format!("nothing reads {value}"), Some("take it out of the model".to_owned())),
        StopReason::SeveralReaders { caller } => {
            let mut readers = listed(graph, &stop.readers);
            if *caller {
                readers += " and the caller of the model";
            }
            let text = format!("{value} is read by {readers}, so it must be written");
            let change = if *caller {
                "do not return this value, or accept that it is written"
            } else if reader_ops.iter().any(|op| op == "is_nan") {
                "export without the guard (IsNaN, Where) against rows that a mask hides wholly, or with a mask that hides none"
            } else {
                "let one of the readers take its operand from elsewhere, or accept that the value is written"
            };
            (text, Some(change.to_owned()))
        }
        StopReason::OtherProducers { others } => {
            let (others, rule) = (listed(graph, others), format!("{op} → {reader_op}"));
            let text = format!("`{reader}` also waits for {others}; the rule {rule} wants one producer");
            (text, Some(format!("have what {others} makes ready as an input or a weight")))
        }
        StopReason::NoRule => {
            let text = format!("no rule of the {strategy} strategy lets {reader_op} (`{reader}`) follow {op}");
            (text, Some(OTHER_STRATEGY.to_owned()))
        }
        StopReason::ReaderTaken => {
            let text = format!("`{reader}` ({reader_op}) is in the group of another of its producers");
            (text, None)
        }
        StopReason::SeenByMethod => {
            let text = format!("a method of the trace also feeds `{reader}`; the reference profile keeps it out");
            (text, Some("plan with --profile default, which sees through methods".to_owned()))
        }
        StopReason::LibraryCall => {
            let text = format!("{op} and {reader_op} (`{reader}`) are not both loops: one is a call of a library");
            (text, Some(OTHER_STRATEGY.to_owned()))
        }
        StopReason::OtherElements => (format!("`{reader}` ({reader_op}) runs over other elements than {op}"), None),
        StopReason::NotOneKernel(reason) => {
            let text = format!("no one kernel does {op} and {reader_op} (`{reader}`): {}", realize_text(*reason));
            (text, None)
        }
        StopReason::NoGain { apart, together } => {
            let cost = |price: f64| if timed { us_text(price) } else { bytes_text(whole(price)) };
            let (apart, together) = (cost(*apart), cost(*together));
            let text = format!("one kernel with {reader_op} (`{reader}`) would cost {together}, two cost {apart}");
            (text, None)
        }
        StopReason::Circle => {
            let text = format!("something outside waits for {op} and feeds {reader_op} (`{reader}`)");
            (text, None)
        }
        StopReason::NotTried => {
            let text = match strategy {
                "eager" => "the eager plan fuses nothing".to_owned(),
                "as-written" => "it is one op of the file".to_owned(),
                _ => format!("the {strategy} plan keeps {op} and {reader_op} (`{reader}`) apart"),
            };
            (text, None)
        }
    }
}

/// Names, the first few of them.
fn listed(graph: &Graph, nodes: &[NodeId]) -> String {
    let names: Vec<String> = nodes.iter().take(NAMED).map(|&id| format!("`{}`", graph.node_name(id))).collect();
    let more = nodes.len().saturating_sub(NAMED);
    match (names.as_slice(), more) {
        ([], _) => "nothing".to_owned(),
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (names, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// A price in bytes; what it holds beyond whole bytes counts kernels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, prices are not negative"
)]
fn whole(price: f64) -> u64 {
    price as u64
}
