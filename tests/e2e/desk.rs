//! At the front desk: a person in a virtual room, a virtual speakerphone through the real ALSA, the real daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use frontdesk_gemini_sim::{Scenario, SessionReport, Settings as GeminiSettings};
use frontdesk_room::{EchoPath, RATE, Room};
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, caller_says, listen};
use frontdesk_twilio_sim::Step;
use frontdesk_voice::measure::rms_dbfs;
use frontdesk_voice::{Recogniser, speak};
use serde_json::Value;
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(20);
/// The agent has finished when nothing of it is heard for that long.
const PAUSE: Duration = Duration::from_millis(900);

/// A room with a speakerphone, and a daemon that uses it.
pub(crate) struct Counter {
    pub(crate) world: World,
    pub(crate) room: Room,
    pub(crate) scenario: Scenario,
}

impl Counter {
    pub(crate) async fn open(wake: &str) -> Self {
        Self::open_with(wake, Vec::new()).await
    }

    async fn open_with(wake: &str, more: Vec<(&'static str, String)>) -> Self {
        let room = block_in_place(Room::start).unwrap();
        let scenario = clinic();
        let world = World::make(Making {
            gemini: GeminiSettings { keep_audio: true, scenario: clinic(), ..GeminiSettings::default() },
            lines: [
                vec![("desk", r#"device = "alsa:speakerphone""#.into()), ("desk", format!("wake = {wake:?}"))],
                more,
            ]
            .concat(),
            environment: vec![("ALSA_CONFIG_PATH", room.alsa_config().display().to_string())],
            ..Making::default()
        })
        .await
        .unwrap();
        world.daemon.wait_for_log("the desk has a speakerphone", SOON).await.unwrap();
        Self { world, room, scenario }
    }

    /// The person says one of their lines, to its end.
    pub(crate) fn say(&self, turn: usize) {
        let line = &self.scenario.exchanges[turn].caller;
        block_in_place(|| {
            let said = self.room.air().say_as(line, &self.scenario.caller_voice()).unwrap();
            self.room.air().wait_until_said(&said, SOON).unwrap();
        });
    }

    /// The agent has been heard for `after`; then the person says one of their lines over it. Returns where it begins.
    fn interrupt(&self, turn: usize, after: Duration) -> u64 {
        let line = &self.scenario.exchanges[turn].caller;
        block_in_place(|| {
            let air = self.room.air();
            let began = air.wait_for_voice(Duration::from_millis(200), SOON).unwrap();
            air.wait_until(began + samples(after), SOON).unwrap();
            let said = air.say_as(line, &self.scenario.caller_voice()).unwrap();
            air.wait_until_said(&said, SOON).unwrap().start
        })
    }

    /// Waits until the agent has answered.
    pub(crate) fn listen(&self) {
        block_in_place(|| {
            self.room.air().wait_for_voice(Duration::from_millis(200), SOON).unwrap();
            self.room.air().wait_for_silence(PAUSE, SOON).unwrap();
        });
    }

    pub(crate) fn session(&self) -> SessionReport {
        let mut sessions = self.world.gemini.sessions();
        assert_eq!(sessions.len(), 1, "one conversation");
        sessions.remove(0)
    }

    /// The one conversation's record, once it is over.
    pub(crate) async fn record(&self) -> Value {
        let over = |calls: &Value| calls["calls"][0]["ended_at"].is_string();
        let calls = self.world.daemon.wait_for_json("/v1/calls", SOON, over).await.unwrap();
        let id = calls["calls"][0]["call_sid"].as_str().unwrap();
        assert!(id.starts_with("DK"), "{id}");
        self.world.daemon.json(&format!("/v1/calls/{id}")).await.unwrap()
    }
}

fn samples(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap() * u64::from(RATE) / 1_000
}

/// From `position` on: how long the loudspeaker went on before it was silent for half a second.
fn goes_on(counter: &Counter, position: u64) -> Duration {
    let window = RATE as usize / 100;
    let loudspeaker = counter.room.air().loudspeaker().since(position);
    let audible: Vec<bool> = loudspeaker.chunks(window).map(|pcm| rms_dbfs(pcm) > -45.0).collect();
    let silence = audible.windows(50).position(|half| half.iter().all(|&audible| !audible)).expect("it falls silent");
    Duration::from_millis(10 * silence as u64)
}

fn events(record: &Value, kind: &str) -> usize {
    record["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).count()
}

pub(crate) fn understood(session: &SessionReport) -> Vec<&str> {
    session.utterances.iter().filter_map(|heard| heard.recognised.as_deref()).collect()
}

/// How much of each of the agent's lines came out of the loudspeaker so far.
fn heard(counter: &Counter, lines: &[&str]) -> Vec<f64> {
    heard_in(counter, &counter.room.air().loudspeaker().since(0), lines)
}

/// The same of this sound. Takes a while, which a visitor would not be silent for.
pub(crate) fn heard_in(counter: &Counter, loudspeaker: &[i16], lines: &[&str]) -> Vec<f64> {
    let voice = counter.scenario.voice();
    let spoken = lines.iter().map(|line| ((*line).to_owned(), speak(line, &voice, RATE).unwrap()));
    let recogniser = Recogniser::new(RATE, spoken);
    (0..lines.len()).map(|n| f64::from(recogniser.words_heard(n, loudspeaker).fraction)).collect()
}

/// Nobody presses anything: the first words begin the conversation, and they are answered, not greeted.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_simply_speaks_is_understood_from_the_first_word_and_answered() {
    let counter = Counter::open("voice").await;
    let turns = [line::HOURS, line::PARKING, line::GOODBYE];
    for turn in turns {
        counter.say(turn);
        counter.listen();
    }
    let record = counter.record().await;
    assert_eq!(record["end_reason"], "agent-ended");
    assert_eq!((record["direction"].as_str(), &record["account_sid"]), (Some("desk"), &Value::Null));

    let session = counter.session();
    assert_eq!(session.protocol_errors, [""; 0]);
    let said: Vec<_> = turns.iter().map(|&turn| counter.scenario.exchanges[turn].caller.as_str()).collect();
    assert_eq!(understood(&session), said);
    assert_eq!(session.greeted, 0, "who has spoken is answered");

    let replies: Vec<_> = turns.iter().map(|&turn| counter.scenario.exchanges[turn].reply.as_str()).collect();
    for (line, share) in replies.iter().zip(heard(&counter, &replies)) {
        assert!(share > 0.95, "of {line:?} the visitor heard {:.0} %", share * 100.0);
    }
    let desk = counter.world.daemon.json("/v1/desk").await.unwrap();
    assert_eq!(desk["state"], "ready");
    assert_eq!(desk["talking"], false);
}

/// The loudspeaker comes back into the microphone as it does on a counter: the agent hears itself, and is not moved by it.
#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_echo_neither_interrupts_nor_answers_it_and_a_person_over_it_does() {
    let counter = Counter::open("voice").await;
    counter.room.air().set_echo(Some(&EchoPath::default()));
    let turns = [line::HOURS, line::DIRECTIONS];
    for turn in turns {
        counter.say(turn);
        counter.listen();
    }
    let answers = counter.room.air().loudspeaker().since(0);
    let session = counter.session();
    let said: Vec<_> = turns.iter().map(|&turn| counter.scenario.exchanges[turn].caller.as_str()).collect();
    assert_eq!(understood(&session), said);
    assert_eq!(session.utterances.len(), 2, "nothing else was taken for a voice: {:?}", session.utterances.len());

    // The same echo, and a person who speaks over the agent as loud as it is.
    counter.say(line::DIRECTIONS);
    let onset = counter.interrupt(line::PARKING, Duration::from_secs(3));
    counter.listen();
    let silent_after = goes_on(&counter, onset);
    assert!(silent_after < Duration::from_millis(1_200), "the agent went on for {silent_after:?}");
    counter.say(line::GOODBYE);
    let record = counter.record().await;
    assert_eq!(record["end_reason"], "agent-ended");
    assert_eq!(events(&record, "interrupted"), 1, "{record:#}");
    let session = counter.session();
    let parking = counter.scenario.exchanges[line::PARKING].caller.as_str();
    assert!(understood(&session).contains(&parking), "{:?}", understood(&session));

    // The first two answers were whole, one of them long, and nobody spoke over them.
    let lines: Vec<_> = turns.iter().map(|&turn| counter.scenario.exchanges[turn].reply.as_str()).collect();
    for (line, share) in lines.iter().zip(heard_in(&counter, &answers, &lines)) {
        assert!(share > 0.95, "of {line:?} the visitor heard {:.0} %", share * 100.0);
    }
}

/// The plug comes out in the middle of a sentence and goes back in: the conversation goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_speakerphone_that_is_plugged_in_again_at_once_goes_on_with_the_conversation() {
    let mut counter = Counter::open("voice").await;
    counter.say(line::DIRECTIONS);
    block_in_place(|| counter.room.air().wait_for_voice(Duration::from_secs(1), SOON)).unwrap();
    block_in_place(|| counter.room.unplug()).unwrap();
    counter.world.daemon.wait_for_log("speakerphone is gone", SOON).await.unwrap();
    block_in_place(|| counter.room.plug()).unwrap();
    let back = |desk: &Value| desk["state"] == "ready" && desk["sound"]["opened"] == 2;
    counter.world.daemon.wait_for_json("/v1/desk", SOON, back).await.unwrap();
    counter.listen();
    counter.say(line::GOODBYE);
    let record = counter.record().await;
    assert_eq!(record["end_reason"], "agent-ended");
    assert_eq!((events(&record, "line-lost"), events(&record, "line-back")), (1, 1));
}

/// Somebody takes it away: the conversation is over, the phone is not, and the next device serves the next visitor.
#[tokio::test(flavor = "multi_thread")]
async fn a_speakerphone_that_stays_away_ends_the_conversation_and_nothing_else() {
    let mut counter = Counter::open("voice").await;
    counter.say(line::DIRECTIONS);
    block_in_place(|| counter.room.air().wait_for_voice(Duration::from_secs(1), SOON)).unwrap();
    block_in_place(|| counter.room.unplug()).unwrap();
    let record = counter.record().await;
    assert_eq!(record["end_reason"], "line-lost");
    let desk = counter.world.daemon.json("/v1/desk").await.unwrap();
    assert_eq!((desk["state"].as_str(), desk["talking"].as_bool()), (Some("absent"), Some(false)));
    assert!(desk["why"].as_str().is_some_and(|why| !why.is_empty()), "{desk:#}");

    let caller = [
        listen(),
        Step::Say(caller_says(&counter.scenario, &counter.scenario.exchanges[line::GOODBYE].caller).unwrap()),
    ];
    let report = counter.world.call(caller).wait_ended(Duration::from_mins(1)).await.unwrap();
    assert!(report.dialled.is_empty(), "the phone is answered all the same: {:?}", report.events);

    block_in_place(|| counter.room.plug()).unwrap();
    counter.world.daemon.wait_for_json("/v1/desk", SOON, |desk| desk["state"] == "ready").await.unwrap();
    counter.say(line::HOURS);
    counter.listen();
    let running = counter.world.daemon.json("/v1/calls?active=true").await.unwrap();
    let id = running["calls"][0]["call_sid"].as_str().unwrap().to_owned();
    assert_eq!(running["calls"][0]["live"]["caller"], "at the desk");
    assert_eq!(counter.world.daemon.delete(&format!("/v1/calls/{id}")).await.unwrap(), 202);
    let over = |call: &Value| call["end_reason"] == "ended-by-staff";
    counter.world.daemon.wait_for_json(&format!("/v1/calls/{id}"), SOON, over).await.unwrap();
}

/// A caller and a visitor at the same time: neither hears the other, and both are served.
#[tokio::test(flavor = "multi_thread")]
async fn the_phone_and_the_desk_are_served_side_by_side_and_share_the_limit() {
    let counter = Counter::open_with("voice", vec![("phone", "max_calls = 2".into())]).await;
    let scenario = &counter.scenario;
    let line_of = |turn: usize| Step::Say(caller_says(scenario, &scenario.exchanges[turn].caller).unwrap());
    let call = counter.world.call([
        listen(),
        line_of(line::PRESCRIPTION),
        listen(),
        line_of(line::PARKING),
        listen(),
        Step::HangUp,
    ]);
    counter.say(line::HOURS);
    counter.listen();
    assert_eq!(counter.world.daemon.json("/v1/calls?active=true").await.unwrap()["calls"].as_array().unwrap().len(), 2);
    let third = counter.world.call([]).wait_ended(SOON).await.unwrap();
    assert!(third.streams.is_empty() && !third.dialled.is_empty(), "there is no room for a third: {:?}", third.events);
    counter.say(line::GOODBYE);
    let report = call.wait_ended(Duration::from_mins(1)).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.problems());

