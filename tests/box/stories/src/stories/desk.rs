//! People in front of the speakerphone.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use frontdesk_tests::script::line;
use frontdesk_tests::world::{agent_recogniser, caller_says, listen};
use frontdesk_twilio_sim::Step;
use frontdesk_voice::{Recogniser, speak};
use serde_json::Value;
use tokio::task::block_in_place;

use super::Scene;
use crate::guest::{clock, run};
use crate::unit;

const SOON: Duration = Duration::from_mins(1);
/// A call is over within that.
const CALL: Duration = Duration::from_mins(3);
/// So much of each line must have been heard.
const WHOLE: f32 = 0.9;
/// What the audio thread counts when sound is lost.
const LOST: [&str; 6] = ["overruns", "underruns", "gaps", "stalls", "capture_dropped", "heard_dropped"];
/// So much later than the last visitor the next one comes.
const NEXT_VISITOR: Duration = Duration::from_secs(2);
/// What a replug may take.
const BACK_WITHIN: Duration = Duration::from_secs(2);

impl Scene {
    fn line(&self, turn: usize) -> String {
        self.clinic.scenario.exchanges[turn].caller.clone()
    }

    fn reply(&self, turn: usize) -> String {
        self.clinic.scenario.exchanges[turn].reply.clone()
    }

    /// The visitor says one of their lines.
    fn say(&mut self, turn: usize) -> anyhow::Result<()> {
        let (line, voice) = (self.line(turn), self.clinic.scenario.caller_voice());
        self.phone.say(&line, &voice)
    }

    /// The visitor presses the key; returns how long it took until the lamp said that somebody is there.
    pub(super) async fn press(&mut self) -> anyhow::Result<Duration> {
        self.desk_is_free().await?;
        // The next visitor: a press right behind the end of a conversation was meant to end it, and begins none.
        tokio::time::sleep(NEXT_VISITOR).await;
        self.phone.order("hook press")?;
        self.phone.wait("off-hook on")
    }

    /// The visitor says goodbye, and the agent ends the conversation. Returns its record.
    pub(super) async fn part(&mut self) -> anyhow::Result<Value> {
        let running = self.api.json("/v1/calls?active=true").await?;
        let id = at_the_desk(&running).context("there is no conversation at the desk")?;
        self.say(line::GOODBYE)?;
        self.phone.wait("off-hook off")?;
        self.desk_is_free().await?;
        let over = |call: &Value| call["ended_at"].is_string();
        self.api.wait_for(&format!("/v1/calls/{id}"), SOON, over).await
    }

    /// How much of each line the recording holds, the least first in mind.
    fn heard(&self, pcm: &[i16], rate: u32, lines: &[String]) -> anyhow::Result<Vec<f32>> {
        block_in_place(|| {
            let voice = self.clinic.scenario.voice();
            let spoken = lines.iter().map(|line| Ok((line.clone(), speak(line, &voice, rate)?)));
            let recogniser = Recogniser::new(rate, spoken.collect::<anyhow::Result<Vec<_>>>()?);
            Ok((0..lines.len()).map(|n| recogniser.words_heard(n, pcm).fraction).collect())
        })
    }

    /// What the audio thread has counted.
    async fn counters(&self) -> anyhow::Result<[u64; LOST.len()]> {
        let desk = self.api.json("/v1/desk").await?;
        Ok(LOST.map(|name| desk["sound"][name].as_u64().unwrap_or(u64::MAX)))
    }
}

/// The running conversation at the desk.
fn at_the_desk(calls: &Value) -> Option<String> {
    let desk = calls["calls"].as_array()?.iter().find(|call| call["direction"] == "desk")?;
    desk["call_sid"].as_str().map(str::to_owned)
}

/// The threads of the daemon that must have a real-time priority while the sound card runs, and which.
const URGENT: [&str; 2] = ["dsp FF 10", "desk-rt FF 20"];
/// What the unit grants for it, as proc(5) shows it: soft and hard limit, unit.
const LIMITS: [(&str, &str); 2] = [("Max realtime priority", "20 20"), ("Max locked memory", "8388608 8388608 bytes")];

