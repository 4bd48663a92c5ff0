//! A clinic that callers talk to line by line, and what their calls leave behind: rows, letters, the calendar feed, messages
//! for staff, the record of the call.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_gemini_sim::{Exchange, PlannedFault, Scenario, Settings as GeminiSettings};
use frontdesk_twilio_sim::{CallHandle, CallReport, Step};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::world::{Making, World, caller_says, listen};

/// What follows from a call is done within moments, and later on a busy machine.
const FOLLOWS: Duration = Duration::from_secs(30);
/// The receptionist of these stories does not dawdle: 1.4 times as fast as one likes to be spoken to.
const WORDS_PER_MINUTE: u16 = 250;

/// How a clinic is opened.
#[derive(Default)]
pub struct Opening {
    /// Its `clinic.toml`.
    pub data: String,
    /// What its receptionist is told and does.
    pub exchanges: Vec<Exchange>,
    /// The voice of espeak-ng for both sides; English if empty.
    pub voice: &'static str,
    /// See [`Making::lines`].
    pub lines: Vec<(&'static str, String)>,
    /// See [`Making::environment`].
    pub environment: Vec<(&'static str, String)>,
    /// What goes wrong with the model, in each call.
    pub faults: Vec<PlannedFault>,
}

/// A clinic that can be called.
pub struct Practice {
    /// The world in which it is.
    pub world: World,
    scenario: Scenario,
    _data: NamedTempFile,
}

impl Practice {
    /// A clinic that is described by `data`, whose receptionist knows these exchanges.
    pub async fn of(data: &[String], exchanges: Vec<Exchange>) -> anyhow::Result<Self> {
        Self::open(Opening { data: data.concat(), exchanges, ..Opening::default() }).await
    }

    /// A clinic to order.
    pub async fn open(opening: Opening) -> anyhow::Result<Self> {
        let data = NamedTempFile::new()?;
        fs::write(data.path(), &opening.data)?;
        let scenario = scenario(opening.exchanges, opening.faults, opening.voice);
        let mut lines = opening.lines;
        lines.push(("clinic", format!("file = '{}'", data.path().display())));
        let gemini = GeminiSettings { scenario: scenario.clone(), ..GeminiSettings::default() };
        let world =
            World::make(Making { gemini, lines, environment: opening.environment, ..Making::default() }).await?;
        Ok(Self { world, scenario, _data: data })
    }

    /// Somebody calls from the usual number and hears the greeting.
    pub async fn ring(&self) -> anyhow::Result<Talk<'_>> {
        self.ring_from(&self.world.plan_call([]).from).await
    }

    /// Somebody calls from that number.
    pub async fn ring_from(&self, number: &str) -> anyhow::Result<Talk<'_>> {
        let mut plan = self.world.plan_call([]);
        (plan.from, plan.record_audio) = (number.to_owned(), false);
        let talk = Talk { practice: self, call: self.world.twilio.call(plan) };
        talk.performs([listen()]).await?;
        Ok(talk)
    }

    /// Somebody calls from the usual number, says these lines and hangs up.
    pub async fn hears(&self, lines: &[&str]) -> anyhow::Result<Told> {
        let talk = self.ring().await?;
        talk.says_all(lines).await?;
        talk.hangs_up().await
    }

    /// What is booked or held, by its time.
    pub async fn appointments(&self) -> anyhow::Result<Vec<Value>> {
        let all = self.rows().await?;
        Ok(all.into_iter().filter(|row| row["state"] != "cancelled").collect())
    }

    /// All appointments of the next months, cancelled ones included, by their time.
    pub async fn rows(&self) -> anyhow::Result<Vec<Value>> {
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 300);
        self.listed(&format!("/v1/appointments?to={until}"), "appointments").await
    }

    /// What staff were left, the newest first.
    pub async fn messages(&self) -> anyhow::Result<Vec<Value>> {
        self.listed("/v1/messages", "messages").await
    }

    async fn listed(&self, path: &str, key: &str) -> anyhow::Result<Vec<Value>> {
        let mut answer = self.world.daemon.json(path).await?;
        match answer[key].take() {
            Value::Array(all) => Ok(all),
            other => bail!("{path} has no {key}: {other}"),
        }
    }

    /// Waits until everything is done that follows from what was booked or changed; says how many reminders are still to
    /// come.
    pub async fn reminders_left(&self) -> anyhow::Result<usize> {
        let only_reminders = |outbox: &Value| {
            outbox["errands"].as_array().is_some_and(|all| all.iter().all(|errand| errand["kind"] == "reminder"))
        };
        let outbox = self.world.daemon.wait_for_json("/v1/outbox", FOLLOWS, only_reminders).await?;
        ensure!(outbox["dead"] == 0, "given up: {outbox:#}");
        Ok(outbox["errands"].as_array().map_or(0, Vec::len))
    }

    /// The letters that were written, in no order.
    pub fn letters(&self) -> anyhow::Result<Vec<Letter>> {
        let folder = self.world.plan.home.join("outbox/new");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        fs::read_dir(folder)?.map(|file| Letter::read(&fs::read_to_string(file?.path())?)).collect()
    }

    /// The calendar feed.
    pub fn feed(&self) -> anyhow::Result<String> {
        fs::read_to_string(self.world.plan.home.join("calendar.ics")).context("no feed")
    }

    /// Lines of the log that hold one of these words.
    pub fn log_with(&self, words: &[&str]) -> Vec<String> {
        let named = |line: &String| words.iter().any(|word| line.contains(word));
        self.world.daemon.log().into_iter().filter(named).collect()
    }
}

