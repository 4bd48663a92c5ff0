//! Conversations at the desk that somebody asks for from elsewhere: staff at their own machine, or a program of theirs.
//!
//! Whoever asks may choose the persona, for that one conversation. It begins as it would by the button.

use frontdesk_core::clinic::ids::PersonaId;
use frontdesk_core::session::id::ConversationId;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the task.
const WAITING: usize = 4;

/// Why there is no conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// The configuration wants no desk.
    #[error("there is no desk to talk at: [desk] device is \"none\"")]
    Off,
    /// There is no device.
    #[error("there is no speakerphone to talk at: {0}")]
    NoDevice(String),
    /// Somebody is talking.
    #[error("a conversation is under way at the desk; ask again when it is over")]
    Talking,
    /// No such persona.
    #[error("clinic.toml has no persona of that id; {}", known(.0))]
    NoPersona(Vec<String>),
    /// It was refused, or the last one ended a moment ago.
    #[error("no conversation can begin at the desk now; ask again in a moment, and see the log")]
    NotNow,
    /// The daemon stops.
    #[error("frontdeskd is being stopped")]
    Stopping,
}

fn known(ids: &[String]) -> String {
    if ids.is_empty() { "it has none".to_owned() } else { format!("choose one of {}", ids.join(", ")) }
}

/// Asks the desk's task for conversations. Clones ask the same.
#[derive(Debug, Clone)]
pub struct Inviter(Option<mpsc::Sender<Invitation>>);

/// A request on its way to the task.
#[derive(Debug)]
pub struct Invitation {
    /// Who is to speak, if it matters.
    pub(super) persona: Option<PersonaId>,
    /// Which conversation has begun.
    pub(super) answer: oneshot::Sender<Result<ConversationId, InviteError>>,
}

impl Inviter {
    /// One that asks nobody: there is no desk.
    pub fn off() -> Self {
        Self(None)
    }

    /// One with the end that the task reads.
    pub fn new() -> (Self, mpsc::Receiver<Invitation>) {
        let (sender, invitations) = mpsc::channel(WAITING);
        (Self(Some(sender)), invitations)
    }

    /// Begins a conversation; answered as soon as it has begun, which is before the model listens.
    pub async fn begin(&self, persona: Option<PersonaId>) -> Result<ConversationId, InviteError> {
        let sender = self.0.as_ref().ok_or(InviteError::Off)?;
        let (answer, begun) = oneshot::channel();
        // Full: requests that nobody has answered yet; the first of them has begun what the others are refused.
        sender.try_send(Invitation { persona, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => InviteError::NotNow,
            mpsc::error::TrySendError::Closed(_) => InviteError::Stopping,
        })?;
        begun.await.map_err(|_| InviteError::Stopping)?
    }
}
