//! The fake hub's own behaviour on the wire, seen by a plain HTTP client.

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::{FakeUpstream, Fault, Origin};
use crate::fixture::{RepoFixture, random_bytes};

const TOKEN: &str = "hf_abcdefghijklmnopqrstuvwxyz01234567";

fn tiny() -> RepoFixture {
    RepoFixture::model("acme/tiny")
        .file("config.json", b"{}")
        .file("sub/deep/a b.txt", "text")
        .lfs("sub/model.safetensors", random_bytes(1, 300_000))
}

fn client() -> Client {
    // Without certificates: loading the system's takes longer than every request here together.
    Client::builder().redirect(Policy::none()).tls_certs_only([]).build().unwrap()
}

async fn get(hub: &FakeUpstream, path: &str) -> Response {
    client().get(format!("{}{path}", hub.endpoint())).send().await.unwrap()
}

async fn get_json(hub: &FakeUpstream, path: &str) -> Value {
    get(hub, path).await.json().await.unwrap()
}

async fn storage_url(hub: &FakeUpstream) -> String {
    let answer = get(hub, "/acme/tiny/resolve/main/sub/model.safetensors").await;
    let location = header(answer.headers(), "location").to_owned();
    // What is still on its way would be a step of the next request.
    answer.bytes().await.unwrap();
    location
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_regular_file_comes_from_the_hub_with_its_git_id() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    let head = client().head(format!("{}/acme/tiny/resolve/main/config.json", hub.endpoint())).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(header(head.headers(), "content-length"), "2");
    assert_eq!(header(head.headers(), "x-repo-commit"), tiny().head());
    assert_eq!(header(head.headers(), "etag"), format!("\"{}\"", tiny().oid_of("config.json")));
    let part = client().get(head.url().clone()).header("Range", "bytes=1-").send().await.unwrap();
    assert_eq!((part.status().as_u16(), header(part.headers(), "content-range")), (206, "bytes 1-1/2"));
    assert_eq!(part.text().await.unwrap(), "}");
    hub.resolve_cache(true);
    let moved = get(&hub, "/acme/tiny/resolve/main/sub/deep/a%20b.txt").await;
    assert_eq!(moved.status(), 307);
    let cached = get(&hub, header(moved.headers(), "location")).await;
    assert_eq!(header(cached.headers(), "x-repo-commit"), tiny().head());
    assert_eq!(cached.text().await.unwrap(), "text");
}

#[tokio::test]
async fn an_lfs_file_comes_from_storage_by_a_signed_address() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    let answer = get(&hub, "/acme/tiny/resolve/main/sub/model.safetensors").await;
    let sha256 = tiny().sha256_of("sub/model.safetensors");
    assert_eq!(answer.status(), 302);
    assert_eq!(header(answer.headers(), "x-linked-etag"), format!("\"{sha256}\""));
    assert_eq!(header(answer.headers(), "x-linked-size"), "300000");
    assert_eq!(header(answer.headers(), "x-repo-commit"), tiny().head());
    let url = header(answer.headers(), "location").to_owned();
    assert!(url.starts_with(&hub.cdn_endpoint()));

    hub.clear_log();
    let whole = client().get(&url).send().await.unwrap();
    let tag = header(whole.headers(), "etag").to_owned();
    assert!(!tag.contains(&sha256));
    assert_eq!(whole.bytes().await.unwrap(), random_bytes(1, 300_000));
    assert_eq!(hub.cdn_bytes(), 300_000);
    let ranged = async |range: &str, condition: &str| {
        let request = client().get(&url).header("Range", range).header("If-Range", condition);
        let answer = request.send().await.unwrap();
        let content_range = header(answer.headers(), "content-range").to_owned();
        (answer.status().as_u16(), content_range, answer.bytes().await.unwrap().len())
    };
    assert_eq!(ranged("bytes=299990-", &tag).await, (206, "bytes 299990-299999/300000".into(), 10));
    assert_eq!(ranged("bytes=-5", &tag).await, (206, "bytes 299995-299999/300000".into(), 5));
    assert_eq!(ranged("bytes=5-", "\"other\"").await, (200, String::new(), 300_000));
    assert_eq!(ranged("bytes=300000-", &tag).await.1, "bytes */300000");
    assert_eq!(client().get(format!("{url}0")).send().await.unwrap().status(), 403);

    hub.expire_signatures();
    assert_eq!(client().get(&url).send().await.unwrap().status(), 403);
    assert_eq!(client().get(storage_url(&hub).await).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_at_storage_is_refused_and_counted() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    hub.token(TOKEN, "ada");
    let answer = client().get(storage_url(&hub).await).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(hub.leaked_tokens(), 1);
    let last = hub.requests().pop().unwrap();
    assert_eq!((last.origin, last.status, last.user.as_deref()), (Origin::Cdn, 400, Some("ada")));
}

