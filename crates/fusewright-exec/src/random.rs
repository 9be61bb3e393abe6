//! Numbers that look random and are the same on every machine: a stream per name and seed.

/// A generator of the splitmix family.
#[derive(Clone, Debug)]
pub(crate) struct Stream(u64);

impl Stream {
    /// The stream of a name under a seed.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
        for &byte in name.as_bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut stream = Self(state);
        stream.next();
        stream
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number below `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// Evenly spread over −1 … 1.
    pub(crate) fn signed(&mut self) -> f32 {
        let bits = (self.next() >> 40) as u32;
        bits as f32 / (1 << 23) as f32 - 1.0
    }

    /// Close to normal with variance 1: the sum of three even ones, variance 1/3 each.
    pub(crate) fn normal(&mut self) -> f32 {
        self.signed() + self.signed() + self.signed()
    }
}
