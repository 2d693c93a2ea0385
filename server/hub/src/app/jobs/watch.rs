//! Following jobs as they go, whichever process works them: one look at the database a second for each job, however many
//! listen.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use acervo_core::Caller;
use tokio::sync::watch;
use uuid::Uuid;

use super::{JobView, LogView, get, lines, look};
use crate::context::Hub;
use crate::error::HubError;

/// Time between two looks at a job.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// A job at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    /// The job.
    pub job: JobView,
    /// All that is told of it.
    pub log: Arc<Vec<LogView>>,
}

/// The jobs that somebody in this process follows.
#[derive(Debug, Default)]
pub struct Watches {
    followed: Mutex<HashMap<Uuid, watch::Sender<Followed>>>,
}

impl Watches {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Uuid, watch::Sender<Followed>>) -> T) -> T {
        work(&mut self.followed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Follows a job until it has ended: the receiver has it as it is now, and hears of changes. It closes after the end.
pub async fn follow(hub: &Hub, caller: &Caller, id: Uuid) -> Result<watch::Receiver<Followed>, HubError> {
    look(caller)?;
    let now = seen(hub, id, None).await?;
    if now.job.has_ended() {
        return Ok(watch::channel(now).1);
    }
    Ok(hub.watches().with(|followed| match followed.entry(id) {
        Entry::Occupied(known) => known.get().subscribe(),
        Entry::Vacant(place) => {
            let (sender, receiver) = watch::channel(now);
            place.insert(sender);
            tokio::spawn(keep_looking(hub.clone(), id));
            receiver
        }
    }))
}

/// Looks at a job until it has ended or nobody listens any more.
async fn keep_looking(hub: Hub, id: Uuid) {
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let before = hub.watches().with(|followed| match followed.entry(id) {
            Entry::Occupied(known) if known.get().receiver_count() == 0 => {
                known.remove();
                None
            }
            Entry::Occupied(known) => Some(known.get().borrow().clone()),
            Entry::Vacant(_) => None,
        });
        let Some(before) = before else { return };
        match seen(&hub, id, Some(&before)).await {
            Ok(now) => {
                let has_ended = now.job.has_ended();
                hub.watches().with(|followed| {
                    if let Some(sender) = followed.get(&id) {
                        sender.send_if_modified(|shown| std::mem::replace(shown, now.clone()) != now);
                    }
                    if has_ended {
                        followed.remove(&id);
                    }
                });
                if has_ended {
                    return;
                }
            }
            Err(HubError::NotFound(_)) => {
                hub.watches().with(|followed| followed.remove(&id));
                return;
            }
            Err(error) => {
                tracing::warn!(job.id = %id, error = %error, "a job could not be looked at; asked again soon");
            }
        }
    }
}

/// The job as it is now. Its log is read after it, so that nothing is missing once it has ended.
async fn seen(hub: &Hub, id: Uuid, before: Option<&Followed>) -> Result<Followed, HubError> {
    let job = get(hub, &Caller::System, id).await?;
    let known = before.map(|before| Arc::clone(&before.log)).unwrap_or_default();
    let last = known.last().map_or(0, |line| line.seq);
    let new = lines(hub, &Caller::System, id, last).await?;
    let log = if new.is_empty() { known } else { Arc::new(known.iter().cloned().chain(new).collect()) };
    Ok(Followed { job, log })
}
