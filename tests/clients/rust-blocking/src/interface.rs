//! hf-hub 0.5 as blocking programs call it, on ureq.

use std::path::PathBuf;

use hf_hub_05::Repo;
use hf_hub_05::api::RepoInfo;
use hf_hub_05::api::sync as hub;

use crate::scene::Scene;

/// The case of a cut transfer that it can pass: with retries it goes on where it stopped.
pub(crate) const CUT: &str = "cut-resumed";

/// More than a link of the tests cuts.
const RETRIES: usize = 4;

/// The interface, with an empty cache.
pub(crate) struct Api {
    hub: hub::Api,
    /// Folder of the cache.
    pub(crate) cache: PathBuf,
}

impl Api {
    /// From the environment, as its users have it, but a cache of its own, no bars, and retries, which are off by default.
    pub(crate) fn open(scene: &Scene, token: Option<&str>) -> anyhow::Result<Api> {
        let cache = scene.cache()?;
        let builder = hub::ApiBuilder::from_env().with_cache_dir(cache.clone()).with_progress(false);
        let hub = builder.with_token(token.map(str::to_owned)).with_retries(RETRIES).build()?;
        Ok(Api { hub, cache })
    }

    /// Downloads a file into the cache.
    pub(crate) async fn download(&self, repo: &Repo, name: &str) -> anyhow::Result<PathBuf> {
        Ok(self.hub.repo(repo.clone()).download(name)?)
    }

    /// Commit and files.
    pub(crate) async fn info(&self, repo: &Repo) -> anyhow::Result<RepoInfo> {
        Ok(self.hub.repo(repo.clone()).info()?)
    }

    /// Commit, ETag and size of a file.
    pub(crate) async fn metadata(&self, repo: &Repo, name: &str) -> anyhow::Result<(String, String, usize)> {
        let seen = self.hub.metadata(&self.hub.repo(repo.clone()).url(name))?;
        Ok((seen.commit_hash().to_owned(), seen.etag().to_owned(), seen.size()))
    }
}
