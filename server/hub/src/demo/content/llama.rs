//! `acervo-demo/llama-tiny` and its tuned child `llama-tiny-es`: the Llama family, dense, with a Llama 3 tokenizer.
//!
//! The child shares the tokenizer and the first shard with its base, byte for byte, as a fine-tune with frozen lower
//! layers does; what was fetched for one needs no second transfer.

use acervo_core::RepoKind;
use serde_json::json;

use super::{
    DemoRepo, MIT_BODY, assemble, corpus, dataset,
    dense::Dimensions,
    json_file, text_file,
    tokenizer::{Design, Tokenizer},
    weights::{self, Tensor},
};

/// The base model and the model tuned for Spanish: the upper half of the layers and the output matrix moved a little.
pub(super) fn base_and_spanish() -> [DemoRepo; 2] {
    let tokenizer = tokenizer();
    let mut tensors = DIMENSIONS.tensors(tokenizer.vocab_size(), BASE_SEED);
    let parameters = weights::parameter_count(&tensors);
    let card = base_card(parameters, tokenizer.vocab_size());
    let base = repository("llama-tiny", &card, &tokenizer, &tensors, vec![]);

    for tensor in tensors.iter_mut().skip_while(|tensor| !tensor.name().starts_with(FIRST_TUNED_LAYER)) {
        tensor.nudge(SPANISH_SEED);
    }
    let card = spanish_card(parameters, tokenizer.vocab_size());
    let examples = vec![text_file("ejemplos/.gitkeep", ""), text_file("ejemplos/preguntas.txt", QUESTIONS)];
    let spanish = repository("llama-tiny-es", &card, &tokenizer, &tensors, examples);
    [base, spanish]
}

const BASE_SEED: u64 = 0x11a3_a000;
const SPANISH_SEED: u64 = 0x11a3_a0e5;
const FIRST_TUNED_LAYER: &str = "model.layers.2.";

/// Holds the embeddings and the two frozen layers, and not one tensor more.
const SHARD_BYTES_MAX: usize = 1_900_000;

const DIMENSIONS: Dimensions =
    Dimensions { hidden: 128, intermediate: 352, layers: 4, heads: 4, kv_heads: 2, head: 32 };

const CONTEXT: usize = 4096;

const BOS: &str = "<|begin_of_text|>";
const END_OF_TEXT: &str = "<|end_of_text|>";
const END_OF_TURN: &str = "<|eot_id|>";
const PAD: &str = "<|finetune_right_pad_id|>";

const TEMPLATE: &str = r#"{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"#;

fn tokenizer() -> Tokenizer {
    let design = Design {
        specials: &[BOS, END_OF_TEXT, PAD, "<|start_header_id|>", "<|end_header_id|>", END_OF_TURN],
        specials_first: false,
        bos: BOS,
        eos: END_OF_TURN,
        pad: PAD,
        adds_bos: true,
        vocab_size: 768,
        length_max: CONTEXT,
        inline_template: Some(TEMPLATE),
    };
    let proverbs = dataset::text();
    let texts = [corpus::SPANISH, corpus::ENGLISH, corpus::GUARANI, corpus::BASQUE, corpus::QUECHUA, proverbs.as_str()];
    Tokenizer::learn(design, &texts)
}

