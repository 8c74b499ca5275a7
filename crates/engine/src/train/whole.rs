//! All parameters of a model, where not an adapter is trained but everything.

use std::ops::Range;
use std::path::Path;

use super::network::Network;
use super::weights::{Frozen, Group};
use crate::architecture::{LayerVectors, Norm};
use crate::gguf::{TensorInfo, TensorPlan, TensorType, quantize, write_gguf};
use crate::kernels::{View, add_assign, add_scaled, gemm, layer_norm, rms_norm};
use crate::{EngineError, Linear, Model, ModelConfig, Wiring};

/// A norm of the network.
#[derive(Debug, Clone, Copy)]
pub(super) enum NormPlace {
    Attention(usize),
    FeedForward(usize),
    PostAttention(usize),
    PostFeedForward(usize),
    Output,
}

/// Where a norm's parameters lie.
#[derive(Debug, Clone)]
struct NormRange {
    weight: Range<usize>,
    bias: Option<Range<usize>>,
}

/// Where a block's parameters lie.
#[derive(Debug)]
struct LayerRanges {
    attention_norm: NormRange,
    feed_forward_norm: Option<NormRange>,
    post_attention_norm: Option<NormRange>,
    post_feed_forward_norm: Option<NormRange>,
    query_norm: Option<Range<usize>>,
    key_norm: Option<Range<usize>>,
    biases: [Option<Range<usize>>; Linear::COUNT],
    /// Linear layers that are multiplied as one lie below each other.
    groups: [Range<usize>; 4],
}

/// All parameters in one vector; gradients and moments use the same layout.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) values: Vec<f32>,
    /// The tensors of the file, in the order of `values`.
    tensors: Vec<(String, Range<usize>)>,
    layers: Vec<LayerRanges>,
    embedding: Range<usize>,
    norm: NormRange,
    head: Range<usize>,
}

/// Lays parameters out one after the other.
#[derive(Default)]
struct Layout {
    values: Vec<f32>,
    tensors: Vec<(String, Range<usize>)>,
}

impl Layout {
    fn push(&mut self, name: String, values: &[f32]) -> Range<usize> {
        let start = self.values.len();
        self.values.extend_from_slice(values);
        let range = start..self.values.len();
        self.tensors.push((name, range.clone()));
        range
    }

    fn norm(&mut self, name: &str, norm: &Norm) -> NormRange {
        let weight = self.push(format!("{name}.weight"), &norm.weight);
        let bias = norm.bias.as_ref();
        let bias = bias.map(|bias| self.push(format!("{name}.bias"), bias));
        NormRange { weight, bias }
    }

    fn layer(
        &mut self,
        model: &Model,
        layer: usize,
        vectors: &LayerVectors,
    ) -> Result<LayerRanges, EngineError> {
        let (config, file) = (&model.config, &model.file);
        let name = |short: &str| format!("blk.{layer}.{short}");
        let (attention, feed_forward) = config.norm_names(file, layer);
        let attention_norm = self.norm(&name(attention), &vectors.attention_norm);
        let second = vectors.feed_forward_norm.as_ref().zip(feed_forward);
        let feed_forward_norm = second.map(|(norm, short)| self.norm(&name(short), norm));
        let mut post = |short: &str, norm: &Option<Norm>| {
            let norm = norm.as_ref();
            norm.map(|norm| self.norm(&name(short), norm))
        };
        let post_attention_norm = post("post_attention_norm", &vectors.post_attention_norm);
        let post_feed_forward_norm = post("post_ffw_norm", &vectors.post_feed_forward_norm);
        let mut head = |short: &str, weight: &Option<Vec<f32>>| {
            let weight = weight.as_ref();
            weight.map(|weight| self.push(name(&format!("{short}.weight")), weight))
        };
        let query_norm = head("attn_q_norm", &vectors.query_norm);
        let key_norm = head("attn_k_norm", &vectors.key_norm);
        let mut groups = <[Range<usize>; 4]>::default();
        let mut biases = <[Option<Range<usize>>; Linear::COUNT]>::default();
        for (group, range) in Group::ALL.into_iter().zip(&mut groups) {
            range.start = self.values.len();
            for linear in group.linears(config) {
                let weight = file.read(config.linear(file, layer, linear)?);
                self.push(name(&format!("{}.weight", linear.gguf_name())), &weight);
            }
            range.end = self.values.len();
            for linear in group.linears(config) {
                let bias = vectors.bias(linear);
                let name = name(&format!("{}.bias", linear.gguf_name()));
                biases[linear.index()] = bias.map(|bias| self.push(name, bias));
            }
        }
        Ok(LayerRanges {
            attention_norm,
            feed_forward_norm,
            post_attention_norm,
            post_feed_forward_norm,
            query_norm,
            key_norm,
            biases,
            groups,
        })
    }
}

