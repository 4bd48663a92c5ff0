//! What the figures mean, in plain words, and what would do.

use super::Report;
use super::facts::{Facts, Rate};
use super::measure::Signal;
use crate::knobs::EchoMode;
use frontdesk_core::units::Dbfs;

/// A device that cancels its own echo returns less than that, dB.
const CANCELLED: f32 = 35.0;
/// A canceller that knows the room takes away more than that, dB.
const USEFUL: f32 = 10.0;
/// An echo weaker than that comes from a loudspeaker that is hardly heard, dB.
const FAINT: f32 = 45.0;
/// A rate may be off by this share.
const TOLERATED: f32 = 0.01;
/// The share of samples at full scale that is heard as distortion.
const DISTORTED: f32 = 0.000_5;
/// A room in which people must raise their voices.
const NOISY: Dbfs = Dbfs(-38.0);
/// What was given to the loudspeaker, when it was given.
const PLAYED: Dbfs = Dbfs(-60.0);

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Conversations suffer: a person must do something.
    Fault,
    /// It could be better.
    Advice,
    /// As it should be.
    Fine,
}

/// What was found; a stable name for programs. In order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The microphone is switched off.
    Muted,
    /// The microphone gives digital silence.
    NoMicrophone,
    /// Nothing reached the loudspeaker.
    NothingPlayed,
    /// The microphone does not hear the loudspeaker.
    NotHeard,
    /// The device lets its loudspeaker into its microphone, and nobody cancels it.
    CancellerNeeded,
    /// Our canceller does not get hold of the echo.
    NotConverging,
    /// A rate is not what the device says.
    RateLies,
    /// Sound was lost.
    SoundLost,
    /// The microphone is overdriven.
    Overdriven,
    /// A hub or port of USB 1.1.
    NarrowUsb,
    /// A controller that loses packets.
    LossyController,
    /// The loudspeaker is hardly heard.
    Faint,
    /// The room is loud.
    Noisy,
    /// People take turns, and might not need to.
    TakingTurns,
    /// The device's own canceller works.
    DeviceCancels,
    /// Our canceller is needed, and works.
    CancellerWorks,
    /// Too little comes back to matter.
    LittleEcho,
}

impl Code {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Muted => "muted",
            Self::NoMicrophone => "no_microphone",
            Self::NothingPlayed => "nothing_played",
            Self::NotHeard => "not_heard",
            Self::CancellerNeeded => "canceller_needed",
            Self::NotConverging => "not_converging",
            Self::RateLies => "rate_lies",
            Self::SoundLost => "sound_lost",
            Self::Overdriven => "overdriven",
            Self::NarrowUsb => "narrow_usb",
            Self::LossyController => "lossy_controller",
            Self::Faint => "faint",
            Self::Noisy => "noisy",
            Self::TakingTurns => "taking_turns",
            Self::DeviceCancels => "device_cancels",
            Self::CancellerWorks => "canceller_works",
            Self::LittleEcho => "little_echo",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub code: Code,
    /// In a sentence.
    pub what: String,
    /// What would do; empty where nothing needs to be done.
    pub would_do: String,
}

fn fault(code: Code, what: String, would_do: &str) -> Verdict {
    Verdict { severity: Severity::Fault, code, what, would_do: would_do.to_owned() }
}

fn advice(code: Code, what: String, would_do: &str) -> Verdict {
    Verdict { severity: Severity::Advice, code, what, would_do: would_do.to_owned() }
}

fn fine(code: Code, what: String) -> Verdict {
    Verdict { severity: Severity::Fine, code, what, would_do: String::new() }
}

/// Judges, the most important first. Never empty.
pub(super) fn judge(report: &Report, signal: Signal, facts: &Facts) -> Vec<Verdict> {
    let way = match way(report, signal, facts) {
        Some(broken) => vec![broken],
        None => echo(report, facts).into_iter().chain(level(report)).collect(),
    };
    let rates = [("microphone", facts.capture), ("loudspeaker", facts.playout)].into_iter().filter_map(rate);
    let mut verdicts: Vec<_> = way.into_iter().chain(rates).chain(sound(report, facts)).chain(usb(facts)).collect();
    verdicts.sort_by_key(|verdict| (verdict.severity, verdict.code));
    verdicts
}

/// What keeps anything else from being said about the sound.
fn way(report: &Report, signal: Signal, facts: &Facts) -> Option<Verdict> {
    if facts.muted {
        let what = "the microphone is switched off at the desk".to_owned();
        return Some(fault(Code::Muted, what, "press the mute button, and test again"));
    }
    if signal == Signal::None {
        let what = "the microphone gives no signal at all, not even noise: it is muted, or it is the wrong device";
        let would_do = "press the device's own mute button; see that frontdeskctl desk list marks the right device; plug \
                        it in again";
        return Some(fault(Code::NoMicrophone, what.to_owned(), would_do));
    }
    if report.played < PLAYED {
        let what = "the test sound did not reach the loudspeaker".to_owned();
        let would_do = "raise [desk] volume_percent if it is low; else see the log: journalctl -u frontdeskd";
        return Some(fault(Code::NothingPlayed, what, would_do));
    }
    None
}

