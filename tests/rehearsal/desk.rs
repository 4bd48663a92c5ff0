//! The front desk of the rehearsal: a visitor in a virtual room, or a real speakerphone if there is one.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use frontdesk_hw::device::{DeviceSpec, Roots, list, select};
use frontdesk_room::{Air, EchoPath, RATE, Room};
use frontdesk_tests::daemon::Daemon;
use frontdesk_tests::script::{clinic, line};
use frontdesk_voice::measure::rms_dbfs;
use frontdesk_voice::wav;

use crate::{screen, table};

/// The visitor waits for no answer longer than that.
const PATIENCE: Duration = Duration::from_secs(20);
/// The agent has finished when nothing of it is heard for that long.
const PAUSE: Duration = Duration::from_millis(900);
/// No rehearsed conversation lasts longer.
const CONVERSATION: Duration = Duration::from_mins(3);
/// Sound counts from this level on.
const AUDIBLE: f32 = -45.0;

/// What stands on the counter.
pub(crate) enum Counter {
    /// A speakerphone of this machine, by its name.
    Real(String),
    /// A virtual one, and the room around it.
    Virtual(Room),
}

impl Counter {
    /// The speakerphone of this machine, or else a virtual one with an echo path as a counter has it.
    pub(crate) fn look() -> anyhow::Result<Self> {
        if let Ok(selected) = select(&DeviceSpec::Auto, &list(&Roots::default())) {
            return Ok(Self::Real(selected.name));
        }
        let room = Room::start().context("the virtual speakerphone")?;
        room.air().set_echo(Some(&EchoPath::default()));
        Ok(Self::Virtual(room))
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Real(name) => format!("{name}: speak to it, or press its button"),
            Self::Virtual(_) => {
                "virtual speakerphone through the real ALSA, with an echo; visitor espeak-ng".to_owned()
            }
        }
    }

    /// Lines for the daemon's configuration.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let device = match self {
            Self::Real(_) => r#"device = "auto""#,
            Self::Virtual(_) => r#"device = "alsa:speakerphone""#,
        };
        vec![("desk", device.to_owned()), ("desk", r#"wake = "voice""#.to_owned())]
    }

    /// Variables for the daemon's environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Real(_) => Vec::new(),
            Self::Virtual(room) => vec![("ALSA_CONFIG_PATH", room.alsa_config().display().to_string())],
        }
    }
}

/// What the visitor did, in samples of the room.
struct Visit {
    /// Where each line was said.
    said: Vec<std::ops::Range<u64>>,
    /// Which of them interrupted the agent.
    interruption: usize,
}

/// Lets a visitor talk at the virtual desk, prints what is said, measures it. Returns whether it went well.
pub(crate) async fn visit(daemon: &Daemon, room: Room, folder: &Path) -> anyhow::Result<bool> {
    let visit = tokio::task::spawn_blocking(move || {
        let said = talk(room.air());
        (said, room)
    });
    let id = begun(daemon).await?;
    screen::follow(daemon, &id, CONVERSATION).await?;
    let (visit, room) = visit.await?;
    let visit = visit?;
    let recording = folder.join("desk.wav");
    wav::write_stereo(&recording, &room.air().microphone().since(0), &room.air().loudspeaker().since(0), RATE)?;
    let good = print(daemon, &id, room.air(), &visit).await?;
    println!("\nRecording  {} (left the microphone, right the loudspeaker)", recording.display());
    Ok(good)
}

/// The conversation that the visitor begins.
async fn begun(daemon: &Daemon) -> anyhow::Result<String> {
    let is_desk = |call: &serde_json::Value| call["direction"] == "desk";
    let find = |calls: &serde_json::Value| {
        calls["calls"].as_array().and_then(|all| all.iter().find(|it| is_desk(it)).cloned())
    };
    let calls = daemon.wait_for_json("/v1/calls", PATIENCE, |calls| find(calls).is_some()).await?;
    let call = find(&calls).context("it was there a moment ago")?;
    Ok(call["call_sid"].as_str().context("a conversation has a name")?.to_owned())
}

/// Two questions, one of them over the agent's answer to the one before, and a goodbye.
fn talk(air: &Air) -> anyhow::Result<Visit> {
    let scenario = clinic();
    let mut said = Vec::new();
    let mut say = |turn: usize| -> anyhow::Result<()> {
        let line = air.say_as(&scenario.exchanges[turn].caller, &scenario.caller_voice())?;
        said.push(air.wait_until_said(&line, PATIENCE)?);
        Ok(())
    };
    let listen = || -> anyhow::Result<()> {
        air.wait_for_voice(Duration::from_millis(200), PATIENCE)?;
        air.wait_for_silence(PAUSE, PATIENCE)?;
        Ok(())
    };
    say(line::HOURS)?;
    listen()?;
    say(line::DIRECTIONS)?;
    let began = air.wait_for_voice(Duration::from_millis(200), PATIENCE)?;
    air.wait_until(began + 3 * u64::from(RATE), PATIENCE)?;
    say(line::PARKING)?;
    listen()?;
    say(line::GOODBYE)?;
    listen()?;
    Ok(Visit { said, interruption: 2 })
}

async fn print(daemon: &Daemon, id: &str, air: &Air, visit: &Visit) -> anyhow::Result<bool> {
    let record = daemon.json(&format!("/v1/calls/{id}")).await?;
    let desk = daemon.json("/v1/desk").await?;
    let loudspeaker = air.loudspeaker();
    let audible = |from: u64| -> Vec<bool> {
        loudspeaker.since(from).chunks(RATE as usize / 100).map(|pcm| rms_dbfs(pcm) > AUDIBLE).collect()
    };
    let blocks = |count: usize| Duration::from_millis(10 * count as u64);
    // The line that interrupted was answered by silence first.
    let answered = visit.said.iter().enumerate().filter(|(n, _)| *n + 1 != visit.interruption);
    let gaps: Vec<Duration> =
        answered.filter_map(|(_, said)| audible(said.end).iter().position(|&is| is).map(blocks)).collect();
    let over = visit.said.get(visit.interruption).map(|said| audible(said.start));
    let stop = over.and_then(|audible| audible.windows(50).position(|half| half.iter().all(|&is| !is)).map(blocks));

    println!("\nWhat the room says:\n");
    table::row("turn gaps, visitor's last sound to agent's first", &table::list(&gaps));
    table::row("barge-in, visitor's first sound to agent's silence", &table::milliseconds(stop));
    table::row("opened as", desk["opened"].as_str().unwrap_or("nothing"));
    let sound = &desk["sound"];
    let figures = ["overruns", "underruns", "gaps", "stalls"].map(|name| format!("{} {name}", sound[name]));
    table::row("sound lost", &figures.join(", "));
    table::row("ended", record["end_reason"].as_str().unwrap_or("not yet"));
    Ok(record["end_reason"] == "agent-ended" && gaps.len() >= 3 && stop.is_some())
}
