#![expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]

use super::*;
use crate::audio::level;
use crate::audio::pace::FRAME;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

const LEAD: Duration = Duration::from_millis(200);
const FRAME_SPAN: Duration = Duration::from_millis(20);

/// A leg and what reaches Twilio of it, in virtual time.
struct Line {
    leg: CallLeg,
    now: Instant,
    wire: Vec<Value>,
    events: Vec<SourceEvent>,
}

fn expected() -> Expected {
    Expected { account_sid: "AC1".into(), call_sid: "CA1".into(), token: "6f1c".into() }
}

fn start() -> Value {
    json!({ "event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"],
        "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
        "customParameters": { "token": "6f1c" },
    } })
}

fn media(mulaw: &[u8]) -> Value {
    json!({ "event": "media", "sequenceNumber": "2", "streamSid": "MZ1",
        "media": { "track": "inbound", "chunk": "1", "timestamp": "140", "payload": STANDARD.encode(mulaw) } })
}

fn tone(hz: f64, rate: SampleRate, samples: usize) -> Vec<i16> {
    let step = 2.0 * std::f64::consts::PI * hz / f64::from(rate.hz());
    (0..samples).map(|n| (8_000.0 * (step * n as f64).sin()).round() as i16).collect()
}

/// How alike two sounds are: 1 for the same sound at whatever level.
fn likeness(one: &[i16], other: &[i16]) -> f64 {
    let sum = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    sum(one, other) / (sum(one, one) * sum(other, other)).sqrt()
}

impl Line {
    fn new() -> Self {
        let now = Instant::now();
        Self { leg: CallLeg::new(now, expected(), LEAD), now, wire: vec![], events: vec![] }
    }

    fn started() -> Self {
        let mut line = Self::new();
        line.say(&json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" })).unwrap();
        line.say(&start()).unwrap();
        assert_eq!(line.events, [SourceEvent::Started]);
        line.events.clear();
        line
    }

    fn say(&mut self, message: &Value) -> Result<(), LegFault> {
        let said = self.leg.handle(self.now, &message.to_string());
        self.events.extend(std::iter::from_fn(|| self.leg.next_event()));
        said
    }

    fn take(&mut self) {
        let messages = std::iter::from_fn(|| self.leg.next_message());
        self.wire.extend(messages.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap()));
    }

    /// Lets `span` pass; the caller is silent.
    fn run(&mut self, span: Duration) -> Result<(), LegFault> {
        let until = self.now + span;
        let mut next_frame = self.now;
        while self.now < until {
            if self.now >= next_frame {
                self.say(&media(&[g711::SILENCE; FRAME]))?;
                next_frame += FRAME_SPAN;
            }
            self.leg.poll(self.now)?;
            self.take();
            let due = self.leg.deadline(self.now).unwrap();
            assert!(due > self.now, "still due after the poll");
            self.now = due.min(next_frame).min(until);
        }
        Ok(())
    }

    fn kinds(&self) -> Vec<&str> {
        self.wire.iter().map(|message| message["event"].as_str().unwrap()).collect()
    }

    fn payloads(&self) -> Vec<u8> {
        self.wire
            .iter()
            .filter_map(|message| message["media"]["payload"].as_str())
            .flat_map(|payload| STANDARD.decode(payload).unwrap())
            .collect()
    }

    fn echo(&mut self, message: &Value) {
        let name = message["mark"]["name"].clone();
        self.say(&json!({ "event": "mark", "streamSid": "MZ1", "mark": { "name": name } })).unwrap();
    }
}

#[test]
fn every_fault_closes_with_the_code_of_its_kind() {
    let table = [
        (LegFault::Message(MessageError::Payload), 1007),
        (LegFault::ForeignStream("MZ2".into()), 1007),
        (LegFault::OutOfOrder("media"), 1007),
        (LegFault::Binary(3), 1003),
        (LegFault::Format("audio/l16 at 16000 Hz x 2".into()), 1003),
        (LegFault::NotExpected("callSid"), 1008),
        (LegFault::NoStart, 1008),
        (LegFault::NotReading, 1008),
        (LegFault::DeadPath, 1001),
    ];
    for (fault, code) in table {
        assert_eq!(fault.close_code(), code, "{fault}");
    }
}

