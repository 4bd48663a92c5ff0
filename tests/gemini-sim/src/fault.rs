//! What can go wrong at Google's end, on demand.

use std::{str::FromStr, time::Duration};

/// A misbehaviour of the service. Each was seen in the field or is one router away from it.
///
/// Some happen once, when they are injected: [`GoAway`](Self::GoAway), [`Drop`](Self::Drop), [`Close`](Self::Close),
/// [`Stall`](Self::Stall), [`SlowReader`](Self::SlowReader), [`HalfOpen`](Self::HalfOpen),
/// [`Garbage`](Self::Garbage), [`Strays`](Self::Strays). The others change how a session behaves for as long as
/// [`Lasts`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Announces the end of the connection, and brings it about when the time is up.
    GoAway {
        /// What is announced; `None` leaves the field out and ends after ten seconds.
        time_left: Option<Duration>,
        /// How it ends.
        then: Ending,
    },
    /// The TCP connection is gone, without a close frame.
    Drop,
    /// The socket stays open and nothing is sent for this long; what fell due comes at once afterwards.
    Stall(Duration),
    /// The socket is not read for this long: the client's writes back up.
    SlowReader(Duration),
    /// Neither reads nor writes any more, and never closes.
    HalfOpen,
    /// Frames that mean nothing: `{}`, unknown fields, broken JSON, binary rubbish.
    Garbage,
    /// Flags out of place: `interrupted` with nothing being said, `turnComplete` twice. Wait for a silent moment: in
    /// the middle of a reply they would be true.
    Strays,
    /// Closes with this code and reason.
    Close {
        /// The close code.
        code: u16,
        /// Its text, cut at 123 bytes on the wire.
        reason: String,
    },
    /// Answers a setup with this close instead of `setupComplete`.
    CloseAtSetup {
        /// The close code.
        code: u16,
        /// Its text.
        reason: String,
    },
    /// Replies are digital silence, frames and transcription as ever.
    SilentAudio,
    /// Replies are noise of one bit, as from a model whose voice failed.
    NearZeroAudio,
    /// Pongs come this late.
    LatePong(Duration),
    /// Every tool call comes twice, under two ids.
    DuplicateToolCall,
    /// The connection drops right after a tool call was sent.
    DropAfterToolCall,
    /// Silent after a tool's response.
    SilentAfterTool,
    /// Does not speak when asked to greet.
    NoGreeting,
    /// Hears and understands, and says nothing at all.
    NoReply,
    /// Speech over a reply is not noticed, and not answered either.
    MissBargeIn,
    /// Speech over a pending tool call cancels it with `toolCallCancellation`, as documented; without this fault the
    /// call is forgotten silently and comes again under a new id, as 3.8 does.
    CancelToolOnInterrupt,
    /// Never sends a resumption handle.
    NoHandles,
    /// Refuses every resumption handle.
    RefuseHandle,
    /// Refuses the WebSocket upgrade with this HTTP status.
    RefuseConnect(u16),
}

/// How a connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ending {
    /// 1011 with the service's usual text at the end of a connection's life.
    #[default]
    Deadline,
    /// With this code and reason.
    Close {
        /// The close code.
        code: u16,
        /// Its text.
        reason: String,
    },
    /// The TCP connection is gone.
    Drop,
    /// It does not.
    Never,
}

/// How long a fault that changes behaviour stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lasts {
    /// As long as the session, reconnects included, or until [`crate::GeminiSim::clear_faults`].
    #[default]
    Session,
    /// As long as the connection: a resumption heals it.
    Connection,
    /// Until it had its effect once.
    Once,
}

/// A fault and how long it lasts. A bare [`Fault`] lasts for the session.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// What goes wrong.
    pub fault: Fault,
    /// For how long.
    pub lasts: Lasts,
}

/// Which sessions a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The session that connected last.
    Newest,
    /// This session.
    Session(usize),
    /// Every session there is and will be.
    Each,
    /// Every session that will be; what [`crate::Settings::faults`] does.
    Future,
}

/// A fault that happens by plan to each new session, on its first connection only.
///
/// In a scenario file and on the command line it is written `NAME[:ARGUMENT][@DELAY][/once|/connection]`, for example
/// `go-away:10s@30s` or `no-reply/once`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct PlannedFault {
    /// What happens.
    pub injection: Injection,
    /// When: this long after `setupComplete`. Zero for faults of the setup and before.
    pub after: Duration,
}

impl From<Fault> for Injection {
    fn from(fault: Fault) -> Self {
        Self { fault, lasts: Lasts::default() }
    }
}

