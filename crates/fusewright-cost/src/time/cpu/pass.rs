//! Passes over memory on CPUs.

use super::memory::Traffic;
use super::{Machine, uneven};
use crate::time::parts::Parts;
use crate::time::{Limiter, Stream, StreamKind, Term};

pub(super) fn add(parts: &mut Parts, machine: &Machine, stream: &Stream) {
    let elements = stream.rows as f64 * stream.cols as f64;
    let by_rows = matches!(
        stream.kind,
        StreamKind::Softmax | StreamKind::LayerNorm | StreamKind::BlockNorm | StreamKind::RmsNorm
    );
    let operations = match stream.kind {
        StreamKind::Copy => 0.0,
        _ => (stream.flops as f64).max(elements),
    };
    let needed = 1e6 * operations / machine.vector_rate();
    let lanes = machine.lanes(stream.dtype);
    let tail = if by_rows { needed * (uneven(stream.cols, lanes) - 1.0) } else { 0.0 };
    let idle = if by_rows { (needed + tail) * (uneven(stream.rows, machine.cores) - 1.0) } else { 0.0 };
    let terms = [
        Term { name: "arithmetic", us: needed },
        Term { name: "vector tails", us: tail },
        Term { name: "idle cores", us: idle },
    ];
    parts.side_by_side(Limiter::Compute, &terms);

    let mut traffic = Traffic::of_operands(machine, stream.bytes);
    if by_rows {
        // A row is walked twice, the second time from wherever a row for each core stays.
        let row = stream.cols as f64 * stream.dtype.bytes(1024) as f64 / 1024.0;
        traffic.again(stream.rows as f64 * row, row * machine.cores as f64);
    }
    traffic.add_to(parts);
}
