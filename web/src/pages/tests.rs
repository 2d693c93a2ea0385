//! What the pages say, that hostile words stay words, and that a page keeps the promises of its security policy.

use crate::pages::api::ApiPage;
use crate::pages::home::{HomePage, RepoRow, Totals};
use crate::pages::not_found::NotFoundPage;
use crate::{API_PAGE_POLICY, CONTENT_SECURITY_POLICY, Language, static_file};

const BASE_URL: &str = "https://acervo.example";
const COMMIT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567";

fn row<'a>(kind: &'a str, name: &'a str) -> RepoRow<'a> {
    RepoRow {
        kind,
        name,
        commit: COMMIT,
        updated_at: "2026-11-20T18:04:11.250Z",
        license: Some("apache-2.0"),
        task: Some("text-generation"),
        private: false,
    }
}

fn home<'a>(language: Language, repos: Vec<RepoRow<'a>>) -> HomePage<'a> {
    let totals = Totals { repos: 1284, commits: 48_211, blobs: 203_114, bytes: 38_611_204_118_233 };
    HomePage { language, base_url: BASE_URL, totals, repos, search: "", more: None }
}

/// Every page in every state, in both languages.
fn all_pages() -> Vec<String> {
    let mut pages = Vec::new();
    for language in Language::ALL {
        let full = home(language, vec![row("model", "o/m"), row("dataset", "o/d"), row("space", "o/s")]);
        let unknown = RepoRow { license: None, task: None, private: true, ..row("model", "gpt2") };
        pages.push(full.render().unwrap());
        pages.push(HomePage { more: Some("/?cursor=abc&lang=es".to_owned()), ..full.clone() }.render().unwrap());
        pages.push(HomePage { search: "whisper", ..full.clone() }.render().unwrap());
        pages.push(home(language, vec![unknown]).render().unwrap());
        pages.push(home(language, Vec::new()).render().unwrap());
        pages.push(HomePage { search: "nothing", ..home(language, Vec::new()) }.render().unwrap());
        pages.push(HomePage { totals: Totals::default(), ..home(language, Vec::new()) }.render().unwrap());
        pages.push(NotFoundPage { language, base_url: BASE_URL }.render().unwrap());
    }
    pages
}

#[test]
fn the_home_page_speaks_spanish() {
    let html = home(Language::Spanish, vec![row("dataset", "corpus-sur/aimara")]).render().unwrap();
    for expected in [
        "<html lang=\"es\">",
        "Modelos y datos guardados aquí",
        ">1284<",
        ">48\u{202f}211<",
        ">38,6<",
        "38\u{202f}611\u{202f}204\u{202f}118\u{202f}233 bytes",
        "<td role=\"cell\">Datos</td>",
        "declarada: <code class=\"brk\"><bdi>apache-2.0</bdi></code>",
        "<time datetime=\"2026-11-20T18:04:11.250Z\">20\u{a0}nov\u{a0}2026, 18:04</time>",
        "href=\"?lang=en\" lang=\"en\" hreflang=\"en\">English</a>",
    ] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
}

#[test]
fn the_home_page_speaks_english() {
    let html = home(Language::English, vec![row("dataset", "corpus-sur/aimara")]).render().unwrap();
    for expected in [
        "<html lang=\"en\">",
        "Models and data kept here",
        ">1,284<",
        ">48,211<",
        ">38.6<",
        "38,611,204,118,233 bytes",
        "<td role=\"cell\">Dataset</td>",
        "declared: <code class=\"brk\"><bdi>apache-2.0</bdi></code>",
        "20\u{a0}Nov\u{a0}2026, 18:04</time>",
        "href=\"?lang=es\" lang=\"es\" hreflang=\"es\">Español</a>",
    ] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
}

#[test]
fn a_row_shows_its_name_as_text_and_links_to_its_data() {
    let html = home(Language::English, vec![row("space", "yachay/demo de voz")]).render().unwrap();
    assert!(html.contains("<bdi class=\"name\"><span class=\"org\">yachay/</span>demo de voz</bdi>"), "{html}");
    assert!(html.contains("href=\"/api/spaces/yachay/demo%20de%20voz\""), "{html}");
    assert!(html.contains(&format!("<code class=\"dig\" title=\"{COMMIT}\">0a1b2c3</code>")), "{html}");

    let bare = home(Language::English, vec![row("model", "gpt2")]).render().unwrap();
    assert!(bare.contains("<bdi class=\"name\">gpt2</bdi>") && bare.contains("href=\"/api/models/gpt2\""), "{bare}");
}

#[test]
fn a_licence_that_is_not_declared_is_shown_as_unknown() {
    for (language, word) in [(Language::Spanish, "Sin determinar"), (Language::English, "Unknown")] {
        for license in [None, Some(""), Some(" \n")] {
            let html = home(language, vec![RepoRow { license, ..row("model", "o/m") }]).render().unwrap();
            assert!(html.contains("<span class=\"v v-unknown\">") && html.contains(word), "{license:?}: {html}");
            assert!(!html.contains("declarada") && !html.contains("declared:"), "{license:?}: {html}");
        }
        let html = home(language, vec![row("model", "o/m")]).render().unwrap();
        assert!(!html.contains("v-unknown"), "{html}");
    }
}

