//! The task that reads the configuration again when somebody asks, one reload after the other.

use std::sync::Arc;

use frontdesk_core::clinic::Clinic;
use frontdesk_hw::knobs::Knobs;
use log::{error, info, warn};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::AppError;
use super::prepared::Prepared;
use crate::config::{Config, Loaded};
use crate::conversation::tools::Office;
use crate::current::Next;
use crate::desk::hardware;
use crate::knowledge::{self, Keeper, Knowledge};
use crate::logging::{self, Event};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::phone::fallback::Fallbacks;
use crate::phone::settings::Settings;
use crate::reload::plan::{Plan, plan};
use crate::reload::request::{Reader, ReloadError, Requests, Taken, summary};
use crate::reload::{Refusal, State};
use crate::status::Status;

/// How an office is opened: by the clinic's data and its texts.
pub type OpenOffice = Box<dyn Fn(&Arc<Clinic>, Option<Knowledge>) -> Option<Arc<Office>> + Send>;

/// What a reload changes.
pub struct Reloader {
    /// Reads the files; nothing if there are none to be read again.
    pub read: Option<Reader>,
    /// What is in force.
    pub running: Config,
    /// What conversations are made by.
    pub settings: Next<Settings>,
    /// Whom letters and entries are written for; nothing without the clinic's data.
    pub clinic: Option<Next<Clinic>>,
    /// Opens an office for changed data.
    pub open_office: OpenOffice,
    /// The office of now.
    pub office: Option<Arc<Office>>,
    /// The clinic's own texts, and who is told to look after other ones.
    pub texts: (Option<Knowledge>, mpsc::Sender<Keeper>),
    /// The loudspeaker's volume.
    pub knobs: &'static Knobs,
    /// Where the outcome is kept for those who ask.
    pub state: Arc<State>,
    /// How the daemon is, for systemd.
    pub status: Arc<Status>,
    /// Told when a reload begins and ends.
    pub notifier: Notifier,
    /// Counts.
    pub metrics: Metrics,
}

impl Reloader {
    /// Carries out what is asked for, one after the other, until `stop`.
    pub async fn run(mut self, mut requests: Requests, stop: CancellationToken) {
        while let Some(Some(asked)) = stop.run_until_cancelled(requests.next()).await {
            let outcome = self.reload().await;
            // Who has left needs no answer: it is in the log.
            let _ = asked.send(outcome);
        }
    }

    async fn reload(&mut self) -> Result<Taken, ReloadError> {
        let read = self.read.clone().ok_or(ReloadError::Away)?;
        self.notifier.reloading("reading the configuration again");
        // The disk may be slow, and calls are not to wait for it.
        let read = tokio::task::spawn_blocking(move || examine(&read)).await;
        let unread =
            |_| Err(Refusal::of_parts("reading the configuration broke off; the log has the place".to_owned()));
        let outcome = read.unwrap_or_else(unread).and_then(|loaded| self.take(&loaded));
        match &outcome {
            Ok(taken) => self.tell_taken(taken),
            Err(refusal) => self.tell_refused(refusal),
        }
        self.notifier.ready(&self.status.line());
        outcome.map_err(ReloadError::Refused)
    }

    /// Puts what can be had of `loaded` in force.
    fn take(&mut self, loaded: &Loaded) -> Result<Taken, Refusal> {
        let Plan { next, applied, restart } = plan(&self.running, &loaded.config);
        let unusable = |error: &dyn std::error::Error| Refusal::of_parts(logging::chain(error).to_string());
        let fallback = Fallbacks::new(&next.phone, &next.clinic).map_err(|error| unusable(&error))?;
        self.renew_office(&next)?;
        self.settings.put(Arc::new(Settings::of(&next, fallback, self.office.clone())));
        if let (Some(clinic), Some(data)) = (&self.clinic, &next.clinic.data) {
            clinic.put(Arc::clone(data));
        }
        hardware::set_volume(self.knobs, next.desk.volume_percent);
        logging::set_level(next.log.level);
        self.running = next;
        let advice = loaded.advice.iter().map(ToString::to_string).collect();
        Ok(Taken { applied, restart, advice })
    }

    /// Opens another office if what it is made of has changed: offers of the old one are good in its own conversations.
    fn renew_office(&mut self, next: &Config) -> Result<(), Refusal> {
        let (before, after) = (&self.running.clinic, &next.clinic);
        let Some(data) = &after.data else { return Ok(()) };
        let other_texts = before.knowledge != after.knowledge;
        if before.data == after.data && !other_texts {
            return Ok(());
        }
        let (knowledge, keeper) = match (&after.knowledge, other_texts) {
            (Some(folder), true) => {
                let (knowledge, keeper) = knowledge::open(folder.clone());
                (Some(knowledge), Some(keeper))
            }
            (None, true) => (None, None),
            (_, false) => (self.texts.0.clone(), None),
        };
        if let Some(keeper) = keeper {
            // Full: the last one has not been seen to, and nobody would read this one's texts.
            self.texts
                .1
                .try_send(keeper)
                .map_err(|_| Refusal::of_parts("reloads come too fast: ask again".to_owned()))?;
        }
        let no_randomness = || Refusal::of_parts(AppError::NoRandomness.to_string());
        self.office = Some((self.open_office)(data, knowledge.clone()).ok_or_else(no_randomness)?);
        self.texts.0 = knowledge;
        Ok(())
    }

    fn tell_taken(&self, taken: &Taken) {
        for advice in &taken.advice {
            warn!("{advice}");
        }
        info!(event:% = Event::Reloaded; "{}", summary(&taken.applied, &taken.restart));
        self.state.taken(taken.restart.clone());
        self.metrics.reloaded(true);
    }

    fn tell_refused(&self, refusal: &Refusal) {
        for complaint in &refusal.complaints {
            error!(event:% = Event::ReloadRefused; "reload refused, the configuration of before goes on: {complaint}");
        }
        self.state.refused(refusal.clone());
        self.metrics.reloaded(false);
    }
}

/// Reads the configuration and tries it out, as at the start.
fn examine(read: &Reader) -> Result<Loaded, Refusal> {
    let loaded = read().map_err(|errors| Refusal::of_file(&errors))?;
    let parts = Prepared::of(&loaded.config).map(drop);
    parts.map_err(|error| Refusal::of_parts(logging::chain(&error).to_string()))?;
    Ok(loaded)
}

/// Looks after the clinic's texts: one folder at a time, the last that it was given.
pub async fn keep_texts(mut keepers: mpsc::Receiver<Keeper>, stop: CancellationToken) {
    let mut next = stop.run_until_cancelled(keepers.recv()).await.flatten();
    while let Some(keeper) = next {
        let over = stop.child_token();
        let looking = keeper.run(over.clone());
        tokio::pin!(looking);
        next = tokio::select! {
            // It broke off, which the log tells: what it has indexed stays, and another folder gets another keeper.
            () = &mut looking => stop.run_until_cancelled(keepers.recv()).await.flatten(),
            next = keepers.recv() => {
                over.cancel();
                looking.await;
                next
            }
        };
    }
}
