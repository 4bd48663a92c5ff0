//! What the simulated project, accounts and calendars look like.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::fault::Fault;

/// The settings of a simulator; the default is a small clinic in London.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches that do not depend on each other")]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The account of the person who consents; its address is the mailbox and the id of its main calendar.
    pub user: String,
    /// The desktop client of the project.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The address of the service account.
    pub service_account: String,
    /// Domain-wide delegation: for whom the service account may act, with which scopes.
    pub delegation: BTreeMap<String, Vec<String>>,
    /// The calendars; the user owns them, the service account may write to them.
    pub calendars: Vec<CalendarSetup>,
    /// What the person at the consent page does.
    pub consent: Consent,
    /// How long an access token lives.
    pub access_token_life: Duration,
    /// `expires_in` comes as text, as from some token servers.
    pub expires_in_text: bool,
    /// How long a refresh token lives: seven days for a project in Testing, where the answer also tells it; none: for ever.
    pub refresh_token_life: Option<Duration>,
    /// Every refresh gives a new refresh token and ends the old one.
    pub rotate_refresh_tokens: bool,
    /// Gmail puts its own Message-ID in place of the given one, as it does for consumers' accounts.
    pub rewrite_message_id: bool,
    /// The largest page of any list; less than a client asks for makes it turn pages.
    pub largest_page: usize,
    /// Lists of events begin with a page that is empty, although more follow: Google reserves that right.
    pub empty_first_page: bool,
    /// Faults that wait from the beginning.
    pub faults: Vec<Fault>,
}

/// One calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarSetup {
    /// Its id, an address.
    pub id: String,
    /// Its name.
    pub summary: String,
    /// Its zone's IANA name.
    pub time_zone: String,
}

impl CalendarSetup {
    /// A calendar.
    pub fn new(id: &str, summary: &str, time_zone: &str) -> Self {
        Self { id: id.to_owned(), summary: summary.to_owned(), time_zone: time_zone.to_owned() }
    }
}

/// What the person at the consent page does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Grants all that is asked for.
    Grant,
    /// Denies.
    Deny,
    /// Leaves only these ticked, of those that are asked for.
    Only(Vec<String>),
}

impl std::str::FromStr for Consent {
    type Err = String;

    /// Reads `grant`, `deny`, or `only SCOPE...`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        match words.next() {
            Some("grant") => Ok(Self::Grant),
            Some("deny") => Ok(Self::Deny),
            Some("only") => Ok(Self::Only(words.map(str::to_owned).collect())),
            _ => Err(format!("{text:?} is no consent; expected grant, deny, or only SCOPE...")),
        }
    }
}

/// What somebody may do with a calendar, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Not even see it.
    None,
    /// See when it is busy.
    FreeBusyReader,
    /// See its events.
    Reader,
    /// Change its events.
    Writer,
    /// All.
    Owner,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FreeBusyReader => "freeBusyReader",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let all = [Self::None, Self::FreeBusyReader, Self::Reader, Self::Writer, Self::Owner];
        all.into_iter().find(|role| role.name() == name)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let user = "frontdesk@clinic.example";
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            user: user.to_owned(),
            client_id: "1234567890-frontdesk.apps.googleusercontent.com".to_owned(),
            client_secret: "GOCSPX-simulated".to_owned(),
            service_account: "frontdesk@clinic-frontdesk.iam.gserviceaccount.com".to_owned(),
            delegation: BTreeMap::new(),
            calendars: vec![
                CalendarSetup::new(user, "Front desk", "Europe/London"),
                CalendarSetup::new("dr-osei@clinic.example", "Dr Osei", "Europe/London"),
                CalendarSetup::new("dr-lind@clinic.example", "Dr Lind", "Europe/London"),
            ],
            consent: Consent::Grant,
            access_token_life: Duration::from_secs(3_599),
            expires_in_text: false,
            refresh_token_life: None,
            rotate_refresh_tokens: false,
            rewrite_message_id: true,
            largest_page: 2_500,
            empty_first_page: false,
            faults: Vec::new(),
        }
    }
}
