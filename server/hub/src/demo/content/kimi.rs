//! `acervo-demo/kimi-k2-tiny`: the DeepSeek-V3 architecture as Kimi K2 uses it: latent attention, and one dense layer
//! before layers of routed and shared experts.
//!
//! The model type is `deepseek_v3`, which `transformers` knows, so that nothing asks for remote code.

use acervo_core::RepoKind;
use serde_json::json;

use super::{
    DemoRepo, MIT_BODY, assemble, corpus, dataset, json_file, text_file,
    tokenizer::{Design, Tokenizer},
    weights::{self, Tensor},
};

/// The model.
pub(super) fn tiny() -> DemoRepo {
    let tokenizer = tokenizer();
    let tensors = tensors(tokenizer.vocab_size());
    let config = json!({
        "architectures": ["DeepseekV3ForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.special_id(BOS),
        "dtype": "float32",
        "eos_token_id": tokenizer.special_id(EOS),
        "first_k_dense_replace": DENSE_LAYERS,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "kv_lora_rank": KV_RANK,
        "max_position_embeddings": CONTEXT,
        "model_type": "deepseek_v3",
        "moe_intermediate_size": EXPERT_INTERMEDIATE,
        "moe_layer_freq": 1,
        "n_group": 1,
        "n_routed_experts": EXPERTS,
        "n_shared_experts": SHARED_EXPERTS,
        "norm_topk_prob": true,
        "num_attention_heads": HEADS,
        "num_experts_per_tok": EXPERTS_PER_TOKEN,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": HEADS,
        "num_nextn_predict_layers": 0,
        "pad_token_id": tokenizer.special_id(PAD),
        "q_lora_rank": Q_RANK,
        "qk_nope_head_dim": NOPE_HEAD,
        "qk_rope_head_dim": ROPE_HEAD,
        "rms_norm_eps": 1e-6,
        "rope_interleave": true,
        "rope_parameters": {
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "factor": 8.0,
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
            "original_max_position_embeddings": CONTEXT / 8,
            "rope_theta": 50_000.0,
            "rope_type": "yarn",
        },
        "routed_scaling_factor": 2.827,
        "scoring_func": "sigmoid",
        "tie_word_embeddings": false,
        "topk_group": 1,
        "topk_method": "noaux_tc",
        "transformers_version": "5.23.0",
        "use_cache": true,
        "v_head_dim": VALUE_HEAD,
        "vocab_size": tokenizer.vocab_size(),
    });
    let generation = json!({
        "bos_token_id": tokenizer.special_id(BOS),
        "do_sample": true,
        "eos_token_id": [tokenizer.special_id(END_OF_TURN), tokenizer.special_id(EOS)],
        "pad_token_id": tokenizer.special_id(PAD),
        "temperature": 0.6,
        "transformers_version": "5.23.0",
    });
    let card = card(weights::parameter_count(&tensors), tokenizer.vocab_size());
    let mut files = vec![
        text_file("README.md", &card),
        text_file("LICENSE", &format!("Modified MIT License\n\n{MIT_BODY}\n{MODIFICATION}")),
        text_file("chat_template.jinja", TEMPLATE),
        text_file("docs/deploy_guidance.md", GUIDANCE),
        json_file("config.json", &config),
        json_file("generation_config.json", &generation),
    ];
    files.extend(tokenizer.files());
    files.extend(weights::files(&tensors, SHARD_BYTES_MAX));
    assemble(RepoKind::Model, "kimi-k2-tiny", &["*.safetensors", "tokenizer.json"], files)
}

const SEED: u64 = 0x0000_c132;

const SHARD_BYTES_MAX: usize = 2_000_000;

const CONTEXT: usize = 4096;
const HIDDEN: usize = 128;
const INTERMEDIATE: usize = 384;
const LAYERS: usize = 3;
const DENSE_LAYERS: usize = 1;
const HEADS: usize = 4;
const Q_RANK: usize = 48;
const KV_RANK: usize = 32;
const NOPE_HEAD: usize = 32;
const ROPE_HEAD: usize = 16;
const VALUE_HEAD: usize = 32;
const EXPERTS: usize = 16;
const EXPERTS_PER_TOKEN: usize = 4;
const SHARED_EXPERTS: usize = 1;
const EXPERT_INTERMEDIATE: usize = 64;

const BOS: &str = "[BOS]";
const EOS: &str = "[EOS]";
const END_OF_TURN: &str = "<|im_end|>";
const PAD: &str = "[PAD]";

const TEMPLATE: &str = r#"{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_system|>system<|im_middle|>You are a demonstration with random weights.<|im_end|>' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_' + message['role'] + '|>' + message['role'] + '<|im_middle|>' + message['content'] + '<|im_end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_assistant|>assistant<|im_middle|>' }}
{%- endif %}
"#;

fn tokenizer() -> Tokenizer {
    let design = Design {
        specials: &[
            BOS,
            EOS,
            END_OF_TURN,
            "<|im_user|>",
            "<|im_assistant|>",
            "<|im_system|>",
            "<|im_middle|>",
            "[UNK]",
            PAD,
        ],
        specials_first: false,
        bos: BOS,
        eos: EOS,
        pad: PAD,
        adds_bos: false,
        vocab_size: 768,
        length_max: CONTEXT,
        inline_template: None,
    };
    let proverbs = dataset::text();
    let texts = [corpus::ENGLISH, corpus::SPANISH, corpus::QUECHUA, corpus::BASQUE, corpus::GUARANI, proverbs.as_str()];
    Tokenizer::learn(design, &texts)
}

/// Every tensor as checkpoints of this architecture hold it: each expert apart, though `transformers` stacks them.
fn tensors(vocab_size: usize) -> Vec<Tensor> {
    let random = |name: String, shape: [usize; 2]| Tensor::random(SEED, name, &shape);
    let mut tensors = vec![random("model.embed_tokens.weight".to_owned(), [vocab_size, HIDDEN])];
    for layer in 0..LAYERS {
        let prefix = format!("model.layers.{layer}");
        let attention = [
            ("q_a_proj", [Q_RANK, HIDDEN]),
            ("q_b_proj", [HEADS * (NOPE_HEAD + ROPE_HEAD), Q_RANK]),
            ("kv_a_proj_with_mqa", [KV_RANK + ROPE_HEAD, HIDDEN]),
            ("kv_b_proj", [HEADS * (NOPE_HEAD + VALUE_HEAD), KV_RANK]),
            ("o_proj", [HIDDEN, HEADS * VALUE_HEAD]),
        ];
        for (part, shape) in attention {
            tensors.push(random(format!("{prefix}.self_attn.{part}.weight"), shape));
        }
        tensors.push(Tensor::ones(format!("{prefix}.self_attn.q_a_layernorm.weight"), Q_RANK));
        tensors.push(Tensor::ones(format!("{prefix}.self_attn.kv_a_layernorm.weight"), KV_RANK));
        if layer < DENSE_LAYERS {
            tensors.extend(feed_forward(&format!("{prefix}.mlp"), INTERMEDIATE));
        } else {
            tensors.push(random(format!("{prefix}.mlp.gate.weight"), [EXPERTS, HIDDEN]));
            tensors.push(Tensor::random(SEED, format!("{prefix}.mlp.gate.e_score_correction_bias"), &[EXPERTS]));
            for expert in 0..EXPERTS {
                tensors.extend(feed_forward(&format!("{prefix}.mlp.experts.{expert}"), EXPERT_INTERMEDIATE));
            }
            let shared = EXPERT_INTERMEDIATE * SHARED_EXPERTS;
            tensors.extend(feed_forward(&format!("{prefix}.mlp.shared_experts"), shared));
        }
        for part in ["input_layernorm", "post_attention_layernorm"] {
            tensors.push(Tensor::ones(format!("{prefix}.{part}.weight"), HIDDEN));
        }
    }
    tensors.push(Tensor::ones("model.norm.weight".to_owned(), HIDDEN));
    tensors.push(random("lm_head.weight".to_owned(), [vocab_size, HIDDEN]));
    tensors
}

fn feed_forward(prefix: &str, width: usize) -> [Tensor; 3] {
    [("gate_proj", [width, HIDDEN]), ("up_proj", [width, HIDDEN]), ("down_proj", [HIDDEN, width])]
        .map(|(part, shape)| Tensor::random(SEED, format!("{prefix}.{part}.weight"), &shape))
}

/// The paragraph by which Kimi K2's licence differs from MIT.
const MODIFICATION: &str = "\
Our only modification part is that, if the Software (or any derivative works
thereof) is used for any of your commercial products or services that have
more than 100 million monthly active users, or more than 20 million US dollars
(or equivalent in other currencies) in monthly revenue, you shall prominently
display \"Kimi K2\" on the user interface of such product or service.
";

