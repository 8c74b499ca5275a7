//! The matrix-multiply work of a task: what any program has to multiply that computes the same.
//!
//! A weight that meets a row is one multiply-add, two operations. Counted are the linear layers and
//! the head; not counted is what is not a product with weights (attention's scores and sums, norms,
//! activations, the choice of tokens, dequantization), so the limit that follows from this work is
//! above what can be reached. In the last block, rows whose logits nobody wants need keys and values
//! only, and count for no more.

use crate::{Linear, ModelConfig};

/// Rows that pass through each linear layer of the network, by what they are needed for.
struct Rows {
    /// All rows.
    all: f64,
    /// Rows whose logits are wanted.
    wanted: f64,
}

/// Calls `visit` with every linear layer's block, outputs, inputs and rows.
fn each_linear(
    config: &ModelConfig,
    rows: &Rows,
    mut visit: impl FnMut(usize, Linear, f64, f64, f64),
) {
    for layer in 0..config.layers {
        for linear in config.linears().iter().copied() {
            let feeds_keys = matches!(linear, Linear::Key | Linear::Value | Linear::QueryKeyValue);
            let needed = if layer + 1 < config.layers || feeds_keys {
                rows.all
            } else {
                rows.wanted
            };
            let (outputs, inputs) = config.shape(linear);
            visit(layer, linear, outputs as f64, inputs as f64, needed);
        }
    }
}

/// Operations of sampling: `computed` rows pass through the network, and the logits of `wanted` of
/// them are taken.
///
/// What prompts have in common counts once, however many samples share it. A sample of n tokens
/// feeds n - 1 of them back, and its first token is chosen from logits that all samples of its
/// prompt share; so `requests` prompts with `samples` samples each of n tokens compute
/// `shared + requests * own + requests * samples * (n - 1)` rows, and want the logits of
/// `requests + requests * samples * (n - 1)`.
pub fn sampling_operations(config: &ModelConfig, computed: u64, wanted: u64) -> f64 {
    let rows = Rows {
        all: computed as f64,
        wanted: wanted as f64,
    };
    let mut operations = 2.0 * rows.wanted * (config.vocabulary * config.hidden) as f64;
    each_linear(config, &rows, |_, _, outputs, inputs, rows| {
        operations += 2.0 * outputs * inputs * rows;
    });
    operations
}

/// Operations of a step of LoRA training with rank `rank`: `tokens` rows, prompts that several
/// sequences share counted once, and the loss on `completion` of them.
///
/// Forward, and backward towards the inputs of every linear layer but those of the first block that
/// read the embedding, below which nothing learns; no gradient of the frozen weights. The adapter is
/// counted as computed beside its layer: two products forward, two for its gradients, two towards
/// the input. The head is computed forward and backward on rows that predict a completion token.
pub fn training_operations(config: &ModelConfig, rank: usize, tokens: u64, completion: u64) -> f64 {
    let rows = Rows {
        all: tokens as f64,
        wanted: completion as f64,
    };
    let rank = rank as f64;
    let mut operations = 4.0 * rows.wanted * (config.vocabulary * config.hidden) as f64;
    each_linear(config, &rows, |layer, linear, outputs, inputs, rows| {
        let reads_embedding = layer == 0
            && matches!(
                linear,
                Linear::Query | Linear::Key | Linear::Value | Linear::QueryKeyValue
            );
        let (both, base) = (rank * (outputs + inputs), outputs * inputs);
        let towards_input = if reads_embedding {
            0.0
        } else {
            base + rank * inputs
        };
        // u = A x, y = W x + B u; v = B^T d, dA = v x^T, dB = d u^T; dx = W^T d + A^T v.
        operations += 2.0 * rows * (base + both + rank * outputs + both + towards_input);
    });
    operations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;

    fn tiny() -> Model {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.gguf");
        Model::open(&path).unwrap()
    }

    /// Weights of the linear layers of a block, those of keys and values, and of the head.
    fn weights(config: &ModelConfig) -> (f64, f64, f64) {
        let of = |linear: Linear| {
            let (outputs, inputs) = config.shape(linear);
            (outputs * inputs) as f64
        };
        let block = config.linears().iter().map(|l| of(*l)).sum();
        let keys = of(Linear::Key) + of(Linear::Value);
        (block, keys, (config.vocabulary * config.hidden) as f64)
    }

    #[test]
    fn where_every_row_is_wanted_it_is_two_operations_a_weight() {
        let model = tiny();
        let config = model.config();
        let (block, _, head) = weights(config);
        let all = config.layers as f64 * block + head;
        assert!((sampling_operations(config, 7, 7) - 14.0 * all).abs() < 1.0);
    }

    #[test]
    fn prompt_rows_need_keys_and_values_only_in_the_last_block() {
        let model = tiny();
        let config = model.config();
        let (block, keys, _) = weights(config);
        let one_more = sampling_operations(config, 8, 3) - sampling_operations(config, 7, 3);
        let expected = 2.0 * ((config.layers - 1) as f64 * block + keys);
        assert!((one_more - expected).abs() < 1.0);
    }

    #[test]
    fn training_is_forward_and_backward_and_the_adapter_twice_more() {
        let model = tiny();
        let config = model.config();
        let (block, _, head) = weights(config);
        let first: f64 = [Linear::Query, Linear::Key, Linear::Value]
            .map(|l| config.shape(l))
            .iter()
            .map(|(o, i)| (o * i) as f64)
            .sum();
        let base = 2.0 * config.layers as f64 * block - first + 2.0 * head;
        assert!((training_operations(config, 0, 5, 5) - 10.0 * base).abs() < 1.0);
        let both: usize = config
            .linears()
            .iter()
            .map(|l| config.shape(*l))
            .map(|(o, i)| o + i)
            .sum();
        let with_rank = training_operations(config, 2, 5, 5) - 10.0 * base;
        let inputs_of_first = 3.0 * config.hidden as f64;
        let expected = 3.0 * (config.layers * both) as f64 - inputs_of_first;
        assert!((with_rank - 10.0 * 2.0 * expected).abs() < 1.0);
    }
}