#[test]
fn a_task_that_is_not_declared_is_said_in_words() {
    for task in [None, Some(" ")] {
        let html = home(Language::English, vec![RepoRow { task, ..row("model", "o/m") }]).render().unwrap();
        assert!(html.contains("not declared"), "{html}");
    }
}

#[test]
fn only_private_repositories_carry_the_mark() {
    let public = home(Language::English, vec![row("model", "o/m")]).render().unwrap();
    let private = home(Language::English, vec![RepoRow { private: true, ..row("model", "o/m") }]).render().unwrap();
    assert!(!public.contains("v-private") && private.contains("v-private"));
}

#[test]
fn the_set_up_names_this_hub_and_a_repository_that_anybody_can_fetch() {
    let shown = |repos: Vec<RepoRow<'_>>, expected: &str| {
        let html = home(Language::English, repos).render().unwrap();
        let lines = format!("export HF_ENDPOINT={BASE_URL}\n{expected}</pre>");
        assert!(html.contains(&lines), "{lines} is missing in {html}");
    };
    shown(vec![row("dataset", "o/d"), row("model", "o/m")], "hf download o/m");
    shown(vec![row("space", "o/s"), row("dataset", "o/d")], "hf download o/d --repo-type dataset");
    shown(vec![RepoRow { private: true, ..row("model", "o/m") }], "hf download organisation/name");
    for hostile in ["o/m; rm -rf ~", "--help", "o/$(id)", "o/`id`", "o/m\nid"] {
        shown(vec![row("model", hostile)], "hf download organisation/name");
    }
}

#[test]
fn the_first_run_says_how_to_begin_and_shows_no_zeros() {
    let page = HomePage { totals: Totals::default(), ..home(Language::Spanish, Vec::new()) };
    let html = page.render().unwrap();
    for expected in ["Todavía no hay nada guardado.", "acervo mirror add ", "\nacervo sync ", "export HF_ENDPOINT="] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
    for absent in ["<table", "<dl", "<form", ">0<"] {
        assert!(!html.contains(absent), "{absent} has no place in {html}");
    }
}

#[test]
fn a_search_keeps_its_words_and_a_way_out() {
    let page = HomePage { search: " voz & habla ", ..home(Language::English, vec![row("model", "o/m")]) };
    let html = page.render().unwrap();
    assert!(html.contains("name=\"search\" value=\"voz &#38; habla\""), "{html}");
    assert!(html.contains("Results for “<bdi>voz &#38; habla</bdi>”"), "{html}");
    assert!(html.contains("href=\"?lang=es&amp;search=voz%20%26%20habla\""), "{html}");
    assert!(html.contains("href=\"/?lang=en\">Show all repositories (1,284)</a>"), "{html}");
    assert!(!html.contains("<dl"), "results come first: {html}");
}

#[test]
fn a_search_without_a_match_names_the_words() {
    let html = HomePage { search: "guaraní mbya", ..home(Language::Spanish, Vec::new()) }.render().unwrap();
    assert!(html.contains("Nada coincide con «<bdi>guaraní mbya</bdi>»."), "{html}");
    assert!(html.contains("Ver todos los repositorios (1284)"), "{html}");
    assert!(!html.contains("<table"), "{html}");
}

#[test]
fn repositories_that_cannot_be_shown_are_not_taken_for_a_first_run() {
    let html = home(Language::English, Vec::new()).render().unwrap();
    assert!(html.contains("There are no repositories to show here."), "{html}");
    assert!(!html.contains("acervo mirror add"), "{html}");
}

#[test]
fn the_next_page_is_linked_only_if_there_is_one() {
    let page = home(Language::English, vec![row("model", "o/m")]);
    assert!(!page.render().unwrap().contains("rel=\"next\""));
    let html = HomePage { more: Some("/?a=b&cursor=\"c".to_owned()), ..page }.render().unwrap();
    assert!(html.contains("rel=\"next\" href=\"/?a=b&#38;cursor=&#34;c\">Next page</a>"), "{html}");
}

#[test]
fn links_keep_the_path_the_hub_lives_under() {
    let page = HomePage { base_url: "https://example.org/hub", ..home(Language::English, vec![row("model", "o/m")]) };
    let html = page.render().unwrap();
    for expected in ["href=\"/hub/static/acervo.css?v=", "action=\"/hub/\"", "href=\"/hub/api/models/o/m\""] {
        assert!(html.contains(expected), "{expected} is missing in {html}");
    }
    let missing = NotFoundPage { language: Language::English, base_url: "https://example.org/hub" }.render().unwrap();
    assert!(missing.contains("href=\"/hub/?lang=en\">Go to the home page</a>"), "{missing}");
}

#[test]
fn the_not_found_page_speaks_both_languages() {
    let render = |language| NotFoundPage { language, base_url: BASE_URL }.render().unwrap();
    assert!(render(Language::Spanish).contains("<h1>No existe, o no le corresponde verlo</h1>"));
    assert!(render(Language::English).contains("<h1>It does not exist, or you may not see it</h1>"));
}

