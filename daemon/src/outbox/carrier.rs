//! Who carries errands out: one part per kind, put together by [`Carriers`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::booking::book::ErrandKind;
use futures_util::future::BoxFuture;

use crate::store::Due;

/// How an attempt ended. The texts are shown to people and name nobody: no patient, no address, no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or there is nothing to do any more.
    Done {
        /// A receipt, such as the service's own id; may be empty.
        note: String,
    },
    /// It may succeed later.
    Retry {
        /// What went wrong, and what would help.
        why: String,
        /// What the service asked for (`Retry-After`); the usual wait is kept in any case.
        after: Option<Duration>,
    },
    /// It may have been done: the answer was lost. It is tried again, and the next attempt is told.
    Unsure {
        /// What went wrong, and what would help.
        why: String,
        /// As above.
        after: Option<Duration>,
    },
    /// It cannot succeed as it is: staff must look at it.
    Dead {
        /// What went wrong, and what would help.
        why: String,
    },
}

/// Carries out errands of a kind.
///
/// The errand names an appointment or a message: the carrier reads it as it is *now* and does what its state asks for, for
/// it may have been changed since. The same errand may come again, with the same key: after a power loss, marked
/// [`unsure`](Due::unsure), and by the wish of staff. What can be told by its key to be done is not done twice.
///
/// No two errands of one kind about one appointment are carried out at once. An attempt that takes longer than a minute is
/// dropped and tried again, as unsure.
pub trait Carrier: Send + Sync {
    /// Carries one out. May be dropped at any await.
    fn carry<'a>(&'a self, errand: &'a Due) -> BoxFuture<'a, Outcome>;
}

/// The carriers of all kinds; clones share them.
#[derive(Clone, Default)]
pub struct Carriers {
    by_kind: HashMap<ErrandKind, Arc<dyn Carrier>>,
}

impl Carriers {
    /// Carries nothing out.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has errands of `kind` carried out by `carrier`.
    #[must_use]
    pub fn with(mut self, kind: ErrandKind, carrier: Arc<dyn Carrier>) -> Self {
        self.by_kind.insert(kind, carrier);
        self
    }
}

impl Carrier for Carriers {
    /// By the carrier of its kind. An errand that nobody carries is dead: staff can have it tried again once somebody does.
    fn carry<'a>(&'a self, errand: &'a Due) -> BoxFuture<'a, Outcome> {
        let kind = errand.errand.kind();
        if let Some(carrier) = self.by_kind.get(&kind) {
            return carrier.carry(errand);
        }
        let why = format!("no {} is configured: configure it, then retry this", kind.as_str());
        Box::pin(std::future::ready(Outcome::Dead { why }))
    }
}
