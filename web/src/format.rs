//! Numbers, sizes and dates as each language writes them. Exact values stay in `title` and `datetime` attributes.

use crate::language::Language;

/// Joins what no line may break: the parts of a date.
const NO_BREAK_SPACE: char = '\u{a0}';
/// Groups digits in Spanish.
const NARROW_NO_BREAK_SPACE: char = '\u{202f}';
/// Decimal units, from thousands on; a `u64` ends within the last.
const SIZE_UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];

/// A whole number: `48 211` in Spanish (groups from five digits on), `48,211` in English (from four).
pub(crate) fn number(language: Language, value: u64) -> String {
    let digits = value.to_string();
    let (separator, grouped_from) = match language {
        Language::Spanish => (NARROW_NO_BREAK_SPACE, 5),
        Language::English => (',', 4),
    };
    if digits.len() < grouped_from {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A size in decimal units with three significant digits, and its unit: `("4,98", "GB")`.
pub(crate) fn size(language: Language, bytes: u64) -> (String, &'static str) {
    if bytes < 1000 {
        return (bytes.to_string(), "B");
    }
    let value = u128::from(bytes);
    let mut unit_bytes: u128 = 1;
    for unit in SIZE_UNITS {
        unit_bytes *= 1000;
        // Rounding comes before the choice of places, so that 999,600 bytes are 1.00 MB and not 1000 kB.
        for (places, scale) in [(2, 100), (1, 10), (0, 1)] {
            let rounded = (value * scale + unit_bytes / 2) / unit_bytes;
            if rounded < 1000 {
                return (decimal(language, rounded, scale, places), unit);
            }
        }
    }
    (number(language, bytes), "B")
}

/// A size to the byte.
pub(crate) fn exact_bytes(language: Language, bytes: u64) -> String {
    format!("{} bytes", number(language, bytes))
}

/// `scaled / scale` with so many decimal places.
fn decimal(language: Language, scaled: u128, scale: u128, places: usize) -> String {
    if places == 0 {
        return scaled.to_string();
    }
    let point = match language {
        Language::Spanish => ',',
        Language::English => '.',
    };
    format!("{}{point}{:0places$}", scaled / scale, scaled % scale)
}

/// An RFC 3339 time in UTC as `20 nov 2026, 18:04`; text of another shape comes back as it is.
pub(crate) fn date_time(language: Language, rfc3339: &str) -> String {
    let parts = || {
        let year = digits(rfc3339, 0, 4, '-')?;
        let month = digits(rfc3339, 5, 2, '-')?.parse::<usize>().ok()?;
        let day = digits(rfc3339, 8, 2, 'T')?.trim_start_matches('0');
        let hour = digits(rfc3339, 11, 2, ':')?;
        let minute = digits(rfc3339, 14, 2, ':')?;
        let month = language.text().months.get(month.checked_sub(1)?)?;
        Some(format!("{day}{NO_BREAK_SPACE}{month}{NO_BREAK_SPACE}{year}, {hour}:{minute}"))
    };
    parts().unwrap_or_else(|| rfc3339.to_owned())
}

/// So many digits at this place, if this character follows them.
fn digits(text: &str, start: usize, length: usize, then: char) -> Option<&str> {
    let found = text.get(start..start + length)?;
    let followed = text.get(start + length..)?.starts_with(then);
    (followed && found.bytes().all(|byte| byte.is_ascii_digit())).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::{date_time, exact_bytes, number, size};
    use crate::language::Language::{English, Spanish};

    #[test]
    fn spanish_groups_digits_from_five_on_and_english_from_four() {
        assert_eq!(number(Spanish, 0), "0");
        assert_eq!(number(Spanish, 1284), "1284");
        assert_eq!(number(Spanish, 48_211), "48\u{202f}211");
        assert_eq!(number(Spanish, 4_976_698_592), "4\u{202f}976\u{202f}698\u{202f}592");
        assert_eq!(number(English, 902), "902");
        assert_eq!(number(English, 1284), "1,284");
        assert_eq!(number(English, 48_211), "48,211");
        assert_eq!(exact_bytes(English, 4_976_698_592), "4,976,698,592 bytes");
    }

    #[test]
    fn sizes_have_three_significant_digits_whatever_the_rounding_does() {
        for (bytes, text) in [
            (0, "0 B"),
            (642, "642 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (11_400, "11.4 kB"),
            (812_000_000, "812 MB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (9_995, "10.0 kB"),
            (99_950, "100 kB"),
            (4_976_698_592, "4.98 GB"),
            (16_000_000_000, "16.0 GB"),
            (2_310_000_000_000, "2.31 TB"),
            (u64::MAX, "18.4 EB"),
        ] {
            let (value, unit) = size(English, bytes);
            assert_eq!(format!("{value} {unit}"), text, "{bytes}");
        }
        assert_eq!(size(Spanish, 4_976_698_592), ("4,98".to_owned(), "GB"));
    }

    #[test]
    fn times_are_written_out_to_the_minute() {
        assert_eq!(date_time(Spanish, "2026-11-20T18:04:59.123Z"), "20\u{a0}nov\u{a0}2026, 18:04");
        assert_eq!(date_time(English, "2026-01-05T00:00:00Z"), "5\u{a0}Jan\u{a0}2026, 00:00");
    }

    #[test]
    fn text_that_is_no_time_is_shown_as_it_is() {
        for text in ["", "soon", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-11-20", "año-11-20T18:04:00Z"] {
            assert_eq!(date_time(English, text), text);
        }
    }
}