#[test]
fn a_stream_must_be_the_one_that_its_token_was_made_for() {
    let cases = [
        ("/start/callSid", json!("CA2"), "callSid"),
        ("/start/accountSid", json!("AC2"), "accountSid"),
        ("/start/customParameters/token", json!("0000"), "token parameter"),
        ("/start/customParameters", json!({}), "token parameter"),
        ("/streamSid", json!("MZ\"}"), "streamSid"),
        ("/streamSid", json!("M".repeat(65)), "streamSid"),
        ("/start/mediaFormat/encoding", json!("audio/l16"), "audio/l16 at 8000 Hz x 1"),
        ("/start/mediaFormat/sampleRate", json!(16_000), "audio/x-mulaw at 16000 Hz x 1"),
        ("/start/mediaFormat/channels", json!(2), "audio/x-mulaw at 8000 Hz x 2"),
    ];
    for (path, value, named) in cases {
        let mut line = Line::new();
        let mut message = start();
        *message.pointer_mut(path).unwrap() = value;
        let fault = line.say(&message).unwrap_err();
        assert!(fault.to_string().contains(named), "{path}: {fault}");
        assert!(!line.leg.is_started() && line.events.is_empty());
    }
}

#[test]
fn messages_out_of_order_are_faults() {
    let mut line = Line::new();
    assert!(matches!(line.say(&media(&[0xFF; 160])), Err(LegFault::OutOfOrder("media"))));
    let mut line = Line::started();
    assert!(matches!(line.say(&start()), Err(LegFault::OutOfOrder("start"))));
}

#[test]
fn a_message_for_another_stream_is_a_fault_and_its_name_is_cut() {
    let mut line = Line::started();
    let mut foreign = media(&[0xFF; 160]);
    foreign["streamSid"] = json!("MZ2".repeat(50));
    let fault = line.say(&foreign).unwrap_err();
    assert!(matches!(&fault, LegFault::ForeignStream(named) if named.len() == 40), "{fault}");
}

#[test]
fn what_is_not_of_the_protocol_is_a_fault_and_what_is_new_is_not() {
    let mut line = Line::started();
    for text in ["", "[]", "nonsense", r#"{"event":"media","streamSid":"MZ1","media":{"payload":"%%%"}}"#] {
        assert!(matches!(line.leg.handle(line.now, text), Err(LegFault::Message(_))), "{text}");
    }
    assert!(line.say(&media(&vec![0xFF; 60_000])).is_err(), "more than any message ever held");
    line.say(&json!({ "event": "speed", "streamSid": "MZ1", "speed": { "x": 1 } })).unwrap();
    line.say(&json!({ "event": "mark", "streamSid": "MZ1", "mark": { "name": "somebody's" } })).unwrap();
}

#[test]
fn a_stream_that_never_starts_is_closed_after_five_seconds() {
    let mut line = Line::new();
    let due = line.leg.deadline(line.now).unwrap();
    assert_eq!(due, line.now + START_WITHIN);
    assert!(line.leg.poll(due.checked_sub(Duration::from_millis(1)).unwrap()).is_ok());
    assert!(matches!(line.leg.poll(due), Err(LegFault::NoStart)));
}

#[test]
fn a_path_without_media_is_dead_after_four_seconds() {
    let mut line = Line::started();
    line.run(Duration::from_secs(1)).unwrap();
    let last_media = line.now.checked_sub(FRAME_SPAN).unwrap();
    // A mark is no media: the path may be open in one direction only.
    line.say(&json!({ "event": "mark", "streamSid": "MZ1", "mark": { "name": "g0:0" } })).unwrap();
    let due = line.leg.deadline(line.now).unwrap();
    assert_eq!(due, last_media + DEAD_PATH);
    assert!(line.leg.poll(due.checked_sub(Duration::from_millis(1)).unwrap()).is_ok());
    assert!(matches!(line.leg.poll(due), Err(LegFault::DeadPath)));
}

#[test]
fn digits_and_the_end_are_told_and_nothing_behind_the_end_matters() {
    let mut line = Line::started();
    line.say(&json!({ "event": "dtmf", "streamSid": "MZ1", "dtmf": { "track": "inbound_track", "digit": "#" } }))
        .unwrap();
    line.say(&json!({ "event": "stop", "streamSid": "MZ1", "stop": { "callSid": "CA1" } })).unwrap();
    assert_eq!(line.events, [SourceEvent::Digit('#'), SourceEvent::Ended]);
    line.say(&media(&[0xFF; 160])).unwrap();
    line.leg.lost();
    line.say(&json!({ "event": "stop", "streamSid": "MZ1" })).unwrap();
    assert_eq!(line.events.len(), 2, "one end");
    assert_eq!(line.leg.deadline(line.now), None);
}

#[test]
fn a_socket_that_breaks_is_an_end_too() {
    let mut line = Line::started();
    line.leg.lost();
    assert_eq!(line.leg.next_event(), Some(SourceEvent::Ended));
    assert_eq!(line.leg.next_message(), None);
}