impl Fault {
    /// This fault, for as long as `lasts` says.
    #[must_use]
    pub fn lasting(self, lasts: Lasts) -> Injection {
        Injection { fault: self, lasts }
    }

    /// Whether it happens at one moment, on an open connection.
    pub(crate) fn is_event(&self) -> bool {
        matches!(
            self,
            Self::GoAway { .. }
                | Self::Drop
                | Self::Stall(_)
                | Self::SlowReader(_)
                | Self::HalfOpen
                | Self::Garbage
                | Self::Strays
                | Self::Close { .. }
        )
    }

    /// Whether it acts before there is a session.
    pub(crate) fn is_at_the_door(&self) -> bool {
        matches!(self, Self::RefuseConnect(_) | Self::RefuseHandle | Self::CloseAtSetup { .. })
    }
}

/// The faults in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switches(Vec<Injection>);

impl Switches {
    pub(crate) fn add(&mut self, injection: Injection) {
        self.0.push(injection);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What `pick` finds among the faults in force; one that lasts once is used up by it.
    pub(crate) fn take<T>(&mut self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let (index, found) =
            self.0.iter().enumerate().find_map(|(index, injection)| Some((index, pick(&injection.fault)?)))?;
        if self.0[index].lasts == Lasts::Once {
            self.0.remove(index);
        }
        Some(found)
    }

    /// Whether `fault` is in force; see [`take`](Self::take).
    pub(crate) fn hit(&mut self, fault: &Fault) -> bool {
        self.take(|other| (other == fault).then_some(())).is_some()
    }

    /// What `pick` finds, without using it up.
    pub(crate) fn look<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|injection| pick(&injection.fault))
    }

    /// Forgets what a reconnect heals.
    pub(crate) fn reconnected(&mut self) {
        self.0.retain(|injection| injection.lasts != Lasts::Connection);
    }
}

/// What the command line calls each fault, with an example of its argument.
pub(crate) const FAULT_NAMES: &[(&str, &str)] = &[
    ("go-away", "go-away:10s"),
    ("drop", "drop"),
    ("stall", "stall:5s"),
    ("slow-reader", "slow-reader:5s"),
    ("half-open", "half-open"),
    ("garbage", "garbage"),
    ("strays", "strays"),
    ("close", "close:1011:Internal error encountered."),
    ("close-at-setup", "close-at-setup:1007:API key expired."),
    ("silent-audio", "silent-audio"),
    ("near-zero-audio", "near-zero-audio"),
    ("late-pong", "late-pong:20s"),
    ("duplicate-tool-call", "duplicate-tool-call"),
    ("drop-after-tool-call", "drop-after-tool-call"),
    ("silent-after-tool", "silent-after-tool"),
    ("no-greeting", "no-greeting"),
    ("no-reply", "no-reply"),
    ("miss-barge-in", "miss-barge-in"),
    ("cancel-tool-on-interrupt", "cancel-tool-on-interrupt"),
    ("no-handles", "no-handles"),
    ("refuse-handle", "refuse-handle"),
    ("refuse-connect", "refuse-connect:503"),
];

/// What is wrong with a fault on the command line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultError {
    /// There is no such fault.
    #[error("no fault is called {0:?}; there are: {known}", known = names())]
    Unknown(String),
    /// Its argument is missing or wrong.
    #[error("{given:?} needs to look like {example:?}")]
    Argument {
        /// What was given.
        given: String,
        /// What would do.
        example: &'static str,
    },
    /// The moment is no duration.
    #[error("{0:?} is no duration: 500ms or 2.5s would be")]
    Moment(String),
}

fn names() -> String {
    FAULT_NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// `NAME[:ARGUMENT][@DELAY][/once|/connection]`, for example `go-away:10s@30s`, `no-reply/once`.
impl FromStr for PlannedFault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (rest, lasts) = match text.rsplit_once('/') {
            Some((rest, "once")) => (rest, Lasts::Once),
            Some((rest, "connection")) => (rest, Lasts::Connection),
            _ => (text, Lasts::Session),
        };
        let (rest, after) = match rest.rsplit_once('@') {
            Some((rest, moment)) => (rest, seconds(moment).ok_or_else(|| FaultError::Moment(moment.to_owned()))?),
            None => (rest, Duration::ZERO),
        };
        let (name, argument) = rest.split_once(':').unwrap_or((rest, ""));
        let known = FAULT_NAMES.iter().find(|(known, _)| *known == name);
        let (_, example) = known.ok_or_else(|| FaultError::Unknown(name.to_owned()))?;
        let fault = fault(name, argument).ok_or_else(|| FaultError::Argument { given: rest.to_owned(), example })?;
        Ok(Self { injection: fault.lasting(lasts), after })
    }
}