#[tokio::test]
async fn listings_hold_true_ids_and_pages_link_absolutely() {
    let hub = FakeUpstream::start(vec![tiny().with_xet()]).await.unwrap();
    let (oid, sha256) = (tiny().oid_of("sub/model.safetensors"), tiny().sha256_of("sub/model.safetensors"));
    let info = get_json(&hub, "/api/models/acme/tiny/revision/main?blobs=true").await;
    assert_eq!(info["sha"], tiny().head());
    let model = json!({
        "rfilename": "sub/model.safetensors",
        "blobId": oid,
        "size": 300_000,
        "lfs": { "sha256": sha256, "size": 300_000, "pointerSize": 131 },
    });
    assert_eq!(info["siblings"][2], model);

    hub.page_size(2);
    let mut paths = Vec::new();
    let mut next = "/api/models/acme/tiny/tree/main?recursive=true".to_owned();
    while !next.is_empty() {
        let answer = get(&hub, &next).await;
        let link = header(answer.headers(), "link").to_owned();
        let page: Vec<Value> = answer.json().await.unwrap();
        paths.extend(page.iter().map(|entry| format!("{} {}", entry["type"], entry["path"]).replace('"', "")));
        let url = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap_or_default();
        assert!(link.is_empty() || url.starts_with(&hub.endpoint()));
        next = url.strip_prefix(&hub.endpoint()).unwrap_or_default().to_owned();
    }
    let expected = [
        "file config.json",
        "directory sub",
        "directory sub/deep",
        "file sub/model.safetensors",
        "file sub/deep/a b.txt",
    ];
    assert_eq!(paths, expected);
    let inside = get_json(&hub, "/api/models/acme/tiny/tree/main/sub?expand=true").await;
    assert_eq!(inside[0]["oid"], tiny().tree_oid_of("sub/deep"));
    assert_eq!(inside[1]["xetHash"].as_str().map(str::len), Some(64));
    assert_eq!(inside[1]["lastCommit"]["id"], tiny().head());
}

#[tokio::test]
async fn refusals_carry_the_hubs_codes() {
    let repos = vec![
        tiny().renamed_from("acme/small"),
        RepoFixture::model("acme/secret").file("a", "a").private([TOKEN]),
        RepoFixture::model("acme/gated").file("a", "a").gated_manual(),
        RepoFixture::model("acme/gone").disabled(),
    ];
    let hub = FakeUpstream::start(repos).await.unwrap();
    let other = "hf_otherotherotherotherotherotherother";
    hub.token(other, "bob");
    let outcome = async |path: &str, token: Option<&str>| {
        let request = client().get(format!("{}{path}", hub.endpoint()));
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), header(answer.headers(), "x-error-code").to_owned())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(outcome("/api/models/acme/none", None).await, refused(401, "RepoNotFound"));
    assert_eq!(outcome("/api/models/acme/none", Some(other)).await, refused(404, "RepoNotFound"));
    assert_eq!(outcome("/api/models/acme/secret", None).await, refused(401, "RepoNotFound"));
    assert_eq!(outcome("/api/models/acme/secret", Some(other)).await, refused(404, "RepoNotFound"));
    assert_eq!(outcome("/api/models/acme/secret", Some(TOKEN)).await, refused(200, ""));
    assert_eq!(outcome("/api/models/acme/gated", None).await, refused(200, ""));
    assert_eq!(outcome("/acme/gated/resolve/main/a", None).await, refused(401, "GatedRepo"));
    assert_eq!(outcome("/acme/gated/resolve/main/a", Some(other)).await, refused(403, "GatedRepo"));
    assert_eq!(outcome("/api/models/acme/gone", None).await, refused(403, ""));
    assert_eq!(outcome("/acme/tiny/resolve/nope/config.json", None).await, refused(404, "RevisionNotFound"));
    assert_eq!(outcome("/acme/tiny/resolve/main/nope", None).await, refused(404, "EntryNotFound"));
    assert_eq!(outcome("/api/models/acme/tiny", Some("hf_unknown")).await, refused(401, ""));
    hub.with_repo("acme/gated", |repo| repo.granted.push("bob".to_owned()));
    assert_eq!(outcome("/acme/gated/resolve/main/a", Some(other)).await, refused(200, ""));

    for name in ["ACME/Tiny", "acme/small"] {
        let moved = get(&hub, &format!("/api/models/{name}/revision/refs%2Fheads%2Fmain?blobs=true")).await;
        assert_eq!(moved.status(), 307);
        let to = header(moved.headers(), "location");
        assert_eq!(to, "/api/models/acme/tiny/revision/refs%2Fheads%2Fmain?blobs=true");
    }
}

