//! Where devices come from: ALSA, or a simulated world in the tests.

use super::course::Avoid;
use super::news::Trouble;
use crate::device::list::{self, Roots};
use crate::device::{Card, DeviceSpec, SelectError, Selected, select};
use crate::figures::Figures;
use crate::hotplug::Watch;
use crate::knobs::EchoMode;
use crate::mixer;
use crate::pcm::alsa::{AlsaPcm, OpenError, PollWaiter};
use crate::pcm::negotiate::NegotiateError;
use crate::pcm::port::{Direction, Errno};
use crate::rt::cycle::Duplex;
use crate::rt::priority::Lent;
use std::os::fd::{AsFd, BorrowedFd};

/// An open device.
pub struct Opened {
    /// What people call it.
    pub name: String,
    /// Its card, unless ALSA was given a name.
    pub card: Option<Card>,
    /// Who keeps the echo away, as far as is known.
    pub echo: EchoMode,
    /// Both directions.
    pub duplex: Duplex,
}

/// Why none could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No device is wanted.
    NotWanted,
    /// It is not there.
    NotThere {
        /// In words.
        what: String,
    },
    /// Somebody else has it.
    Busy {
        /// Which device.
        device: String,
        /// Which direction.
        direction: Direction,
        /// Who, if the kernel tells.
        owner: Option<String>,
    },
    /// No permission.
    Denied {
        /// Which device.
        device: String,
    },
    /// It does nothing that we can use.
    Unusable {
        /// Which device.
        device: String,
        /// In words.
        what: String,
    },
    /// ALSA refused it.
    Refused {
        /// Which device.
        device: String,
        /// In words.
        what: String,
    },
}

impl Failure {
    /// What a person needs to know.
    pub fn trouble(&self) -> Trouble {
        let (what, would_do) = match self {
            Self::NotWanted => ("no device is configured".to_owned(), "set desk.device".to_owned()),
            Self::NotThere { what } => (what.clone(), "plug it in, or choose one that is there".to_owned()),
            Self::Busy { device, direction, owner } => (
                format!("{direction} of {device} is in use by {}", owner.as_deref().unwrap_or("another program")),
                "stop that program: the desk needs the device for itself".to_owned(),
            ),
            Self::Denied { device } => (
                format!("no permission to open {device}"),
                "the service's user must be in the group audio, and its unit must allow char-alsa".to_owned(),
            ),
            Self::Unusable { device, what } => {
                (format!("{device} cannot be used: {what}"), "use another device".to_owned())
            }
            Self::Refused { device, what } => (
                format!("{device} could not be opened: {what}"),
                "check the name in desk.device and ALSA's configuration, or plug it in again".to_owned(),
            ),
        };
        Trouble { what, would_do }
    }
}

/// Finds, opens and watches devices. Used by the keeper's thread alone; may take its time.
pub trait Backend: Send {
    /// Opens what `spec` means, without the rates to be avoided.
    fn open(&mut self, spec: &DeviceSpec, avoid: &Avoid) -> Result<Opened, Failure>;
    /// What to poll for changes of the hardware; `None` when nothing tells.
    fn watch(&self) -> Option<BorrowedFd<'_>>;
    /// Whether the hardware has changed since the last time.
    fn changed(&mut self) -> bool;
}

/// The real one.
pub struct AlsaBackend {
    roots: Roots,
    watch: Option<Watch>,
    figures: Option<&'static Figures>,
}

impl AlsaBackend {
    /// Without a place to watch (no `/dev`, no inotify left) devices are still found, by trying.
    pub fn new() -> Self {
        Self { roots: Roots::default(), watch: Watch::sound().ok(), figures: None }
    }

    /// Opening may take longer than a watchdog's patience, one transfer after the other: between them the turns are
    /// counted that show life.
    #[must_use]
    pub fn showing_life(self, figures: &'static Figures) -> Self {
        Self { figures: Some(figures), ..self }
    }

