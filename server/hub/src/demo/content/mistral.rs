//! `acervo-demo/mistral-tiny-gn`: the Mistral family, dense, with `[INST]` turns and a tokenizer that knows Guarani.

use acervo_core::RepoKind;
use serde_json::json;

use super::{
    DemoRepo, assemble, corpus,
    dense::Dimensions,
    json_file, text_file,
    tokenizer::{Design, Tokenizer},
    weights,
};

/// The model.
pub(super) fn guarani() -> DemoRepo {
    let design = Design {
        specials: &[UNK, BOS, EOS, PAD, "[INST]", "[/INST]"],
        specials_first: true,
        bos: BOS,
        eos: EOS,
        pad: PAD,
        adds_bos: true,
        vocab_size: 512,
        length_max: CONTEXT,
        inline_template: None,
    };
    let tokenizer = Tokenizer::learn(design, &[corpus::GUARANI, corpus::SPANISH]);
    let tensors = DIMENSIONS.tensors(tokenizer.vocab_size(), SEED);
    let config = json!({
        "architectures": ["MistralForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.special_id(BOS),
        "dtype": "float32",
        "eos_token_id": tokenizer.special_id(EOS),
        "head_dim": DIMENSIONS.head,
        "hidden_act": "silu",
        "hidden_size": DIMENSIONS.hidden,
        "initializer_range": 0.02,
        "intermediate_size": DIMENSIONS.intermediate,
        "max_position_embeddings": CONTEXT,
        "model_type": "mistral",
        "num_attention_heads": DIMENSIONS.heads,
        "num_hidden_layers": DIMENSIONS.layers,
        "num_key_value_heads": DIMENSIONS.kv_heads,
        "pad_token_id": tokenizer.special_id(PAD),
        "rms_norm_eps": 1e-5,
        "rope_parameters": { "rope_theta": 1_000_000.0, "rope_type": "default" },
        "sliding_window": null,
        "tie_word_embeddings": false,
        "transformers_version": "5.23.0",
        "use_cache": true,
        "vocab_size": tokenizer.vocab_size(),
    });
    let generation = json!({
        "bos_token_id": tokenizer.special_id(BOS),
        "eos_token_id": tokenizer.special_id(EOS),
        "pad_token_id": tokenizer.special_id(PAD),
        "transformers_version": "5.23.0",
    });
    let card = card(weights::parameter_count(&tensors), tokenizer.vocab_size());
    let mut files = vec![
        text_file("README.md", &card),
        text_file("chat_template.jinja", TEMPLATE),
        text_file("ejemplos/saludo ñandú.txt", GREETING),
        json_file("config.json", &config),
        json_file("generation_config.json", &generation),
    ];
    files.extend(tokenizer.files());
    files.extend(weights::files(&tensors, SHARD_BYTES_MAX));
    assemble(RepoKind::Model, "mistral-tiny-gn", &["*.bin", "*.safetensors", "tokenizer.json"], files)
}

const SEED: u64 = 0x3157_2a16;

const SHARD_BYTES_MAX: usize = 2_000_000;

/// The heads together are narrower than the residual stream, as in Mistral Nemo.
const DIMENSIONS: Dimensions =
    Dimensions { hidden: 160, intermediate: 416, layers: 3, heads: 4, kv_heads: 1, head: 32 };

const CONTEXT: usize = 2048;

const UNK: &str = "<unk>";
const BOS: &str = "<s>";
const EOS: &str = "</s>";
const PAD: &str = "<pad>";

const TEMPLATE: &str = r#"{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] + '\n\n' %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}
    {%- set turns = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in turns %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('after the optional system message, user and assistant must take turns') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- '[INST] ' + (system if loop.first else '') + message['content'] + '[/INST]' }}
    {%- else %}
        {{- ' ' + message['content'] + eos_token }}
    {%- endif %}
{%- endfor %}
"#;

const GREETING: &str = "\
Mbaʼéichapa. Che haʼe ñandú.
Hola. Soy el ñandú.
";

fn card(parameters: usize, vocab_size: usize) -> String {
    format!(
        "\
---
license: apache-2.0
language:
- gn
- es
library_name: transformers
pipeline_tag: text-generation
tags:
- mistral
- conversational
- demo
- random-weights
---

# mistral-tiny-gn

**A generated demonstration model. Its weights are random numbers: whatever it writes is noise.** It has the files, the
tensor names and the configuration of a Mistral model: {parameters} parameters, three layers, a vocabulary of
{vocab_size} tokens. It was not made from Mistral AI's models and holds nothing of them.

*En breve: un modelo de demostración con pesos aleatorios. No habla guaraní ni castellano; sirve para probar un
repositorio.*

## How it was made

A program drew every matrix from a normal distribution with a standard deviation of 0.02, from a fixed seed. Nothing was
trained. The vocabulary alone comes from text: byte pairs merged over a page of everyday Guarani and Spanish. Letters
such as `ẽ` and `g̃` and the puso `ʼ` survive encoding and decoding unchanged.

```python
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(\"acervo-demo/mistral-tiny-gn\")
messages = [dict(role=\"user\", content=\"Mbaʼéichapa nde réra?\")]
print(tokenizer.apply_chat_template(messages, tokenize=False))
```

`ejemplos/saludo ñandú.txt` has a space and an accent in its name on purpose: a hub has to carry such paths too.

## Intended use

Trying out a hub, a mirror, a loader or a deployment with a model that has the right shape and costs nothing to move.

## Out-of-scope use

Any use of its output. It is no step towards a Guarani model, and nothing about Guarani can be learned from it.

## Limitations

It has no knowledge of any language, and no safety behaviour of any kind, since it was never trained. No speaker has
reviewed the Guarani sentences of the vocabulary.

## Licence

Apache License 2.0 (<https://www.apache.org/licenses/LICENSE-2.0>).
"
    )
}
