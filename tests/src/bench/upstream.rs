//! A hub of two repositories that nginx serves from plain files, so that it takes as little of the machine as can be.
//!
//! `bench/large` holds one LFS file, whose bytes come by redirect from a storage host as at the public hub;
//! `bench/small` holds many regular files. What belongs to whose wire is a hub's, none of it is Acervo's code.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::content::{Content, Digests};
use crate::servers::{Server, free_address, nginx};

/// The one commit of each repository.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Name of the large file.
const LARGE: &str = "model.safetensors";

/// Smallest of the small files, in bytes; the largest is eight times as large.
const SMALL_BYTES: u64 = 8 * 1024;

/// A file of a repository.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Path in its repository.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) content: Content,
    /// What it is known by.
    pub(crate) digests: Digests,
    /// Where the bytes are.
    pub(crate) file: PathBuf,
}

/// The repositories and the server that offers them.
pub(crate) struct Upstream {
    /// The one file of `bench/large`.
    pub(crate) large: Source,
    /// The files of `bench/small`.
    pub(crate) small: Vec<Source>,
    /// The server.
    pub(crate) server: Server,
}

impl Upstream {
    /// Makes the files and serves them.
    pub(crate) fn start(folder: &Path, large_bytes: u64, small_count: u64) -> Result<Upstream> {
        let make = |folder: &Path, path: String, content: Content| -> Result<Source> {
            let file = folder.join(&path);
            let digests = content.write(&file)?;
            Ok(Source { path, content, digests, file })
        };
        let (large_folder, small_folder) = (folder.join("large"), folder.join("small"));
        for folder in [&large_folder, &small_folder] {
            fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
        }
        let large = make(&large_folder, LARGE.to_owned(), Content::new(1, large_bytes))?;
        let mut small = Vec::new();
        for number in 0..small_count {
            let content = Content::new(1000 + number, SMALL_BYTES + number * SMALL_BYTES * 7 / small_count);
            small.push(make(&small_folder, format!("part-{number:06}.bin"), content)?);
        }
        let api = folder.join("hub");
        declare(&api, "bench/large", std::slice::from_ref(&large), true)?;
        declare(&api, "bench/small", &small, false)?;
        let (hub, storage) = (free_address()?, free_address()?);
        let servers = configuration(&api, folder, hub, storage, &large, &small);
        let server = nginx(&folder.join("nginx"), hub, &servers)?;
        Ok(Upstream { large, small, server })
    }
}

/// Writes the answers on one repository that a mirror asks for.
fn declare(api: &Path, name: &str, sources: &[Source], lfs: bool) -> Result<()> {
    let write = |path: &str, value: &Value| -> Result<()> {
        let path = api.join("api/models").join(name).join(path);
        fs::create_dir_all(path.parent().unwrap_or(api))?;
        fs::write(&path, value.to_string()).with_context(|| format!("writing `{}`", path.display()))
    };
    let declared = |source: &Source, digest: &str| {
        let (size, digests) = (source.content.size, &source.digests);
        if !lfs {
            return json!({ "size": size, "oid": digests.git_oid, "blobId": digests.git_oid });
        }
        let pointer =
            format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {size}\n", digests.sha256);
        let oid = hex::encode(Sha1::digest(format!("blob {}\0{pointer}", pointer.len())));
        let lfs = json!({ digest: digests.sha256, "size": size, "pointerSize": pointer.len() });
        json!({ "size": size, "oid": oid, "blobId": oid, "lfs": lfs })
    };
    let (mut siblings, mut tree) = (Vec::new(), Vec::new());
    for source in sources {
        let mut sibling = declared(source, "sha256");
        sibling["rfilename"] = json!(source.path);
        siblings.push(sibling);
        let mut entry = declared(source, "oid");
        entry["path"] = json!(source.path);
        entry["type"] = json!("file");
        tree.push(entry);
    }
    let time = "2024-01-01T00:00:00.000Z";
    write(
        &format!("revision/{COMMIT}"),
        &json!({
            "_id": "0123456789abcdef01234567", "id": name, "modelId": name, "author": "bench", "sha": COMMIT,
            "private": false, "gated": false, "disabled": false, "tags": [], "downloads": 0, "likes": 0,
            "createdAt": time, "lastModified": time, "siblings": siblings,
        }),
    )?;
    write(&format!("tree/{COMMIT}"), &json!(tree))?;
    write(
        &format!("commits/{COMMIT}"),
        &json!([{ "id": COMMIT, "title": "files", "message": "", "authors": [{ "user": "bench" }], "date": time }]),
    )?;
    let main = json!({ "name": "main", "ref": "refs/heads/main", "targetCommit": COMMIT });
    write("refs", &json!({ "branches": [main], "tags": [], "converts": [] }))
}

/// The two hosts: the hub and its storage.
fn configuration(
    api: &Path,
    folder: &Path,
    hub: SocketAddr,
    storage: SocketAddr,
    large: &Source,
    small: &[Source],
) -> String {
    let mut tags = String::new();
    for source in small {
        let _ = writeln!(tags, "/bench/small/resolve/{COMMIT}/{} '\"{}\"';", source.path, source.digests.git_oid);
    }
    let (api, folder, port) = (api.display(), folder.display(), storage.port());
    let (sha256, size) = (&large.digests.sha256, large.content.size);
    format!(
        "map $uri $small_tag {{\n{tags}}}\n\
         server {{\nlisten {hub};\n\
         location /api/ {{ root {api}; default_type application/json; }}\n\
         location /bench/small/resolve/{COMMIT}/ {{\n\
         alias {folder}/small/; etag off; add_header ETag $small_tag; add_header X-Repo-Commit {COMMIT};\n}}\n\
         location = /bench/large/resolve/{COMMIT}/{LARGE} {{\n\
         add_header X-Repo-Commit {COMMIT}; add_header X-Linked-Etag '\"{sha256}\"'; add_header X-Linked-Size {size};\n\
         return 302 http://localhost:{port}/{LARGE};\n}}\n}}\n\
         server {{ listen {storage}; root {folder}/large; }}\n"
    )
}