impl TryFrom<String> for PlannedFault {
    type Error = FaultError;

    fn try_from(text: String) -> Result<Self, FaultError> {
        text.parse()
    }
}

/// The fault of a known name, or `None` when the argument does not fit it.
fn fault(name: &str, argument: &str) -> Option<Fault> {
    let code_and_reason = || {
        let (code, reason) = argument.split_once(':').unwrap_or((argument, ""));
        let code = code.parse().ok().filter(|code| (1000..5000).contains(code))?;
        Some((code, reason.to_owned()))
    };
    let simple = match name {
        "go-away" => {
            let time_left = if argument.is_empty() { None } else { Some(seconds(argument)?) };
            return Some(Fault::GoAway { time_left, then: Ending::Deadline });
        }
        "stall" => return seconds(argument).map(Fault::Stall),
        "slow-reader" => return seconds(argument).map(Fault::SlowReader),
        "late-pong" => return seconds(argument).map(Fault::LatePong),
        "close" => return code_and_reason().map(|(code, reason)| Fault::Close { code, reason }),
        "close-at-setup" => {
            return code_and_reason().map(|(code, reason)| Fault::CloseAtSetup { code, reason });
        }
        "refuse-connect" => {
            return argument.parse().ok().filter(|status| (400..600).contains(status)).map(Fault::RefuseConnect);
        }
        "drop" => Fault::Drop,
        "half-open" => Fault::HalfOpen,
        "garbage" => Fault::Garbage,
        "strays" => Fault::Strays,
        "silent-audio" => Fault::SilentAudio,
        "near-zero-audio" => Fault::NearZeroAudio,
        "duplicate-tool-call" => Fault::DuplicateToolCall,
        "drop-after-tool-call" => Fault::DropAfterToolCall,
        "silent-after-tool" => Fault::SilentAfterTool,
        "no-greeting" => Fault::NoGreeting,
        "no-reply" => Fault::NoReply,
        "miss-barge-in" => Fault::MissBargeIn,
        "cancel-tool-on-interrupt" => Fault::CancelToolOnInterrupt,
        "no-handles" => Fault::NoHandles,
        "refuse-handle" => Fault::RefuseHandle,
        _ => return None,
    };
    argument.is_empty().then_some(simple)
}

/// `10s`, `1.5s`, `500ms`.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * scale).ok()
}

/// As protobuf writes a duration.
pub(crate) fn protobuf_seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_can_be_asked_for_by_its_example() {
        for (name, example) in FAULT_NAMES {
            let planned: PlannedFault = example.parse().unwrap();
            assert!(example.starts_with(name));
            assert_eq!((planned.after, planned.injection.lasts), (Duration::ZERO, Lasts::Session));
        }
    }

    #[test]
    fn moment_and_duration_are_understood() {
        let planned: PlannedFault = "go-away:1.5s@300ms".parse().unwrap();
        let fault = Fault::GoAway { time_left: Some(Duration::from_millis(1_500)), then: Ending::Deadline };
        assert_eq!(planned, PlannedFault { injection: fault.into(), after: Duration::from_millis(300) });
        assert_eq!("no-reply/once".parse::<PlannedFault>().unwrap().injection.lasts, Lasts::Once);
        assert_eq!(protobuf_seconds(Duration::from_millis(1_500)), "1.5s");
        assert_eq!(protobuf_seconds(Duration::from_secs(50)), "50s");
    }

    #[test]
    fn complaints_say_what_would_do() {
        let complaint = |text: &str| text.parse::<PlannedFault>().unwrap_err().to_string();
        assert!(complaint("explode").contains("no-reply, "));
        assert!(complaint("stall").contains("stall:5s"));
        assert!(complaint("drop:now").contains("\"drop\""));
        assert!(complaint("drop@soon").contains("500ms"));
        assert!(complaint("refuse-connect:200").contains("refuse-connect:503"));
    }

    #[test]
    fn once_is_used_up_and_a_reconnect_heals() {
        let mut switches = Switches::default();
        switches.add(Fault::NoReply.lasting(Lasts::Once));
        switches.add(Fault::SilentAudio.lasting(Lasts::Connection));
        assert!(switches.hit(&Fault::NoReply) && !switches.hit(&Fault::NoReply));
        assert!(switches.hit(&Fault::SilentAudio) && switches.hit(&Fault::SilentAudio));
        switches.reconnected();
        assert!(!switches.hit(&Fault::SilentAudio));
    }
}
