//! Text for searching: folded and cut into words here, so that every database sees the same words.
//!
//! What finds a word where is the store's business. Languages without spaces are cut into single characters, which finds
//! too much rather than too little; nothing is stemmed.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Most different words that are kept of one text.
pub const WORDS_MAX: usize = 4_000;

/// Longest word, in bytes; longer ones are encoded pictures and the like.
pub const WORD_BYTES_MAX: usize = 64;

/// How much of a text is read, in bytes.
const TEXT_BYTES_MAX: usize = 512 * 1024;

/// Most words of a question that count.
const QUESTION_WORDS_MAX: usize = 16;

/// Shortest word of a question that also finds longer ones that begin with it, in characters.
const PREFIX_CHARS_MIN: usize = 3;

/// The text without case, accents and other marks, and without differences that are of print only.
pub fn fold(text: &str) -> String {
    let plain = text.nfkd().flat_map(char::to_lowercase).nfkd();
    let mut folded = String::with_capacity(text.len());
    for c in plain.filter(|c| canonical_combining_class(*c) == 0) {
        match c {
            // Letters that are not a letter and a mark, but written so where there is no key for them.
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            c => folded.push(c),
        }
    }
    // Syllables of Korean are put together again.
    folded.nfc().collect()
}

/// Different words, folded, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    list: Vec<String>,
    known: HashSet<String>,
}

impl Words {
    /// The words of a text.
    pub fn of(text: &str) -> Words {
        let mut words = Words::default();
        words.add(text);
        words
    }

    /// Adds the words of a text, as long as there is room.
    pub fn add(&mut self, text: &str) {
        let folded = fold(beginning(text, TEXT_BYTES_MAX));
        for run in folded.split(|c: char| !c.is_alphanumeric()) {
            let mut rest = run;
            while let Some(first) = rest.chars().next() {
                let end = if stands_alone(first) {
                    first.len_utf8()
                } else {
                    rest.char_indices().find(|(_, c)| stands_alone(*c)).map_or(rest.len(), |(at, _)| at)
                };
                let (word, after) = rest.split_at(end);
                self.put(word);
                rest = after;
            }
        }
    }

    fn put(&mut self, word: &str) {
        if word.len() <= WORD_BYTES_MAX && self.list.len() < WORDS_MAX && self.known.insert(word.to_owned()) {
            self.list.push(word.to_owned());
        }
    }

    /// The words with a space between them: what is stored, and read again by [`Words::from_stored`].
    pub fn to_stored(&self) -> String {
        self.list.join(" ")
    }

    /// The words that were stored.
    pub fn from_stored(text: &str) -> Words {
        let mut words = Words::default();
        text.split(' ').filter(|word| !word.is_empty()).for_each(|word| words.put(word));
        words
    }
}

/// One word of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Letters and digits only.
    pub word: String,
    /// Whether longer words that begin with it are found too.
    pub is_prefix: bool,
}

/// What somebody searches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The whole question, folded.
    pub text: String,
    /// Its parts between spaces, folded: each must be within a name.
    pub pieces: Vec<String>,
    /// Its words: each must be among those of a repository.
    pub terms: Vec<Term>,
}

impl Question {
    /// Reads a question; one without a letter or digit asks for nothing.
    pub fn parse(text: &str) -> Option<Question> {
        let text = fold(beginning(text.trim(), 1024));
        let pieces: Vec<String> = text.split_whitespace().take(QUESTION_WORDS_MAX).map(str::to_owned).collect();
        let words = Words::of(&text);
        let term = |word: String| Term { is_prefix: word.chars().count() >= PREFIX_CHARS_MIN, word };
        let terms: Vec<Term> = words.list.into_iter().take(QUESTION_WORDS_MAX).map(term).collect();
        (!terms.is_empty()).then_some(Question { text, pieces, terms })
    }
}

/// Whether a character is a word of its own: scripts that put no spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

/// So much of a text that no character is cut.
fn beginning(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::{Question, WORDS_MAX, Words, fold};

    #[test]
    fn case_and_accents_do_not_count() {
        for (text, folded) in [
            ("Ñandú", "nandu"),
            ("GARÇON œuvre Straße", "garcon oeuvre strasse"),
            ("Łódź Ørsted İstanbul", "lodz orsted istanbul"),
            ("ﬁne Ⅷ 𝐀", "fine viii a"),
            ("Ελλάδα", "ελλαδα"),
            ("한국어", "한국어"),
            ("n\u{303}", "n"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(folded), folded, "{text} is folded once and for all");
        }
    }

    #[test]
    fn words_are_letters_and_digits_between_anything_else() {
        assert_eq!(Words::of("The Llama-3.1 (8B), the [llama]!").to_stored(), "the llama 3 1 8b");
        assert_eq!(Words::of("日本語 モデル x7中文").to_stored(), "日 本 語 モ テ ル x7 中 文");
        assert_eq!(Words::of(&format!("a {} b", "x".repeat(65))).to_stored(), "a b");
        assert_eq!(Words::of(" \u{0}\n'\"*:&|!").to_stored(), "");
    }

    #[test]
    fn words_come_back_as_they_were_stored() {
        let words = Words::of("One two ÑANDÚ one");
        assert_eq!(Words::from_stored(&words.to_stored()), words);
        assert_eq!(Words::from_stored(""), Words::default());
    }

    #[test]
    fn a_flood_of_words_is_cut() {
        let many: String = (0..100_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(Words::of(&many).list.len(), WORDS_MAX);
    }

    #[test]
    fn questions_have_pieces_for_names_and_terms_for_words() {
        let question = Question::parse("  Meta-Llama 8B ").unwrap();
        assert_eq!(
            (question.text.as_str(), &question.pieces[..]),
            ("meta-llama 8b", &["meta-llama".into(), "8b".into()][..])
        );
        let terms: Vec<_> = question.terms.iter().map(|term| (term.word.as_str(), term.is_prefix)).collect();
        assert_eq!(terms, [("meta", true), ("llama", true), ("8b", false)]);
        for nothing in ["", "   ", "-/*\"'", "\u{0}"] {
            assert_eq!(Question::parse(nothing), None, "{nothing:?}");
        }
    }
}
