//! Connections come and go: dialling, rotation, failures, and when each is given up.

use std::time::{Duration, Instant};

use super::super::close::{Close, ConnectFailure, Phase, Verdict};
use super::super::{replay, wire};
use super::LiveSession;
use super::event::{Action, Fault, LiveEvent};
use super::incoming::ModelTurn;
use super::uplink::{Hold, Unknown};

/// From dialling to `setupComplete`; normally well under two seconds.
pub(super) const SETUP_WITHIN: Duration = Duration::from_secs(4);
/// The far end's answer to our close is waited for that long.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_millis(1_500);
/// A call to which the service has never said a thing is given up after that: somebody has picked up and hears nothing.
pub(super) const GIVE_UP_FIRST: Duration = Duration::from_secs(6);
/// A conversation that was interrupted is given up after that.
const GIVE_UP: Duration = Duration::from_secs(30);
/// A connection that stood that long has proven itself: the back-off starts over.
const STABLE: Duration = Duration::from_secs(15);
/// Two failures within that time of connections that had presented a handle: the handle is poisoned.
const POISONED_WITHIN: Duration = Duration::from_secs(10);
/// Failures that are not in the table are tried again that often.
const UNKNOWN_TRIES: u32 = 5;
/// The conversation must have been quiet that long for a planned rotation.
const QUIET_FOR: Duration = Duration::from_millis(300);
/// Before the lifetime of a connection (about 10 minutes) ends, it is rotated even in mid-sentence.
pub(super) const ROTATE_AT_LAST: Duration = Duration::from_secs(9 * 60 + 20);
/// No connection is rotated before that, whatever the service announces: it must not make us dial without a pause.
const ROTATE_AT_FIRST: Duration = Duration::from_secs(1);
/// Before an announced end, that much is left for closing.
const GO_AWAY_MARGIN: Duration = Duration::from_secs(5);
/// Pings for proxies; answers were seen 30 s late, so they prove nothing.
const PING_EVERY: Duration = Duration::from_secs(25);
/// No frame of any kind that long: the connection is dead.
pub(super) const DEAF: Duration = Duration::from_secs(75);
/// Behind a long silence of the model, speech that old is still said again.
const UNHEARD: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    BackingOff { until: Instant },
    Dialling { since: Instant },
    SettingUp { since: Instant },
    Open { since: Instant, begun: bool },
    Closing { since: Instant },
    Over,
}

pub(super) struct Handle {
    pub(super) value: String,
    /// The service's memory behind the handle reaches up to here.
    pub(super) knows_until: Instant,
}

/// When a planned end of this connection is due.
pub(super) struct Rotation {
    pub(super) wanted: Option<Instant>,
    pub(super) at_last: Option<Instant>,
}

impl LiveSession {
    /// Starts the first connection.
    pub fn connect(&mut self, now: Instant) {
        if self.state == State::Idle {
            self.outage_since = Some(now);
            self.hold = Some(Hold { since: now, reach_back: Duration::ZERO });
            self.dial(now);
        }
    }

    /// The socket is open.
    pub fn opened(&mut self, now: Instant) {
        if let State::Dialling { since } = self.state {
            self.state = State::SettingUp { since };
            self.last_frame = Some(now);
            let handle = if self.resuming { self.handle.as_ref().map(|handle| handle.value.as_str()) } else { None };
            self.control.clear();
            self.control.push_back(self.setup.message(handle, self.ever_begun));
        }
    }

    /// The socket could not be opened.
    pub fn refused(&mut self, now: Instant, failure: &ConnectFailure) {
        if matches!(self.state, State::Dialling { .. }) {
            self.failed(now, failure.verdict(), failure.to_string());
        }
    }

    /// The socket is closed, by whomever.
    pub fn closed(&mut self, now: Instant, close: &Close) {
        let phase = match self.state {
            State::Idle | State::Over | State::BackingOff { .. } => return,
            State::Closing { .. } => return self.dial(now),
            State::Dialling { .. } | State::SettingUp { .. } if self.resuming => Phase::Resuming,
            State::Dialling { .. } | State::SettingUp { .. } => Phase::FreshSetup,
            State::Open { .. } => Phase::Talking,
        };
        self.failed(now, close.verdict(phase), close.to_string());
    }

    /// A pong, or anything else that shows life.
    pub fn alive(&mut self, now: Instant) {
        self.last_frame = Some(now);
    }

    /// Whether this is a moment at which nobody would notice a new connection: nobody speaks, nothing runs.
    pub fn set_quiet(&mut self, now: Instant, quiet: bool) {
        if !quiet || self.ledger.running() > 0 {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(now);
        }
    }

    /// Replaces the connection now, keeping the session: the remedy for a model that has fallen silent.
    pub fn resume(&mut self, now: Instant, why: &str) {
        if matches!(self.state, State::Open { .. }) {
            self.rotate(now, why);
            self.reach_back_further();
        }
    }

