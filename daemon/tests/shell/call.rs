//! A call's task between two far ends that misbehave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::session::effect::EndReason;
use frontdesk_hw::device::DeviceSpec;
use frontdeskd::clock::Clock;
use frontdeskd::desk::invite::Inviter;
use frontdeskd::desk::selftest::Tester;
use frontdeskd::desk::state::{DeskState, DeviceState};
use frontdeskd::http::admin::HealthSource as _;
use frontdeskd::http::reply::HealthStatus;
use frontdeskd::live::health::LiveState;
use frontdeskd::phone::calls::Command;
use frontdeskd::status::{Desk, Status};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::fakes::Reply;
use super::log;
use super::twilio::{CALL, OTHER, THIRD, moved, voice};
use super::world::{FALLBACK, KEY, World, stranger, until};

/// The offender is told what it did, even while it is still sending.
#[tokio::test]
async fn a_message_of_10_mb_is_closed_with_1009() {
    let world = World::start().await;
    let (mut stream, _gemini) = world.talking().await;
    let large = "a".repeat(10_000_000);
    stream.say(&format!(r#"{{"event":"media","media":{{"payload":"{large}"}}}}"#)).await;
    assert_eq!(stream.closed_with().await, 1009);
    world.idle().await;
}

/// And one that then neither closes nor says a word holds its place no longer than a close is waited for.
#[tokio::test]
async fn an_offender_that_does_not_go_is_let_go() {
    let world = World::start().await;
    let (mut stream, _gemini) = world.talking().await;
    stream.say(&"a".repeat(10_000_000)).await;
    world.idle().await;
}

#[tokio::test]
async fn binary_frames_nonsense_and_foreign_streams_are_closed_with_their_codes() {
    let cases = [
        (1003, Message::binary(vec![0; 160])),
        (1007, Message::text(r#"{"event":"media","media":"c3BlZWNoLW9mLXRoZS1jYWxsZXI="}"#)),
        (1007, Message::text("[1,2")),
        (1007, Message::text(r#"{"event":"mark","streamSid":"MZ2","mark":{"name":"x"}}"#)),
    ];
    for (code, message) in cases {
        let world = World::start().await;
        let (mut stream, _gemini) = world.talking().await;
        stream.socket.send(message).await.unwrap();
        assert_eq!(stream.closed_with().await, code);
    }
    assert_eq!(log::lines_with("c3BlZWNoLW9mLXRoZS1jYWxsZXI"), [""; 0], "audio is quoted nowhere");
}

#[tokio::test]
async fn frames_against_the_websocket_rules_are_closed_with_their_codes() {
    // A text that is no UTF-8, and a frame that a client must have masked.
    let cases: [(u16, &[u8]); 2] = [(1007, &[0x81, 0x81, 0, 0, 0, 0, 0xff]), (1002, &[0x81, 0x02, b'h', b'i'])];
    for (code, bytes) in cases {
        let world = World::start().await;
        let (mut stream, _gemini) = world.talking().await;
        stream.socket.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(stream.closed_with().await, code);
        world.idle().await;
    }
}

#[tokio::test]
async fn twilios_own_close_is_answered() {
    let world = World::start().await;
    let (mut stream, _gemini) = world.talking().await;
    stream.socket.send(Message::Close(Some(CloseFrame { code: 1000.into(), reason: "".into() }))).await.unwrap();
    assert_eq!(stream.closed_with().await, 1000);
}

#[tokio::test]
async fn a_stopped_stream_is_closed_at_once_and_nothing_is_hung_up() {
    let world = World::start().await;
    let (mut stream, _gemini) = world.talking().await;
    stream.stop().await;
    let asked = Instant::now();
    assert_eq!(stream.closed_with().await, 1000);
    assert!(
        asked.elapsed() < Duration::from_millis(1_500),
        "only a forgotten wake-up takes the two seconds of a close"
    );
    world.idle().await;
    assert_eq!(world.twilio.requests(), [""; 0]);
}

/// Staff ends a call in the moment between webhook and stream: Twilio must not go on to the fallback.
#[tokio::test]
async fn a_call_that_is_ended_before_its_stream_came_is_hung_up() {
    let world = World::with_twilio(vec![Reply::twilio(500, 20_500), Reply::Say(200, "{}".into())]).await;
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    let call = CALL.parse().unwrap();
    assert!(world.line.calls.ask(&call, Command::Stop(EndReason::Staff)));
    world.twilio.wait_for(1).await;
    // Its stream holds the line meanwhile.
    let mut stream = world.connect(&token).await.unwrap();
    let requests = world.twilio.wait_for(2).await;
    assert!(requests[1].contains(&format!("/Calls/{CALL}.json")) && requests[1].ends_with("Status=completed"));
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
}

/// Otherwise Twilio would take a caller who has said goodbye to the fallback number.
#[tokio::test]
async fn hanging_up_goes_on_when_the_stream_breaks_off() {
    let world = World::with_twilio(vec![Reply::twilio(503, 0), Reply::Say(200, "{}".into())]).await;
    let (stream, _gemini) = world.talking().await;
    world.line.calls.ask(&CALL.parse().unwrap(), Command::Stop(EndReason::Staff));
    world.twilio.wait_for(1).await;
    drop(stream);
    world.twilio.wait_for(2).await;
    world.idle().await;
}

#[tokio::test]
async fn hanging_up_ends_when_twilio_says_that_the_stream_is_over() {
    let world = World::with_twilio(vec![Reply::Silence]).await;
    let (mut stream, _gemini) = world.talking().await;
    world.line.calls.ask(&CALL.parse().unwrap(), Command::Stop(EndReason::Staff));
    world.twilio.wait_for(1).await;
    assert_eq!(world.post("/twilio/voice", &voice(CALL)).await.body.matches("<Hangup/>").count(), 1, "no new stream");
    stream.stop().await;
    assert_eq!(stream.closed_with().await, 1000);
    world.idle().await;
}

/// A peer that is gone without a word, then is waited for: neither may cost more than a timer.
#[tokio::test]
async fn a_dead_path_is_closed_without_a_busy_loop() {
    let world = World::start().await;
    let (mut stream, _gemini) = world.talking().await;
    // Everything of this test runs on this thread; its CPU time does not depend on what else the machine does.
    let before = cpu();
    let mut bytes = Vec::new();
    // The peer does not answer the close: reads past the WebSocket until the daemon lets go.
    stream.socket.get_mut().read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.windows(2).any(|code| code == 1001u16.to_be_bytes()), "closed with 1001");
    world.idle().await;
    let spent = cpu().saturating_sub(before);
    assert!(spent < Duration::from_millis(800), "{spent:?} of CPU time for six seconds of waiting");
}

/// The service quotes a key that it suspends, and cuts its reasons at 123 bytes.
#[tokio::test]
async fn a_key_in_a_close_reason_reaches_no_log() {
    let world = World::start().await;
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    let (mut gemini, _, headers) = world.gemini.accept().await;
    assert_eq!(headers["x-goog-api-key"], KEY);
    let _setup = gemini.next().await;
    let reason = format!("Permission denied: Consumer 'api_key:{}", &KEY[..KEY.len() - 3]);
    let close = CloseFrame { code: 1008.into(), reason: reason.into() };
    gemini.send(Message::Close(Some(close))).await.unwrap();
    assert!(matches!(gemini.next().await, Some(Ok(Message::Close(_)))), "and the close is answered");
    let mut stream = world.connect(&token).await;
    if let Ok(stream) = &mut stream {
        assert_eq!(stream.closed_with().await, 1000);
    }
    world.idle().await;
    until(|| !log::lines_with("Permission denied: Consumer").is_empty()).await;
    assert_eq!(log::lines_with(&KEY[..KEY.len() - 3]), [""; 0]);
    let record = world.line.store.call(CALL.parse().unwrap()).await.unwrap().unwrap();
    assert!(!serde_json::to_string(&record).unwrap().contains(&KEY[..KEY.len() - 3]));
}

/// As above, from a service that complains first and closes afterwards.
#[tokio::test]
async fn a_key_in_an_error_message_reaches_no_log() {
    let world = World::start().await;
    let (_stream, mut gemini) = world.talking().await;
    let quoted = &KEY[..KEY.len() - 2];
    let error = format!(r#"{{"error":{{"code":403,"message":"Consumer\n'api_key:{quoted}' was suspended"}}}}"#);
    gemini.send(Message::text(error)).await.unwrap();
    until(|| !log::lines_with("was suspended").is_empty()).await;
    assert_eq!(log::lines_with(quoted), [""; 0]);
    let record = world.line.store.call(CALL.parse().unwrap()).await.unwrap();
    let record = serde_json::to_string(&record).unwrap();
    assert!(record.contains("was suspended") && !record.contains(quoted), "{record}");
}

/// A call that cannot connect at first waits in silence and tries again; whoever calls meanwhile does not have to.
#[tokio::test]
async fn while_a_first_connection_is_refused_new_callers_reach_the_fallback_until_one_succeeds() {
    let world = World::with(vec![Reply::Say(200, "{}".into())], Clock::read, 2).await;
    world.post("/twilio/voice", &voice(CALL)).await.token();
    drop(world.gemini.listener.accept().await.unwrap());
    assert_spares_new_callers_until_it_connects(&world).await;
}

#[tokio::test]
async fn while_a_first_connection_is_closed_in_its_setup_new_callers_reach_the_fallback_too() {
    let world = World::with(vec![Reply::Say(200, "{}".into())], Clock::read, 2).await;
    world.post("/twilio/voice", &voice(CALL)).await.token();
    let (mut gemini, ..) = world.gemini.accept().await;
    let close = CloseFrame { code: 1011.into(), reason: "Internal error encountered.".into() };
    gemini.send(Message::Close(Some(close))).await.unwrap();
    assert_spares_new_callers_until_it_connects(&world).await;
}

async fn assert_spares_new_callers_until_it_connects(world: &World) {
    let health = || world.line.calls.conversations().health().state(Instant::now()).0;
    until(|| matches!(health(), LiveState::Suspect { .. })).await;
    let state = Arc::new(DeskState::new(DeviceState::Off, Box::leak(Box::default())));
    let desk = Desk {
        spec: DeviceSpec::None,
        state,
        figures: frontdeskd::desk::hardware::figures(),
        tester: Tester::off(),
        inviter: Inviter::off(),
    };
    let conversations = Arc::clone(world.line.calls.conversations());
    let status = Status::new(conversations, desk, stranger(), world.line.store.clone(), Clock::read);
    assert_eq!(status.health().status, HealthStatus::Degraded, "new calls do not reach the agent");
    let spared = world.post("/twilio/voice", &voice(OTHER)).await;
    assert!(spared.body.contains(FALLBACK) && !spared.body.contains("<Connect>"), "{}", spared.body);
    assert!(world.counted(r#"frontdesk_webhook_seconds_count{kind="voice",outcome="model-down"} 1"#));
    world.post("/twilio/voice", &voice(CALL)).await.token();
    let _gemini = world.gemini.listen().await;
    until(|| health() == LiveState::Up).await;
    assert_eq!(status.health().status, HealthStatus::Ok);
    world.post("/twilio/voice", &voice(THIRD)).await.token();
    assert_eq!(world.line.calls.conversations().active(), 2);
}

/// It is not the service that fails there: the caller has hung up before it could answer.
#[tokio::test]
async fn a_caller_who_hangs_up_before_gemini_listens_raises_no_suspicion() {
    let world = World::start().await;
    world.post("/twilio/voice", &voice(CALL)).await.token();
    let (mut gemini, ..) = world.gemini.accept().await;
    let _setup = gemini.next().await;
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    assert!(matches!(gemini.next().await, Some(Ok(Message::Close(_)))));
    // Writes the answer to it.
    assert!(gemini.next().await.is_none());
    world.idle().await;
    assert_eq!(world.line.calls.conversations().health().state(Instant::now()).0, LiveState::Unknown);
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
