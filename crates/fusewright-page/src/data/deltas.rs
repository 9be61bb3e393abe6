//! Numbers that mostly rise a little: written as the differences between neighbours, which compress to almost nothing.

use serde::Serializer;

/// Writes a list as its first number and the steps from each to the next.
pub(super) fn deltas<S: Serializer>(numbers: &[u32], serializer: S) -> Result<S::Ok, S::Error> {
    let before = std::iter::once(0).chain(numbers.iter().copied());
    serializer.collect_seq(numbers.iter().zip(before).map(|(&number, before)| i64::from(number) - i64::from(before)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sums_of_the_steps_are_the_numbers() {
        let mut out = Vec::new();
        super::deltas(&[3, 4, 4, 1, u32::MAX], &mut serde_json::Serializer::new(&mut out)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "[3,1,0,-3,4294967294]");
    }
}
