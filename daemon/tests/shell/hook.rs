//! Twilio's webhooks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frontdesk_core::gemini::live::Fault;
use frontdesk_core::session::effect::EndReason;
use frontdeskd::clock::Clock;
use frontdeskd::phone::calls::Command;
use frontdeskd::store::Record;
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::desk_world::asked;
use super::fakes::Reply;
use super::log;
use super::twilio::{CALL, Form, OTHER, encode, exchange, form, moved, post_text, read_answer, sign, voice};
use super::world::{ACCOUNT, FALLBACK, PUBLIC_URL, SECONDARY, TOKEN, World, until};

const VOICE: &str = "/twilio/voice";
const AFTER: &str = "/twilio/after";

/// Every path that takes a form.
const PATHS: [&str; 5] = [VOICE, "/twilio/status", "/twilio/stream", AFTER, "/twilio/voicemail"];

#[tokio::test]
async fn an_unsigned_or_forged_request_learns_nothing_and_leaves_only_a_count() {
    let world = World::start().await;
    let mut asked = voice(CALL);
    asked.push(("CallerName", "Mallory-of-the-forgeries".to_owned()));
    let url = format!("{PUBLIC_URL}{VOICE}");
    let elsewhere = "https://box.example.net/twilio/voice";
    let altered = sign(TOKEN, &url, &voice(OTHER));
    let for_another_host = sign(TOKEN, elsewhere, &asked);
    for path in PATHS {
        for signature in ["", "AAAA", altered.as_str(), for_another_host.as_str()] {
            let answer = world.post_signed(path, &asked, signature).await;
            assert_eq!((answer.status, answer.body.as_str()), (403, ""), "{path} {signature:?}");
        }
        let unsigned = exchange(world.public, &post_text(path, "", &encode(&asked))).await;
        assert_eq!((unsigned.status, unsigned.body.as_str()), (403, ""));
    }
    assert_eq!(log::lines_with("Mallory"), [""; 0]);
    assert_eq!(world.line.calls.conversations().active(), 0);
    assert!(world.counted(r#"frontdesk_webhook_seconds_count{kind="voice",outcome="refused"} 5"#));
}

#[tokio::test]
async fn a_signed_call_is_answered_with_a_stream_and_the_fallback_behind_it() {
    let world = World::start().await;
    let answer = world.post(VOICE, &voice(CALL)).await;
    assert!(answer.head.to_lowercase().contains("content-type: text/xml"), "{}", answer.head);
    assert_eq!(answer.token().len(), 32);
    let (_, behind) = answer.body.split_once("</Connect>").unwrap();
    assert!(behind.contains(FALLBACK), "{behind}");
    assert_eq!(world.line.calls.conversations().active(), 1);
    assert_eq!(log::lines_with("+15550100200"), [""; 0], "numbers are masked");
}

#[tokio::test]
async fn the_secondary_token_signs_too() {
    let world = World::start().await;
    let asked = voice(CALL);
    let signature = sign(SECONDARY, &format!("{PUBLIC_URL}{VOICE}"), &asked);
    assert_eq!(world.post_signed(VOICE, &asked, &signature).await.token().len(), 32);
}

#[tokio::test]
async fn a_foreign_account_is_refused_everywhere() {
    let world = World::start().await;
    let foreign = |mut asked: Form| {
        asked[0].1 = "AC00000000000000000000000000000009".to_owned();
        asked
    };
    let stream =
        form(&[("AccountSid", ACCOUNT), ("CallSid", CALL), ("StreamSid", "MZ00000000000000000000000000000001")]);
    let mut stream = foreign(stream);
    stream.push(("StreamEvent", "stream-stopped".to_owned()));
    let recording = "RE00000000000000000000000000000001".to_owned();
    let mut voicemail = foreign(voice(CALL));
    voicemail.push(("RecordingSid", recording));
    let asked = [foreign(voice(CALL)), foreign(voice(CALL)), stream, foreign(dialled(CALL, "busy", None)), voicemail];
    for (path, asked) in PATHS.into_iter().zip(asked) {
        assert_eq!(world.post(path, &asked).await.status, 403, "{path}");
    }
    assert_eq!(world.line.calls.conversations().active(), 0);
}

#[tokio::test]
async fn a_repeated_webhook_is_the_same_call_with_a_fresh_stream() {
    let world = World::start().await;
    let first = world.post(VOICE, &voice(CALL)).await.token();
    let again = world.post(VOICE, &voice(CALL)).await.token();
    assert_ne!(first, again);
    assert_eq!(world.line.calls.conversations().active(), 1);
}

#[tokio::test]
async fn a_replayed_webhook_of_a_call_that_has_ended_starts_nothing() {
    let world = World::start().await;
    world.post(VOICE, &voice(CALL)).await.token();
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    world.idle().await;
    let replayed = world.post(VOICE, &voice(CALL)).await;
    assert!(replayed.body.contains("<Hangup/>"), "{}", replayed.body);
}

/// What an earlier life has left is known before the first webhook comes.
#[tokio::test]
async fn after_a_restart_a_replayed_webhook_starts_nothing_and_a_caller_whom_the_power_loss_left_reaches_the_fallback()
{
    let world = World::start().await;
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    for call in [CALL, OTHER] {
        announce(&world, call, at);
    }
    world.line.store.record(Record::CallEnded { call: OTHER.parse().unwrap(), at, reason: "agent-ended".into() });
    // The other has no end: so a power loss leaves it.
    let world = world.restart().await;
    let replayed = world.post(VOICE, &voice(OTHER)).await;
    assert!(replayed.body.contains("<Hangup/>"), "{}", replayed.body);
    assert_falls_back(&world, CALL).await;
    assert_eq!(world.line.calls.conversations().active(), 0);
    // The caller is still there: only Twilio may say that the call is over.
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    assert!(world.post(VOICE, &voice(CALL)).await.body.contains("<Hangup/>"));
    let world = world.restart().await;
    assert!(world.post(VOICE, &voice(CALL)).await.body.contains("<Hangup/>"), "and so it is after another one");
}

/// However we came to leave the caller, the call may be waiting for the answer to its repeated webhook.
#[tokio::test]
async fn a_repeated_webhook_of_a_caller_who_was_left_to_the_fallback_gives_the_fallback_again() {
    let world = World::start().await;
    world.post(VOICE, &voice(CALL)).await.token();
    let left = EndReason::Failed("a test says so");
    assert!(world.line.calls.ask(&CALL.parse().unwrap(), Command::Stop(left)));
    world.idle().await;
    assert_falls_back(&world, CALL).await;
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    assert!(world.post(VOICE, &voice(CALL)).await.body.contains("<Hangup/>"));
}

#[tokio::test]
async fn a_call_too_many_reaches_the_fallback_and_so_does_its_repeated_webhook() {
    let world = World::start().await;
    world.post(VOICE, &voice(CALL)).await.token();
    assert_falls_back(&world, OTHER).await;
    assert_falls_back(&world, OTHER).await;
    assert_eq!(world.line.calls.conversations().active(), 1);
    let record = world.line.store.call(OTHER.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.call.end_reason.as_deref(), Some("not taken: full"));
}

#[tokio::test]
async fn while_draining_or_with_the_model_down_callers_reach_the_fallback() {
    let world = World::start().await;
    world.line.calls.conversations().health().down(std::time::Instant::now(), Fault::Quota);
    assert_falls_back(&world, CALL).await;
    world.line.calls.conversations().health().up(std::time::Instant::now());
    world.line.calls.conversations().drain();
    assert_falls_back(&world, OTHER).await;
    assert_eq!(world.line.calls.conversations().active(), 0);
}

#[tokio::test]
async fn whoever_reaches_nobody_at_the_fallback_number_may_leave_a_message() {
    let world = World::start().await;
    world.line.calls.conversations().health().down(std::time::Instant::now(), Fault::Quota);
    let answer = world.post(VOICE, &voice(CALL)).await;
    assert!(answer.body.contains(r#"action="https://desk.example.com/twilio/after""#), "{}", answer.body);
    for unanswered in
        [dialled(CALL, "no-answer", None), dialled(CALL, "busy", None), dialled(CALL, "completed", Some("false"))]
    {
        let answer = world.post(AFTER, &unanswered).await;
        assert!(answer.body.contains("<Record") && !answer.body.contains("<Dial"), "{}", answer.body);
    }
    let reached = world.post(AFTER, &dialled(CALL, "completed", Some("true"))).await;
    assert!(reached.body.contains("<Hangup/>"), "{}", reached.body);
    assert!(world.counted(r#"frontdesk_webhook_seconds_count{kind="after",outcome="voicemail"} 3"#));
    assert!(world.counted(r#"frontdesk_webhook_seconds_count{kind="after",outcome="reached"} 1"#));
    let record = world.line.store.call(CALL.parse().unwrap()).await.unwrap().unwrap();
    let told: Vec<_> = record.events.iter().map(|event| (&*event.kind, event.detail["status"].as_str())).collect();
    assert_eq!(told[0], ("fallback-dial", Some("no-answer")));
    assert_eq!(told.len(), 4);
}

/// The front desk's line forwards to us while it is engaged: what we dialled comes back, shown as our own number.
#[tokio::test]
async fn a_dial_of_ours_that_comes_back_hears_that_we_are_busy() {
    let world = World::start().await;
    let mut returned = voice(OTHER);
    returned[4].1 = "+15550100100".to_owned();
    let answer = world.post(VOICE, &returned).await;
    assert!(answer.body.contains(r#"<Reject reason="busy"/>"#), "{}", answer.body);
    assert_eq!(world.line.calls.conversations().active(), 0);
    assert!(world.counted(r#"frontdesk_webhook_seconds_count{kind="voice",outcome="own-dial"} 1"#));
    assert!(!log::lines_with("phone.fallback_number forwards to us").is_empty());
}

#[tokio::test]
async fn a_caller_whom_the_fallback_number_forwarded_is_not_sent_back_there() {
    let world = World::start().await;
    let mut forwarded = voice(OTHER);
    forwarded.push(("ForwardedFrom", FALLBACK.to_owned()));
    let behind = world.post(VOICE, &forwarded).await.body;
    assert!(behind.contains("<Connect>") && behind.contains("<Record") && !behind.contains("<Dial"), "{behind}");
    let fallback = &world.line.settings.take().fallback;
    assert!(fallback.dials(false) && !fallback.dials(true), "the agent connects nobody there");

    world.line.calls.conversations().health().down(std::time::Instant::now(), Fault::Quota);
    let mut forwarded = voice(CALL);
    forwarded.push(("ForwardedFrom", FALLBACK.to_owned()));
    for _ in 0..2 {
        let answer = world.post(VOICE, &forwarded).await;
        assert!(answer.body.contains("<Record") && !answer.body.contains("<Dial"), "{}", answer.body);
    }
    assert!(!log::lines_with("forwarded by +1555").is_empty());
    assert_eq!(log::lines_with(FALLBACK), [""; 0], "numbers are masked");
}

/// Behind a stream nobody may be there to answer, and a daemon that is being stopped will not be.
#[tokio::test]
async fn a_fallback_that_must_hold_without_us_asks_us_nothing() {
    let world = World::start().await;
    let behind_stream = world.post(VOICE, &voice(CALL)).await;
    world.line.calls.conversations().drain();
    let leaving = world.post(VOICE, &voice(OTHER)).await;
    for answer in [behind_stream, leaving] {
        assert!(answer.body.contains(FALLBACK) && !answer.body.contains("action="), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_status_of_a_call_that_never_came_is_no_fault_and_its_late_webhook_starts_nothing() {
    let world = World::start().await;
    assert_eq!(world.post("/twilio/status", &moved(CALL, "completed")).await.status, 204);
    assert!(world.line.store.call(CALL.parse().unwrap()).await.unwrap().is_none());
    assert_eq!(world.line.store.failed_records(), 0);
    assert!(world.post(VOICE, &voice(CALL)).await.body.contains("<Hangup/>"));
    assert_eq!(world.line.calls.conversations().active(), 0);
}

#[tokio::test]
async fn a_call_that_goes_wrong_at_twilio_leaves_its_codes_in_the_log_and_in_the_record() {
    let world = World::start().await;
    world.post(VOICE, &voice(CALL)).await.token();
    let mut failed = moved(CALL, "failed");
    failed.extend([("ErrorCode", "31920".to_owned()), ("SipResponseCode", "503".to_owned())]);
    assert_eq!(world.post("/twilio/status", &failed).await.status, 204);
    assert!(!log::lines_with("failed, error code 31920, SIP code 503").is_empty());
    let record = world.line.store.call(CALL.parse().unwrap()).await.unwrap().unwrap();
    let event = record.events.iter().find(|event| event.kind == "call-failed").unwrap();
    assert_eq!(event.detail, serde_json::json!({ "status": "failed", "error_code": 31920, "sip_code": 503 }));
}

#[tokio::test]
async fn the_final_status_ends_a_call_and_an_earlier_one_does_not() {
    let world = World::start().await;
    world.post(VOICE, &voice(CALL)).await.token();
    world.post("/twilio/status", &moved(CALL, "in-progress")).await;
    assert_eq!(world.line.calls.conversations().active(), 1);
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    world.idle().await;
    assert_eq!(world.twilio.requests(), [""; 0], "nothing is left to hang up");
}

/// A box without a battery for its clock answers its first call before the network has told it the time.
static SET_RIGHT: AtomicBool = AtomicBool::new(false);

fn clock_of_a_box() -> Clock {
    let right = Clock::read();
    let instant = right.instant();
    let behind =
        if SET_RIGHT.load(Ordering::SeqCst) { SignedDuration::ZERO } else { SignedDuration::from_hours(9_000) };
    Clock::at(instant, right.civil(instant) - behind)
}

#[tokio::test]
async fn a_clock_that_is_set_in_mid_call_stretches_no_call_and_is_right_from_the_next_one_on() {
    let world = World::with(vec![Reply::Say(200, "{}".to_owned())], clock_of_a_box, 1).await;
    let before = Timestamp::now();
    world.post(VOICE, &voice(CALL)).await.token();
    SET_RIGHT.store(true, Ordering::SeqCst);
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    world.idle().await;
    world.post(VOICE, &voice(OTHER)).await.token();

    let kept = |call: &str| world.line.store.call(call.parse().unwrap());
    let first = kept(CALL).await.unwrap().unwrap().call;
    let second = kept(OTHER).await.unwrap().unwrap().call;
    assert!(first.ended_at.unwrap().duration_since(first.started_at) < SignedDuration::from_hours(1), "{first:?}");
    assert!(first.started_at < before && second.started_at >= before, "{first:?} {second:?}");
}

/// Twilio adds words without notice, and its callers are not to hear of an application error for it.
#[tokio::test]
async fn a_call_with_words_that_nobody_has_heard_of_is_taken_all_the_same() {
    let world = World::start().await;
    let mut odd = moved(CALL, "singing");
    odd[3].1 = "sideways".to_owned();
    assert_eq!(world.post(VOICE, &odd).await.token().len(), 32);
    assert_eq!(world.post("/twilio/status", &odd).await.status, 204);
    let record = world.line.store.call(CALL.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((record.call.direction.as_str(), record.call.twilio_status.as_deref()), ("sideways", Some("singing")));
    assert_eq!(world.line.calls.conversations().active(), 1, "no word that we do not know ends a call");
}

#[tokio::test]
async fn whatever_is_signed_and_cannot_be_read_the_caller_reaches_somebody() {
    let world = World::start().await;
    let without = |name: &str| voice(CALL).into_iter().filter(|(known, _)| *known != name).collect::<Form>();
    for asked in [without("CallSid"), moved("CAx", "ringing")] {
        let answer = world.post(VOICE, &asked).await;
        assert!(answer.body.contains(FALLBACK), "{asked:?}: {}", answer.body);
        assert!(world.post(AFTER, &asked).await.body.contains("<Record"));
        assert!(world.post("/twilio/voicemail", &asked).await.body.contains("<Hangup/>"));
    }
    assert_eq!(world.post(VOICE, &without("AccountSid")).await.status, 400, "nothing says that it is our call");
    assert_eq!(world.line.calls.conversations().active(), 0);
}

#[tokio::test]
async fn a_notification_that_is_not_understood_is_logged_with_its_field_and_without_its_value() {
    let world = World::start().await;
    let mut garbled = moved(CALL, "completed");
    garbled.push(("CallDuration", "a-garbled-duration".to_owned()));
    garbled.push(("StreamEvent", "a-garbled-event".to_owned()));
    for (path, field) in
        [("/twilio/status", "CallDuration"), ("/twilio/stream", "StreamEvent"), ("/twilio/voicemail", "RecordingSid")]
    {
        world.post(path, &garbled).await;
        let line = format!("a signed request to {path} was not understood: {field} is missing");
        assert!(!log::lines_with(&line).is_empty(), "{line}");
    }
    assert_eq!(world.post("/twilio/status", &garbled).await.status, 400);
    assert_eq!(log::lines_with("a-garbled-"), [""; 0]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let world = World::start().await;
    let head = post_text(VOICE, "X-Twilio-Signature: AAAA\r\n", "").replace("Length: 0", "Length: 10000000");
    let mut stream = TcpStream::connect(world.public).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The peer stops reading somewhere behind 64 KiB.
    let _ = stream.write_all(&vec![b'a'; 200_000]).await;
    assert_eq!(read_answer(&mut stream).await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::start().await;
    let head =
        post_text(VOICE, "X-Twilio-Signature: AAAA\r\nExpect: 100-continue\r\n", "").replace("Length: 0", "Length: 9");
    let mut stream = TcpStream::connect(world.public).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The daemon asks for the body: it waits from now on.
    let mut goes_on = [0; 25];
    stream.read_exact(&mut goes_on).await.unwrap();
    assert!(goes_on.starts_with(b"HTTP/1.1 100"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(5_001)).await;
    assert_eq!(read_answer(&mut stream).await.status, 408);
}

#[tokio::test]
async fn the_public_listener_serves_nothing_else() {
    let world = World::start().await;
    let mut refused = Vec::new();
    for path in PATHS {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            refused.push((405, method, path));
        }
    }
    refused.extend([
        (404, "GET", "/"),
        (404, "GET", "/metrics"),
        (404, "GET", "/v1/calls"),
        (404, "POST", "/twilio/voice/"),
        (404, "POST", "//twilio/voice"),
        (404, "GET", "/twilio/media"),
        (404, "GET", "/twilio/media/%ff"),
        (405, "POST", "/twilio/media/abc"),
        (400, "HEAD", "/twilio/media/abc"),
        (400, "GET", "/twilio/media/abc"),
    ]);
    for (status, method, path) in refused {
        let answer = exchange(world.public, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{method} {path}");
        assert!(!answer.head.to_lowercase().contains("server:"), "{}", answer.head);
    }
    let well = exchange(world.public, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((well.status, well.body.as_str()), (200, "ok"));
}

/// The disk stalls while a record waits for it: every webhook is answered all the same, before the disk is back.
#[tokio::test]
async fn a_disk_that_does_not_answer_keeps_no_caller_waiting() {
    let world = World::start().await;
    let other = rusqlite::Connection::open(&world.database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Its record cannot be written while somebody else has the database.
    assert_eq!(world.post(VOICE, &voice(CALL)).await.token().len(), 32);
    assert_eq!(world.post("/twilio/status", &moved(CALL, "in-progress")).await.status, 204);
    assert_falls_back(&world, OTHER).await;
    assert_eq!(world.post("/twilio/status", &moved(OTHER, "completed")).await.status, 204);
    let store = &world.line.store;
    assert!(store.waiting_records() > 0, "the lock is still held");
    other.execute_batch("COMMIT").unwrap();
    until(|| store.waiting_records() == 0).await;
    assert_eq!((store.dropped_records(), store.failed_records()), (0, 0));
    let record = store.call(OTHER.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.call.twilio_status.as_deref(), Some("completed"));
}

/// What is asked when the fallback number has been rung for `call`.
fn dialled(call: &str, status: &str, bridged: Option<&str>) -> Form {
    let mut form = moved(call, "in-progress");
    form.push(("DialCallStatus", status.to_owned()));
    form.extend(bridged.map(|bridged| ("DialBridged", bridged.to_owned())));
    form
}

async fn assert_falls_back(world: &World, call: &str) {
    let answer = world.post(VOICE, &voice(call)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(FALLBACK) && !answer.body.contains("<Connect>"), "{}", answer.body);
}

fn announce(world: &World, call: &str, at: Timestamp) {
    use frontdesk_core::twilio::number::CallerId;
    use frontdesk_core::twilio::webhook::Direction;
    assert!(world.line.store.record(Record::CallStarted {
        call: call.parse().unwrap(),
        account: ACCOUNT.parse().unwrap(),
        direction: Direction::Inbound,
        caller: CallerId::parse("+15550100200"),
        callee: None,
        at,
    }));
}

/// The voice in which a conversation is asked for.
async fn voice_asked_for(world: &World) -> String {
    let (mut gemini, ..) = world.gemini.accept().await;
    let setup = asked(&mut gemini).await;
    let voice = &setup["setup"]["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"];
    voice.as_str().unwrap_or_else(|| panic!("{setup}")).to_owned()
}

#[tokio::test]
async fn the_address_of_a_numbers_webhook_chooses_the_persona() {
    for (path, voice_of, told) in [
        ("/twilio/voice?persona=guide", "Achird", 0),
        ("/twilio/voice?persona=guide&of=the-kids-line", "Achird", 0),
        ("/twilio/voice", "Sulafat", 0),
        ("/twilio/voice?persona=gude", "Sulafat", 1),
        ("/twilio/voice?persona=%0ANobody%20%F0%9F%A6%B7", "Sulafat", 2),
        ("/twilio/voice?persona=", "Sulafat", 3),
    ] {
        let world = World::start().await;
        let answer = world.post(path, &voice(CALL)).await;
        assert_eq!(answer.token().len(), 32, "the call is taken: {path}");
        assert_eq!(voice_asked_for(&world).await, voice_of, "{path}");
        let lines = log::lines_with("asks for the persona");
        assert_eq!(lines.len(), told, "{path}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains("guide, night") && !line.contains('\n')), "{lines:?}");
    }
}

#[tokio::test]
async fn an_address_that_was_changed_on_the_way_chooses_nobody() {
    let world = World::start().await;
    let signed = sign(TOKEN, &format!("{PUBLIC_URL}{VOICE}?persona=guide"), &voice(CALL));
    let forged = world.post_signed("/twilio/voice?persona=night", &voice(CALL), &signed).await;
    assert_eq!(forged.status, 403, "the signature covers the address");
    assert_eq!(world.line.calls.conversations().active(), 0);
}