#[tokio::test]
async fn faults_on_bytes_strike_as_often_as_ordered() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    let url = storage_url(&hub).await;
    let fetch = async || {
        let mut answer = client().get(&url).send().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return (bytes, true),
                Err(_) => return (bytes, false),
            }
        }
    };
    let whole = random_bytes(1, 300_000);
    hub.fault(Fault::cut_after(1000).on("sub/model.safetensors").after(1));
    assert_eq!(fetch().await, (whole.clone(), true));
    assert_eq!(fetch().await, (whole[..1000].to_vec(), false));
    assert_eq!(hub.requests().last().unwrap().bytes_sent, 1000);

    hub.fault(Fault::truncate_to(1000).at(Origin::Cdn));
    assert_eq!(fetch().await, (whole[..1000].to_vec(), true));
    hub.fault(Fault::extend_by(5));
    assert_eq!(fetch().await.0.len(), 300_005);
    hub.fault(Fault::flip_byte(200_000).times(2));
    let part = client().get(&url).header("Range", "bytes=0-199999").send().await.unwrap();
    assert_eq!(part.bytes().await.unwrap(), &whole[..200_000]);
    for _ in 0..2 {
        let (bytes, _) = fetch().await;
        assert_eq!((bytes[200_000], bytes.len()), (!whole[200_000], 300_000));
    }
    assert_eq!(fetch().await, (whole, true));
    let fired: Vec<String> = hub.fired().into_iter().map(|fired| fired.fault).collect();
    assert_eq!(
        fired,
        ["Cut(1000)", "Truncate(1000)", "Extend(5)", "Flip(200000)", "Flip(200000)"]
            .map(|name| format!("Body({name})"))
    );
}

#[tokio::test]
async fn faults_in_place_of_answers_and_in_listings_strike() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    hub.fault(Fault::too_many_requests().rate_limit("api", 55).retry_after(7).on("/api/"));
    let limited = get(&hub, "/api/models/acme/tiny").await;
    assert_eq!(limited.status(), 429);
    assert_eq!(header(limited.headers(), "ratelimit"), "\"api\";r=0;t=55");
    assert_eq!(header(limited.headers(), "retry-after"), "7");
    hub.fault(Fault::drop_connection());
    assert!(client().get(hub.endpoint()).send().await.is_err());
    hub.fault(Fault::html().on("/tree/"));
    let page = get(&hub, "/api/models/acme/tiny/tree/main").await;
    assert!(page.json::<Value>().await.is_err());
    hub.fault(Fault::expired_signature());
    assert_eq!(client().get(storage_url(&hub).await).send().await.unwrap().status(), 403);

    hub.fault(Fault::wrong_sha256().on("model.safetensors").always());
    hub.fault(Fault::unlisted().on("acme/tiny/config.json").always());
    let tree = get_json(&hub, "/api/models/acme/tiny/tree/main?recursive=true").await;
    assert_eq!(tree[1]["path"], "sub/deep");
    assert_eq!(tree[2]["lfs"]["oid"].as_str().map(str::len), Some(64));
    assert_ne!(tree[2]["lfs"]["oid"], tiny().sha256_of("sub/model.safetensors"));
    assert_eq!(get(&hub, "/acme/tiny/resolve/main/config.json").await.status(), 200);
    hub.fault(Fault::wrong_etag().on("/config.json"));
    let spoiled = get(&hub, "/acme/tiny/resolve/main/config.json").await;
    assert_ne!(header(spoiled.headers(), "etag"), format!("\"{}\"", tiny().oid_of("config.json")));
    assert_eq!(hub.fired().len(), 7);
}

