//! What is known of the mailbox as long as the daemon runs: whose it is, and which letters are drafts in it.

use std::collections::HashMap;

/// A mailbox, as it was last seen.
#[derive(Default)]
pub(super) struct Mailbox {
    /// With which token; empty before the first look. Another token may be another account's.
    token: String,
    /// Whose it is, if our rights let us see that.
    address: Option<String>,
    /// By the errand's key.
    drafts: HashMap<String, Draft>,
}

/// A letter's draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// Gmail's name for it.
    pub(super) id: String,
    /// It was asked to be sent, with no clear end: only then has it been sent if it is gone. Otherwise somebody has
    /// deleted it.
    pub(super) maybe_sent: bool,
}

impl Mailbox {
    /// Whether it was looked at with this token.
    pub(super) fn is_seen_with(&self, token: &str) -> bool {
        !token.is_empty() && self.token == token
    }

    /// Whether it was never looked at.
    pub(super) fn is_new(&self) -> bool {
        self.token.is_empty()
    }

    /// Notes whose it is. The drafts of another account's are none of this one.
    pub(super) fn see(&mut self, token: &str, address: Option<String>) {
        if self.address != address {
            self.drafts.clear();
        }
        token.clone_into(&mut self.token);
        self.address = address;
    }

    /// The letter's draft.
    pub(super) fn draft(&self, key: &str) -> Option<Draft> {
        self.drafts.get(key).cloned()
    }

    /// Notes the letter's draft.
    pub(super) fn keep(&mut self, key: &str, draft: Draft) {
        self.drafts.insert(key.to_owned(), draft);
    }

    /// The letter has no draft any more.
    pub(super) fn forget(&mut self, key: &str) {
        self.drafts.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_account_that_logs_in_is_looked_at_anew_and_has_no_draft_of_the_first() {
        let (clinic, other) = (Some("desk@clinic.example".to_owned()), Some("other@clinic.example".to_owned()));
        let draft = Draft { id: "r-81".to_owned(), maybe_sent: true };
        let mut mailbox = Mailbox::default();
        assert!(mailbox.is_new() && !mailbox.is_seen_with(""));
        mailbox.see("t1", clinic.clone());
        mailbox.keep("mail:1:0", draft.clone());
        assert!(mailbox.is_seen_with("t1") && !mailbox.is_seen_with("t2"), "t2 may be another account's");
        mailbox.see("t2", clinic);
        assert_eq!(mailbox.draft("mail:1:0"), Some(draft), "the same account has another token every hour");
        mailbox.see("t3", other);
        assert_eq!(mailbox.draft("mail:1:0"), None);
    }
}
