//! Geometry of rays, lines with a radius and blocks, in `+ - * /` and `sqrt` of f64, which agree on every machine. No entity, no time.

pub(super) type V = [f64; 3];

/// Steps in which the nearest point of a line to a block is found.
const NARROWINGS: usize = 48;

pub(super) fn add(a: V, b: V) -> V {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn sub(a: V, b: V) -> V {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn scale(a: V, by: f64) -> V {
    [a[0] * by, a[1] * by, a[2] * by]
}

pub(super) fn dot(a: V, b: V) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn length(a: V) -> f64 {
    dot(a, a).sqrt()
}

/// How far a ray goes until it is within `radius` of a line; 0: it begins there.
pub(super) fn ray_to_line(from: V, towards: V, [a, b]: [V; 2], radius: f64) -> Option<f64> {
    if line_to_line([from; 2], [a, b]) <= radius {
        return Some(0.0);
    }
    let ends = [a, b].map(|end| ray_to_ball(from, towards, end, radius));
    let side = ray_to_side(from, towards, [a, b], radius);
    let touched = ends.into_iter().chain([side]).flatten();
    touched.min_by(f64::total_cmp)
}

fn ray_to_ball(from: V, towards: V, at: V, radius: f64) -> Option<f64> {
    let away = sub(from, at);
    let along = dot(away, towards);
    // What is left across the ray, squared, and not a difference of two great squares.
    let across = sub(away, scale(towards, along));
    let deep = radius * radius - dot(across, across);
    let distance = -along - deep.max(0.0).sqrt();
    (deep >= 0.0 && distance >= 0.0).then_some(distance)
}

/// The side of a capsule, without its ends.
fn ray_to_side(from: V, towards: V, [a, b]: [V; 2], radius: f64) -> Option<f64> {
    let (axis, away) = (sub(b, a), sub(from, a));
    let long = dot(axis, axis);
    let (along, ahead) = (dot(axis, away), dot(axis, towards));
    let square = long - ahead * ahead;
    let half = long * dot(towards, away) - along * ahead;
    let rest = long * dot(away, away) - along * along - radius * radius * long;
    let root = half * half - square * rest;
    if square <= 0.0 || root < 0.0 {
        return None;
    }
    let distance = (-half - root.sqrt()) / square;
    let place = along + distance * ahead;
    (distance >= 0.0 && place >= 0.0 && place <= long).then_some(distance)
}

/// How far a ray goes until it is in a block; 0: it begins there.
pub(super) fn ray_to_block(from: V, towards: V, at: V, half: V) -> Option<f64> {
    let (mut enters, mut leaves) = (0.0f64, f64::INFINITY);
    for i in 0..3 {
        let (low, high) = (at[i] - half[i] - from[i], at[i] + half[i] - from[i]);
        if towards[i] == 0.0 {
            if low > 0.0 || high < 0.0 {
                return None;
            }
            continue;
        }
        let (first, last) = (low / towards[i], high / towards[i]);
        enters = enters.max(first.min(last));
        leaves = leaves.min(first.max(last));
    }
    (enters <= leaves).then_some(enters)
}

/// The least distance of two lines.
pub(super) fn line_to_line([a, b]: [V; 2], [c, d]: [V; 2]) -> f64 {
    let (one, other, apart) = (sub(b, a), sub(d, c), sub(a, c));
    let (aa, bb, ab) = (dot(one, one), dot(other, other), dot(one, other));
    let (ac, bc) = (dot(one, apart), dot(other, apart));
    let part = |up: f64, down: f64| {
        if down > 0.0 {
            (up / down).clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    // The nearest point on the endless line, then that of the other to it, then once more of the first.
    let s = part(ab * bc - ac * bb, aa * bb - ab * ab);
    let t = part(ab * s + bc, bb);
    let s = part(ab * t - ac, aa);
    length(sub(add(a, scale(one, s)), add(c, scale(other, t))))
}

/// The least distance of a line and a block.
pub(super) fn line_to_block([a, b]: [V; 2], at: V, half: V) -> f64 {
    let away = |part: f64| {
        let point = sub(add(a, scale(sub(b, a), part)), at);
        let out: V = std::array::from_fn(|i| (point[i].abs() - half[i]).max(0.0));
        dot(out, out)
    };
    // The distance from what is convex has one least value along a line.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..NARROWINGS {
        let third = (high - low) / 3.0;
        if away(low + third) <= away(high - third) {
            high -= third;
        } else {
            low += third;
        }
    }
    away(low).min(away(high)).sqrt()
}
