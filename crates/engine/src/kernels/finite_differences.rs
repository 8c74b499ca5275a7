//! Gradient checks for tests: central differences in f64 of a scalar function.

/// A vector without regularities: `amplitude * sin(frequency * i + ...)`.
pub(crate) fn wave(length: usize, frequency: f32, amplitude: f32) -> Vec<f32> {
    let at = |i: usize| (i as f32 * frequency + 0.3 * (i % 5) as f32).sin() * amplitude + 0.05;
    (0..length).map(at).collect()
}

/// The scalar product in f64.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}

/// Asserts that `analytic` is the gradient of `f` at `x`.
pub(crate) fn assert_gradient(x: &[f32], analytic: &[f32], f: impl Fn(&[f32]) -> f64) {
    assert_eq!(x.len(), analytic.len());
    for (i, a) in analytic.iter().enumerate() {
        let (mut high, mut low) = (x.to_vec(), x.to_vec());
        high[i] += 2e-3;
        low[i] -= 2e-3;
        let numeric = (f(&high) - f(&low)) / f64::from(high[i] - low[i]);
        assert!(
            (f64::from(*a) - numeric).abs() < 2e-3 * (1.0 + numeric.abs()),
            "element {i}: {a} against {numeric}"
        );
    }
}
