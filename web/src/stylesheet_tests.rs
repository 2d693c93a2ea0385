//! What the stylesheet promises: contrast in both themes, themes that name the same colours, nothing from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::pages::home::{HomePage, RepoRow, Totals};
use crate::{Language, static_file};

/// Text on ground, at least 4.5.
const TEXT_PAIRS: [(&str, &str); 11] = [
    ("ink", "bg"),
    ("ink", "surface"),
    ("ink", "sunk"),
    ("ink2", "bg"),
    ("ink2", "surface"),
    ("ink2", "sunk"),
    ("accent", "bg"),
    ("accent", "surface"),
    ("accent", "sunk"),
    ("on-accent", "accent"),
    ("bg", "ink"),
];
/// Borders of controls on ground, at least 3.
const BORDER_PAIRS: [(&str, &str); 3] = [("edge", "bg"), ("edge", "surface"), ("ink", "surface")];

fn css() -> String {
    String::from_utf8(static_file("acervo.css").unwrap().bytes.to_vec()).unwrap()
}

/// The custom properties of each `:root` block that sets this colour scheme.
fn blocks<'a>(css: &'a str, scheme: &str) -> Vec<BTreeMap<&'a str, &'a str>> {
    let screen = css.split("@media print").next().unwrap_or(css);
    let marker = format!("color-scheme:{scheme};");
    screen
        .split(&marker)
        .skip(1)
        .map(|rest| {
            let body = rest.split('}').next().unwrap_or_default();
            body.split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(':')).collect()
        })
        .collect()
}

/// The colours among custom properties.
fn colours<'a>(block: &BTreeMap<&'a str, &'a str>) -> BTreeMap<&'a str, &'a str> {
    block.iter().filter(|(_, value)| value.starts_with('#')).map(|(name, value)| (*name, *value)).collect()
}

/// Relative luminance as WCAG 2 defines it.
fn luminance(hex: &str) -> f64 {
    let digits = hex.trim_start_matches('#');
    let wide: String =
        if digits.len() == 3 { digits.chars().flat_map(|digit| [digit, digit]).collect() } else { digits.to_owned() };
    assert_eq!(wide.len(), 6, "{hex}");
    let channel = |start: usize| {
        let value = f64::from(u8::from_str_radix(&wide[start..start + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_computed_as_wcag_does() {
    assert!((contrast("#fff", "#000000") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#fff") - 4.48).abs() < 0.01);
}

#[test]
fn text_and_borders_stand_out_in_both_themes() {
    let css = css();
    for scheme in ["light", "dark"] {
        let colours = colours(&blocks(&css, scheme)[0]);
        for (pairs, least) in [(&TEXT_PAIRS[..], 4.5), (&BORDER_PAIRS[..], 3.0)] {
            for (front, ground) in pairs {
                let ratio = contrast(colours[front], colours[ground]);
                assert!(ratio >= least, "{front} on {ground} is {ratio:.2} in the {scheme} theme");
            }
        }
    }
}

#[test]
fn both_themes_name_the_same_colours_and_all_dark_blocks_agree() {
    let css = css();
    let light = blocks(&css, "light");
    let dark = blocks(&css, "dark");
    assert_eq!(light.len(), 1);
    assert!(!dark.is_empty());
    for block in &dark {
        assert_eq!(block, &dark[0]);
        assert!(colours(&light[0]).keys().eq(colours(block).keys()), "one theme leaves a colour to the other");
    }
}

#[test]
fn every_custom_property_in_use_is_defined() {
    let css = css();
    let defined: BTreeSet<&str> = blocks(&css, "light")[0].keys().copied().collect();
    let used: BTreeSet<&str> = css.split("var(--").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let undefined: Vec<&&str> = used.difference(&defined).collect();
    assert!(undefined.is_empty(), "{undefined:?}");
}

#[test]
fn colours_are_written_once_as_tokens() {
    let css = css();
    let rules = css.split("/* 2 base */").nth(1).unwrap().split("@media print").next().unwrap();
    assert!(!rules.contains(":#") && !rules.contains(" #"), "a rule names a colour instead of a token");
}

#[test]
fn the_stylesheet_loads_nothing_and_stays_small() {
    let css = css();
    for forbidden in ["url(", "@import", "://", "@font-face"] {
        assert!(!css.contains(forbidden), "{forbidden}");
    }
    assert!(css.len() < 30_000, "{} bytes", css.len());
    assert_eq!(css.matches('{').count(), css.matches('}').count());
}

#[test]
fn every_class_a_page_uses_has_a_rule() {
    let css = css();
    let row =
        RepoRow { kind: "model", name: "o/m", commit: "", updated_at: "", license: None, task: None, private: true };
    let page = HomePage {
        language: Language::English,
        base_url: "https://acervo.example",
        totals: Totals::default(),
        repos: vec![row, RepoRow { license: Some("mit"), task: Some("t"), ..row }],
        search: "",
        more: Some("/".to_owned()),
    };
    let searched = HomePage { search: "m", ..page.clone() };
    let first_run = HomePage { repos: Vec::new(), more: None, ..page.clone() };
    for html in [page.render().unwrap(), searched.render().unwrap(), first_run.render().unwrap()] {
        for class in
            html.split("class=\"").skip(1).filter_map(|rest| rest.split('"').next()).flat_map(str::split_whitespace)
        {
            assert!(css.contains(&format!(".{class}")), "no rule for `{class}`");
        }
    }
}