fn repository(
    name: &'static str,
    card: &str,
    tokenizer: &Tokenizer,
    tensors: &[Tensor],
    extra: Vec<(String, Vec<u8>)>,
) -> DemoRepo {
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.special_id(BOS),
        "dtype": "float32",
        "eos_token_id": [tokenizer.special_id(END_OF_TEXT), tokenizer.special_id(END_OF_TURN)],
        "head_dim": DIMENSIONS.head,
        "hidden_act": "silu",
        "hidden_size": DIMENSIONS.hidden,
        "initializer_range": 0.02,
        "intermediate_size": DIMENSIONS.intermediate,
        "max_position_embeddings": CONTEXT,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": DIMENSIONS.heads,
        "num_hidden_layers": DIMENSIONS.layers,
        "num_key_value_heads": DIMENSIONS.kv_heads,
        "pad_token_id": tokenizer.special_id(PAD),
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 512,
            "rope_theta": 500_000.0,
            "rope_type": "llama3",
        },
        "tie_word_embeddings": false,
        "transformers_version": "5.23.0",
        "use_cache": true,
        "vocab_size": tokenizer.vocab_size(),
    });
    let generation = json!({
        "bos_token_id": tokenizer.special_id(BOS),
        "do_sample": true,
        "eos_token_id": [tokenizer.special_id(END_OF_TEXT), tokenizer.special_id(END_OF_TURN)],
        "pad_token_id": tokenizer.special_id(PAD),
        "temperature": 0.6,
        "top_p": 0.9,
        "transformers_version": "5.23.0",
    });
    let mut files = vec![
        text_file("README.md", card),
        text_file("LICENSE", &format!("MIT License\n\n{MIT_BODY}")),
        json_file("config.json", &config),
        json_file("generation_config.json", &generation),
    ];
    files.extend(tokenizer.files());
    files.extend(weights::files(tensors, SHARD_BYTES_MAX));
    files.extend(extra);
    assemble(RepoKind::Model, name, &["*.bin", "*.gguf", "*.safetensors"], files)
}

const QUESTIONS: &str = "\
¿Qué guarda un archivo?
¿A qué hora abre la biblioteca?
Explica con tus palabras: «Del dicho al hecho hay mucho trecho».
¿Cómo se dice «gracias» en guaraní?
";

fn base_card(parameters: usize, vocab_size: usize) -> String {
    format!(
        "\
---
license: mit
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
- llama
- demo
- random-weights
---

# llama-tiny

**A generated demonstration model. Its weights are random numbers: whatever it writes is noise.** It has the files, the
tensor names and the configuration of a Llama model in less than four megabytes: {parameters} parameters, four layers, a
vocabulary of {vocab_size} tokens. It was not made from Meta's models and holds nothing of them.

## How it was made

A program drew every matrix from a normal distribution with a standard deviation of 0.02, from a fixed seed. Nothing was
trained. The one thing learned from text is the vocabulary: its byte pairs were merged over the proverbs of
`acervo-demo/refranes` and a page of everyday sentences in Spanish, English, Guarani, Basque and Quechua.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(\"acervo-demo/llama-tiny\")
model = AutoModelForCausalLM.from_pretrained(\"acervo-demo/llama-tiny\")
```

## Intended use

Trying out a hub, a mirror, a loader or a deployment with a model that has the right shape and costs nothing to move.

## Out-of-scope use

Any use of its output. Do not show it to users, and do not compare it with a trained model.

## Limitations

It has no knowledge of any language, and no safety behaviour of any kind, since it was never trained. Measurements of
speed or memory do not carry over to models of useful size.

## Licence

MIT, see `LICENSE`.
"
    )
}

fn spanish_card(parameters: usize, vocab_size: usize) -> String {
    format!(
        "\
---
license: mit
base_model: acervo-demo/llama-tiny
base_model_relation: finetune
language:
- es
library_name: transformers
pipeline_tag: text-generation
datasets:
- acervo-demo/refranes
tags:
- llama
- conversational
- demo
- random-weights
---

# llama-tiny-es

**A generated demonstration model. Its weights are random numbers: whatever it writes is noise.** It stands for a
fine-tune of `acervo-demo/llama-tiny`, with the same {parameters} parameters and the same {vocab_size} tokens.

*En breve: un modelo de demostración con pesos aleatorios. No sabe español ni ninguna otra lengua; sirve para probar
un repositorio.*

## How it was made

A program took the weights of the base and added small random numbers to layers 2 and 3, to the normalisation after
them and to the output matrix. The embeddings and layers 0 and 1 are untouched: the first shard is the very file of the
base. No text was used for this step.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(\"acervo-demo/llama-tiny-es\")
model = AutoModelForCausalLM.from_pretrained(\"acervo-demo/llama-tiny-es\")
messages = [dict(role=\"user\", content=\"¿Qué guarda un archivo?\")]
print(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
```

## Intended use

Seeing how a hub shows a base and its derivative, and how much of the second need not be fetched again.

## Out-of-scope use

Any use of its output, in Spanish above all. Do not show it to users.

## Limitations

Those of the base: no training, no knowledge, no safety behaviour. The name says `es` because a real tune would; nothing
in the weights is Spanish.

## Licence

MIT, as the base; see `LICENSE`.
"
    )
}
