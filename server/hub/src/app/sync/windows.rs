//! Bandwidth windows: when the bytes of a mirror may move, and how fast.
//!
//! They hold for what a schedule wants. Who syncs by hand has a reason to do it now.

use std::time::Duration;

use acervo_core::order::Window;
use acervo_store::db::mirrors::Mirror;

use super::Source;
use crate::context::Hub;
use crate::error::HubError;
use crate::upstream::Urgency;

/// How often the clock is read while bytes move.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What shares the limit of a window: all mirrors of an order.
pub(super) fn shared_by(mirror: &Mirror) -> String {
    mirror.order_id.map_or_else(|| format!("mirror {}", mirror.id), |order| format!("order {order}"))
}

/// The window that is open for a mirror now, if it has any and keeps to them.
pub(super) fn open(hub: &Hub, mirror: &Mirror, urgency: Urgency) -> Option<Window> {
    match urgency {
        Urgency::Interactive => None,
        Urgency::Background => mirror.rules.timing.window_at(hub.now()).ok().flatten().cloned(),
    }
}

/// Refuses to move bytes while no window is open.
pub(super) fn check(hub: &Hub, source: &Source<'_>) -> Result<(), HubError> {
    let (now, timing) = (hub.now(), &source.mirror.rules.timing);
    if source.urgency == Urgency::Interactive || timing.window_at(now).is_ok() {
        return Ok(());
    }
    // A window that never opens is none that could be waited for: it is looked at again with the next schedule.
    let until = timing.next_open(now).unwrap_or_else(|| now.plus_seconds(24 * 3600));
    Err(HubError::Waits { until, why: "bytes move only in the windows of its order" })
}

/// Ends when the window that was open at the start is no more: then the work must stop, or go on at another speed.
pub(super) async fn closed(hub: &Hub, source: &Source<'_>) -> HubError {
    if source.window.is_none() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(waits) = check(hub, source) {
            return waits;
        }
        if open(hub, source.mirror, source.urgency) != source.window {
            return HubError::Waits { until: hub.now(), why: "another window of its order has opened" };
        }
    }
}