#[test]
fn the_caller_is_heard_as_they_spoke() {
    let mut line = Line::started();
    let spoken = tone(440.0, SampleRate::TELEPHONY, 8_000);
    let mut heard = Vec::new();
    for frame in spoken.chunks(FRAME) {
        let mulaw: Vec<u8> = frame.iter().map(|&sample| g711::encode(sample)).collect();
        line.say(&media(&mulaw)).unwrap();
        heard.extend_from_slice(line.leg.heard_audio());
        line.leg.audio_taken();
    }
    // The last milliseconds wait in the filter for what follows.
    assert!(heard.len() >= 16_000 - 16 * 8, "{} samples", heard.len());
    let reference = tone(440.0, SampleRate::LISTENING, heard.len());
    assert!(likeness(&heard, &reference) > 0.995, "{}", likeness(&heard, &reference));
    assert!((level::dbfs(&heard).0 - level::dbfs(&spoken).0).abs() < 0.3);
}

#[test]
fn the_agent_is_heard_as_it_spoke_to_its_last_sample() {
    let mut line = Line::started();
    // 2.5 frames: the end of the reply is not the end of a frame.
    let spoken = tone(440.0, SampleRate::SPEAKING, 24_000 + 1_200);
    for piece in spoken.chunks(977) {
        line.leg.play(piece);
    }
    line.leg.complete_reply();
    line.run(Duration::from_millis(1_200)).unwrap();
    let heard: Vec<i16> = line.payloads().iter().map(|&byte| g711::decode(byte)).collect();
    assert_eq!(heard.len(), 8_400_usize.next_multiple_of(FRAME), "padded to a whole frame");
    let reference = tone(440.0, SampleRate::TELEPHONY, 8_400);
    // The resampler's grid may lie a third of a sample off: 0.993 at this pitch.
    assert!(likeness(&heard[..8_400], &reference) > 0.99, "{}", likeness(&heard[..8_400], &reference));
    let (end, wanted) = (&heard[8_240..8_400], &reference[8_240..]);
    assert!(likeness(end, wanted) > 0.97, "the last 20 ms: {}", likeness(end, wanted));
    assert!(heard[8_400..].iter().all(|&sample| sample == 0), "silence behind it");
}

#[test]
fn marks_follow_what_they_mark_and_confirm_it() {
    let mut line = Line::started();
    line.leg.play(&tone(440.0, SampleRate::SPEAKING, 24_000));
    line.leg.complete_reply();
    line.run(Duration::from_millis(900)).unwrap();
    assert_eq!(line.wire.last().unwrap()["mark"]["name"], "g0:8000");
    let marks: Vec<Value> = line.wire.iter().filter(|message| message["event"] == "mark").cloned().collect();
    assert!(marks.len() >= 3, "{marks:?}");
    assert!(!line.leg.is_confirmed());
    line.run(Duration::from_millis(200)).unwrap();
    line.echo(&marks[0]);
    assert!(!line.leg.is_confirmed());
    line.echo(marks.last().unwrap());
    assert!(line.leg.is_confirmed());
    assert_eq!(line.leg.heard(line.now), Position(8_000));
}

#[test]
fn a_flush_says_clear_before_anything_new_and_nothing_old_behind_it() {
    let mut line = Line::started();
    let began = line.now;
    line.leg.play(&tone(1_000.0, SampleRate::SPEAKING, 48_000));
    line.run(Duration::from_millis(500)).unwrap();
    // One more message is due and made, but the socket has not taken it when the caller interrupts.
    line.now = line.leg.deadline(line.now).unwrap();
    line.leg.poll(line.now).unwrap();
    assert!(line.leg.waiting() > 0);
    line.wire.clear();
    let heard = Source::flush(&mut line.leg, line.now);
    let played = (line.now - began).as_millis() as u64 * 8;
    assert!(heard.0.abs_diff(played) <= 40 * 8, "{heard:?}");
    line.leg.play(&tone(440.0, SampleRate::SPEAKING, 2_400));
    line.leg.complete_reply();
    line.run(Duration::from_millis(200)).unwrap();
    assert_eq!(line.kinds(), ["clear", "media", "mark"]);
    assert_eq!(line.wire[0], json!({ "event": "clear", "streamSid": "MZ1" }));
    let fresh: Vec<i16> = line.payloads().iter().map(|&byte| g711::decode(byte)).collect();
    assert!(likeness(&fresh[..800], &tone(440.0, SampleRate::TELEPHONY, 800)) > 0.98, "nothing of the old filter");
    assert!(line.wire[2]["mark"]["name"].as_str().unwrap().starts_with("g1:"));
}

#[test]
fn a_flush_with_nothing_playing_says_nothing() {
    let mut line = Line::started();
    Source::flush(&mut line.leg, line.now);
    line.leg.duck(line.now);
    line.take();
    assert!(line.wire.is_empty(), "{:?}", line.wire);
}