    let mut heard_of: Vec<Vec<String>> = counter
        .world
        .gemini
        .sessions()
        .iter()
        .map(|session| understood(session).into_iter().map(str::to_owned).collect())
        .collect();
    heard_of.sort();
    let said = |turns: [usize; 2]| turns.map(|turn| scenario.exchanges[turn].caller.clone()).to_vec();
    let mut expected = vec![said([line::PRESCRIPTION, line::PARKING]), said([line::HOURS, line::GOODBYE])];
    expected.sort();
    assert_eq!(heard_of, expected);
}

/// What is no voice begins nothing, and before something is said nothing leaves the box; when it is stopped, it says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_noise_begins_no_conversation_and_a_stopped_daemon_ends_the_one_there_is() {
    let mut counter = Counter::open("voice").await;
    counter.room.air().set_noise(Some(-50.0));
    let knock: Vec<i16> = (0..RATE as usize / 20).map(|n| if n % 480 < 240 { 9_000 } else { -9_000 }).collect();
    block_in_place(|| {
        let air = counter.room.air();
        let said = air.say_pcm(knock);
        let end = air.wait_until_said(&said, SOON).unwrap().end;
        air.wait_until(end + samples(Duration::from_secs(2)), SOON).unwrap();
    });
    assert!(counter.world.gemini.sessions().is_empty(), "a knock is no visitor");
    counter.say(line::HOURS);
    counter.listen();
    counter.world.daemon.signal("TERM").unwrap();
    let ended = counter.world.daemon.wait_for_log("conversation at the desk ended: draining", Duration::from_secs(40));
    ended.await.unwrap();
    assert!(counter.world.daemon.wait(SOON).await.unwrap().success());
}