fn scenario(exchanges: Vec<Exchange>, faults: Vec<PlannedFault>, voice: &str) -> Scenario {
    let mut scenario = Scenario { greeting: "Riverside Clinic.".into(), exchanges, faults, ..Scenario::default() };
    scenario.voice.words_per_minute = WORDS_PER_MINUTE;
    if !voice.is_empty() {
        voice.clone_into(&mut scenario.voice.name);
        voice.clone_into(&mut scenario.caller_voice.name);
    }
    scenario
}

/// Somebody on the phone.
pub struct Talk<'a> {
    practice: &'a Practice,
    call: CallHandle,
}

impl Talk<'_> {
    /// Says a line of the script and hears the answer to its end.
    pub async fn says(&self, line: &str) -> anyhow::Result<()> {
        let scenario = &self.practice.scenario;
        ensure!(scenario.exchanges.iter().any(|known| known.caller == line), "{line:?} is not in the script");
        self.performs([Step::Say(caller_says(scenario, line)?), listen()]).await
    }

    /// Says one line after the other.
    pub async fn says_all(&self, lines: &[&str]) -> anyhow::Result<()> {
        for line in lines {
            self.says(line).await?;
        }
        Ok(())
    }

    async fn performs(&self, steps: impl IntoIterator<Item = Step>) -> anyhow::Result<()> {
        self.call.perform(steps).await;
        let (ended, gave_up) = self.call.read(|report| (report.ended, report.gave_up.clone()));
        ensure!(!ended && gave_up.is_empty(), "the call is over: {ended}; waited in vain: {gave_up:?}");
        Ok(())
    }

    /// Puts the receiver down. Returns once the call is in the books.
    pub async fn hangs_up(self) -> anyhow::Result<Told> {
        self.call.hang_up();
        let report = self.call.wait_ended(FOLLOWS).await?;
        ensure!(report.problems().is_empty(), "{:?}", report.problems());
        let path = format!("/v1/calls/{}", report.sid);
        let record =
            self.practice.world.daemon.wait_for_json(&path, FOLLOWS, |call| call["ended_at"].is_string()).await?;
        Ok(Told { report, record })
    }
}

/// What a call has left in the books.
pub struct Told {
    /// The call as the phone company saw it.
    pub report: CallReport,
    /// Its record.
    pub record: Value,
}

impl Told {
    /// The functions that were called, and what came of each: `book: booked`.
    pub fn outcomes(&self) -> Vec<&str> {
        let events = self.record["events"].as_array().into_iter().flatten();
        let answers = events.filter(|event| event["kind"] == "tool-answer");
        answers.filter_map(|event| event["detail"]["detail"].as_str()).collect()
    }

    /// What the caller heard, one text per turn.
    pub fn heard(&self) -> Vec<&str> {
        let turns = self.record["transcript"].as_array().into_iter().flatten();
        turns.filter(|turn| turn["who"] == "agent").filter_map(|turn| turn["text"].as_str()).collect()
    }

    /// Whether the caller heard that.
    pub fn was_told(&self, words: &str) -> bool {
        self.heard().iter().any(|text| text.contains(words))
    }
}

/// A letter that was written.
pub struct Letter {
    /// All of it as it is sent.
    pub text: String,
    /// The file for calendars in it; empty if there is none.
    pub calendar: String,
}

impl Letter {
    /// Reads a letter.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let text = text.replace("\r\n", "\n");
        let encoded = text.split("Content-Type: text/calendar").nth(1).and_then(|part| part.split("\n\n").nth(1));
        let lines = encoded.unwrap_or_default().lines().take_while(|line| !line.starts_with("--"));
        let calendar = STANDARD.decode(lines.collect::<String>()).context("the calendar file is not base64")?;
        // Unfolded: long lines go on in the next, behind a blank.
        let calendar = String::from_utf8(calendar)?.replace("\r\n ", "").replace("\r\n", "\n");
        Ok(Self { text, calendar })
    }

    /// Whether a line of its calendar file says that.
    pub fn says(&self, line: &str) -> bool {
        self.calendar.lines().any(|known| known == line)
    }
}