#[test]
fn a_duck_clears_and_goes_on_lower_with_a_short_lead() {
    let mut line = Line::started();
    line.leg.play(&tone(440.0, SampleRate::SPEAKING, 48_000));
    line.run(Duration::from_millis(500)).unwrap();
    line.wire.clear();
    line.leg.duck(line.now);
    line.leg.poll(line.now).unwrap();
    line.take();
    assert_eq!(line.kinds(), ["clear", "media"]);
    let ducked: Vec<i16> = line.payloads().iter().map(|&byte| g711::decode(byte)).collect();
    assert_eq!(ducked.len(), 3 * FRAME, "60 ms ahead at most");
    let drop = level::dbfs(&ducked[FRAME..]).0 - level::dbfs(&tone(440.0, SampleRate::TELEPHONY, 800)).0;
    assert!((drop + 15.0).abs() < 0.5, "{drop} dB");
    line.leg.unduck();
    line.wire.clear();
    line.run(Duration::from_millis(500)).unwrap();
    let back: Vec<i16> = line.payloads().iter().map(|&byte| g711::decode(byte)).collect();
    let levels: Vec<f32> = back.chunks(FRAME).map(|frame| level::dbfs(frame).0).collect();
    assert!(levels.windows(2).all(|pair| pair[1] >= pair[0] - 0.3), "rises without a step back: {levels:?}");
    assert!(levels[11] - levels[0] > 10.0);
}

#[test]
fn a_far_end_that_does_not_read_is_given_up() {
    let mut line = Line::started();
    line.leg.play(&tone(440.0, SampleRate::SPEAKING, 24_000 * 30));
    let began = line.now;
    let fault = loop {
        if let Err(fault) = line.leg.poll(line.now) {
            break fault;
        }
        line.say(&media(&[g711::SILENCE; FRAME])).unwrap();
        line.now += FRAME_SPAN;
    };
    assert!(matches!(fault, LegFault::NotReading), "{fault}");
    let after = line.now - began;
    assert!((Duration::from_secs(6)..Duration::from_secs(12)).contains(&after), "{after:?}");
}

#[test]
fn what_a_slow_far_end_has_not_taken_yet_is_not_heard_behind_a_barge_in() {
    let mut line = Line::started();
    line.leg.play(&tone(440.0, SampleRate::SPEAKING, 2_400));
    line.leg.complete_reply();
    line.leg.poll(line.now).unwrap();
    assert!(line.leg.waiting() > 0);
    // By the clock all of it has been heard.
    line.now += Duration::from_secs(1);
    line.leg.flush(line.now);
    line.take();
    assert_eq!(line.kinds(), ["clear"]);
}

/// Something that may happen to a leg.
#[derive(Debug, Clone)]
enum Act {
    Text(String),
    Media(Vec<u8>),
    Mark(u32, u64),
    Start,
    Stop,
    Play(usize),
    Complete,
    Duck,
    Unduck,
    Flush,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        ".{0,60}".prop_map(Act::Text),
        proptest::collection::vec(any::<u8>(), 0..400).prop_map(Act::Media),
        (0u32..3, 0u64..20_000).prop_map(|(generation, at)| Act::Mark(generation, at)),
        Just(Act::Start),
        Just(Act::Stop),
        (0usize..30_000).prop_map(Act::Play),
        Just(Act::Complete),
        Just(Act::Duck),
        Just(Act::Unduck),
        Just(Act::Flush),
        (0u64..3_000).prop_map(Act::Wait),
    ]
}

impl Line {
    fn act(&mut self, act: Act) {
        match act {
            Act::Text(text) => drop(self.leg.handle(self.now, &text)),
            Act::Media(mulaw) => drop(self.say(&media(&mulaw))),
            Act::Mark(generation, at) => {
                let name = format!("g{generation}:{at}");
                drop(self.say(&json!({ "event": "mark", "mark": { "name": name } })));
            }
            Act::Start => drop(self.say(&start())),
            Act::Stop => drop(self.say(&json!({ "event": "stop" }))),
            Act::Play(samples) => self.leg.play(&tone(440.0, SampleRate::SPEAKING, samples)),
            Act::Complete => self.leg.complete_reply(),
            Act::Duck => self.leg.duck(self.now),
            Act::Unduck => self.leg.unduck(),
            Act::Flush => drop(Source::flush(&mut self.leg, self.now)),
            Act::Wait(ms) => self.now += Duration::from_millis(ms),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_nothing_panics_positions_hold_and_polling_gets_on(acts in proptest::collection::vec(act(), 0..40)) {
        let mut line = Line::new();
        for act in acts {
            line.act(act);
            if line.leg.poll(line.now).is_err() {
                break;
            }
            line.take();
            prop_assert!(line.leg.heard(line.now) <= Source::end(&line.leg));
            prop_assert!(line.leg.deadline(line.now).is_none_or(|due| due > line.now), "due again at once");
        }
    }
}
