//! Harness of Acervo's tests: a hub to test, upstreams that behave (or misbehave) like real ones, stock clients.
//!
//! Nothing of Acervo is mocked. Fakes are of other people's servers only.

#![expect(clippy::expect_used, reason = "a harness stops where something is wrong, as tests do")]

pub mod binary;
pub mod browser;
pub mod clients;
pub mod expect;
pub mod fake_upstream;
pub mod fault_proxy;
pub mod fixture;
pub mod forward_proxy;
pub mod path_proxy;
pub mod processes;
pub mod receiver;
pub mod test_hub;
