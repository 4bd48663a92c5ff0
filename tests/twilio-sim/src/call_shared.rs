//! One call as its task and its observers share it, and the commands that reach it from outside.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    caller::{Step, Utterance},
    faults::Fault,
    ids::rfc2822_now,
    report::{Alert, CallReport, Event, What},
    rest_view::{CallFacts, CallState},
    stream_report::{Heard, StreamReport},
    twiml::Method,
    webhook::Client,
};

/// A document to go on with.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Inline(String),
    Url { purpose: &'static str, url: String, method: Method, extra: Vec<(String, String)> },
}

/// What may be asked of a running call.
pub(crate) enum Command {
    Perform { steps: Vec<Step>, done: Option<oneshot::Sender<()>> },
    Fault(Fault),
    HangUp,
    Complete,
    Replace(Source),
}

/// State that the call's task writes and observers read.
pub(crate) struct CallShared {
    report: Mutex<CallReport>,
    changed: Notify,
    pub(crate) began: Instant,
    facts: Mutex<CallFacts>,
}

impl CallShared {
    pub(crate) fn new(report: CallReport, facts: CallFacts) -> Self {
        Self { report: Mutex::new(report), changed: Notify::new(), began: Instant::now(), facts: Mutex::new(facts) }
    }

    fn report(&self) -> MutexGuard<'_, CallReport> {
        // A panic of an observer's predicate does not make the report wrong.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts_mut(&self) -> MutexGuard<'_, CallFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads without waking anybody.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&CallReport) -> R) -> R {
        look(&self.report())
    }

    /// Changes the report and wakes whoever waits for a change.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut CallReport) -> R) -> R {
        let result = change(&mut self.report());
        self.changed.notify_waiters();
        result
    }

    /// Adds an event.
    pub(crate) fn note(&self, what: What) {
        let at = self.began.elapsed();
        log::debug!("{what}");
        self.update(|report| report.events.push(Event { at, what }));
    }

    /// Adds an entry to the debugger.
    pub(crate) fn alert(&self, code: u32, text: impl Into<String>) {
        let alert = Alert { code, text: text.into() };
        self.update(|report| report.alerts.push(alert.clone()));
        self.note(What::Alert(alert));
    }

    pub(crate) fn set_state(&self, state: CallState) {
        {
            let mut facts = self.facts_mut();
            facts.state = state;
            if state.is_final() {
                facts.ended = Some(rfc2822_now());
                facts.duration_s = Some(self.began.elapsed().as_secs());
            }
        }
        self.update(|report| report.state = state);
    }

    pub(crate) fn facts(&self) -> CallFacts {
        self.facts_mut().clone()
    }
}

/// A wait that was in vain.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The condition did not come true in time; the text shows the last events.
    #[error("not within {limit:?}; the call's last events:\n{last}")]
    Timeout {
        /// How long it was waited.
        limit: Duration,
        /// The last events of the call, one per line.
        last: String,
    },
    /// The call ended first.
    #[error("the call ended first; its last events:\n{last}")]
    Ended {
        /// As above.
        last: String,
    },
}

/// A call in progress or over: to watch it, to speak for its caller, to break it. Clones are the same call.
#[derive(Clone)]
pub struct CallHandle {
    pub(crate) shared: Arc<CallShared>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) client: Client,
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallHandle({})", self.sid())
    }
}

impl CallHandle {
    /// `CA…`.
    pub fn sid(&self) -> String {
        self.shared.read(|report| report.sid.clone())
    }

    /// Everything known now. Copies the recorded audio: [`read`](Self::read) does not.
    pub fn report(&self) -> CallReport {
        self.shared.read(Clone::clone)
    }

    /// Looks at the report in place; the call waits meanwhile, so be brief.
    pub fn read<R>(&self, look: impl FnOnce(&CallReport) -> R) -> R {
        self.shared.read(look)
    }

    /// What the caller has heard on the running or last stream, to the last 20 ms; none before the first stream.
    pub fn heard(&self) -> Option<Heard> {
        self.read(|report| report.stream().map(StreamReport::heard))
    }

    /// What the caller has said, on the same clock as [`heard`](Self::heard).
    pub fn spoken(&self) -> Option<Vec<i16>> {
        self.read(|report| report.stream().map(StreamReport::spoken))
    }

    /// Waits until `predicate` holds. It is asked after every change of the report, which on a stream means every 20 ms.
    pub async fn wait_for(
        &self,
        mut predicate: impl FnMut(&CallReport) -> bool,
        limit: Duration,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now() + limit;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            let (met, ended) = self.read(|report| (predicate(report), report.ended));
            if met {
                return Ok(());
            }
            if ended {
                return Err(WaitError::Ended { last: self.last_events() });
            }
            if timeout_at(deadline, changed).await.is_err() {
                return Err(WaitError::Timeout { limit, last: self.last_events() });
            }
        }
    }

    /// Waits until the call is over and its callbacks are delivered, and returns the report.
    pub async fn wait_ended(&self, limit: Duration) -> Result<CallReport, WaitError> {
        self.wait_for(|report| report.ended, limit).await?;
        Ok(self.report())
    }

    /// Does these steps after those that wait already; returns when the last is over, or at once if the call has ended.
    pub async fn perform(&self, steps: impl IntoIterator<Item = Step>) {
        let (done, waits) = oneshot::channel();
        let steps = steps.into_iter().collect();
        self.command(Command::Perform { steps, done: Some(done) });
        // An error means that the call ended before the steps did, and then nothing is left to wait for.
        let _ = waits.await;
    }

    /// Says this (linear, 8 kHz) and returns when it has been said.
    pub async fn say(&self, label: &str, pcm: &[i16]) {
        self.perform([Step::Say(Utterance::new(label, pcm))]).await;
    }

    /// Presses these keys, one every 100 ms, and returns when the last was sent.
    pub async fn press(&self, digits: &str) {
        self.perform([Step::Digits(digits.to_owned())]).await;
    }

    /// The caller hangs up, at once.
    pub fn hang_up(&self) {
        self.command(Command::HangUp);
    }

    /// Breaks something in the running stream, at once. Without a stream nothing happens.
    pub fn inject(&self, fault: Fault) {
        self.command(Command::Fault(fault));
    }

    /// Sends the n-th recorded request again, to the letter. Returns the status of the answer.
    pub async fn replay_webhook(&self, n: usize) -> Result<u16, Alert> {
        let record = self.read(|report| report.webhooks.get(n).cloned());
        let Some(record) = record else {
            return Err(Alert { code: 20_404, text: format!("this call made no request number {n}") });
        };
        self.client.replay(&record).await
    }

    /// Opens the last stream's URL a second time with the same signature. Returns the status: 101 if it was let in.
    pub async fn reuse_stream_url(&self) -> Result<u16, Alert> {
        let last = self.read(|report| {
            let stream = report.stream()?;
            Some((stream.url.clone(), stream.signature.clone()))
        });
        let Some((url, signature)) = last else {
            return Err(Alert { code: 31_923, text: "this call has had no stream yet".into() });
        };
        crate::stream::try_upgrade(&self.client, &url, signature.as_deref()).await
    }

    pub(crate) fn command(&self, command: Command) {
        // A call that has ended does not listen any more; its report says that it ended.
        let _ = self.commands.send(command);
    }

    fn last_events(&self) -> String {
        self.read(|report| {
            let from = report.events.len().saturating_sub(12);
            let lines =
                report.events[from..].iter().map(|event| format!("  {:8.3} s  {}", event.at.as_secs_f64(), event.what));
            lines.collect::<Vec<_>>().join("\n")
        })
    }
}