#[tokio::test]
async fn a_stalled_answer_goes_on_when_released_and_never_blocks_stopping() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    hub.fault(Fault::stall_after(100).on("model.safetensors").times(2));
    let url = storage_url(&hub).await;
    let mut answer = client().get(&url).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap().len(), 100);
    hub.wait_fired(1).await;
    hub.release_stalled();
    assert_eq!(answer.bytes().await.unwrap().len(), 299_900);

    let answer = client().get(&url).send().await.unwrap();
    hub.wait_fired(2).await;
    hub.stop().await;
    assert!(answer.bytes().await.is_err());
    assert!(client().get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_running_hub_takes_changes_and_tells_its_history() {
    let hub = FakeUpstream::start(vec![tiny().tag("v1")]).await.unwrap();
    let second = hub.push_commit("acme/tiny", "second", |c| c.file("config.json", "{\"a\":1}"));
    hub.add(RepoFixture::dataset("acme/rows").file("data.csv", "1"));
    hub.with_repo("acme/tiny", |repo| repo.push_commit_on("refs/pr/1", "fix", |c| c.remove("config.json")));
    assert_eq!(get(&hub, "/acme/tiny/resolve/main/config.json").await.text().await.unwrap(), "{\"a\":1}");
    assert_eq!(get(&hub, "/acme/tiny/resolve/v1/config.json").await.text().await.unwrap(), "{}");
    assert_eq!(get(&hub, "/datasets/acme/rows/resolve/main/data.csv").await.status(), 200);
    let refs = get_json(&hub, "/api/models/acme/tiny/refs?include_prs=1").await;
    assert_eq!(refs["branches"][0]["targetCommit"], second);
    assert_eq!(refs["tags"][0]["ref"], "refs/tags/v1");
    assert_eq!(refs["pullRequests"][0]["ref"], "refs/pr/1");
    let commits = get_json(&hub, "/api/models/acme/tiny/commits/main").await;
    assert_eq!(commits[0]["title"], "second");
    assert_eq!(commits[1]["date"], "2024-01-01T00:00:00.000Z");
    let found = get_json(&hub, "/api/datasets?author=acme&search=ROW&full=true").await;
    assert_eq!((found[0]["id"].as_str(), found.as_array().map(Vec::len)), (Some("acme/rows"), Some(1)));
}

#[tokio::test]
async fn a_dripping_answer_arrives_whole_in_small_pieces() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    hub.fault(Fault::drip(1000).on("model.safetensors"));
    let url = storage_url(&hub).await;
    let before = hub.steps();
    let answer = client().get(&url).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), random_bytes(1, 300_000));
    assert_eq!(hub.steps() - before, 1 + 300, "one request and three hundred pieces");
    assert_eq!(hub.fired().len(), 1);
}

#[tokio::test]
async fn a_signed_address_wears_out_and_a_fresh_one_serves_again() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    hub.fault(Fault::signatures_last(2).on("model.safetensors"));
    let url = storage_url(&hub).await;
    let status = async |url: &str| client().get(url).send().await.unwrap().status().as_u16();
    assert_eq!((status(&url).await, status(&url).await, status(&url).await), (200, 200, 403));
    assert_eq!(status(&url).await, 403, "it stays refused");
    let fresh = storage_url(&hub).await;
    assert_ne!(fresh, url);
    assert_eq!(status(&fresh).await, 200);
    assert_eq!(hub.fired().len(), 2);
}

#[tokio::test]
async fn a_branch_moves_with_the_request_it_is_ordered_for() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    let next = hub.repo("acme/tiny").commit("second", |commit| commit.file("config.json", "{\"a\":1}"));
    hub.fault(Fault::repo_becomes(next.clone()).on("model.safetensors").at(Origin::Hub));
    let head = async || get_json(&hub, "/api/models/acme/tiny/refs").await["branches"][0]["targetCommit"].clone();
    assert_eq!(head().await, tiny().head());
    let pinned = format!("/acme/tiny/resolve/{}/sub/model.safetensors", tiny().head());
    let answer = get(&hub, &pinned).await;
    assert_eq!((answer.status().as_u16(), header(answer.headers(), "x-repo-commit")), (302, tiny().head().as_str()));
    assert_eq!(head().await, next.head());
    assert_eq!(hub.fired()[0].fault, "Becomes(acme/tiny)");
}

#[tokio::test]
async fn everything_waits_at_the_step_it_is_held_at() {
    let hub = FakeUpstream::start(vec![tiny()]).await.unwrap();
    let url = storage_url(&hub).await;
    // One request and its first chunk of 64 KiB may still pass.
    hub.hold_at(Some(hub.steps() + 2));
    let mut answer = client().get(&url).send().await.unwrap();
    let mut held = 0;
    while held < 64 << 10 {
        held += answer.chunk().await.unwrap().unwrap().len();
    }
    let steps = hub.steps();
    let other = tokio::spawn(client().get(hub.endpoint()).send());
    assert_eq!((held, hub.file_bytes()), (64 << 10, 64 << 10));
    hub.wait_steps(steps).await;
    assert!(!other.is_finished(), "a new request waits, too");
    hub.hold_at(None);
    assert_eq!(held + answer.bytes().await.unwrap().len(), 300_000);
    assert_eq!(other.await.unwrap().unwrap().status(), 200);
    hub.wait_steps(steps + 5).await;
}
