//! What all requests to the outside have in common: the addresses they may reach, the authorities they trust, and what one
//! died of that got no answer.
//!
//! Owns no client and no request: upstreams and the receivers of events each make their own.

mod address;
mod authorities;
mod broken;

pub(crate) use address::{ForbiddenTarget, Guard, GuardedResolver, host_of};
pub(crate) use authorities::authorities;
pub(crate) use broken::{cause, chain, distrust};
