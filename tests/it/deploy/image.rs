//! The `Dockerfile`: what it copies, sets, and asks of a running server.

use std::process::Command;

use acervo_tests::test_hub::TestHub;

use super::{Settings, assert_settings_are_in_force, read, root};

/// The instructions, each on one line, without comments.
fn instructions() -> Vec<String> {
    let text = read("deploy/Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What follows an instruction's name, for each time it is there.
fn all(name: &str) -> Vec<String> {
    let lines = instructions();
    let rests = lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    rests.map(|rest| rest.trim().to_owned()).collect()
}

/// Whether a path of the source tree is sent to the build, as `.dockerignore` says: everything is left out first.
fn is_sent(path: &str) -> bool {
    let ignore = read(".dockerignore");
    let mut lines = ignore.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"));
    let taken: Vec<&str> = lines.filter_map(|line| line.strip_prefix('!')).collect();
    taken.iter().any(|taken| path == *taken || path.starts_with(&format!("{taken}/")))
}

#[test]
fn everything_the_build_needs_is_sent_to_it() {
    let manifest = read("Cargo.toml");
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members: Vec<&str> = members.split(',').map(|member| member.trim().trim_matches('"')).collect();
    assert!(members.len() >= 6, "{members:?}");
    for path in members.into_iter().chain(["Cargo.toml", "Cargo.lock"]) {
        assert!(is_sent(path) && root().join(path).exists(), "{path}");
    }
    for left_out in ["deploy/secrets", ".git", "target", "data"] {
        assert!(!is_sent(left_out), "{left_out}");
    }
    let copied: Vec<String> = all("COPY").into_iter().filter(|copy| !copy.starts_with("--from")).collect();
    assert_eq!(copied[0], ". .");
    for copy in &copied[1..] {
        let (source, _) = copy.split_once(' ').unwrap();
        assert!(is_sent(source) && root().join(source).is_file(), "{source}");
    }
}

#[test]
fn the_image_runs_the_server_without_rights_on_settings_that_exist() {
    let [user] = &all("USER")[..] else { panic!("one user") };
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    let env = all("ENV").join(" ");
    let mut settings: Settings =
        env.split_whitespace().map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect();
    let config = settings.insert("ACERVO_CONFIG".into(), root().join("deploy/acervo.toml").display().to_string());
    assert!(all("COPY").iter().any(|copy| Some(copy.rsplit(' ').next().unwrap()) == config.as_deref()), "{config:?}");
    assert_settings_are_in_force(&settings);
    assert!(settings["ACERVO__SERVER__BIND"].ends_with(&format!(":{}", all("EXPOSE")[0])));
    assert_eq!((&all("ENTRYPOINT")[0][..], &all("CMD")[0][..]), (r#"["acervo"]"#, r#"["serve"]"#));
    // Relative paths of the configuration lead into the volume.
    assert_eq!((&all("WORKDIR").last().unwrap()[..], &all("VOLUME")[0][..]), ("/", "/data"));

    let version = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(all("LABEL")[0].contains(&version), "{version}");
    let image = format!("image: acervo:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(read("deploy/compose.yaml").contains(&image), "{image}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_tells_a_server_that_answers_from_one_that_does_not() {
    let healthcheck = all("HEALTHCHECK");
    let command: Vec<String> = serde_json::from_str(healthcheck[0].split_once(" CMD ").unwrap().1.trim()).unwrap();
    // Whether the container would be healthy, with another port and path than the image's.
    let is_healthy = async |port: &str, path: &str| {
        let script = command[2].replace("/7860", &format!("/{port}")).replace("/healthz", path);
        assert_ne!(script, command[2]);
        let mut check = Command::new(&command[0]);
        check.arg(&command[1]).arg(script);
        tokio::task::spawn_blocking(move || check.output().unwrap().status.success()).await.unwrap()
    };
    let hub = TestHub::start("http://127.0.0.1:9").await;
    let port = hub.url().rsplit(':').next().unwrap();
    assert!(is_healthy(port, "/healthz").await);
    assert!(!is_healthy(port, "/not-there").await, "only a 200 counts");
    let closed = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    assert!(!is_healthy(&closed.to_string(), "/healthz").await);
}