    /// A model that has been silent for long may not have heard what was said long ago either: whatever was not
    /// answered is said again, as far as it is kept.
    pub(super) fn reach_back_further(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.reach_back = UNHEARD;
        }
    }

    /// Replaces the session: the next [`LiveEvent::Ready`] is not resumed.
    pub fn start_afresh(&mut self, now: Instant, why: &str) {
        self.handle = None;
        match self.state {
            State::Open { .. } => {
                self.rotate(now, why);
                self.reach_back_further();
            }
            State::BackingOff { .. } => self.dial(now),
            State::Dialling { .. } | State::SettingUp { .. } => {
                self.actions.push_back(Action::Drop);
                self.dial(now);
            }
            State::Idle | State::Closing { .. } | State::Over => {}
        }
    }

    /// Ends the conversation.
    pub fn finish(&mut self) {
        if matches!(self.state, State::Dialling { .. } | State::SettingUp { .. } | State::Open { .. }) {
            self.actions.push_back(Action::Close);
        }
        self.end();
    }

    /// Does what is due at `now`.
    pub fn poll(&mut self, now: Instant) {
        if self.give_up_at().is_some_and(|at| now >= at) {
            return self.give_up();
        }
        match self.state {
            State::BackingOff { until } if now >= until => self.dial(now),
            State::Dialling { since } | State::SettingUp { since } if now >= since + SETUP_WITHIN => {
                self.actions.push_back(Action::Drop);
                self.failed(now, Verdict::Retry, format!("no setup within {SETUP_WITHIN:?}"));
            }
            State::Closing { since } if now >= since + CLOSE_WITHIN => {
                self.actions.push_back(Action::Drop);
                self.dial(now);
            }
            State::Open { since, .. } => self.poll_open(now, since),
            // Nothing is due.
            State::Idle
            | State::BackingOff { .. }
            | State::Dialling { .. }
            | State::SettingUp { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }

    /// When [`poll`](Self::poll) must be called next, whatever arrives until then.
    pub fn deadline(&self) -> Option<Instant> {
        let step = match self.state {
            State::Idle | State::Over => None,
            State::BackingOff { until } => Some(until),
            State::Dialling { since } | State::SettingUp { since } => Some(since + SETUP_WITHIN),
            State::Closing { since } => Some(since + CLOSE_WITHIN),
            State::Open { since, .. } => {
                let rotate = match (self.rotation.wanted, self.quiet_since) {
                    (Some(wanted), Some(quiet)) => Some(wanted.max(quiet + QUIET_FOR)),
                    _ => None,
                };
                let stable = self.outage_since.map(|_| since + STABLE);
                let deaf = self.last_frame.map(|last| last + DEAF);
                [rotate, self.rotation.at_last, self.silent_after_tool, self.next_ping, deaf, stable]
                    .into_iter()
                    .flatten()
                    .min()
            }
        };
        [step, self.give_up_at()].into_iter().flatten().min()
    }

    /// When trying to reach the service ends; `None` while it is reached, or nobody tries.
    fn give_up_at(&self) -> Option<Instant> {
        match self.state {
            State::BackingOff { .. } | State::Dialling { .. } | State::SettingUp { .. } | State::Closing { .. } => {
                self.outage_since.map(|since| since + self.patience())
            }
            State::Idle | State::Open { .. } | State::Over => None,
        }
    }

    /// How long an outage is borne.
    fn patience(&self) -> Duration {
        if self.last_content.is_some() { GIVE_UP } else { GIVE_UP_FIRST }
    }

    fn give_up(&mut self) {
        if matches!(self.state, State::Dialling { .. } | State::SettingUp { .. } | State::Closing { .. }) {
            self.actions.push_back(Action::Drop);
        }
        let why = self.last_why.take().unwrap_or_else(|| "no answer".to_owned());
        self.lose(Fault::Unreachable, why);
    }

    fn lose(&mut self, fault: Fault, why: String) {
        self.end();
        self.events.push_back(LiveEvent::Lost { fault, why });
    }

    pub(super) fn dial(&mut self, now: Instant) {
        self.connection += 1;
        self.resuming = self.handle.is_some();
        self.turn = ModelTurn::default();
        self.control.clear();
        self.state = State::Dialling { since: now };
        self.actions.push_back(Action::Connect);
    }

    pub(super) fn on_setup_complete(&mut self, now: Instant) {
        if !matches!(self.state, State::SettingUp { .. }) {
            return;
        }
        // A handle may come before the first word: what it resumes has still to begin.
        let resumed = self.resuming && self.ever_begun;
        self.state = State::Open { since: now, begun: resumed };
        self.ever_open = true;
        self.next_ping = Some(now + PING_EVERY);
        self.rotation = Rotation { wanted: Some(now + self.rotate_after), at_last: Some(now + ROTATE_AT_LAST) };
        self.events.push_back(LiveEvent::Ready { resumed });
        if resumed {
            self.catch_up();
            self.release();
        } else {
            self.unknown = Unknown::default();
        }
    }

    pub(super) fn on_go_away(&mut self, now: Instant, left: Duration) {
        let State::Open { since, .. } = self.state else { return };
        let first = since + ROTATE_AT_FIRST;
        let latest = now + left.saturating_sub(GO_AWAY_MARGIN).max(Duration::from_secs(2).min(left));
        let latest = latest.max(first);
        self.rotation.wanted = Some(now.max(first));
        self.rotation.at_last = Some(self.rotation.at_last.map_or(latest, |at| at.min(latest)));
    }

    pub(super) fn on_handle(&mut self, now: Instant, handle: Option<&str>, resumable: bool) {
        let Some(value) = handle.filter(|handle| resumable && !handle.is_empty()) else { return };
        // A handle that comes in mid-speech may or may not hold that speech: saying it twice is better than losing it.
        let knows_until = self.answered_until.unwrap_or_else(|| now.checked_sub(replay::SPAN).unwrap_or(now));
        if self.turn.first_speech.is_none() {
            self.unknown = Unknown::default();
        }
        self.handle = Some(Handle { value: value.to_owned(), knows_until });
    }

    pub(super) fn poll_open(&mut self, now: Instant, since: Instant) {
        if self.last_frame.is_some_and(|last| now >= last + DEAF) {
            self.actions.push_back(Action::Drop);
            return self.failed(now, Verdict::Retry, format!("nothing received for {DEAF:?}"));
        }
        if self.outage_since.is_some() && now >= since + STABLE {
            self.outage_since = None;
            self.unknown_closes = 0;
            self.backoff.reset();
        }
        if self.next_ping.is_some_and(|at| now >= at) {
            self.next_ping = Some(now + PING_EVERY);
            self.actions.push_back(Action::Ping);
        }
        if self.silent_after_tool.is_some_and(|at| now >= at) {
            self.silent_after_tool = None;
            self.control.push_back(wire::text("Please go on with the result you have just received."));
            self.events.push_back(LiveEvent::NudgedAfterTool);
        }
        let quiet = self.quiet_since.is_some_and(|quiet| now >= quiet + QUIET_FOR);
        if quiet && self.rotation.wanted.is_some_and(|wanted| now >= wanted) {
            return self.rotate(now, "planned");
        }
        if self.rotation.at_last.is_some_and(|at| now >= at) {
            self.rotate(now, "the connection's time is up");
        }
    }

    /// Closes this connection and dials the next one when it is closed.
    pub(super) fn rotate(&mut self, now: Instant, why: &str) {
        self.hold(now, replay::SPAN);
        // The service was reached: whatever outage there was before is not held against the next connection.
        self.outage_since = Some(now);
        self.state = State::Closing { since: now };
        self.actions.push_back(Action::Close);
        self.events.push_back(LiveEvent::Reconnecting { why: why.to_owned() });
    }

    /// How far back the caller may not have been understood on a connection that broke: it may have been dead for much
    /// longer than anybody knew.
    pub(super) fn unfollowed(&self, now: Instant) -> Duration {
        self.last_content.map_or(replay::SPAN, |last| now.saturating_duration_since(last).max(replay::SPAN))
    }

    pub(super) fn failed(&mut self, now: Instant, verdict: Verdict, why: String) {
        self.hold(now, self.unfollowed(now));
        let give_up_at = *self.outage_since.get_or_insert(now) + self.patience();
        let poisoned =
            self.blames_handle(now) && self.handle_failed.replace(now).is_some_and(|last| now < last + POISONED_WITHIN);
        self.unknown_closes += u32::from(verdict == Verdict::Unknown);
        let fault = match verdict {
            Verdict::Fail => Some(Fault::Configuration),
            Verdict::Quota => Some(Fault::Quota),
            Verdict::Unknown if self.unknown_closes > UNKNOWN_TRIES => Some(Fault::Configuration),
            // A service that takes connections and loses them again has not been reached.
            _ if now >= give_up_at => Some(Fault::Unreachable),
            _ => None,
        };
        if let Some(fault) = fault {
            return self.lose(fault, why);
        }
        self.last_why = Some(why.clone());
        self.events.push_back(LiveEvent::Reconnecting { why });
        let worthless = verdict == Verdict::Fresh || poisoned;
        let forgotten = worthless && self.handle.take().is_some();
        // The first attempt after a break follows at once, and so does the next one if it goes without the handle that
        // was at fault. No more than these: a service may give a handle and curse it with every connection.
        let tries = self.backoff.tries();
        let at_once = tries == 0 || forgotten && tries <= 2;
        let delay = self.backoff.next().unwrap_or(GIVE_UP);
        if at_once {
            return self.dial(now);
        }
        self.state = State::BackingOff { until: now + delay };
    }

    /// Whether the handle may be at fault for the end of this connection: it was shown to the service, which then refused
    /// or broke the connection soon. A network that is down never saw it.
    fn blames_handle(&self, now: Instant) -> bool {
        self.resuming
            && match self.state {
                State::SettingUp { .. } => true,
                State::Open { since, .. } => now < since + POISONED_WITHIN,
                _ => false,
            }
    }

    pub(super) fn end(&mut self) {
        self.state = State::Over;
        self.uplink = Vec::new();
        self.control.clear();
    }
}
