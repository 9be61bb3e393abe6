//! Known numbers replaced by position, and triangles of them.

use super::{Fold, Rule, few, strides};
use crate::content::{Content, Elements};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "ScatterND" => scatter_nd,
        "Trilu" => triangle,
        _ => return None,
    })
}

fn scatter_nd(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    if !matches!(call.attributes.text("reduction"), None | Some("none")) {
        return None;
    }
    let (content, indices, updates) = (call.content(0)?, call.content(1)?, call.content(2)?);
    let depth = usize::try_from(*indices.shape().last()?).ok().filter(|&depth| depth > 0)?;
    let (addressed, kept) = content.shape().split_at_checked(depth)?;
    let inner = few(kept)?;
    let own = strides(content.shape());
    let mut result = content.clone();
    for (count, vector) in indices.as_ints()?.chunks(depth).enumerate() {
        let mut first = 0_usize;
        for ((&index, &extent), &stride) in vector.iter().zip(addressed).zip(&own) {
            let extent = i64::try_from(extent).ok()?;
            let index = if index < 0 { index.checked_add(extent)? } else { index };
            first = first.checked_add(usize::try_from(index).ok().filter(|_| index < extent)?.checked_mul(stride)?)?;
        }
        let target = first..first.checked_add(inner)?;
        let source = count.checked_mul(inner)?..count.checked_add(1)?.checked_mul(inner)?;
        match (&mut result.elements, &updates.elements) {
            (Elements::Ints(to), Elements::Ints(from)) => to.get_mut(target)?.copy_from_slice(from.get(source)?),
            (Elements::Floats(to), Elements::Floats(from)) => to.get_mut(target)?.copy_from_slice(from.get(source)?),
            _ => return None,
        }
    }
    Some(vec![result])
}

fn triangle(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let mut content = call.content(0)?.clone();
    let upper = call.attributes.flag("upper", true);
    let k = if call.has(1) { *call.ints(1)?.first()? } else { 0 };
    let [.., rows, columns] = content.shape().as_slice() else { return None };
    let (rows, columns) = (i64::try_from(*rows).ok()?, i64::try_from(*columns).ok()?);
    let kept = |place: usize| {
        let place = i64::try_from(place).ok()?;
        let (row, column) = (place.checked_div(columns)?.checked_rem(rows)?, place.checked_rem(columns)?);
        let diagonal = row.checked_add(k)?;
        Some(if upper { column >= diagonal } else { column <= diagonal })
    };
    for place in 0..content.elements.len() {
        if !kept(place)? {
            match &mut content.elements {
                Elements::Ints(values) => *values.get_mut(place)? = 0,
                Elements::Floats(values) => *values.get_mut(place)? = 0.0,
            }
        }
    }
    Some(vec![content])
}
