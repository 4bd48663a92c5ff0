//! What one 20 ms frame costs both ways, stage by stage, beside the goal: `cargo run --release -p frontdesk-core
//! --example media_cost`. One thread, no sockets: what is left when network and TLS are taken away.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::audio::g711;
use frontdesk_core::audio::pace::{FRAME, Playout, PlayoutItem};
use frontdesk_core::audio::resample::Resampler;
use frontdesk_core::audio::vad::Vad;
use frontdesk_core::gemini::wire::{self, ServerMessage};
use frontdesk_core::twilio::message::{self, Envelope, Inbound};
use frontdesk_core::units::SampleRate;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Microseconds per 20 ms frame both ways that the design allows.
const GOAL: f64 = 8.0;
/// The caller speaks that share of the time.
const SPEECH: f64 = 0.4;
/// The model's frames hold that much: 40 ms.
const REPLY_FRAME: usize = 960;
const ROUNDS: usize = 60;
const STREAM: &str = "MZ00000000000000000000000000000001";

/// The caller's clip, then line noise of about -60 dBFS until the clip is 40 % of the whole.
fn caller() -> Vec<u8> {
    let mut mulaw = include_bytes!("../tests/data/voice/caller.ulaw").to_vec();
    let whole = ((mulaw.len() as f64 / SPEECH) as usize).next_multiple_of(FRAME);
    let mut seed = 1u32;
    mulaw.resize_with(whole, || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        g711::encode(((seed >> 16) as i16) >> 10)
    });
    mulaw
}

fn inbound(mulaw: &[u8]) -> Vec<String> {
    let frames = mulaw.chunks_exact(FRAME).enumerate();
    frames
        .map(|(n, frame)| {
            format!(
                r#"{{"event":"media","sequenceNumber":"{}","media":{{"track":"inbound","chunk":"{}","timestamp":"{}","payload":"{}"}},"streamSid":"{STREAM}"}}"#,
                n + 2,
                n + 1,
                140 + n * 20,
                STANDARD.encode(frame)
            )
        })
        .collect()
}

/// The agent's speech as the service sends it: pretty-printed, 24 kHz.
fn replies(mulaw: &[u8]) -> Vec<String> {
    let narrow: Vec<i16> = mulaw.iter().map(|&byte| g711::decode(byte)).collect();
    let mut pcm = Vec::new();
    Resampler::new(SampleRate::TELEPHONY, SampleRate::SPEAKING).push(&narrow, &mut pcm);
    let pieces = pcm.chunks_exact(REPLY_FRAME);
    pieces
        .map(|piece| {
            let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let data = STANDARD.encode(bytes);
            format!(
                "{{\n  \"serverContent\": {{\n    \"modelTurn\": {{\n      \"parts\": [\n        {{\n          \"inlineData\": {{\n            \
                 \"mimeType\": \"audio/pcm;rate=24000\",\n            \"data\": \"{data}\"\n          }}\n        }}\n      ]\n    }}\n  }}\n}}\n"
            )
        })
        .collect()
}

/// Microseconds per frame of `work`, which does `frames` frames of work at each call. The best round counts: others
/// share this machine.
fn measure(frames: usize, mut work: impl FnMut()) -> f64 {
    work();
    let rounds = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    let best = rounds.min().unwrap_or_default();
    best.as_secs_f64() * 1e6 / frames as f64
}