impl Whole {
    /// The model's own parameters.
    pub(super) fn new(model: &Model, frozen: &Frozen) -> Result<Self, EngineError> {
        let (config, file) = (&model.config, &model.file);
        let mut layout = Layout::default();
        let info = file.matrix("token_embd.weight", config.vocabulary, config.hidden)?;
        let embedding = layout.push(info.name.clone(), &file.read(info));
        let layers = frozen.layers.iter().enumerate();
        let layers = layers.map(|(layer, vectors)| layout.layer(model, layer, vectors));
        let layers = layers.collect::<Result<_, _>>()?;
        let norm = layout.norm("output_norm", &frozen.norm);
        let head = if config.tied {
            embedding.clone()
        } else {
            layout.push("output.weight".into(), &frozen.head)
        };
        Ok(Self {
            values: layout.values,
            tensors: layout.tensors,
            layers,
            embedding,
            norm,
            head,
        })
    }

    /// Copies norms, biases and the head to where the passes read them.
    pub(super) fn refresh(&self, frozen: &mut Frozen) {
        let copy = |to: &mut [f32], range: &Range<usize>| {
            to.copy_from_slice(&self.values[range.clone()]);
        };
        let copy_norm = |to: &mut Norm, range: &NormRange| {
            copy(&mut to.weight, &range.weight);
            if let (Some(to), Some(range)) = (&mut to.bias, &range.bias) {
                copy(to, range);
            }
        };
        let optional = |to: &mut Option<Norm>, range: &Option<NormRange>| {
            if let (Some(to), Some(range)) = (to, range) {
                copy_norm(to, range);
            }
        };
        for (vectors, ranges) in frozen.layers.iter_mut().zip(&self.layers) {
            copy_norm(&mut vectors.attention_norm, &ranges.attention_norm);
            optional(&mut vectors.feed_forward_norm, &ranges.feed_forward_norm);
            optional(
                &mut vectors.post_attention_norm,
                &ranges.post_attention_norm,
            );
            let post = &mut vectors.post_feed_forward_norm;
            optional(post, &ranges.post_feed_forward_norm);
            for (to, range) in [
                (&mut vectors.query_norm, &ranges.query_norm),
                (&mut vectors.key_norm, &ranges.key_norm),
            ] {
                if let (Some(to), Some(range)) = (to, range) {
                    copy(to, range);
                }
            }
            for linear in ALL_LINEARS {
                let range = &ranges.biases[linear.index()];
                if let (Some(to), Some(range)) = (vectors.bias_mut(linear), range) {
                    copy(to, range);
                }
            }
        }
        copy_norm(&mut frozen.norm, &self.norm);
        copy(&mut frozen.head, &self.head);
    }

    /// A tensor of the file by its name.
    pub(super) fn tensor(&self, name: &str) -> Option<&[f32]> {
        let found = self.tensors.iter().find(|(n, _)| n == name);
        found.map(|(_, range)| &self.values[range.clone()])
    }

    /// Writes a GGUF file with these parameters and the model's metadata: matrices stored as
    /// `tensor_type`, vectors as F32, tensors that are not parameters as they are.
    pub(super) fn write(
        &self,
        model: &Model,
        tensor_type: TensorType,
        path: &Path,
    ) -> Result<(), EngineError> {
        let plan = |info: &TensorInfo| TensorPlan {
            name: info.name.clone(),
            dims: info.dims.clone(),
            tensor_type: match self.tensor(&info.name) {
                Some(_) if info.rows() > 1 => tensor_type,
                Some(_) => TensorType::F32,
                None => info.tensor_type,
            },
        };
        let plans: Vec<TensorPlan> = model
            .file
            .tensors_in_order()
            .into_iter()
            .map(plan)
            .collect();
        let failed = |source| EngineError::Write {
            path: path.to_owned(),
            source,
        };
        let metadata = crate::lora::metadata(model, tensor_type)?;
        write_gguf(path, &metadata, &plans, |plan, out| {
            let Some(values) = self.tensor(&plan.name) else {
                let info = model.file.tensor(&plan.name);
                let bytes = info.map_or(&[][..], |info| model.file.raw(info));
                return out.write_all(bytes).map_err(failed);
            };
            let columns = plan.dims.first().copied().unwrap_or(1);
            let mut bytes = Vec::new();
            quantize(plan.tensor_type, &plan.name, columns, values, &mut bytes)?;
            out.write_all(&bytes).map_err(failed)
        })
    }

    /// Where a tensor lies.
    #[cfg(test)]
    pub(super) fn tensors(&self) -> &[(String, Range<usize>)] {
        &self.tensors
    }

    /// The weights of a group of linear layers, `[outputs][inputs]`.
    pub(super) fn group(&self, layer: usize, group: Group) -> &[f32] {
        &self.values[self.layers[layer].groups[group as usize].clone()]
    }

    /// The embedding of a token.
    pub(super) fn embedding(&self, token: u32, hidden: usize) -> &[f32] {
        &self.values[self.embedding.clone()][token as usize * hidden..][..hidden]
    }

    /// Where the output head lies: `[vocabulary][hidden]`.
    pub(super) fn head(&self) -> Range<usize> {
        self.head.clone()
    }

