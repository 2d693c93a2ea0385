//! Which addresses requests may go to that others chose.
//!
//! A hub tells where the bytes of a file are, and the name of a receiver may come to lead elsewhere. Followed blindly, they
//! could make this server talk to services that only this server can reach: those on loopback, a cloud's metadata service,
//! or a neighbour in the private network.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    Loopback,
    LinkLocal,
    Private,
    /// Multicast, broadcast, unassigned: no server of anybody's.
    Reserved,
}

/// Whether this address is refused unless its host is listed or the endpoint is on such an address too.
fn is_forbidden_target(ip: IpAddr) -> bool {
    reach(ip) != Reach::Public
}

fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    match ip.octets() {
        // Linux connects 0.0.0.0 to itself.
        [127, ..] | [0, 0, 0, 0] => Reach::Loopback,
        [169, 254, ..] => Reach::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => Reach::Private,
        [0, ..] | [192, 0, 0, _] | [224..=255, ..] => Reach::Reserved,
        _ => Reach::Public,
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let low = || {
        let [.., a, b, c, d] = ip.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Reach::Loopback,
        // IPv4 in other clothes: mapped, compatible, translated (NAT64), 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => {
            reach_v4(low())
        }
        [0x2002, high, rest, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = rest.to_be_bytes();
            reach_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0xfe80..=0xfebf, ..] => Reach::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Reach::Private,
        // Multicast, and Teredo, which hides an IPv4 address.
        [0xff00..=0xffff, ..] | [0x2001, 0, ..] => Reach::Reserved,
        _ => Reach::Public,
    }
}

/// A target that is refused.
#[derive(Clone, Debug)]
pub(crate) struct ForbiddenTarget {
    pub(crate) host: String,
}

impl fmt::Display for ForbiddenTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is on a loopback, link-local or private address", self.host)
    }
}

impl std::error::Error for ForbiddenTarget {}

/// Decides which hosts may be connected to.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Host of the endpoint, without brackets, if there is one that what it leads to may be as private as.
    endpoint: Option<String>,
    allowed: Vec<String>,
    /// Host of the proxy: chosen by the administrator, not by an upstream.
    proxy: Option<String>,
}

impl Guard {
    /// For where an endpoint leads to.
    pub(crate) fn new(endpoint: &Url, allowed: &[String], proxy: Option<&Url>) -> Self {
        Guard {
            endpoint: Some(host_of(endpoint)),
            allowed: allowed.iter().map(|host| plain(host)).collect(),
            proxy: proxy.map(host_of),
        }
    }

    /// For what nobody vouches for: nothing private but the hosts that are listed.
    pub(crate) fn strict(allowed: &[String]) -> Self {
        Guard { endpoint: None, allowed: allowed.iter().map(|host| plain(host)).collect(), proxy: None }
    }

    /// Whether the administrator named this host.
    pub(crate) fn lists(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == host)
    }

    /// Checks a target that is an address in itself; names are checked when they are resolved.
    pub(crate) async fn check(&self, url: &Url) -> Result<(), ForbiddenTarget> {
        let ip = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        let host = host_of(url);
        if self.lists(&host) || !self.forbidden([ip]).await.contains(&ip) {
            Ok(())
        } else {
            Err(ForbiddenTarget { host })
        }
    }

    /// Those of `addresses` that are refused.
    async fn forbidden(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
        let mut suspects: Vec<IpAddr> = addresses.into_iter().filter(|ip| is_forbidden_target(*ip)).collect();
        if suspects.is_empty() {
            return suspects;
        }
        // A hub inside the private network may keep its storage there as well.
        let own: Vec<Reach> = match &self.endpoint {
            Some(endpoint) => {
                let addresses = lookup(endpoint).await.unwrap_or_default();
                addresses.iter().map(|address| reach(address.ip())).collect()
            }
            None => Vec::new(),
        };
        suspects.retain(|ip| reach(*ip) == Reach::Reserved || !own.contains(&reach(*ip)));
        suspects
    }

    /// Addresses of `name` that may be connected to.
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let mut addresses = lookup(name).await?;
        let host = plain(name);
        if self.proxy.as_ref() == Some(&host) || self.lists(&host) {
            return Ok(addresses);
        }
        let forbidden = self.forbidden(addresses.iter().map(SocketAddr::ip)).await;
        addresses.retain(|address| !forbidden.contains(&address.ip()));
        if addresses.is_empty() { Err(ForbiddenTarget { host }.into()) } else { Ok(addresses) }
    }
}

/// Through which a client resolves names: what was checked is what is connected to.
pub(crate) struct GuardedResolver(pub(crate) Arc<Guard>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// Host of a URL as it is compared: lower case, without brackets or a final dot.
pub(crate) fn host_of(url: &Url) -> String {
    plain(url.host_str().unwrap_or_default())
}

fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase()
}

async fn lookup(host: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.collect())
}

#[cfg(test)]
mod tests {
    use super::{Guard, is_forbidden_target};

    #[test]
    fn addresses_that_only_this_host_or_its_network_reach_are_forbidden() {
        for ip in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::1",
            "2001:0:1::1",
        ] {
            assert!(is_forbidden_target(ip.parse().unwrap()), "{ip} must be forbidden");
        }
    }

    #[test]
    fn public_addresses_are_not() {
        for ip in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(!is_forbidden_target(ip.parse().unwrap()), "{ip} must be allowed");
        }
    }

    #[tokio::test]
    async fn a_private_hub_may_keep_its_storage_on_addresses_of_the_same_class_only() {
        let guard = Guard::new(&"http://10.0.0.5:8080/hf".parse().unwrap(), &["Store.internal".to_owned()], None);
        assert!(guard.check(&"http://192.168.0.9/x".parse().unwrap()).await.is_ok());
        assert!(guard.check(&"http://[fd00::1]/x".parse().unwrap()).await.is_ok());
        for url in ["http://127.0.0.1/x", "http://169.254.169.254/x", "http://[::1]/x", "http://224.0.0.1/"] {
            assert!(guard.check(&url.parse().unwrap()).await.is_err(), "{url} must be refused");
        }
        assert!(guard.lists("store.internal"));
    }

    #[tokio::test]
    async fn names_are_held_to_the_addresses_they_resolve_to() {
        let public = "https://198.51.100.7".parse().unwrap();
        assert!(Guard::new(&public, &[], None).addresses("localhost").await.is_err());
        assert!(Guard::new(&public, &["localhost".to_owned()], None).addresses("localhost").await.is_ok());
        let proxy = "http://localhost:3128".parse().unwrap();
        assert!(Guard::new(&public, &[], Some(&proxy)).addresses("localhost").await.is_ok());
    }

    #[tokio::test]
    async fn where_nobody_vouches_only_what_is_listed_may_be_private() {
        let guard = Guard::strict(&["10.0.0.5".to_owned(), "localhost".to_owned()]);
        for (url, allowed) in [
            ("http://10.0.0.5/x", true),
            ("http://10.0.0.6/x", false),
            ("http://127.0.0.1/x", false),
            ("http://[::ffff:10.0.0.6]/x", false),
            ("http://169.254.169.254/x", false),
            ("https://198.51.100.7/x", true),
        ] {
            assert_eq!(guard.check(&url.parse().unwrap()).await.is_ok(), allowed, "{url}");
        }
        assert!(guard.addresses("localhost").await.is_ok());
        assert!(Guard::strict(&[]).addresses("localhost").await.is_err());
    }
}
