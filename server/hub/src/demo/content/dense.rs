//! The tensors of a dense decoder, which Llama and Mistral name and shape alike.
//!
//! Configuration files are written by the model modules from the same numbers.

use super::weights::Tensor;

/// The numbers that fix every shape.
pub(super) struct Dimensions {
    /// Width of the residual stream.
    pub(super) hidden: usize,
    /// Width of the feed-forward layers.
    pub(super) intermediate: usize,
    /// Number of layers.
    pub(super) layers: usize,
    /// Query heads.
    pub(super) heads: usize,
    /// Key and value heads.
    pub(super) kv_heads: usize,
    /// Width of one head.
    pub(super) head: usize,
}

impl Dimensions {
    /// All tensors in the order of the layers, with an output matrix of its own.
    pub(super) fn tensors(&self, vocab_size: usize, seed: u64) -> Vec<Tensor> {
        let Self { hidden, intermediate, layers, heads, kv_heads, head } = *self;
        let mut tensors = vec![Tensor::random(seed, "model.embed_tokens.weight".to_owned(), &[vocab_size, hidden])];
        for layer in 0..layers {
            let shapes = [
                ("self_attn.q_proj", [heads * head, hidden]),
                ("self_attn.k_proj", [kv_heads * head, hidden]),
                ("self_attn.v_proj", [kv_heads * head, hidden]),
                ("self_attn.o_proj", [hidden, heads * head]),
                ("mlp.gate_proj", [intermediate, hidden]),
                ("mlp.up_proj", [intermediate, hidden]),
                ("mlp.down_proj", [hidden, intermediate]),
            ];
            for (part, shape) in shapes {
                tensors.push(Tensor::random(seed, format!("model.layers.{layer}.{part}.weight"), &shape));
            }
            for part in ["input_layernorm", "post_attention_layernorm"] {
                tensors.push(Tensor::ones(format!("model.layers.{layer}.{part}.weight"), hidden));
            }
        }
        tensors.push(Tensor::ones("model.norm.weight".to_owned(), hidden));
        tensors.push(Tensor::random(seed, "lm_head.weight".to_owned(), &[vocab_size, hidden]));
        tensors
    }
}
