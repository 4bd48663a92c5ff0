//! Gmail's API, one letter at a time, in the way that our rights allow.
//!
//! ```text
//!              ┌─ may draft ───► draft ──► send the draft ─ unclear ─► next time: is the draft still there?
//! sender ok? ──┤
//!              └─ may send only ─► send ─ unclear ─► next time: send once more
//! ```
//!
//! Gmail has no key that makes a repeated request harmless. A draft has one: it is gone when it was sent. Which letter has
//! which draft is known as long as the daemon runs; after a restart the letter is looked for among the drafts: one that is
//! there was not sent, and is sent then. Whether one that is not there was sent or never made cannot be seen with the
//! rights that are asked for, and the letter is sent once more.
//!
//! What answers mean is decided in [`frontdesk_core::letter::gmail`].

mod door;
mod mailbox;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frontdesk_core::letter::address::MailAddress;
use frontdesk_core::letter::gmail::{Fault, Step, Trace, failed};
use frontdesk_core::letter::{Sent, clean};
use reqwest::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::timeout;
use url::Url;

use super::Patience;
use super::compose::LETTER;
use crate::google::Access;
use door::{Ask, Body, Door, Trouble};
use mailbox::{Draft, Mailbox};

/// Longest receipt that is kept, in characters; Gmail's ids have 16.
const LONGEST_RECEIPT: usize = 40;
/// Taking a draft back is no part of the letter: with [`Patience`] it stays below the minute that an errand may take.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(4);
/// So many drafts that name the same appointment are looked at, the newest first.
const MOST_LOOKED_AT: &str = "20";
/// Errands are tried for about three days.
const LOOKED_BACK: &str = "newer_than:7d";

/// A mailbox at Gmail.
pub struct Gmail {
    door: Door,
    from: MailAddress,
    patience: Patience,
    mailbox: Mutex<Mailbox>,
}

/// A letter on its way.
pub(super) struct Posting<'a> {
    /// The errand's.
    pub(super) key: &'a str,
    /// It may have been sent before.
    pub(super) unsure: bool,
    /// Its own name, in its header [`LETTER`].
    pub(super) name: &'a str,
    /// Words of it that are searched for.
    pub(super) words: &'a str,
    /// Whole, with CRLF line ends.
    pub(super) text: &'a [u8],
}