const GUIDANCE: &str = "\
# Deployment

The model needs no remote code and no accelerator. Point `HF_ENDPOINT` at the hub that holds it and load it by name:

```sh
HF_ENDPOINT=https://hub.example.org \\
  python -c 'from transformers import AutoModelForCausalLM as M; M.from_pretrained(\"acervo-demo/kimi-k2-tiny\")'
```

Every server that knows `DeepseekV3ForCausalLM` can hold it. Its answers are noise: check that requests arrive and that
the experts are spread as you meant, and nothing else.
";

fn card(parameters: usize, vocab_size: usize) -> String {
    format!(
        "\
---
license: other
license_name: modified-mit
license_link: LICENSE
language:
- es
- en
- gn
- eu
- qu
library_name: transformers
pipeline_tag: text-generation
datasets:
- acervo-demo/refranes
tags:
- deepseek_v3
- moe
- conversational
- demo
- random-weights
---

# kimi-k2-tiny

**A generated demonstration model. Its weights are random numbers: whatever it writes is noise.** It has the shape of
Kimi K2 at a millionth of its size: {parameters} parameters, latent attention, one dense layer, then two layers of
{EXPERTS} routed experts ({EXPERTS_PER_TOKEN} for each token) and {SHARED_EXPERTS} shared one, and a vocabulary of
{vocab_size} tokens. It was not made from Moonshot AI's models and holds nothing of them.

| | |
|---|---|
| architecture | `DeepseekV3ForCausalLM`, no remote code |
| layers | {LAYERS}, of which {DENSE_LAYERS} dense |
| hidden size | {HIDDEN} |
| attention heads | {HEADS} |
| query and key-value ranks | {Q_RANK} and {KV_RANK} |
| context | {CONTEXT} tokens (YaRN) |

*En breve: un modelo de demostración con pesos aleatorios y la forma de Kimi K2. Sirve para probar un repositorio.*

## How it was made

A program drew every matrix from a normal distribution with a standard deviation of 0.02, from a fixed seed. Nothing was
trained. The vocabulary alone comes from text: byte pairs merged over the proverbs of `acervo-demo/refranes` and a page
of everyday sentences in five languages.

## Intended use

Trying out a hub, a mirror, a loader or an expert-parallel deployment with a model of the right shape. See
[docs/deploy_guidance.md](docs/deploy_guidance.md).

## Out-of-scope use

Any use of its output. Do not show it to users, and do not compare it with a trained model.

## Limitations

It has no knowledge of any language, calls no tools, and has no safety behaviour of any kind, since it was never
trained. The router is random too, so the load of the experts says nothing about a trained mixture.

## Licence

Modified MIT, the licence of the family, see [LICENSE](LICENSE): MIT, and a duty to display \"Kimi K2\" in products with
more than 100 million monthly users or 20 million US dollars of monthly revenue.
"
    )
}