fn echo(report: &Report, facts: &Facts) -> Vec<Verdict> {
    let loss = report.return_loss;
    let heard = report.delay.is_some();
    vec![match (facts.echo, report.reduction) {
        (EchoMode::Device, _) if heard && loss < CANCELLED => fault(
            Code::CancellerNeeded,
            format!("the device lets its loudspeaker into its microphone, {loss:.0} dB weaker: the agent will hear itself"),
            "set [desk] echo = \"software\": this device needs our echo canceller",
        ),
        (EchoMode::Device, _) => fine(
            Code::DeviceCancels,
            "the device keeps its loudspeaker out of its microphone by itself; if nobody heard the test sound, its \
             loudspeaker is off or turned down"
                .to_owned(),
        ),
        (EchoMode::Software, _) if !heard => fault(
            Code::NotHeard,
            "the microphone does not hear the loudspeaker: its volume is down, a headset is plugged in, or they are two \
             different devices"
                .to_owned(),
            "turn the device up, and see that frontdeskctl desk list marks the right one; if the test sound was clearly \
             heard, the device cancels its echo by itself: set [desk] echo = \"device\"",
        ),
        (EchoMode::Software, Some(less)) if less < USEFUL => fault(
            Code::NotConverging,
            format!("our echo canceller takes only {less:.0} dB of the loudspeaker's sound out of the microphone"),
            "turn the device down, or stand it on something soft; where that does not help, set [desk] echo = \
             \"half-duplex\": people then take turns with the agent",
        ),
        (EchoMode::Software, Some(less)) => fine(
            Code::CancellerWorks,
            format!("this device needs our echo canceller, and it works: it takes {less:.0} dB of the echo away"),
        ),
        (EchoMode::Software, None) if loss > FAINT => advice(
            Code::Faint,
            format!("the microphone hardly hears the loudspeaker, {loss:.0} dB weaker"),
            "if people do not understand the agent either, turn the device up",
        ),
        (EchoMode::Software, None) => {
            fine(Code::LittleEcho, "what comes back of the loudspeaker is lost in the noise of the room".to_owned())
        }
        (EchoMode::HalfDuplex, _) => advice(
            Code::TakingTurns,
            "people take turns with the agent: while it speaks, the microphone is off".to_owned(),
            if heard {
                "try [desk] echo = \"software\", and test again"
            } else {
                "nothing of the loudspeaker comes back: if the test sound was clearly heard, set [desk] echo = \"device\""
            },
        ),
    }]
}

fn level(report: &Report) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if report.clipped > DISTORTED {
        let what =
            format!("the microphone is overdriven: {:.1} % of its samples are at full scale", report.clipped * 100.0);
        verdicts.push(fault(
            Code::Overdriven,
            what,
            "turn the loudspeaker down ([desk] volume_percent, or at the device); else the microphone's level is too high",
        ));
    }
    if report.noise > NOISY {
        let what =
            format!("the room, or the microphone, is noisy: {:.0} dBFS while nothing was played", report.noise.0);
        verdicts.push(advice(
            Code::Noisy,
            what,
            "if it was not quiet during the test, repeat it; else move the device",
        ));
    }
    verdicts
}

fn rate((name, rate): (&str, Rate)) -> Option<Verdict> {
    rate.off().filter(|off| off.abs() > TOLERATED)?;
    let (measured, claimed) = (rate.measured?, rate.claimed);
    Some(fault(
        Code::RateLies,
        format!("the {name} says {claimed} Hz and runs at {measured:.0}: voices are heard at the wrong pitch"),
        "plug it in again: the next rate is tried by itself; where it has no other, use another device",
    ))
}

fn sound(report: &Report, facts: &Facts) -> Option<Verdict> {
    let sound = facts.sound;
    let lost = sound.audible() + u64::from(report.restarts);
    if lost == 0 {
        return None;
    }
    let what = format!(
        "sound was lost during the test: {} overruns, {} underruns, {} gaps, {} stalls, {} blocks not processed in time, \
         {} restarts",
        sound.overruns,
        sound.underruns,
        sound.gaps,
        sound.stalls,
        sound.starved + sound.dropped,
        report.restarts
    );
    let would_do = match &facts.priority_refused {
        Some(why) => format!("the audio thread has {why}; then look for what keeps the box busy"),
        None => "look for what keeps the box busy; if it is idle: cable, hub, power supply".to_owned(),
    };
    Some(fault(Code::SoundLost, what, &would_do))
}

fn usb(facts: &Facts) -> Option<Verdict> {
    let chain = facts.usb.as_ref()?;
    // With sound missing already, it is a cause; without, a risk.
    let say = if facts.sound.audible() > 0 { fault } else { advice };
    if chain.loses_packets() {
        let controller = chain.controller.as_deref().unwrap_or_default();
        return Some(say(
            Code::LossyController,
            format!("the USB controller ({controller}) loses sound of full-speed devices without anybody noticing"),
            "use a Raspberry Pi 4 or 5",
        ));
    }
    chain.is_narrow().then(|| {
        say(
            Code::NarrowUsb,
            "the device is behind a hub or port of USB 1.1, where everything shares 12 Mbit/s".to_owned(),
            "plug it into the box itself, or use a hub of USB 2.0",
        )
    })
}
