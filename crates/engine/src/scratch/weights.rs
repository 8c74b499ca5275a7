//! Random weights, and the file they make with a vocabulary.

use super::{ModelShape, Vocabulary};
use crate::EngineError;
use crate::gguf::GgufWriter;
use crate::random::Random;

/// Standard deviation of fresh weights times the root of the model's width: the 0.02 of Radford et
/// al. (2019) at the 1,600 of their largest model. A narrow model with 0.02 hardly learns: the one of
/// `examples/addition.rs` had not learned to add after 350 steps.
const SCALED_DEVIATION: f32 = 0.8;

impl ModelShape {
    /// The bytes of a GGUF file with a random model of this shape and a vocabulary: weights normal
    /// with deviation 0.8 over the root of `hidden`, those that write into the residual stream divided by the root of twice
    /// the number of blocks (Radford et al. 2019), norms one. The same arguments give the same
    /// bytes.
    ///
    /// # Errors
    /// [`EngineError::Input`] for sizes that do not fit together.
    pub fn create(
        &self,
        name: &str,
        vocabulary: &Vocabulary,
        seed: u64,
    ) -> Result<Vec<u8>, EngineError> {
        let tokens = vocabulary.len();
        self.check(tokens)?;
        let mut metadata = self.metadata(name, tokens);
        vocabulary.describe(&mut metadata);
        let mut writer = Tensors {
            writer: GgufWriter::with(metadata),
            seed,
            written: 0,
        };
        let (hidden, queries) = (self.hidden, self.heads * self.head_dim);
        let (keys, width) = (self.kv_heads * self.head_dim, self.feed_forward);
        let deviation = SCALED_DEVIATION / (hidden as f32).sqrt();
        let residual = deviation / (2.0 * self.layers as f32).sqrt();
        writer.random("token_embd", hidden, tokens, deviation);
        for layer in 0..self.layers {
            let name = |name: &str| format!("blk.{layer}.{name}");
            writer.ones(&name("attn_norm"), hidden);
            writer.random(&name("attn_q"), hidden, queries, deviation);
            writer.random(&name("attn_k"), hidden, keys, deviation);
            writer.random(&name("attn_v"), hidden, keys, deviation);
            if self.has_head_norms() {
                writer.ones(&name("attn_q_norm"), self.head_dim);
                writer.ones(&name("attn_k_norm"), self.head_dim);
            }
            writer.random(&name("attn_output"), queries, hidden, residual);
            writer.ones(&name("ffn_norm"), hidden);
            writer.random(&name("ffn_gate"), hidden, width, deviation);
            writer.random(&name("ffn_up"), hidden, width, deviation);
            writer.random(&name("ffn_down"), width, hidden, residual);
        }
        writer.ones("output_norm", hidden);
        if !self.tied {
            writer.random("output", hidden, tokens, deviation);
        }
        Ok(writer.writer.finish())
    }
}

/// Tensors as they are drawn, each from a stream of its own.
struct Tensors {
    writer: GgufWriter,
    seed: u64,
    written: u64,
}

impl Tensors {
    fn random(&mut self, name: &str, inputs: usize, outputs: usize, deviation: f32) {
        let stream = self.seed ^ (self.written + 1).wrapping_mul(0xa076_1d64_78bd_642f);
        let mut random = Random::new(stream);
        let values = (0..inputs * outputs).map(|_| normal(&mut random) as f32 * deviation);
        let values = values.collect();
        self.push(name, &[inputs, outputs], values);
    }

    fn ones(&mut self, name: &str, width: usize) {
        self.push(name, &[width], vec![1.0; width]);
    }

    fn push(&mut self, name: &str, dims: &[usize], values: Vec<f32>) {
        self.writer.tensor(&format!("{name}.weight"), dims, values);
        self.written += 1;
    }
}

/// A standard normal number (Box and Muller 1958).
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.unit()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.unit()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::GgufFile;
    use crate::{Model, Sampler};

    fn small(architecture: &str) -> ModelShape {
        ModelShape {
            architecture: architecture.into(),
            layers: 2,
            hidden: 32,
            heads: 4,
            kv_heads: 2,
            head_dim: 8,
            feed_forward: 48,
            context: 64,
            ..ModelShape::default()
        }
    }

    #[test]
    fn a_fresh_model_opens_and_has_the_deviations_promised() {
        let vocabulary = Vocabulary::characters(["0123456789+= ab"]).unwrap();
        let shape = small("llama");
        let bytes = shape.create("small", &vocabulary, 5).unwrap();
        assert!(bytes == shape.create("small", &vocabulary, 5).unwrap());
        assert!(bytes != shape.create("small", &vocabulary, 6).unwrap());
        let model = Model::new(GgufFile::from_bytes(bytes).unwrap()).unwrap();
        let deviation = |name: &str| {
            let values = model.file.read(model.file.tensor(name).unwrap());
            let squares: f32 = values.iter().map(|v| v * v).sum();
            (squares / values.len() as f32).sqrt()
        };
        assert!((deviation("blk.0.ffn_up.weight") / 0.1414 - 1.0).abs() < 0.06);
        assert!((deviation("blk.1.ffn_down.weight") / 0.0707 - 1.0).abs() < 0.06);
        let names = model.file.tensors_in_order();
        let counted: usize = names.iter().map(|t| t.rows() * t.columns()).sum();
        assert_eq!(Some(counted), shape.parameters(vocabulary.len()));
        let tokens = model.tokenizer().encode("12+3=15").unwrap();
        assert_eq!(tokens.len(), 7);
        assert_eq!(model.tokenizer().decode(&tokens), "12+3=15");
        let sampler = Sampler::new(std::sync::Arc::new(model), None, 1).unwrap();
        let logits = sampler.logits(&tokens).unwrap();
        assert!(logits.concat().iter().all(|v| v.is_finite()));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let vocabulary = Vocabulary::characters(["ab"]).unwrap();
        let refused = |change: fn(&mut ModelShape)| {
            let mut shape = small("llama");
            change(&mut shape);
            shape.create("m", &vocabulary, 1).unwrap_err().to_string()
        };
        assert!(refused(|s| s.architecture = "falcon".into()).contains("`falcon`"));
        assert!(refused(|s| s.kv_heads = 3).contains("3 key heads"));
        assert!(refused(|s| s.layers = 0).contains("between 1"));
        assert!(refused(|s| s.head_dim = 7).contains("even"));
        assert!(refused(|s| s.norm_epsilon = -1.0).contains("positive"));
        assert!(refused(|s| s.feed_forward = 1 << 23).contains("parameters"));
    }
}
