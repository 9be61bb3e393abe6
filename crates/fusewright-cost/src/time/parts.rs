//! Puts a predicted time together from what overlaps and what does not.

use fusewright_device::Device;

use super::{Kernel, Limiter, Prediction, Term, roofline_us};

/// A prediction being made: resources that work side by side, then what comes before and after.
pub(super) struct Parts {
    spread: f64,
    roof: f64,
    overlapping: Vec<(Limiter, f64)>,
    launch: f64,
    terms: Vec<Term>,
}

impl Parts {
    /// Starts with the launch floor of the device.
    pub(super) fn new(device: &Device, kernel: &Kernel, spread: f64) -> Self {
        let mut parts =
            Self { spread, roof: roofline_us(device, kernel), overlapping: Vec::new(), launch: 0.0, terms: Vec::new() };
        parts.in_series("launch", device.launch.floor_us.value);
        parts
    }

    /// One resource that is busy for the sum of these terms while the others are busy too.
    pub(super) fn side_by_side(&mut self, limiter: Limiter, terms: &[Term]) {
        self.overlapping.push((limiter, terms.iter().map(|term| term.us).sum()));
        self.terms.extend(terms.iter().filter(|term| term.us > 0.0));
    }

    /// A cost of getting started, which nothing hides.
    pub(super) fn in_series(&mut self, name: &'static str, us: f64) {
        self.launch += us;
        if us > 0.0 {
            self.terms.push(Term { name, us });
        }
    }

    /// Replaces the roofline by a lower one, for operands that need not come from main memory.
    pub(super) fn lower_roof(&mut self, us: f64) {
        self.roof = self.roof.min(us);
    }

    /// The longest resource, and what comes on top; never below the roofline.
    pub(super) fn finish(mut self) -> Prediction {
        let longest = self.overlapping.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let (limiter, busy) = longest.unwrap_or((Limiter::Launch, 0.0));
        let limiter = if self.launch > busy { Limiter::Launch } else { limiter };
        if self.roof > busy + self.launch {
            self.terms.push(Term { name: "roofline", us: self.roof });
        }
        Prediction { us: (busy + self.launch).max(self.roof), spread: self.spread, terms: self.terms, limiter }
    }
}

/// Prediction for a device that lacks the figures of its class: the roofline and the launch floor.
pub(super) fn roofline_prediction(device: &Device, kernel: &Kernel) -> Prediction {
    let mut parts = Parts::new(device, kernel, 1.0);
    let memory = kernel.bytes() as f64 / (device.memory.bandwidth_gb_s.value * 1e3);
    let roof = parts.roof;
    let limiter = if memory < roof { Limiter::Compute } else { Limiter::Memory };
    parts.side_by_side(limiter, &[Term { name: "roofline", us: roof }]);
    parts.finish()
}

/// A number of things that a device file states, at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the value is at least 1"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.floor().max(1.0) as u64
}