/// How a letter is to leave.
enum Way {
    /// It has left already.
    Sent,
    /// As this draft.
    Draft(Draft),
    /// By itself.
    Plain,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    email_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aliases {
    #[serde(default)]
    send_as: Vec<Alias>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Alias {
    send_as_email: String,
    is_primary: bool,
    verification_status: String,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    drafts: Vec<Named>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KeptDraft {
    message: Kept,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Kept {
    payload: Payload,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    headers: Vec<Header>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

impl Gmail {
    /// The mailbox of the account that `access` stands for, at `root` ([`Hosts::gmail`](crate::google::Hosts)). Asks nothing
    /// yet.
    pub fn new(http: reqwest::Client, access: Access, root: Url, from: MailAddress, patience: Patience) -> Self {
        let door = Door::new(http, access, root, patience.letter);
        Self { door, from, patience, mailbox: Mutex::default() }
    }

    /// Hands a letter over. `Done` carries Gmail's own name for it.
    pub(super) async fn send(&self, letter: &Posting<'_>) -> Sent {
        let way = match timeout(self.patience.before, self.approach(letter)).await {
            Ok(Ok(way)) => way,
            Ok(Err(sent)) => return sent,
            Err(_) => return failed(Step::Draft, Fault::Silence, Trace::None),
        };
        match way {
            Way::Sent => was_sent(),
            Way::Draft(draft) => self.send_draft(letter, draft).await,
            Way::Plain => self.send_plain(letter).await,
        }
    }

    /// Everything before the letter leaves. After an error nothing has left that had not before.
    async fn approach(&self, letter: &Posting<'_>) -> Result<Way, Sent> {
        let token = self.door.knock().await.map_err(|trouble| trouble.sent(Step::Account, Trace::None))?;
        self.check_mailbox(&token).await?;
        let known = self.mailbox().draft(letter.key);
        let way = match known {
            Some(draft) => self.look_at(letter, draft).await,
            None if letter.unsure => self.look_for(letter).await,
            None => Ok(None),
        };
        let way = match way {
            Ok(Some(way)) => return Ok(way),
            Ok(None) => self.draft(letter).await.map_err(|trouble| (Step::Draft, trouble)),
            Err(trouble) => Err((Step::Look, trouble)),
        };
        match way {
            Err((_, trouble)) if trouble.lacks_right() => Ok(Way::Plain),
            way => way.map_err(|(step, trouble)| trouble.sent(step, Trace::None)),
        }
    }

    /// What is to be done with a draft that we know of; nothing, if somebody has deleted it.
    async fn look_at(&self, letter: &Posting<'_>, draft: Draft) -> Result<Option<Way>, Trouble> {
        match self.door.ask::<IgnoredAny>(Ask::get(&["drafts", &draft.id], &[("format", "minimal")])).await {
            Ok(_) => Ok(Some(Way::Draft(draft))),
            Err(trouble) if trouble.is_gone() => {
                self.mailbox().forget(letter.key);
                Ok(draft.maybe_sent.then_some(Way::Sent))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The draft of a letter whose earlier attempt nobody remembers, such as after a power loss. Gmail's search knows words
    /// only, so the letter is told by a header of ours.
    async fn look_for(&self, letter: &Posting<'_>) -> Result<Option<Way>, Trouble> {
        let words = letter.words.replace('"', " ");
        let query = format!("\"{}\" {LOOKED_BACK}", words.trim());
        let query = [("q", query.as_str()), ("maxResults", MOST_LOOKED_AT)];
        let found: Found = self.door.ask(Ask::get(&["drafts"], &query)).await?;
        for Named { id } in found.drafts {
            let (path, query) = (["drafts", &id], [("format", "metadata")]);
            let headers = match self.door.ask::<KeptDraft>(Ask::get(&path, &query)).await {
                Ok(kept) => kept.message.payload.headers,
                // Sent or deleted since it was listed.
                Err(trouble) if trouble.is_gone() => continue,
                Err(trouble) => return Err(trouble),
            };
            let is_it =
                |header: &Header| header.name.eq_ignore_ascii_case(LETTER) && header.value.trim() == letter.name;
            if headers.iter().any(is_it) {
                let draft = Draft { id, maybe_sent: true };
                self.mailbox().keep(letter.key, draft.clone());
                return Ok(Some(Way::Draft(draft)));
            }
        }
        Ok(None)
    }

    async fn draft(&self, letter: &Posting<'_>) -> Result<Way, Trouble> {
        let ask = Ask::post(&["drafts"], Body::Letter(letter.text, Some("message")));
        let Named { id } = self.door.ask(ask).await?;
        let draft = Draft { id, maybe_sent: false };
        self.mailbox().keep(letter.key, draft.clone());
        Ok(Way::Draft(draft))
    }

    async fn send_draft(&self, letter: &Posting<'_>, draft: Draft) -> Sent {
        // Before it is asked: whoever gives up on this attempt does not say so.
        self.mailbox().keep(letter.key, Draft { maybe_sent: true, ..draft.clone() });
        let ask = Ask::post(&["drafts", "send"], Body::Document(json!({ "id": draft.id })));
        let sent = match timeout(self.patience.letter, self.door.ask::<Named>(ask)).await {
            Ok(Ok(Named { id })) => Sent::Done { receipt: clean::line(&id, LONGEST_RECEIPT) },
            Ok(Err(trouble)) if trouble.is_gone() => {
                self.mailbox().forget(letter.key);
                // An earlier request to send it may have been slower than its answer was waited for.
                return if draft.maybe_sent { was_sent() } else { was_deleted() };
            }
            Ok(Err(trouble)) => trouble.sent(Step::Send, Trace::Kept),
            Err(_) => failed(Step::Send, Fault::Silence, Trace::Kept),
        };
        match sent {
            Sent::Done { .. } => self.mailbox().forget(letter.key),
            Sent::Rejected(_) => self.withdraw(letter, &draft.id).await,
            Sent::Open { .. } | Sent::Unknown(_) => {}
            Sent::Moot(_) | Sent::Retry { .. } | Sent::Misconfigured(_) => self.mailbox().keep(letter.key, draft),
        }
        sent
    }

    /// Takes a draft out of the mailbox that will never be sent; one that stays does no harm.
    async fn withdraw(&self, letter: &Posting<'_>, draft: &str) {
        self.mailbox().forget(letter.key);
        let ask = Ask { method: Method::DELETE, path: &["drafts", draft], query: &[], body: Body::None };
        let _ = timeout(WITHDRAWN_WITHIN, self.door.ask::<IgnoredAny>(ask)).await;
    }

    async fn send_plain(&self, letter: &Posting<'_>) -> Sent {
        let ask = Ask::post(&["messages", "send"], Body::Letter(letter.text, None));
        match timeout(self.patience.letter, self.door.ask::<Named>(ask)).await {
            Ok(Ok(Named { id })) => Sent::Done { receipt: clean::line(&id, LONGEST_RECEIPT) },
            Ok(Err(trouble)) => trouble.sent(Step::Send, Trace::None),
            Err(_) => failed(Step::Send, Fault::Silence, Trace::None),
        }
    }

    /// Gmail writes the account's own address over a sender that it does not know, and says nothing: patients would
    /// answer to an address that the clinic has not chosen. Looked at once for each token, which may be another account's.
    async fn check_mailbox(&self, token: &str) -> Result<(), Sent> {
        if self.mailbox().is_seen_with(token) {
            return Ok(());
        }
        let address = match self.door.ask::<Profile>(Ask::get(&["profile"], &[])).await {
            Ok(profile) => Some(profile.email_address),
            Err(trouble) if trouble.lacks_right() => None,
            Err(trouble) => return Err(trouble.sent(Step::Account, Trace::None)),
        };
        let may_send = match &address {
            Some(address) if address.eq_ignore_ascii_case(self.from.as_str()) => Some(true),
            Some(_) => self.is_alias().await?,
            None => None,
        };
        if may_send == Some(false) {
            let why = "[mail] from is neither the account's address nor one that it may send as: write the account's, or \
                       add this one in Gmail's settings under \"Send mail as\"";
            return Err(Sent::Misconfigured(why.to_owned()));
        }
        let mut mailbox = self.mailbox();
        if may_send.is_none() && mailbox.is_new() {
            log::info!("whether Gmail sends as [mail] from cannot be seen with the rights that were given");
        }
        mailbox.see(token, address);
        Ok(())
    }

    /// Whether the account may send as the sender; nothing, if that cannot be looked at.
    async fn is_alias(&self) -> Result<Option<bool>, Sent> {
        let aliases: Aliases = match self.door.ask(Ask::get(&["settings", "sendAs"], &[])).await {
            Ok(aliases) => aliases,
            Err(trouble) if trouble.lacks_right() => return Ok(None),
            Err(trouble) => return Err(trouble.sent(Step::Account, Trace::None)),
        };
        let may = |alias: &Alias| alias.is_primary || alias.verification_status == "accepted";
        let is_it = |alias: &Alias| alias.send_as_email.eq_ignore_ascii_case(self.from.as_str());
        Ok(Some(aliases.send_as.iter().any(|alias| is_it(alias) && may(alias))))
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn was_sent() -> Sent {
    Sent::Done { receipt: "its draft was sent".to_owned() }
}

/// By somebody, in the moment between ours.
fn was_deleted() -> Sent {
    Sent::Retry { why: "the letter's draft was deleted before it was sent; it is made anew".to_owned(), after: None }
}