/// Threads of the daemon that have a real-time priority, by the limits of the unit.
fn urgent_threads() -> anyhow::Result<Vec<String>> {
    let threads = run(&["ps", "-L", "-o", "comm=,cls=,rtprio=", "-p", &unit::pid()?.to_string()])?;
    let words = threads.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let urgent: Vec<String> = words
        .filter(|words| words.iter().any(|word| matches!(*word, "FF" | "RR")))
        .map(|words| words.join(" "))
        .collect();
    ensure!(
        URGENT.iter().all(|thread| urgent.iter().any(|found| found == thread)),
        "not all of {URGENT:?}:\n{threads}"
    );
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", unit::pid()?))?;
    for (name, granted) in LIMITS {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let found = line.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(found == granted, "{name} is {found}, not {granted}");
    }
    Ok(urgent)
}

fn percent(shares: &[f32]) -> String {
    shares.iter().map(|share| format!("{:.0} %", share * 100.0)).collect::<Vec<_>>().join(", ")
}

/// Somebody presses the key, asks, and says goodbye.
pub(super) async fn conversation(scene: &mut Scene) -> anyhow::Result<String> {
    let sessions = scene.clinic.gemini.sessions().len();
    scene.phone.record()?;
    let lamp = scene.press().await?;
    scene.phone.listen().await?;
    let urgent = urgent_threads()?;
    scene.say(line::HOURS)?;
    scene.phone.listen().await?;
    let record = scene.part().await?;
    let (pcm, rate) = scene.phone.recorded("desk")?;

    ensure!(record["end_reason"] == "agent-ended", "it ended by {}", record["end_reason"]);
    let understood = scene.clinic.understood(sessions);
    ensure!(understood == [scene.line(line::HOURS), scene.line(line::GOODBYE)], "the model understood {understood:?}");
    let lines = [scene.clinic.scenario.greeting.clone(), scene.reply(line::HOURS), scene.reply(line::GOODBYE)];
    let shares = scene.heard(&pcm, rate, &lines)?;
    ensure!(shares.iter().all(|share| *share > WHOLE), "of greeting, answer, goodbye was heard: {}", percent(&shares));
    Ok(format!(
        "lamp {} ms after the key; the model understood both lines; of greeting, answer, goodbye was heard {}; \
         real-time threads: {}",
        lamp.as_millis(),
        percent(&shares),
        urgent.join(", ")
    ))
}

/// Somebody turns the microphone off in the middle of it.
pub(super) async fn mute(scene: &mut Scene) -> anyhow::Result<String> {
    let sessions = scene.clinic.gemini.sessions().len();
    scene.press().await?;
    scene.phone.listen().await?;
    scene.phone.order("mute press")?;
    let lit = scene.phone.wait("mute on")?;
    scene.api.wait_for("/v1/desk", SOON, |desk| desk["muted"] == true).await?;
    scene.say(line::PARKING)?;
    // What was said into the dead microphone would have been understood a while ago.
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(
        scene.clinic.understood(sessions).is_empty(),
        "the model heard what was said into a microphone that is off"
    );
    scene.phone.order("mute press")?;
    let dark = scene.phone.wait("mute off")?;
    scene.api.wait_for("/v1/desk", SOON, |desk| desk["muted"] == false).await?;
    scene.part().await?;
    let understood = scene.clinic.understood(sessions);
    ensure!(understood == [scene.line(line::GOODBYE)], "the model understood {understood:?}");
    Ok(format!(
        "lit after {} ms, dark after {} ms; nothing said in between was heard",
        lit.as_millis(),
        dark.as_millis()
    ))
}

