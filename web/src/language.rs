//! The languages pages come in, and which one a reader gets. It does not hold the words: see `text`.

use crate::text::{EN, ES, Text};

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Neutral American Spanish.
    Spanish,
    /// British English; also what a reader gets who asked for neither.
    English,
}

impl Language {
    /// All languages, in the order the switch shows them.
    pub const ALL: [Language; 2] = [Language::Spanish, Language::English];

    /// The reader's own choice (`?lang=`) if it names a language we have, else the best one of `Accept-Language`.
    pub fn negotiate(accept_language: Option<&str>, chosen: Option<&str>) -> Language {
        chosen
            .and_then(Language::of_tag)
            .or_else(|| accept_language.and_then(Language::preferred))
            .unwrap_or(Language::English)
    }

    /// Language code, as in `lang="es"` and `?lang=es`.
    pub fn code(self) -> &'static str {
        match self {
            Language::Spanish => "es",
            Language::English => "en",
        }
    }

    /// Its name in itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Language::Spanish => "Español",
            Language::English => "English",
        }
    }

    /// Its words.
    pub(crate) fn text(self) -> &'static Text {
        match self {
            Language::Spanish => &ES,
            Language::English => &EN,
        }
    }

    /// The language of a tag such as `es-PY`.
    fn of_tag(tag: &str) -> Option<Language> {
        let primary = tag.trim().split(['-', '_']).next()?;
        Language::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The language with the highest weight; the first named among equals.
    fn preferred(accept_language: &str) -> Option<Language> {
        let mut best: Option<(f32, Language)> = None;
        for range in accept_language.split(',') {
            let mut parts = range.split(';');
            let Some(language) = parts.next().and_then(Language::of_tag) else { continue };
            // A weight that cannot be read counts as none given: the range itself was clear enough.
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(1.0);
            if weight > best.map_or(0.0, |(highest, _)| highest) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, English, Spanish};

    #[test]
    fn the_readers_choice_comes_before_the_browsers() {
        assert_eq!(Language::negotiate(Some("en"), Some("es")), Spanish);
        assert_eq!(Language::negotiate(Some("es"), Some("EN")), English);
        assert_eq!(Language::negotiate(None, Some("es-PY")), Spanish);
        assert_eq!(Language::negotiate(Some("es"), Some("gn")), Spanish, "a choice we cannot serve is no choice");
    }

    #[test]
    fn the_highest_weight_wins_and_then_the_first_named() {
        for (header, expected) in [
            ("es-PY,es;q=0.9,en;q=0.8", Spanish),
            ("en-GB,en;q=0.9,es;q=0.8", English),
            ("en;q=0.3, es;q=0.7", Spanish),
            ("gn, es;q=0.5, en;q=0.5", Spanish),
            ("en;q=0, es;q=0.1", Spanish),
            ("ES", Spanish),
            ("es;q=nonsense", Spanish),
        ] {
            assert_eq!(Language::negotiate(Some(header), None), expected, "{header}");
        }
    }

    #[test]
    fn whoever_asks_for_neither_gets_english() {
        for header in [None, Some(""), Some("fr"), Some("*"), Some("es;q=0"), Some(",;,q=")] {
            assert_eq!(Language::negotiate(header, None), English, "{header:?}");
        }
    }
}
