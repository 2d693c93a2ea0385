//! Counters of one hub, in a registry of its own: two hubs in one process do not mix.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::limits::Bucket;

/// Labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Method.
    pub method: &'static str,
    /// Route pattern, never the path itself.
    pub route: &'static str,
    /// Status.
    pub status: u16,
}

/// Labels of a refusal for speed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BucketLabels {
    /// What the request was counted as.
    pub bucket: &'static str,
}

/// Labels of a question to a cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CacheLabels {
    /// What is remembered.
    pub cache: &'static str,
    /// `found` or `missed`.
    pub outcome: &'static str,
}

/// Labels of an attempt to send an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HookLabels {
    /// Name of the webhook.
    pub hook: String,
    /// `delivered`, `failed` (to be tried again) or `dead` (given up).
    pub outcome: &'static str,
}

/// Counters of one cache.
#[derive(Clone, Debug)]
pub struct CacheCounters {
    /// Questions that it answered.
    pub found: Counter,
    /// Questions that had to be looked up.
    pub missed: Counter,
}

/// The counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    cache_questions: Family<CacheLabels, Counter>,
    /// Requests, by route and status.
    pub requests: Family<RequestLabels, Counter>,
    /// Requests that were one too many, by what they were counted as.
    pub rate_limited: Family<BucketLabels, Counter>,
    /// Seconds until the head of an answer was ready.
    pub request_seconds: Histogram,
    /// Bytes of entries handed out.
    pub served_bytes: Counter,
    /// Bytes taken from upstreams.
    pub fetched_bytes: Counter,
    /// Contents that were not what was declared.
    pub mismatches: Counter,
    /// Commits published.
    pub published: Counter,
    /// Attempts to send an event, by webhook and outcome.
    pub webhook_deliveries: Family<HookLabels, Counter>,
}

impl Metrics {
    /// A registry with every counter at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("acervo");
        let requests = Family::<RequestLabels, Counter>::default();
        let request_seconds = Histogram::new(exponential_buckets(0.0005, 4.0, 9));
        let (served_bytes, fetched_bytes) =
            (Counter::<u64, AtomicU64>::default(), Counter::<u64, AtomicU64>::default());
        let (mismatches, published) = (Counter::<u64, AtomicU64>::default(), Counter::<u64, AtomicU64>::default());
        let cache_questions = Family::<CacheLabels, Counter>::default();
        registry.register("cache_questions", "Questions to caches by outcome", cache_questions.clone());
        let rate_limited = Family::<BucketLabels, Counter>::default();
        for bucket in [Bucket::Api, Bucket::Resolvers, Bucket::Pages] {
            // At zero from the start, so that the first refusal is seen as an increase.
            drop(rate_limited.get_or_create(&BucketLabels { bucket: bucket.as_str() }));
        }
        registry.register("rate_limited", "Requests refused since their caller was too fast", rate_limited.clone());
        registry.register("http_requests", "Requests by route and status", requests.clone());
        registry.register_with_unit(
            "http_request_head",
            "Time until the head of an answer was ready",
            Unit::Seconds,
            request_seconds.clone(),
        );
        registry.register_with_unit("served", "Bytes of entries handed out", Unit::Bytes, served_bytes.clone());
        registry.register_with_unit("fetched", "Bytes taken from upstreams", Unit::Bytes, fetched_bytes.clone());
        registry.register("mismatches", "Contents that were not what was declared", mismatches.clone());
        registry.register("commits_published", "Commits published", published.clone());
        let webhook_deliveries = Family::<HookLabels, Counter>::default();
        let help = "Attempts to send an event by webhook and outcome";
        registry.register("webhook_deliveries", help, webhook_deliveries.clone());
        Metrics {
            registry,
            cache_questions,
            requests,
            rate_limited,
            request_seconds,
            served_bytes,
            fetched_bytes,
            mismatches,
            published,
            webhook_deliveries,
        }
    }

    /// The counters of one cache.
    pub fn cache(&self, cache: &'static str) -> CacheCounters {
        let counter = |outcome| self.cache_questions.get_or_create_owned(&CacheLabels { cache, outcome });
        CacheCounters { found: counter("found"), missed: counter("missed") }
    }

    /// All counters in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}
