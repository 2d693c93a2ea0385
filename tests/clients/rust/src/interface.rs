//! hf-hub 0.5 as asynchronous programs call it, on reqwest and tokio. Its blocking interface is a program of its own.

use std::path::PathBuf;

use hf_hub_05::Repo;
use hf_hub_05::api::RepoInfo;
use hf_hub_05::api::tokio as hub;

use crate::scene::Scene;

/// The case of a cut transfer that it can pass: it does not go on by itself.
pub(crate) const CUT: &str = "cut-retried";

/// The interface, with an empty cache.
pub(crate) struct Api {
    hub: hub::Api,
    /// Folder of the cache.
    pub(crate) cache: PathBuf,
}

impl Api {
    /// From the environment, as its users have it, but a cache of its own and no bars.
    pub(crate) fn open(scene: &Scene, token: Option<&str>) -> anyhow::Result<Api> {
        let cache = scene.cache()?;
        let builder = hub::ApiBuilder::from_env().with_cache_dir(cache.clone()).with_progress(false);
        Ok(Api { hub: builder.with_token(token.map(str::to_owned)).build()?, cache })
    }

    /// Downloads a file into the cache.
    pub(crate) async fn download(&self, repo: &Repo, name: &str) -> anyhow::Result<PathBuf> {
        Ok(self.hub.repo(repo.clone()).download(name).await?)
    }

    /// Commit and files.
    pub(crate) async fn info(&self, repo: &Repo) -> anyhow::Result<RepoInfo> {
        Ok(self.hub.repo(repo.clone()).info().await?)
    }

    /// Commit, ETag and size of a file.
    pub(crate) async fn metadata(&self, repo: &Repo, name: &str) -> anyhow::Result<(String, String, usize)> {
        let seen = self.hub.metadata(&self.hub.repo(repo.clone()).url(name)).await?;
        Ok((seen.commit_hash().to_owned(), seen.etag().to_owned(), seen.size()))
    }
}
