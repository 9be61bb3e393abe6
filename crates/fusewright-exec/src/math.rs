//! Functions of one number, written without branches so that loops over them become vector code.
//!
//! Each is within a few units in the last place of the exact value; a test holds them against `f64`.

/// eˣ, after Cephes: the exponent is taken out, the rest is a polynomial.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    let clamped = x.clamp(-87.336_54, 88.722_83);
    let n = (clamped * LOG2_E).round_ties_even();
    let r = n.mul_add(-0.693_359_4, clamped);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(r, c);
    }
    let y = p.mul_add(r * r, r) + 1.0;
    #[expect(clippy::cast_sign_loss, reason = "the exponent is in -126..=128")]
    let half = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
    #[expect(clippy::cast_possible_truncation, reason = "the exponent is in -126..=128")]
    let n = n as i32;
    let scaled = y * half(n >> 1) * half(n - (n >> 1));
    let scaled = if x < -103.972_08 { 0.0 } else { scaled };
    let scaled = if x > 88.722_83 { f32::INFINITY } else { scaled };
    if x.is_nan() { x } else { scaled }
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, as a quotient of polynomials inside ±7.9.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let c = x.clamp(-7.905_311, 7.905_311);
    let s = c * c;
    let mut p = -2.760_768_5e-16_f32;
    for k in [2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619e-4, 4.893_524_6e-3] {
        p = p.mul_add(s, k);
    }
    let mut q = 1.198_258_4e-6_f32;
    for k in [1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3] {
        q = q.mul_add(s, k);
    }
    let y = c * p / q;
    let y = if x.abs() < 4e-4 { x } else { y };
    if x.is_nan() { x } else { y }
}

/// The error function, as a quotient of polynomials inside ±4.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let c = x.clamp(-4.0, 4.0);
    let s = c * c;
    let mut p = -2.726_142_4e-10_f32;
    for k in [2.770_681_4e-8, -2.101_024e-6, -5.692_506e-5, -7.349_906e-4, -2.954_6e-3, -1.609_603_8e-2] {
        p = p.mul_add(s, k);
    }
    let mut q = -1.456_606_8e-5_f32;
    for k in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329_4e-3, -1.426_474_7e-2] {
        q = q.mul_add(s, k);
    }
    let y = (c * p / q).clamp(-1.0, 1.0);
    if x.is_nan() { x } else { y }
}

/// x · Φ(x).
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The same with tanh in place of the normal distribution.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(0.797_884_6 * (x + 0.044_715 * x * x * x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(f: fn(f32) -> f32, exact: fn(f64) -> f64, range: f32, tolerance: f64) {
        for step in -20_000..=20_000_i16 {
            let x = f32::from(step) / 20_000.0 * range;
            let (found, expected) = (f64::from(f(x)), exact(f64::from(x)));
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(error <= tolerance, "at {x}: {found} instead of {expected}");
        }
        assert!(f(f32::NAN).is_nan());
    }

    /// erf by its series, accurate in `f64` inside ±4.
    fn erf_exact(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        2.0 / std::f64::consts::PI.sqrt() * sum
    }

    #[test]
    fn functions_are_close_to_exact_ones() {
        check(exp, f64::exp, 80.0, 3e-7);
        check(exp, f64::exp, 1.0, 2e-7);
        check(tanh, f64::tanh, 9.0, 4e-7);
        check(erf, erf_exact, 3.9, 4e-7);
        check(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 30.0, 3e-7);
        check(gelu, |x| 0.5 * x * (1.0 + erf_exact(x / 2_f64.sqrt())), 5.0, 1e-6);
    }

    #[test]
    fn exponentials_at_the_ends() {
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0);
        assert!(exp(f32::INFINITY).is_infinite() && exp(100.0).is_infinite());
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
    }
}
