//! Shapes that are put together from numbers and from extents of values when a model runs.

use crate::emit::{Emitter, Place};
use crate::message::Attribute;
use crate::recipe::Extent;

/// An extent of a shape that is put together when the model runs.
#[derive(Clone, Copy)]
pub(crate) enum Length<'a> {
    Fixed(u64),
    /// That of an axis of a value.
    Of((&'a str, i64)),
    /// That of an axis of a value, divided.
    Part {
        of: (&'a str, i64),
        by: u64,
    },
}

impl<'a> Length<'a> {
    /// The extent of an axis of a value, a number where it is one.
    pub(crate) fn of(extent: Extent, place: (&'a str, i64)) -> Self {
        if extent.0 == extent.1 { Length::Fixed(extent.0) } else { Length::Of(place) }
    }
}

/// The version from which `Shape` gives a part of a shape.
const PARTIAL_SHAPE: i64 = 15;

/// The extent of an axis of a value, as a list of one.
pub(crate) fn extent(emitter: &mut Emitter, place: &Place, (value, axis): (&str, i64)) -> String {
    if emitter.version >= PARTIAL_SHAPE {
        let attributes = vec![Attribute::of_int("start", axis), Attribute::of_int("end", axis + 1)];
        return emitter.node(place, ("", "Shape"), &[value], attributes, None);
    }
    let whole = emitter.node(place, ("", "Shape"), &[value], Vec::new(), None);
    let [from, to] = [axis, axis + 1].map(|end| emitter.ints(&[end]));
    emitter.node(place, ("", "Slice"), &[&whole, &from, &to], Vec::new(), None)
}

/// A list of extents as a value.
pub(crate) fn shape(emitter: &mut Emitter, place: &Place, lengths: &[Length<'_>]) -> String {
    let number = |extent: u64| i64::try_from(extent).unwrap_or(i64::MAX);
    let fixed: Option<Vec<i64>> = lengths
        .iter()
        .map(|length| match length {
            Length::Fixed(extent) => Some(number(*extent)),
            _ => None,
        })
        .collect();
    if let Some(fixed) = fixed {
        return emitter.ints(&fixed);
    }
    let mut parts = Vec::new();
    for length in lengths {
        parts.push(match *length {
            Length::Fixed(size) => emitter.ints(&[number(size)]),
            Length::Of(of) => extent(emitter, place, of),
            Length::Part { of, by } => {
                let whole = extent(emitter, place, of);
                let by = emitter.ints(&[number(by)]);
                emitter.node(place, ("", "Div"), &[&whole, &by], Vec::new(), None)
            }
        });
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    emitter.node(place, ("", "Concat"), &parts, vec![Attribute::of_int("axis", 0)], None)
}
