//! A byte-level BPE tokenizer, learned from a small text, and the three files in which `transformers` looks for one.
//!
//! Only learning and writing: encoding text is the client's work. Chat templates belong to the model modules.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::json_file;

/// What a family's tokenizer looks like from outside.
pub(super) struct Design {
    /// Tokens that are never split, in the order of their ids.
    pub(super) specials: &'static [&'static str],
    /// Whether the special tokens take the first ids (as Mistral does) or the last (as Llama 3 and Kimi K2 do).
    pub(super) specials_first: bool,
    /// Begins a text.
    pub(super) bos: &'static str,
    /// Ends a text.
    pub(super) eos: &'static str,
    /// Fills a batch.
    pub(super) pad: &'static str,
    /// Whether encoding puts `bos` in front by itself.
    pub(super) adds_bos: bool,
    /// How many tokens there are, special ones included.
    pub(super) vocab_size: usize,
    /// The longest text the model takes, in tokens.
    pub(super) length_max: usize,
    /// A chat template to keep in `tokenizer_config.json`; families that ship `chat_template.jinja` have none here.
    pub(super) inline_template: Option<&'static str>,
}

/// A learned tokenizer.
pub(super) struct Tokenizer {
    design: Design,
    /// Tokens of the BPE model in the order of their ids, special ones excluded.
    tokens: Vec<String>,
    merges: Vec<String>,
}

impl Tokenizer {
    /// Learns merges from `texts` until the vocabulary has the size of the design, or nothing occurs twice any more.
    pub(super) fn learn(design: Design, texts: &[&str]) -> Self {
        let mut tokens: Vec<String> = byte_letters().iter().map(ToString::to_string).collect();
        tokens.sort();
        let mut words = words(texts, &tokens);
        let mut pairs: BTreeMap<Pair, i64> = BTreeMap::new();
        for (symbols, count) in &words {
            tally(&mut pairs, symbols, *count);
        }
        let mut merges = Vec::new();
        while design.specials.len() + tokens.len() < design.vocab_size {
            // Merging only takes occurrences away from a pair, so one that is rare now is rare for ever.
            pairs.retain(|_, count| *count >= 2);
            // The first of equals in the order of the map, so that learning twice gives the same merges.
            let Some((&pair, _)) = pairs.iter().rev().max_by_key(|(_, count)| **count) else { break };
            let (left, right) = (&tokens[pair.0], &tokens[pair.1]);
            merges.push(format!("{left} {right}"));
            tokens.push(format!("{left}{right}"));
            for (symbols, count) in &mut words {
                if symbols.windows(2).any(|two| (two[0], two[1]) == pair) {
                    tally(&mut pairs, symbols, -*count);
                    merge(symbols, pair, tokens.len() - 1);
                    tally(&mut pairs, symbols, *count);
                }
            }
        }
        Self { design, tokens, merges }
    }

    /// How many tokens there are, special ones included.
    pub(super) fn vocab_size(&self) -> usize {
        self.tokens.len() + self.design.specials.len()
    }

    /// The id of a special token.
    pub(super) fn special_id(&self, token: &str) -> usize {
        let first = if self.design.specials_first { 0 } else { self.tokens.len() };
        #[expect(clippy::expect_used, reason = "the constants of this module tree; tests generate all of them")]
        let place = self.design.specials.iter().position(|special| *special == token).expect("the design lists it");
        first + place
    }

    /// `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        vec![
            json_file("tokenizer.json", &self.tokenizer_json()),
            json_file("tokenizer_config.json", &self.tokenizer_config()),
            json_file("special_tokens_map.json", &self.special_tokens_map()),
        ]
    }

    fn tokenizer_json(&self) -> Value {
        let first: &[&str] = if self.design.specials_first { self.design.specials } else { &[] };
        let vocab: Map<String, Value> = first
            .iter()
            .map(|token| (*token).to_owned())
            .chain(self.tokens.iter().cloned())
            .zip((0_u64..).map(Value::from))
            .collect();
        let added: Vec<Value> = self
            .design
            .specials
            .iter()
            .map(|token| {
                json!({
                    "id": self.special_id(token), "content": token, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true,
                })
            })
            .collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": byte_level(),
            "post_processor": self.post_processor(),
            "decoder": byte_level(),
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": vocab,
                // As strings: releases of `tokenizers` before 0.20 know no other form.
                "merges": self.merges,
            },
        })
    }

    fn post_processor(&self) -> Value {
        if !self.design.adds_bos {
            return byte_level();
        }
        let bos = self.design.bos;
        let special = |type_id: u8| json!({ "SpecialToken": { "id": bos, "type_id": type_id } });
        let text = |id: &str, type_id: u8| json!({ "Sequence": { "id": id, "type_id": type_id } });
        json!({
            "type": "TemplateProcessing",
            "single": [special(0), text("A", 0)],
            "pair": [special(0), text("A", 0), special(1), text("B", 1)],
            "special_tokens": { bos: { "id": bos, "ids": [self.special_id(bos)], "tokens": [bos] } },
        })
    }

    fn tokenizer_config(&self) -> Value {
        let decoder: Map<String, Value> = self
            .design
            .specials
            .iter()
            .map(|token| {
                let entry = json!({
                    "content": token, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false,
                    "special": true,
                });
                (self.special_id(token).to_string(), entry)
            })
            .collect();
        let mut config = json!({
            "added_tokens_decoder": decoder,
            "bos_token": self.design.bos,
            "clean_up_tokenization_spaces": false,
            "eos_token": self.design.eos,
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": self.design.length_max,
            "pad_token": self.design.pad,
            "tokenizer_class": "PreTrainedTokenizerFast",
        });
        if let Some(template) = self.design.inline_template {
            config["chat_template"] = template.into();
        }
        config
    }

    fn special_tokens_map(&self) -> Value {
        json!({ "bos_token": self.design.bos, "eos_token": self.design.eos, "pad_token": self.design.pad })
    }
}