    /// Adds the gradient of a group of linear layers: `d^T x`.
    pub(super) fn group_gradient(
        &self,
        layer: usize,
        group: Group,
        x: View<'_>,
        d: View<'_>,
        gradient: &mut [f32],
    ) {
        let range = self.layers[layer].groups[group as usize].clone();
        let inputs = x.columns();
        gemm(&mut gradient[range], inputs, d.transposed(), x, 1.0, true);
    }

    /// Adds the gradient of a linear layer's bias, whose outputs are the `columns` of `d`, rows of
    /// `width`.
    pub(super) fn bias_gradient(
        &self,
        layer: usize,
        linear: Linear,
        d: &[f32],
        columns: Range<usize>,
        width: usize,
        gradient: &mut [f32],
    ) {
        if let Some(range) = &self.layers[layer].biases[linear.index()] {
            for row in d.chunks_exact(width) {
                add_assign(&mut gradient[range.clone()], &row[columns.clone()]);
            }
        }
    }

    /// Adds the gradient of the embedding, given that of the first block's input.
    pub(super) fn embedding_gradient(
        &self,
        config: &ModelConfig,
        tokens: &[u32],
        d: &[f32],
        gradient: &mut [f32],
    ) {
        let (hidden, scale) = (config.hidden, config.embedding_scale);
        let table = &mut gradient[self.embedding.clone()];
        for (token, d) in tokens.iter().zip(d.chunks_exact(hidden)) {
            add_scaled(&mut table[*token as usize * hidden..][..hidden], d, scale);
        }
    }

    /// Adds the gradients of a norm's weight and bias, given its input and its output's gradient,
    /// both `[rows][width]`.
    pub(super) fn norm_gradient(
        &self,
        place: NormPlace,
        config: &ModelConfig,
        norm: &Norm,
        x: &[f32],
        d: &[f32],
        gradient: &mut [f32],
    ) {
        let range = match place {
            NormPlace::Attention(layer) => Some(&self.layers[layer].attention_norm),
            NormPlace::FeedForward(layer) => {
                let ranges = &self.layers[layer];
                let own = ranges.feed_forward_norm.as_ref();
                let shared = config.architecture.wiring == Wiring::Parallel;
                own.or(shared.then_some(&ranges.attention_norm))
            }
            NormPlace::PostAttention(layer) => self.layers[layer].post_attention_norm.as_ref(),
            NormPlace::PostFeedForward(layer) => self.layers[layer].post_feed_forward_norm.as_ref(),
            NormPlace::Output => Some(&self.norm),
        };
        let Some(range) = range else { return };
        let d_weight = &mut gradient[range.weight.clone()];
        weight_gradient(config.norm_epsilon, norm.bias.is_some(), x, d, d_weight);
        if let Some(bias) = &range.bias {
            for d in d.chunks_exact(norm.weight.len()) {
                add_assign(&mut gradient[bias.clone()], d);
            }
        }
    }

    /// Adds the gradients of the norms of query and key heads of one row, given queries and keys
    /// before their norms and the gradients after them.
    pub(super) fn head_norm_gradients(
        &self,
        layer: usize,
        config: &ModelConfig,
        (q, k): (&[f32], &[f32]),
        (d_q, d_k): (&[f32], &[f32]),
        gradient: &mut [f32],
    ) {
        let ranges = &self.layers[layer];
        for (range, x, d) in [(&ranges.query_norm, q, d_q), (&ranges.key_norm, k, d_k)] {
            if let Some(range) = range {
                let d_weight = &mut gradient[range.clone()];
                weight_gradient(config.norm_epsilon, false, x, d, d_weight);
            }
        }
    }
}

/// Every kind of linear layer.
const ALL_LINEARS: [Linear; Linear::COUNT] = [
    Linear::Query,
    Linear::Key,
    Linear::Value,
    Linear::QueryKeyValue,
    Linear::Output,
    Linear::Gate,
    Linear::Up,
    Linear::Down,
];

/// `d_weight += ` the sum over rows of the normed input times the output's gradient.
fn weight_gradient(epsilon: f32, centred: bool, x: &[f32], d: &[f32], d_weight: &mut [f32]) {
    let width = d_weight.len();
    let (ones, zeros, mut normed) = (vec![1.0; width], vec![0.0; width], vec![0.0; width]);
    for (x, d) in x.chunks_exact(width).zip(d.chunks_exact(width)) {
        if centred {
            layer_norm(x, &ones, &zeros, epsilon, &mut normed);
        } else {
            rms_norm(x, &ones, epsilon, &mut normed);
        }
        for ((w, n), d) in d_weight.iter_mut().zip(&normed).zip(d) {
            *w += n * d;
        }
    }
}

impl Network<'_> {
    /// [`Whole::norm_gradient`], where all parameters are trained.
    pub(super) fn norm_gradient(
        &self,
        place: NormPlace,
        norm: &Norm,
        x: &[f32],
        d: &[f32],
        gradient: &mut [f32],
    ) {
        if let Some(whole) = self.whole {
            whole.norm_gradient(place, &self.model.config, norm, x, d, gradient);
        }
    }
}
