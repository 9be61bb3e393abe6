//! Divisors of a dimension: the tile sizes that leave no remainder.

/// Primes above this are not looked for: what is left of a dimension then counts as one prime.
const LARGEST_TRIAL: u64 = 1 << 16;

/// Divisors of `number` in ascending order; none of 0. Complete for every number below 2³².
pub(super) fn divisors(number: u64) -> Vec<u64> {
    if number == 0 {
        return Vec::new();
    }
    let mut found = vec![1];
    let mut rest = number;
    let mut trial = 2;
    while trial <= LARGEST_TRIAL && trial <= rest / trial {
        let mut times = 0_u32;
        while rest.is_multiple_of(trial) {
            rest /= trial;
            times += 1;
        }
        multiply_in(&mut found, trial, times);
        trial += 1;
    }
    if rest > 1 {
        multiply_in(&mut found, rest, 1);
    }
    found.sort_unstable();
    found
}

/// Adds the products of what is there with the powers of a prime up to `times`.
fn multiply_in(found: &mut Vec<u64>, prime: u64, times: u32) {
    let before = found.len();
    let mut power = 1;
    for _ in 0..times {
        power *= prime;
        found.extend_from_within(..before);
        let start = found.len() - before;
        for divisor in &mut found[start..] {
            *divisor *= power;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::divisors;

    #[test]
    fn divisors_are_those_found_by_trying_every_number() {
        for number in 0..2000_u64 {
            let tried: Vec<_> = (1..=number).filter(|&d| number.is_multiple_of(d)).collect();
            assert_eq!(divisors(number), tried, "{number}");
        }
    }

    #[test]
    fn huge_numbers_take_no_time() {
        assert_eq!(divisors(u64::MAX - 58), vec![1, u64::MAX - 58]);
        assert_eq!(divisors(1 << 63).len(), 64);
    }
}
