//! How many requests callers have made: counted in fixed windows, in memory, by each process for itself.
//!
//! A window begins for all callers at once, so nothing of the last one has to be kept. What a refusal looks like is
//! `http`'s business.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use acervo_core::Timestamp;
use serde::{Deserialize, Serialize};

/// How many requests a caller may make: the `[server.rate_limits]` section. 0 stands for any number.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Seconds of a window.
    pub window_seconds: u64,
    /// Requests of one caller to the API.
    pub api: u32,
    /// Requests of one caller for contents.
    pub resolvers: u32,
    /// Requests of one caller for everything else.
    pub pages: u32,
    /// Most addresses that are counted one by one; those beyond share one count.
    pub addresses_max: usize,
}

impl Default for RateLimits {
    fn default() -> Self {
        RateLimits { window_seconds: 300, api: 0, resolvers: 0, pages: 0, addresses_max: 100_000 }
    }
}

/// What a request is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// The API.
    Api,
    /// Contents.
    Resolvers,
    /// Everything else.
    Pages,
}

impl Bucket {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Bucket::Api => "api",
            Bucket::Resolvers => "resolvers",
            Bucket::Pages => "pages",
        }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user or robot of this hub, whichever token is used.
    Principal(i64),
    /// Nobody known here, from this address.
    Address(IpAddr),
}

/// How a caller stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the request was counted as.
    pub bucket: Bucket,
    /// Requests of a window.
    pub quota: u32,
    /// Seconds of a window.
    pub window_seconds: u64,
    /// Requests left.
    pub remaining: u32,
    /// Seconds until the window ends, rounded up.
    pub reset_seconds: u64,
    /// Whether this request is one too many.
    pub is_refused: bool,
}

/// The counts of a process.
#[derive(Debug)]
pub struct Limits {
    config: RateLimits,
    window: Mutex<Window>,
}

/// The counts of one window.
#[derive(Debug, Default)]
struct Window {
    /// Windows since the epoch.
    number: u64,
    principals: HashMap<(Bucket, i64), u32>,
    /// `None` stands for all addresses beyond those that fit.
    addresses: HashMap<(Bucket, Option<IpAddr>), u32>,
}

impl Limits {
    /// No request counted yet.
    pub fn new(config: &RateLimits) -> Limits {
        Limits { config: config.clone(), window: Mutex::default() }
    }

    /// Whether requests of a bucket are counted at all.
    pub fn counts(&self, bucket: Bucket) -> bool {
        self.quota(bucket) > 0
    }

    fn quota(&self, bucket: Bucket) -> u32 {
        match bucket {
            Bucket::Api => self.config.api,
            Bucket::Resolvers => self.config.resolvers,
            Bucket::Pages => self.config.pages,
        }
    }

    /// Counts a request; `None` if there is no limit.
    pub fn count(&self, bucket: Bucket, who: Who, now: Timestamp) -> Option<Standing> {
        let quota = self.quota(bucket);
        if quota == 0 {
            return None;
        }
        let window_seconds = self.config.window_seconds.max(1);
        let window_milliseconds = window_seconds.saturating_mul(1000);
        let now = u64::try_from(now.as_millis()).unwrap_or(0);
        let used = self.add(bucket, who, now / window_milliseconds);
        Some(Standing {
            bucket,
            quota,
            window_seconds,
            remaining: quota.saturating_sub(used),
            reset_seconds: (window_milliseconds - now % window_milliseconds).div_ceil(1000),
            is_refused: used > quota,
        })
    }

    /// One request more; returns how many that makes.
    fn add(&self, bucket: Bucket, who: Who, number: u64) -> u32 {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.number != number {
            *window = Window { number, ..Window::default() };
        }
        let count = match who {
            Who::Principal(id) => window.principals.entry((bucket, id)).or_default(),
            Who::Address(address) => {
                let key = (bucket, Some(site(address)));
                let fits = window.addresses.len() < self.config.addresses_max || window.addresses.contains_key(&key);
                window.addresses.entry(if fits { key } else { (bucket, None) }).or_default()
            }
        };
        *count = count.saturating_add(1);
        *count
    }
}

/// The address itself, or the network that one site of IPv6 has all to itself.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use acervo_core::Timestamp;

    use super::{Bucket, Limits, RateLimits, Standing, Who};

    fn limits(addresses_max: usize) -> Limits {
        Limits::new(&RateLimits { window_seconds: 300, api: 2, resolvers: 1, pages: 0, addresses_max })
    }

    fn count(limits: &Limits, bucket: Bucket, who: &str, second: i64) -> Standing {
        let who = who.parse::<IpAddr>().map_or_else(|_| Who::Principal(who.len() as i64), Who::Address);
        limits.count(bucket, who, Timestamp::from_millis(second * 1000)).unwrap()
    }

    #[test]
    fn a_window_takes_its_quota_and_the_next_one_begins_anew() {
        let limits = limits(10);
        let seen = [0, 100, 200, 299, 300].map(|second| {
            let standing = count(&limits, Bucket::Api, "ana", second);
            (standing.remaining, standing.reset_seconds, standing.is_refused)
        });
        assert_eq!(seen, [(1, 300, false), (0, 200, false), (0, 100, true), (0, 1, true), (1, 300, false)]);
    }

    #[test]
    fn buckets_and_callers_are_counted_apart() {
        let limits = limits(10);
        assert!(!count(&limits, Bucket::Resolvers, "ana", 0).is_refused);
        assert!(count(&limits, Bucket::Resolvers, "ana", 0).is_refused);
        assert!(!count(&limits, Bucket::Api, "ana", 0).is_refused);
        assert!(!count(&limits, Bucket::Resolvers, "maria", 0).is_refused);
        assert!(!count(&limits, Bucket::Resolvers, "192.0.2.1", 0).is_refused);
        assert!(!count(&limits, Bucket::Resolvers, "192.0.2.2", 0).is_refused);
        assert!(count(&limits, Bucket::Resolvers, "192.0.2.1", 0).is_refused);
        assert!(!count(&limits, Bucket::Resolvers, "2001:db8::1", 0).is_refused);
        assert!(count(&limits, Bucket::Resolvers, "2001:db8::2", 0).is_refused, "one site");
        assert!(!count(&limits, Bucket::Resolvers, "2001:db8:0:1::1", 0).is_refused);
    }

    #[test]
    fn what_is_not_limited_is_not_counted() {
        let limits = limits(10);
        assert!(!limits.counts(Bucket::Pages) && limits.counts(Bucket::Api));
        assert_eq!(limits.count(Bucket::Pages, Who::Principal(1), Timestamp::from_millis(0)), None);
    }

    #[test]
    fn more_addresses_than_fit_share_a_count_and_users_do_not_suffer() {
        let limits = limits(2);
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert!(!count(&limits, Bucket::Resolvers, address, 0).is_refused, "{address}");
        }
        assert!(count(&limits, Bucket::Resolvers, "192.0.2.4", 0).is_refused);
        assert!(!count(&limits, Bucket::Resolvers, "ana", 0).is_refused);
        for n in 0..1000 {
            count(&limits, Bucket::Resolvers, &format!("2001:db8:{n:x}::1"), 0);
        }
        assert_eq!(limits.window.lock().unwrap().addresses.len(), 3, "two addresses, and all others");
    }
}
