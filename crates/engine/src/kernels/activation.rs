//! Non-linearities: feed-forward activations, with and without a gate, and the soft cap, each with
//! its derivative.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use super::dispatch;
use super::vector::{exp, sigmoid};
use crate::architecture::Activation;

const ROOT_TWO_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// An activation's value and slope at a point.
#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let s = sigmoid(x);
    let value = x * s;
    (value, s + value * (1.0 - s))
}

/// `x / 2 * (1 + tanh(u))` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`, which is `x * sigmoid(2 u)`
/// (Hendrycks and Gimpel 2016, section 2).
#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    let square = x * x;
    let s = sigmoid(2.0 * ROOT_TWO_OVER_PI * x * (1.0 + CUBIC * square));
    let inner_slope = 2.0 * ROOT_TWO_OVER_PI * (1.0 + 3.0 * CUBIC * square);
    (x * s, s + x * s * (1.0 - s) * inner_slope)
}

/// `x * Phi(x)`, the normal distribution's `Phi` by Abramowitz and Stegun 7.1.26 (absolute error
/// below 1e-7).
#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    const INVERSE_ROOT_TWO_PI: f32 = 0.398_942_3;
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    let bell = exp(-z * z);
    let tail = 0.5 * p * t * bell;
    let phi = if x < 0.0 { tail } else { 1.0 - tail };
    (x * phi, phi + x * INVERSE_ROOT_TWO_PI * bell)
}

#[inline(always)]
fn activate_each(x: &mut [f32], curve: impl Fn(f32) -> (f32, f32)) {
    for v in x {
        *v = curve(*v).0;
    }
}

#[inline(always)]
fn activate_body(activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Silu => activate_each(x, silu),
        Activation::GeluTanh => activate_each(x, gelu_tanh),
        Activation::Gelu => activate_each(x, gelu),
    }
}
dispatch! {
    /// Replaces `x` by `activation(x)`: a feed-forward layer without a gate.
    pub(crate) fn activate(activation: Activation, x: &mut [f32]) = activate_body;
}

#[inline(always)]
fn activate_backward_each(x: &mut [f32], d_out: &[f32], curve: impl Fn(f32) -> (f32, f32)) {
    for (v, d) in x.iter_mut().zip(d_out) {
        *v = d * curve(*v).1;
    }
}

#[inline(always)]
fn activate_backward_body(activation: Activation, x: &mut [f32], d_out: &[f32]) {
    match activation {
        Activation::Silu => activate_backward_each(x, d_out, silu),
        Activation::GeluTanh => activate_backward_each(x, d_out, gelu_tanh),
        Activation::Gelu => activate_backward_each(x, d_out, gelu),
    }
}
dispatch! {
    /// Replaces `x` (what [`activate`] was given) by its gradient, given that of the result.
    pub(crate) fn activate_backward(activation: Activation, x: &mut [f32], d_out: &[f32]) = activate_backward_body;
}

#[inline(always)]
fn gate_each(gate: &[f32], up: &[f32], out: &mut [f32], curve: impl Fn(f32) -> (f32, f32)) {
    for ((o, g), u) in out.iter_mut().zip(gate).zip(up) {
        *o = curve(*g).0 * u;
    }
}

#[inline(always)]
fn gate_body(activation: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) {
    match activation {
        Activation::Silu => gate_each(gate, up, out, silu),
        Activation::GeluTanh => gate_each(gate, up, out, gelu_tanh),
        Activation::Gelu => gate_each(gate, up, out, gelu),
    }
}
dispatch! {
    /// `out = activation(gate) * up`.
    pub(crate) fn gate(activation: Activation, gate: &[f32], up: &[f32], out: &mut [f32]) = gate_body;
}

#[inline(always)]
fn gate_backward_each(
    gate: &mut [f32],
    up: &mut [f32],
    d_out: &[f32],
    curve: impl Fn(f32) -> (f32, f32),
) {
    for ((g, u), d) in gate.iter_mut().zip(up).zip(d_out) {
        let (value, slope) = curve(*g);
        let d_gate = d * *u * slope;
        *u = d * value;
        *g = d_gate;
    }
}

#[inline(always)]
fn gate_backward_body(activation: Activation, gate: &mut [f32], up: &mut [f32], d_out: &[f32]) {
    match activation {
        Activation::Silu => gate_backward_each(gate, up, d_out, silu),
        Activation::GeluTanh => gate_backward_each(gate, up, d_out, gelu_tanh),
        Activation::Gelu => gate_backward_each(gate, up, d_out, gelu),
    }
}
dispatch! {
    /// Replaces `gate` and `up` by their gradients, given that of `activation(gate) * up`.
    pub(crate) fn gate_backward(activation: Activation, gate: &mut [f32], up: &mut [f32], d_out: &[f32]) = gate_backward_body;
}

