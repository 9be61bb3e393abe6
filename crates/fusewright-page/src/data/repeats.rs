//! Where a sequence repeats itself: `a b b b c d c d` is `a`, three times `b`, twice `c d`.

/// A stretch of a sequence that is the same `period` items, `times` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) period: usize,
    pub(super) times: usize,
}

/// Splits a sequence into runs, from its beginning, each time the longest stretch; of equally long ones the shortest
/// period. What does not repeat makes runs of one item.
pub(super) fn repeats(keys: &[u32], longest_period: usize) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    while start < keys.len() {
        let mut best = Run { start, period: 1, times: 1 };
        for period in 1..=longest_period.min((keys.len() - start) / 2) {
            let same = keys[start..].iter().zip(&keys[start + period..]).take_while(|(a, b)| a == b).count();
            let times = same / period + 1;
            if times > 1 && times * period > best.times * best.period {
                best = Run { start, period, times };
            }
        }
        start += best.period * best.times;
        runs.push(best);
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layers_are_found() {
        let found: Vec<(usize, usize)> =
            repeats(&[9, 1, 1, 1, 2, 3, 2, 3, 4], 8).iter().map(|run| (run.period, run.times)).collect();
        assert_eq!(found, [(1, 1), (1, 3), (2, 2), (1, 1)]);
    }

    proptest! {
        #[test]
        fn runs_cover_the_sequence_and_repeat_it(keys in proptest::collection::vec(0_u32..3, 0..40)) {
            let mut at = 0;
            for run in repeats(&keys, 6) {
                prop_assert_eq!(run.start, at);
                for offset in 0..run.period * run.times {
                    prop_assert_eq!(keys[at + offset], keys[at + offset % run.period]);
                }
                at += run.period * run.times;
            }
            prop_assert_eq!(at, keys.len());
        }
    }
}
