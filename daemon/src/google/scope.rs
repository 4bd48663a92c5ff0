//! What is asked of Google for what, and whether it was granted.
//!
//! Source: Google's API definitions (calendar v3, gmail v1), which name the scopes of each method, November 2026.

use serde::{Deserialize, Serialize};

/// `freeBusy` is not part of the right to events.
const CALENDAR: &[&str] =
    &["https://www.googleapis.com/auth/calendar.events", "https://www.googleapis.com/auth/calendar.freebusy"];
/// The smallest: it reads nothing, and Google's review of the app is short.
const MAIL: &[&str] = &["https://www.googleapis.com/auth/gmail.send"];
/// To keep a letter as a draft before it is sent, which shows whether it was. Google calls this right restricted.
pub const DRAFTS: &[&str] = &["https://www.googleapis.com/auth/gmail.compose"];
/// Who consented: `gmail.send` alone does not tell. No administrator need delegate them.
const WHO: &[&str] = &["openid", "email"];

/// A right, and those that contain it.
const CONTAINED: &[(&str, &[&str])] = &[
    ("email", &["https://www.googleapis.com/auth/userinfo.email"]),
    (CALENDAR[0], &["https://www.googleapis.com/auth/calendar"]),
    (
        CALENDAR[1],
        &[
            "https://www.googleapis.com/auth/calendar",
            "https://www.googleapis.com/auth/calendar.events.freebusy",
            "https://www.googleapis.com/auth/calendar.readonly",
        ],
    ),
    (
        MAIL[0],
        &[
            "https://www.googleapis.com/auth/gmail.compose",
            "https://www.googleapis.com/auth/gmail.modify",
            "https://mail.google.com/",
        ],
    ),
];

/// What the daemon does at Google for a clinic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Reads when calendars are busy, writes appointments into them.
    Calendar,
    /// Sends letters.
    Mail,
}

impl Feature {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Calendar, Self::Mail];

    /// The scopes without which it does not work.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Calendar => CALENDAR,
            Self::Mail => MAIL,
        }
    }

    /// The word in JSON, and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Mail => "mail",
        }
    }

    /// Whether `granted` is enough for it.
    pub fn is_granted(self, granted: &[String]) -> bool {
        self.scopes().iter().all(|scope| holds(granted, scope))
    }
}

/// Everything that a person is asked to consent to, for these features together.
pub fn asked_for(features: &[Feature]) -> Vec<&'static str> {
    WHO.iter().copied().chain(features.iter().flat_map(|feature| feature.scopes().iter().copied())).collect()
}

/// The same, with the right to drafts in place of the right to send alone.
pub fn asked_for_with_drafts(features: &[Feature]) -> Vec<&'static str> {
    let with_drafts = |scope| if scope == MAIL[0] { DRAFTS[0] } else { scope };
    asked_for(features).into_iter().map(with_drafts).collect()
}

/// Whether `granted` has `scope`, or one that contains it.
pub fn holds(granted: &[String], scope: &str) -> bool {
    let containing = CONTAINED.iter().find(|(contained, _)| *contained == scope).map_or(&[][..], |(_, by)| by);
    granted.iter().any(|granted| granted == scope || containing.contains(&granted.as_str()))
}

/// The scopes of a token's answer.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_is_what_was_asked_in_any_order_and_by_its_other_name() {
        let granted = list(
            "https://www.googleapis.com/auth/userinfo.email openid https://www.googleapis.com/auth/calendar.freebusy \
             https://www.googleapis.com/auth/calendar.events",
        );
        assert!(asked_for(&[Feature::Calendar]).iter().all(|scope| holds(&granted, scope)));
        assert!(Feature::Calendar.is_granted(&granted) && !Feature::Mail.is_granted(&granted));
    }

    #[test]
    fn a_box_that_was_unticked_takes_the_whole_feature() {
        let granted = list("openid https://www.googleapis.com/auth/calendar.events");
        assert!(!Feature::Calendar.is_granted(&granted), "nobody could say when there is time");
    }

    #[test]
    fn who_may_write_drafts_may_send_them() {
        assert!(Feature::Mail.is_granted(&list("https://www.googleapis.com/auth/gmail.compose")));
        assert!(!Feature::Mail.is_granted(&list("https://www.googleapis.com/auth/gmail.readonly")));
        let asked = asked_for_with_drafts(&[Feature::Mail]).join(" ");
        assert_eq!(asked, "openid email https://www.googleapis.com/auth/gmail.compose");
        assert!(Feature::Mail.is_granted(&list(&asked)));
        assert!(Feature::Calendar.is_granted(&list("https://www.googleapis.com/auth/calendar")));
    }
}