fn upwards() -> Vec<(&'static str, f64)> {
    let mulaw = caller();
    let texts = inbound(&mulaw);
    let frames = texts.len();
    let payloads: Vec<String> = mulaw.chunks_exact(FRAME).map(|frame| STANDARD.encode(frame)).collect();
    let narrow: Vec<i16> = mulaw.iter().map(|&byte| g711::decode(byte)).collect();
    let mut wide = Vec::new();
    Resampler::new(SampleRate::TELEPHONY, SampleRate::LISTENING).push(&narrow, &mut wide);

    let parse = measure(frames, || {
        for text in &texts {
            let envelope = Envelope::parse(text);
            let Ok(Envelope { message: Inbound::Media { payload }, .. }) = &envelope else { unreachable!("media") };
            black_box(payload.len());
        }
    });
    let (mut bytes, mut pcm) = (Vec::new(), Vec::new());
    let decode = measure(frames, || {
        for payload in &payloads {
            message::decode_payload(payload, &mut bytes).expect("base64 of our own");
            pcm.clear();
            g711::decode_into(&bytes, &mut pcm);
            black_box(pcm.len());
        }
    });
    let mut up = Resampler::new(SampleRate::TELEPHONY, SampleRate::LISTENING);
    let resample = measure(frames, || {
        for frame in narrow.chunks_exact(FRAME) {
            pcm.clear();
            up.push(frame, &mut pcm);
            black_box(pcm.len());
        }
    });
    let mut vad = Vad::new();
    let judge = measure(frames, || {
        for frame in wide.chunks(2 * FRAME) {
            vad.push(frame, false, |event| {
                black_box(event);
            });
        }
    });
    let mut writer = wire::Writer::default();
    let encode = measure(frames, || {
        for frame in wide.chunks(2 * FRAME) {
            black_box(writer.audio(frame).len());
        }
    });
    vec![
        ("up    parse JSON", parse),
        ("up    base64, mu-law", decode),
        ("up    8 to 16 kHz", resample),
        ("up    voice activity", judge),
        ("up    base64, JSON", encode),
    ]
}

fn downwards() -> Vec<(&'static str, f64)> {
    let texts = replies(&caller());
    let frames = texts.len() * REPLY_FRAME / 480;
    let (mut pcm, mut scratch, mut carry) = (Vec::new(), Vec::new(), None);
    let mut all = Vec::new();

    let parse = measure(frames, || {
        for text in &texts {
            black_box(ServerMessage::parse(text.as_bytes()).expect("JSON of our own").server_content.0.is_some());
        }
    });
    let parse_decode = measure(frames, || {
        all.clear();
        for text in &texts {
            let message = ServerMessage::parse(text.as_bytes()).expect("JSON of our own");
            let parts = message.server_content.0.and_then(|content| content.model_turn.0).expect("a model turn").parts;
            let blob = parts.0.into_iter().next().and_then(|part| part.0).and_then(|part| part.inline_data.0);
            pcm.clear();
            let data = blob.and_then(|blob| blob.data.0).expect("audio");
            assert!(wire::decode_pcm(&data, &mut scratch, &mut carry, &mut pcm));
            all.extend_from_slice(&pcm);
        }
    });
    let mut down = Resampler::new(SampleRate::SPEAKING, SampleRate::TELEPHONY);
    let mut narrow = Vec::new();
    let resample = measure(frames, || {
        narrow.clear();
        for piece in all.chunks(REPLY_FRAME) {
            down.push(piece, &mut narrow);
        }
        black_box(narrow.len());
    });
    let pace = measure(frames, || play(&narrow, |_| {}));
    let mut writer = message::Writer::new(STREAM);
    let encode = measure(frames, || {
        play(&narrow, |item| {
            black_box(match item {
                PlayoutItem::Media(mulaw) => writer.media(mulaw).len(),
                PlayoutItem::Mark(mark) => writer.mark(&mark).len(),
            });
        });
    });
    vec![
        ("down  parse JSON", parse),
        ("down  base64", parse_decode - parse),
        ("down  24 to 8 kHz", resample),
        ("down  mu-law, pacing", pace),
        ("down  base64, JSON", encode - pace),
    ]
}

/// Pushes `narrow` as the model's speech arrives and polls at every deadline.
fn play(narrow: &[i16], mut sink: impl FnMut(PlayoutItem<'_>)) {
    let mut playout = Playout::new(Duration::from_millis(200));
    let mut now = Instant::now();
    for piece in narrow.chunks(2 * FRAME) {
        playout.push(piece);
        while let Some(due) = playout.deadline(now).filter(|due| *due <= now) {
            now = due;
            playout.poll(now, &mut sink);
        }
        now += Duration::from_millis(40);
    }
}

fn main() {
    let stages: Vec<_> = upwards().into_iter().chain(downwards()).collect();
    for (name, cost) in &stages {
        println!("{name:24} {cost:6.2} µs");
    }
    let sum: f64 = stages.iter().map(|(_, cost)| cost).sum();
    let verdict = if sum <= GOAL { "met" } else { "missed" };
    println!("{:24} {sum:6.2} µs per 20 ms frame both ways; goal {GOAL} µs: {verdict}", "sum");
}
