//! How what was shown wrongly goes over into what is right: the same for corrections of what is predicted and for what was guessed while updates stayed away.

use std::time::Duration;

/// After this time nine tenths of what was wrong are gone.
pub const SLIDE: Duration = Duration::from_millis(120);

/// What is wrong by more than this part of a field's range does not slide, unless the field says what a teleport is.
pub const JUMP_PART: f64 = 1.0 / 16.0;

/// Which part of what was wrong is left after so long.
///
/// ```
/// use std::time::Duration;
/// use tickwire_client::{SLIDE, slide_left};
/// assert_eq!(slide_left(Duration::ZERO), 1.0);
/// assert!((slide_left(SLIDE) - 0.1).abs() < 1e-12);
/// ```
#[must_use]
pub fn slide_left(passed: Duration) -> f64 {
    libm::pow(0.1, passed.as_secs_f64() / SLIDE.as_secs_f64())
}