/// A caller and a visitor at the same time; neither hears the other.
pub(super) async fn with_a_call(scene: &mut Scene) -> anyhow::Result<String> {
    let sessions = scene.clinic.gemini.sessions().len();
    let scenario = scene.clinic.scenario.clone();
    let line_of = |turn: usize| anyhow::Ok(Step::Say(caller_says(&scenario, &scenario.exchanges[turn].caller)?));
    let call = scene.clinic.call([listen(), line_of(line::PARKING)?, listen(), line_of(line::GOODBYE)?, listen()]);
    scene.press().await?;
    scene.phone.listen().await?;
    scene.say(line::HOURS)?;
    scene.phone.listen().await?;
    let record = scene.part().await?;
    let report = call.wait_ended(CALL).await?;

    ensure!(record["end_reason"] == "agent-ended", "at the desk it ended by {}", record["end_reason"]);
    ensure!(report.problems().is_empty(), "Twilio complains: {:?}", report.problems());
    ensure!(report.gave_up.is_empty() && report.dialled.is_empty(), "{:?}, {:?}", report.gave_up, report.dialled);
    let mut understood = scene.clinic.understood(sessions);
    understood.sort();
    let mut said = [line::PARKING, line::GOODBYE, line::HOURS, line::GOODBYE].map(|turn| scene.line(turn)).to_vec();
    said.sort();
    ensure!(understood == said, "the model understood {understood:?}");
    let lines = [
        scenario.greeting.as_str(),
        &scenario.exchanges[line::PARKING].reply,
        &scenario.exchanges[line::GOODBYE].reply,
    ];
    let heard = report.stream().context("no media stream")?.heard();
    let recogniser = agent_recogniser(&scenario, &lines)?;
    let shares: Vec<f32> = (0..lines.len()).map(|n| recogniser.words_heard(n, &heard.pcm).fraction).collect();
    ensure!(shares.iter().all(|share| *share > WHOLE), "the caller heard {}", percent(&shares));
    Ok(format!("both understood, the caller heard {}", percent(&shares)))
}

/// The audio thread has lost nothing until now.
pub(super) async fn xruns(scene: &mut Scene) -> anyhow::Result<String> {
    scene.desk_is_free().await?;
    let lost = scene.counters().await?;
    let desk = scene.api.json("/v1/desk").await?;
    let figures = LOST.iter().zip(lost).map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    ensure!(desk["sound"]["opened"].as_u64() > Some(0), "there was no sound that could have been lost: {desk}");
    ensure!(lost.iter().all(|count| *count == 0), "{figures}");
    Ok(format!("{figures}; opened {} times, {}", desk["sound"]["opened"], desk["opened"].as_str().unwrap_or("at rest")))
}

/// The plug comes out in the middle of an answer, and goes in again as another device.
pub(super) async fn replug(scene: &mut Scene) -> anyhow::Result<String> {
    scene.press().await?;
    scene.phone.listen().await?;
    scene.say(line::DIRECTIONS)?;
    scene.phone.wait_for_voice().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.phone.order("unplug")?;
    scene.api.wait_for("/v1/desk", SOON, |desk| desk["state"] == "absent").await?;
    let plugged = clock();
    scene.phone.order("plug --as OTHER7 --product \"Other Speakerphone\"")?;
    scene.api.wait_for("/v1/desk", SOON, |desk| desk["state"] == "ready").await?;
    let back = clock().saturating_sub(plugged);
    scene.phone.listen().await?;
    let record = scene.part().await?;
    ensure!(record["end_reason"] == "agent-ended", "it ended by {}", record["end_reason"]);
    let desk = scene.api.json("/v1/desk").await?;
    let device = desk["device"].as_str().unwrap_or_default();
    ensure!(device.contains("Other"), "the device is {device:?}");
    ensure!(back <= BACK_WITHIN, "back after {} ms; the goal is {} ms", back.as_millis(), BACK_WITHIN.as_millis());
    Ok(format!(
        "back {} ms after the plug as {device:?} (goal {} ms), the conversation went on",
        back.as_millis(),
        BACK_WITHIN.as_millis()
    ))
}