/// Two neighbouring symbols, as indices into the tokens.
type Pair = (usize, usize);

fn byte_level() -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true })
}

/// The printable letter that stands for each byte, by GPT-2's convention: most bytes for themselves, those that are
/// blank or unprintable for the letters from U+0100 on.
fn byte_letters() -> [char; 256] {
    let mut spare = '\u{100}'..='\u{1ff}';
    std::array::from_fn(|index| {
        let letter = index as u8 as char;
        match letter {
            '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => letter,
            _ => spare.next().unwrap_or(letter),
        }
    })
}

/// The distinct words of the texts as symbols, with how often each occurs. A word is a run of letters, of digits or of
/// other signs, with the space before it.
fn words(texts: &[&str], tokens: &[String]) -> Vec<(Vec<usize>, i64)> {
    let letters = byte_letters();
    let symbol_of: BTreeMap<&str, usize> = tokens.iter().map(String::as_str).zip(0..).collect();
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for text in texts {
        for line in text.lines() {
            split(line, &mut counts);
        }
    }
    counts
        .into_iter()
        .map(|(word, count)| {
            let symbols = word.bytes().map(|byte| symbol_of[letters[usize::from(byte)].to_string().as_str()]).collect();
            (symbols, count)
        })
        .collect()
}

fn split<'a>(line: &'a str, counts: &mut BTreeMap<&'a str, i64>) {
    let class = |sign: char| match sign {
        ' ' => 0,
        _ if sign.is_alphabetic() => 1,
        _ if sign.is_numeric() => 2,
        _ => 3,
    };
    let mut start = 0;
    let mut previous = None;
    for (at, sign) in line.char_indices() {
        let current = class(sign);
        if previous.is_some_and(|previous| previous != current && previous != 0) {
            *counts.entry(&line[start..at]).or_default() += 1;
            start = at;
        }
        previous = Some(current);
    }
    if start < line.len() {
        *counts.entry(&line[start..]).or_default() += 1;
    }
}

fn tally(pairs: &mut BTreeMap<Pair, i64>, symbols: &[usize], count: i64) {
    for two in symbols.windows(2) {
        *pairs.entry((two[0], two[1])).or_default() += count;
    }
}

fn merge(symbols: &mut Vec<usize>, pair: Pair, merged: usize) {
    let mut at = 0;
    while at + 1 < symbols.len() {
        if (symbols[at], symbols[at + 1]) == pair {
            symbols[at] = merged;
            symbols.remove(at + 1);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Design, Tokenizer, byte_letters};

    fn design(specials_first: bool, vocab_size: usize) -> Design {
        Design {
            specials: &["<s>", "</s>"],
            specials_first,
            bos: "<s>",
            eos: "</s>",
            pad: "</s>",
            adds_bos: true,
            vocab_size,
            length_max: 16,
            inline_template: None,
        }
    }

    #[test]
    fn every_byte_has_a_letter_of_its_own_by_the_convention_of_gpt_2() {
        let letters = byte_letters();

        assert_eq!(letters.iter().collect::<BTreeSet<_>>().len(), 256);
        assert_eq!((letters[b' ' as usize], letters[b'\n' as usize], letters[0xad]), ('Ġ', 'Ċ', 'Ń'));
        assert_eq!((letters[b'a' as usize], letters[0xc3]), ('a', 'Ã'));
    }

    #[test]
    fn the_most_frequent_pair_is_merged_first_and_the_smaller_of_equals() {
        let tokenizer = Tokenizer::learn(design(false, 260), &["na na na ma ma", "so"]);

        // `na` occurs three times; then `ma`, ` m` and ` na` twice each, and the order of the alphabet decides.
        assert_eq!(tokenizer.merges, ["n a", "m a"]);
        assert_eq!(tokenizer.vocab_size(), 260);
    }

    #[test]
    fn learning_stops_when_nothing_occurs_twice() {
        let tokenizer = Tokenizer::learn(design(false, 1000), &["ab ab", "cd"]);

        assert_eq!(tokenizer.merges, ["a b"]);
        assert_eq!(tokenizer.vocab_size(), 259);
    }

    #[test]
    fn special_tokens_take_the_first_or_the_last_ids() {
        let first = Tokenizer::learn(design(true, 258), &[]);
        let last = Tokenizer::learn(design(false, 258), &[]);

        assert_eq!([first.special_id("<s>"), first.special_id("</s>")], [0, 1]);
        assert_eq!([last.special_id("<s>"), last.special_id("</s>")], [256, 257]);
        assert_eq!(first.tokenizer_json()["model"]["vocab"]["<s>"], 0);
        assert!(last.tokenizer_json()["model"]["vocab"].get("<s>").is_none());
    }
}
