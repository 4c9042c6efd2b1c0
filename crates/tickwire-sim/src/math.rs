//! Mathematics that gives the same bits on every target: libm's functions, for games and for prediction in the browser.
//!
//! `+ - * /` and `sqrt` of `f32` agree everywhere; the standard library's `sin`, `cos`, `exp` and their like do not.
//!
//! ```
//! use tickwire_sim::math;
//! assert_eq!(math::sqrt(2.25), 1.5);
//! assert!((math::wrap_angle(7.0) - (7.0 - 2.0 * math::PI)).abs() < 1e-6);
//! ```

pub use std::f32::consts::{PI, TAU};

/// Sine of an angle in radians.
#[must_use]
pub fn sin(x: f32) -> f32 {
    libm::sinf(x)
}

/// Cosine of an angle in radians.
#[must_use]
pub fn cos(x: f32) -> f32 {
    libm::cosf(x)
}

/// Sine and cosine of an angle in radians.
#[must_use]
pub fn sin_cos(x: f32) -> (f32, f32) {
    libm::sincosf(x)
}

/// Tangent of an angle in radians.
#[must_use]
pub fn tan(x: f32) -> f32 {
    libm::tanf(x)
}

/// The angle whose sine is `x`.
#[must_use]
pub fn asin(x: f32) -> f32 {
    libm::asinf(x)
}

/// The angle whose cosine is `x`.
#[must_use]
pub fn acos(x: f32) -> f32 {
    libm::acosf(x)
}

/// The angle whose tangent is `x`.
#[must_use]
pub fn atan(x: f32) -> f32 {
    libm::atanf(x)
}

/// The direction of the vector `(x, y)`, from `-PI` to `PI`. Mind the order: `y` first.
#[must_use]
pub fn atan2(y: f32, x: f32) -> f32 {
    libm::atan2f(y, x)
}

/// Square root.
#[must_use]
pub fn sqrt(x: f32) -> f32 {
    libm::sqrtf(x)
}

/// Length of the vector `(x, y)`.
#[must_use]
pub fn hypot(x: f32, y: f32) -> f32 {
    libm::hypotf(x, y)
}

/// `e` to the power of `x`.
#[must_use]
pub fn exp(x: f32) -> f32 {
    libm::expf(x)
}

/// Natural logarithm.
#[must_use]
pub fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// `x` to the power of `y`.
#[must_use]
pub fn pow(x: f32, y: f32) -> f32 {
    libm::powf(x, y)
}

/// From `a` (at `t` = 0) to `b` (at `t` = 1) in a straight line.
#[must_use]
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// The same direction as an angle in `-PI..=PI`.
#[must_use]
pub fn wrap_angle(x: f32) -> f32 {
    if (-PI..=PI).contains(&x) {
        return x;
    }
    // `remainder` is exact, and where the tie goes does not matter: both ends are the same direction.
    libm::remainderf(x, TAU)
}

/// What must be added to direction `from` to look along `to`, the shorter way round.
#[must_use]
pub fn turn(from: f32, to: f32) -> f32 {
    wrap_angle(to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen bits: whoever changes the library behind `math` breaks replays, and shall notice.
    #[test]
    fn the_bits_are_frozen() {
        let bits = [sin(1.0), cos(1.0), atan2(1.0, 2.0), exp(1.0), pow(2.0, 0.5)].map(f32::to_bits);
        assert_eq!(
            bits,
            [
                0x3f57_6aa4,
                0x3f0a_5140,
                0x3eed_6338,
                0x402d_f854,
                0x3fb5_04f3
            ]
        );
    }

    #[test]
    fn angles_wrap() {
        for turns in -3_i16..=3 {
            let wrapped = wrap_angle(1.0 + f32::from(turns) * TAU);
            assert!((wrapped - 1.0).abs() < 1e-5, "{wrapped}");
        }
        assert!((turn(3.0, -3.0) - (TAU - 6.0)).abs() < 1e-5);
        assert_eq!(wrap_angle(PI), PI);
    }
}
