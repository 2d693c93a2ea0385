//! Byte ranges of HTTP requests (RFC 9110, section 14), single ranges only.

/// What part of a content a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// Everything: no range, several ranges, or a header that is to be ignored.
    Whole,
    /// Bytes `start..=end`, inside the content.
    Part {
        /// First byte.
        start: u64,
        /// Last byte, inclusive.
        end: u64,
    },
    /// Nothing of the content: answer 416.
    Unsatisfiable,
}

/// Reads a `Range` header against a content of `size` bytes.
///
/// A header that does not parse, other units, and lists of ranges mean the whole content, as the RFC allows.
pub fn parse(header: Option<&str>, size: u64) -> RangeRequest {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return RangeRequest::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return RangeRequest::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A number too large for u64 lies past every content.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match (digits(first), digits(last)) {
        (true, true) if number(last) < number(first) => RangeRequest::Whole,
        (true, _) if !last.is_empty() && !digits(last) => RangeRequest::Whole,
        (true, _) if number(first) >= size => RangeRequest::Unsatisfiable,
        (true, true) => RangeRequest::Part { start: number(first), end: number(last).min(size - 1) },
        (true, false) => RangeRequest::Part { start: number(first), end: size - 1 },
        (false, true) if first.is_empty() => match number(last).min(size) {
            0 => RangeRequest::Unsatisfiable,
            length => RangeRequest::Part { start: size - length, end: size - 1 },
        },
        _ => RangeRequest::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::{RangeRequest, parse};

    #[test]
    fn every_single_range_form_is_read() {
        let part = |start, end| RangeRequest::Part { start, end };
        assert_eq!(parse(None, 10), RangeRequest::Whole);
        assert_eq!(parse(Some("bytes=0-0"), 10), part(0, 0));
        assert_eq!(parse(Some("bytes=3-"), 10), part(3, 9));
        assert_eq!(parse(Some("bytes=3-99"), 10), part(3, 9));
        assert_eq!(parse(Some("bytes=-4"), 10), part(6, 9));
        assert_eq!(parse(Some("bytes=-40"), 10), part(0, 9));
        assert_eq!(parse(Some("bytes=9-99999999999999999999999"), 10), part(9, 9));
    }

    #[test]
    fn ranges_outside_the_content_are_unsatisfiable() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(parse(Some(header), 10), RangeRequest::Unsatisfiable, "{header}");
        }
        assert_eq!(parse(Some("bytes=0-0"), 0), RangeRequest::Unsatisfiable);
        assert_eq!(parse(Some("bytes=-5"), 0), RangeRequest::Unsatisfiable);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for header in
            ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=1-x"]
        {
            assert_eq!(parse(Some(header), 10), RangeRequest::Whole, "{header}");
        }
    }
}
