//! Asking for a reload, and being told what came of it.

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Refusal;
use crate::config::{ConfigErrors, Loaded};

/// Reloads that may wait for their turn. Full: whoever asks is told that others do.
const WAITING: usize = 4;

/// Reads the configuration as it is written now; blocks on the file system.
pub type Reader = Arc<dyn Fn() -> Result<Loaded, ConfigErrors> + Send + Sync>;

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Keys that new conversations obey from now on.
    pub applied: Vec<&'static str>,
    /// Keys that are written otherwise than they are in force.
    pub restart: Vec<&'static str>,
    /// What is allowed but unwise, a line each.
    pub advice: Vec<String>,
}

/// Why there was none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be used; the one that runs goes on.
    #[error("{}", .0.text())]
    Refused(Refusal),
    /// Too many ask.
    #[error("several reloads are waiting for their turn: ask again in a moment")]
    Busy,
    /// The daemon is being stopped, or was not started from a file.
    #[error("this daemon does not read its configuration again")]
    Away,
}

/// Where the outcome of one goes.
pub type Asked = oneshot::Sender<Result<Taken, ReloadError>>;

/// Asks for reloads; clones ask the same task.
#[derive(Debug, Clone)]
pub struct Reloads(mpsc::Sender<Asked>);

impl Reloads {
    /// A handle, and what the task is asked through.
    pub fn new() -> (Self, Requests) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), Requests(receiver))
    }

    /// Has the configuration read again, and waits for what comes of it; dropped, the reload takes place all the same.
    pub async fn ask(&self) -> Result<Taken, ReloadError> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(answer).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReloadError::Busy,
            mpsc::error::TrySendError::Closed(_) => ReloadError::Away,
        })?;
        answered.await.unwrap_or(Err(ReloadError::Away))
    }
}

/// What was asked and has not been done.
#[derive(Debug)]
pub struct Requests(mpsc::Receiver<Asked>);

impl Requests {
    /// The next one, and where its outcome goes; nothing once nobody can ask any more.
    pub async fn next(&mut self) -> Option<Asked> {
        self.0.recv().await
    }
}

/// What came of a reload, in a line.
pub fn summary<S: AsRef<str>>(applied: &[S], restart: &[S]) -> String {
    let listed = |keys: &[S]| keys.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    let mut line = match applied {
        [] => "the configuration was read again: nothing has changed".to_owned(),
        keys => format!("the configuration was read again: new conversations obey {}", listed(keys)),
    };
    if !restart.is_empty() {
        if applied.is_empty() {
            line.truncate("the configuration was read again".len());
        }
        // Writing into a string does not fail.
        let _ = write!(line, "; needs a restart: {}", listed(restart));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_is_told_in_a_line() {
        assert_eq!(summary::<&str>(&[], &[]), "the configuration was read again: nothing has changed");
        assert_eq!(
            summary(&["[clinic] name", "[log] level"], &[]),
            "the configuration was read again: new conversations obey [clinic] name, [log] level"
        );
        assert_eq!(
            summary(&[], &["[phone] listen"]),
            "the configuration was read again; needs a restart: [phone] listen"
        );
        assert_eq!(
            summary(&["[log] level"], &["[phone] listen"]),
            "the configuration was read again: new conversations obey [log] level; needs a restart: [phone] listen"
        );
    }
}
