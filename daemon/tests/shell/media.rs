//! The upgrade of a media stream.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

use super::twilio::{CALL, exchange, moved, sign, voice};
use super::world::{TOKEN, World};

#[tokio::test]
async fn an_unknown_or_used_token_is_refused_before_the_upgrade() {
    let world = World::start().await;
    assert_eq!(world.connect(&"0".repeat(32)).await.err(), Some(404));
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    let _first = world.connect(&token).await.unwrap();
    assert_eq!(world.connect(&token).await.err(), Some(404), "used");
    assert!(world.counted(r#"frontdesk_media_upgrades_refused_total{why="token"} 2"#));
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_uses_no_token_up() {
    let world = World::start().await;
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    let of_another_path = sign(TOKEN, "wss://desk.example.com/twilio/media/abc", &Vec::new());
    for signature in ["", "AAAA", of_another_path.as_str()] {
        assert_eq!(world.connect_signed(&token, signature).await.err(), Some(403), "{signature:?}");
    }
    assert!(world.connect(&token).await.is_ok());
}

#[tokio::test]
async fn a_request_that_asks_for_no_websocket_is_refused_and_uses_no_token_up() {
    let world = World::start().await;
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    let path = format!("/twilio/media/{token}");
    let signature = sign(TOKEN, &format!("wss://desk.example.com{path}"), &Vec::new());
    let full = [
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ];
    for left_out in 0..full.len() {
        let lines: String = full.iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, line)| *line).collect();
        let text = format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: {signature}\r\n{lines}\r\n");
        assert_eq!(exchange(world.public, &text).await.status, 400, "without {:?}", full[left_out]);
    }
    assert!(world.connect(&token).await.is_ok());
}

#[tokio::test]
async fn a_token_of_a_call_that_has_just_ended_opens_nothing() {
    let world = World::start().await;
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    world.post("/twilio/status", &moved(CALL, "completed")).await;
    world.idle().await;
    assert_eq!(world.connect(&token).await.err(), Some(404));
}

#[tokio::test]
async fn a_second_stream_of_a_call_is_turned_away_and_the_first_goes_on() {
    let world = World::start().await;
    let (mut first, _gemini) = world.talking().await;
    let token = world.post("/twilio/voice", &voice(CALL)).await.token();
    let mut second = world.connect(&token).await.unwrap();
    assert_eq!(second.closed_with().await, 1008);
    first.socket.send(Message::Ping("still there?".into())).await.unwrap();
    let answer = first.socket.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong("still there?".into()));
}