    fn alive(&self) {
        if let Some(figures) = self.figures {
            figures.rt_turns.raise();
        }
    }
}

impl Default for AlsaBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for AlsaBackend {
    fn open(&mut self, spec: &DeviceSpec, avoid: &Avoid) -> Result<Opened, Failure> {
        // A process that has read the configuration before a device came would go on failing with what it read.
        let _ = alsa::config::update_free_global();
        let selected = select(spec, &list::list(&self.roots)).map_err(|error| match error {
            SelectError::None => Failure::NotWanted,
            error => Failure::NotThere { what: error.to_string() },
        })?;
        // Anew: what was said while the cards were asked is another matter.
        let quiet = alsa::Output::local_error_handler().ok();
        if let Some(card) = &selected.card {
            // Before the streams run: some devices answer no control transfers while they start.
            mixer::settle(card.index, &selected.quirk, || self.alive());
        }
        let lent = selected.card.is_none().then(Lent::ask);
        let open = |direction| {
            self.alive();
            open_one(&selected, direction, avoid)
        };
        let opened = open(Direction::Capture).and_then(|capture| Ok((capture, open(Direction::Playout)?)));
        drop(lent);
        let (capture, playout) = opened.map_err(|(direction, error)| {
            let said = quiet.map(|said| said.borrow().to_string()).unwrap_or_default();
            self.failure(&selected, direction, &error, &said)
        })?;
        let duplex =
            Duplex { capture: Box::new(capture), playout: Box::new(playout), waiter: Box::new(PollWaiter::new()) };
        Ok(Opened { name: selected.name, card: selected.card, echo: selected.quirk.echo, duplex })
    }

    fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    fn changed(&mut self) -> bool {
        self.watch.as_mut().is_some_and(Watch::changed)
    }
}

impl AlsaBackend {
    fn failure(&self, selected: &Selected, direction: Direction, error: &OpenError, said: &str) -> Failure {
        let device = selected.name.clone();
        let number = error.errno().map(Errno::number);
        match (number, error) {
            (Some(libc::EBUSY), _) => {
                let owner = selected.card.as_ref().and_then(|card| {
                    let device = match direction {
                        Direction::Capture => card.capture?,
                        Direction::Playout => card.playout?,
                    };
                    list::owner(card.index, device, direction, &self.roots)
                });
                Failure::Busy { device, direction, owner }
            }
            (Some(libc::EACCES | libc::EPERM), _) => Failure::Denied { device },
            // A card that was listed a moment ago and is gone now.
            (Some(libc::ENODEV), _) if selected.card.is_some() => {
                Failure::NotThere { what: format!("{device} went away while it was being opened") }
            }
            (None, error) => Failure::Unusable { device, what: error.to_string() },
            (Some(_), error) => Failure::Refused { device, what: in_words(error, said) },
        }
    }
}

/// Opens one direction of the selected device.
fn open_one(selected: &Selected, direction: Direction, avoid: &Avoid) -> Result<AlsaPcm, (Direction, OpenError)> {
    let name = match direction {
        Direction::Capture => &selected.capture,
        Direction::Playout => &selected.playout,
    };
    let shown = avoid.rates(&selected.name, direction);
    let known = || shown.iter().copied().chain(selected.quirk.avoided(direction)).collect::<Vec<_>>();
    let opened = AlsaPcm::open(name, direction, &known()).or_else(|error| match error {
        // What the table warns of is all that it has: better that than nothing. The measured rate will tell.
        OpenError::Negotiate(NegotiateError::Nothing { .. }) => AlsaPcm::open(name, direction, &shown),
        error => Err(error),
    });
    opened.map_err(|error| (direction, error))
}

/// The whole chain of an error, and the last thing that libasound would have written to the journal.
fn in_words(error: &OpenError, said: &str) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    match said.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) => format!("{words} ({})", line.trim()),
        None => words,
    }
}
