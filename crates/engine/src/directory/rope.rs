//! The rotary embedding in `config.json`, in the spellings of transformers 4 and 5.

use std::f64::consts::TAU;

use super::keys::Keys;

/// Base and scaling of the rotary frequencies.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rope {
    /// Base of layers that see everything.
    pub(super) base: Option<f64>,
    /// Base of layers with a window, if it differs.
    pub(super) local_base: Option<f64>,
    /// Positions are divided by this.
    pub(super) linear: Option<f64>,
    /// Frequencies are divided by these (Llama 3).
    pub(super) factors: Option<Llama3>,
}

/// The parameters of Llama 3's scaling.
#[derive(Debug, PartialEq)]
pub(super) struct Llama3 {
    factor: f64,
    low: f64,
    high: f64,
    original: f64,
}

impl Rope {
    pub(super) fn read(keys: &Keys) -> Result<Self, String> {
        let mut rope = Self {
            base: keys.number("rope_theta")?,
            local_base: keys.number("rope_local_base_freq")?,
            ..Self::default()
        };
        if let Some(scaling) = keys.object("rope_scaling")? {
            rope.scale(&scaling)?;
        }
        if let Some(parameters) = keys.object("rope_parameters")? {
            let global = parameters.object("full_attention")?;
            if let Some(local) = parameters.object("sliding_attention")? {
                rope.local_base = local.number("rope_theta")?;
                if kind(&local)?.is_some_and(|kind| kind != "default") {
                    return Err(
                        "scaled rotary frequencies of layers with a window are not supported"
                            .into(),
                    );
                }
            }
            let global = global.unwrap_or(parameters);
            rope.base = global.number("rope_theta")?.or(rope.base);
            rope.scale(&global)?;
        }
        Ok(rope)
    }

    fn scale(&mut self, keys: &Keys) -> Result<(), String> {
        let needed = |key: &str| {
            let number = keys.number(key)?;
            number.ok_or_else(|| format!("the rotary scaling in `config.json` has no `{key}`"))
        };
        match kind(keys)? {
            None | Some("default") => Ok(()),
            Some("linear") => {
                self.linear = Some(needed("factor")?);
                Ok(())
            }
            Some("llama3") => {
                let scaling = Llama3 {
                    factor: needed("factor")?,
                    low: needed("low_freq_factor")?,
                    high: needed("high_freq_factor")?,
                    original: needed("original_max_position_embeddings")?,
                };
                if scaling.low >= scaling.high {
                    return Err(
                        "`low_freq_factor` in `config.json` is not below `high_freq_factor`".into(),
                    );
                }
                self.factors = Some(scaling);
                Ok(())
            }
            Some(other) => Err(format!(
                "rotary scaling `{other}` is not supported; `linear` and `llama3` are"
            )),
        }
    }
}

fn kind(keys: &Keys) -> Result<Option<&str>, String> {
    Ok(keys.text("rope_type")?.or(keys.text("type")?))
}

impl Llama3 {
    /// The divisors of the frequencies of `pairs` pairs of dimensions: 1 for short wavelengths,
    /// `factor` for long ones, and between them a line in the inverse (Llama 3.1's
    /// `apply_scaling`).
    pub(super) fn divisors(&self, base: f64, pairs: usize) -> Vec<f32> {
        let divisor = |pair: usize| {
            let frequency = base.powf(-(pair as f64) / pairs as f64);
            let wavelength = TAU / frequency;
            if wavelength < self.original / self.high {
                1.0
            } else if wavelength > self.original / self.low {
                self.factor
            } else {
                let smooth = (self.original / wavelength - self.low) / (self.high - self.low);
                1.0 / ((1.0 - smooth) / self.factor + smooth)
            }
        };
        (0..pairs).map(|pair| divisor(pair) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_3_divisors_go_from_one_to_the_factor() {
        let scaling = Llama3 {
            factor: 8.0,
            low: 1.0,
            high: 4.0,
            original: 8192.0,
        };
        let divisors = scaling.divisors(500_000.0, 64);
        assert!(divisors[..29].iter().all(|d| (d - 1.0).abs() < 1e-6));
        assert!(divisors[35..].iter().all(|d| (d - 8.0).abs() < 1e-6));
        // What transformers 5 divides Llama 3.1's frequencies by.
        let expected = [1.20748, 1.55341, 2.02631, 2.69453, 3.68425, 5.25733];
        for (ours, theirs) in divisors[29..35].iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
    }
}