/// The characters that make markup, in their order, without the words between them.
fn markup(html: &str) -> String {
    html.chars().filter(|character| matches!(character, '<' | '>' | '"' | '\'')).collect()
}

#[test]
fn hostile_words_change_no_markup() {
    let page = |word: &str| {
        let row = RepoRow {
            kind: "model",
            name: word,
            commit: word,
            updated_at: word,
            license: Some(word),
            task: Some(word),
            private: false,
        };
        let unknown_kind = RepoRow { kind: word, ..row };
        let page = HomePage { more: Some(word.to_owned()), ..home(Language::Spanish, vec![row, unknown_kind]) };
        let searched = HomePage { search: word, ..page.clone() };
        let no_match = HomePage { search: word, ..home(Language::Spanish, Vec::new()) };
        [page, searched, no_match].map(|page| page.render().unwrap()).concat()
    };
    for hostile in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</table></main><h1>",
        "{{ search }}{% raw %}",
        "&lt;b&gt; & &#34;",
        "a\u{202e}gpj.exe\u{0}\u{2028}",
        "../../../etc/passwd?x#y",
    ] {
        // A name with a slash is shown in two parts.
        let harmless = if hostile.contains('/') { "a/b" } else { "ab" };
        let html = page(hostile);
        assert_eq!(markup(&html), markup(&page(harmless)), "{hostile}: {html}");
        assert!(!html.contains("passwd?x#y\">JSON"), "a name must not end the path of a link: {html}");
    }
}

#[test]
fn pages_keep_the_promises_of_their_security_policy() {
    for directive in ["default-src 'none'", "style-src 'self'", "form-action 'self'"] {
        assert!(CONTENT_SECURITY_POLICY.contains(directive));
    }
    assert!(!CONTENT_SECURITY_POLICY.contains("unsafe") && !CONTENT_SECURITY_POLICY.contains("script-src"));
    for html in all_pages() {
        for forbidden in
            ["<script", "<style", " style=", "javascript:", " onclick", " onload", "<iframe", "<base", "<img"]
        {
            assert!(!html.contains(forbidden), "{forbidden} has no place in {html}");
        }
        let foreign = html.replace(BASE_URL, "");
        assert!(!foreign.contains("://") && !foreign.contains("\"//"), "another host in {html}");
    }
}

#[test]
fn every_static_file_a_page_names_exists() {
    for html in all_pages() {
        let mut named = 0;
        for link in html.split("/static/").skip(1) {
            let (name, rest) = link.split_once("?v=").unwrap();
            let file = static_file(name).unwrap();
            assert!(rest.starts_with(&format!("{}\"", file.version())), "{name}");
            named += 1;
        }
        assert_eq!(named, 2, "{html}");
    }
}

#[test]
fn every_page_can_be_used_by_keyboard_and_ear() {
    for html in all_pages() {
        assert_eq!(html.matches("<h1>").count(), 1, "{html}");
        assert!(html.contains("<a class=\"skip\" href=\"#main\">") && html.contains("<main id=\"main\""), "{html}");
        assert_eq!(html.matches("<label class=\"vh\" for=\"search\">").count(), html.matches("id=\"search\"").count());
        assert_eq!(html.matches("<table role=\"table\"").count(), html.matches("<table").count());
        assert_eq!(html.matches("<tr role=\"row\"").count(), html.matches("<tr").count());
        assert_eq!(html.matches("<td role=\"cell\"").count(), html.matches("<td").count());
    }
}

#[test]
fn fifty_rows_stay_within_the_size_of_a_page() {
    let rows =
        vec![RepoRow { license: None, private: true, ..row("model", "organisation/a-name-of-usual-length") }; 50];
    let html = home(Language::Spanish, rows).render().unwrap();
    assert!(html.len() < 80_000, "{} bytes", html.len());
}

#[test]
fn the_page_of_the_api_runs_scripts_of_this_hub_alone() {
    for language in Language::ALL {
        let page = ApiPage { language, base_url: "https://example.org/hub/", assets_version: "1" };
        let html = page.render().unwrap();
        assert_eq!(html.matches("<script").count(), 2, "{html}");
        assert_eq!(html.matches("<script src=\"/hub/").count(), 2, "{html}");
        assert!(html.contains("data-document=\"/hub/openapi.json\""), "{html}");
        for forbidden in ["<style", " style=", "javascript:", " onclick", "https://", "http://", "//example"] {
            assert!(!html.contains(forbidden), "{forbidden} in {html}");
        }
        for link in html.split("/static/").skip(1).filter_map(|rest| rest.split('"').next()) {
            let (name, version) = link.split_once("?v=").unwrap();
            assert_eq!(static_file(name).unwrap().version(), version, "{name}");
        }
    }
    assert!(API_PAGE_POLICY.contains("default-src 'none'; script-src 'self';"));
    assert!(!API_PAGE_POLICY.contains("unsafe-eval") && !API_PAGE_POLICY.contains('*'));
}