/// `tanh(u) = 1 - 2 / (1 + e^(2 u))`; `exp` is clamped, so large arguments give 1 and -1.
#[inline(always)]
fn soft_cap_body(x: &mut [f32], cap: f32) {
    for v in x {
        *v = cap * (1.0 - 2.0 / (1.0 + exp(*v * (2.0 / cap))));
    }
}
dispatch! {
    /// Replaces `x` by `cap * tanh(x / cap)` (Gemma 2).
    pub(crate) fn soft_cap(x: &mut [f32], cap: f32) = soft_cap_body;
}

#[inline(always)]
fn soft_cap_backward_body(capped: &[f32], cap: f32, d: &mut [f32]) {
    for (d, y) in d.iter_mut().zip(capped) {
        let tanh = y / cap;
        *d *= 1.0 - tanh * tanh;
    }
}
dispatch! {
    /// Turns the gradient `d` of [`soft_cap`]'s result `capped` into that of what was capped.
    pub(crate) fn soft_cap_backward(capped: &[f32], cap: f32, d: &mut [f32]) = soft_cap_backward_body;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Activation; 3] = [Activation::Silu, Activation::GeluTanh, Activation::Gelu];

    /// The error function in f64: its Taylor series near zero, where that does not cancel, and the
    /// continued fraction of its complement (Abramowitz and Stegun 7.1.14) elsewhere.
    fn erf(z: f64) -> f64 {
        if z.abs() > 2.0 {
            let far = z.abs();
            let fraction = (1..200)
                .rev()
                .fold(far, |below, n| far + f64::from(n) / 2.0 / below);
            let complement = (-z * z).exp() / std::f64::consts::PI.sqrt() / fraction;
            return z.signum() * (1.0 - complement);
        }
        let (mut term, mut sum) = (z, z);
        for n in 1..60 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    /// The definitions in f64.
    fn reference(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::GeluTanh => {
                let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + u.tanh())
            }
            Activation::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
        }
    }

    proptest! {
        #[test]
        fn values_and_slopes_are_those_of_the_definitions(x in -12.0f32..12.0) {
            for activation in ALL {
                let exact = reference(activation, f64::from(x));
                let mut value = [x];
                activate(activation, &mut value);
                prop_assert!((f64::from(value[0]) - exact).abs() < 1e-6 * (1.0 + exact.abs()), "{activation:?}({x})");
                let step = 1e-4;
                let slope = (reference(activation, f64::from(x) + step)
                    - reference(activation, f64::from(x) - step)) / (2.0 * step);
                let mut gradient = [x];
                activate_backward(activation, &mut gradient, &[1.0]);
                prop_assert!((f64::from(gradient[0]) - slope).abs() < 3e-6, "{activation:?}'({x})");
            }
        }

        #[test]
        fn gates_multiply_values_and_share_gradients(g in -6.0f32..6.0, u in -3.0f32..3.0, d in -2.0f32..2.0) {
            for activation in ALL {
                let mut out = [0.0];
                gate(activation, &[g], &[u], &mut out);
                let exact = reference(activation, f64::from(g));
                prop_assert!((f64::from(out[0]) - exact * f64::from(u)).abs() < 1e-5);
                let (mut dg, mut du, mut slope) = ([g], [u], [g]);
                gate_backward(activation, &mut dg, &mut du, &[d]);
                activate_backward(activation, &mut slope, &[1.0]);
                prop_assert!((dg[0] - d * u * slope[0]).abs() < 1e-5);
                prop_assert!((f64::from(du[0]) - f64::from(d) * exact).abs() < 1e-5);
            }
        }

        #[test]
        fn soft_caps_and_their_gradients(x in -200.0f32..200.0, cap in 1.0f32..60.0) {
            let exact = f64::from(cap) * (f64::from(x) / f64::from(cap)).tanh();
            let mut capped = [x];
            soft_cap(&mut capped, cap);
            prop_assert!((f64::from(capped[0]) - exact).abs() < 1e-6 * f64::from(cap), "{} {exact}", capped[0]);
            let mut d = [1.0];
            soft_cap_backward(&capped, cap, &mut d);
            let slope = 1.0 / (f64::from(x) / f64::from(cap)).cosh().powi(2);
            prop_assert!((f64::from(d[0]) - slope).abs() < 1e-5);
        }
    }

    #[test]
    fn far_out_nothing_overflows() {
        for activation in ALL {
            let mut x = [-1e30, -200.0, 200.0, 1e10];
            activate(activation, &mut x);
            assert!(
                x[0].abs() < 1e-3 && x[1].abs() < 1e-3,
                "{activation:?}: {x:?}"
            );
            assert_eq!((x[2], x[3]), (200.0, 1e10), "{activation:?}");
        }
    }
}
