//! What a listener grants to a connection: room, size and patience.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::twilio::{CALL, encode, exchange, post_text, read_answer, sign, voice};
use super::world::{PUBLIC_URL, TOKEN, World};

const WELL: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A signed webhook on a connection that is to stay.
fn voice_text() -> String {
    let asked = voice(CALL);
    let signature = sign(TOKEN, &format!("{PUBLIC_URL}/twilio/voice"), &asked);
    post_text("/twilio/voice", &format!("X-Twilio-Signature: {signature}\r\n"), &encode(&asked))
        .replace("Connection: close\r\n", "")
}

/// Reads one answer of a connection that stays.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.contains("</Response>") {
        let mut bytes = [0; 4_096];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_signed_peer_may_keep_its_connection_and_a_refused_one_may_not() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.public).await.unwrap();
    for _ in 0..2 {
        stream.write_all(voice_text().as_bytes()).await.unwrap();
        one_answer(&mut stream).await;
    }
    let forged = voice_text().replace("X-Twilio-Signature: ", "X-Twilio-Signature: x");
    stream.write_all(forged.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 403, "and then it is closed");
}

#[tokio::test]
async fn an_idle_connection_gives_its_place_back() {
    let world = World::start().await;
    // All there are, each after a good request.
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(world.public).await.unwrap();
        stream.write_all(voice_text().as_bytes()).await.unwrap();
        one_answer(&mut stream).await;
        idle.push(stream);
    }
    let mut late = TcpStream::connect(world.public).await.unwrap();
    late.write_all(WELL.as_bytes()).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(3_001)).await;
    assert_eq!(read_answer(&mut late).await.status, 200);
    for mut stream in idle {
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "closed");
    }
}

/// A stranger holds all there are and sends its heads bit by bit: Twilio waits for seconds, not until it gives up.
#[tokio::test]
async fn whoever_sends_a_head_bit_by_bit_holds_no_place_for_long() {
    let world = World::start().await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(world.public).await.unwrap();
        // An answer shows that it has been accepted.
        stream.write_all(voice_text().as_bytes()).await.unwrap();
        one_answer(&mut stream).await;
        stream.write_all(b"POST /twilio/voice HTTP/1.1\r\nX-Slow: a").await.unwrap();
        slow.push(stream);
    }
    let mut late = TcpStream::connect(world.public).await.unwrap();
    late.write_all(voice_text().as_bytes()).await.unwrap();
    let began = tokio::time::Instant::now();
    tokio::time::pause();
    for _ in 0..3 {
        for stream in &mut slow {
            stream.write_all(b"a").await.unwrap();
        }
        tokio::time::advance(Duration::from_millis(1_001)).await;
    }
    tokio::time::resume();
    one_answer(&mut late).await;
    assert!(began.elapsed() < Duration::from_secs(9), "virtual seconds, nearly all of them");
}

#[tokio::test]
async fn a_head_that_does_not_end_or_is_too_large_is_not_waited_for() {
    let world = World::start().await;
    let many = "X-Many: a\r\n".repeat(200);
    let long = format!("X-Long: {}\r\n", "a".repeat(20_000));
    for headers in [many, long] {
        let answer = exchange(world.public, &format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (431, ""));
    }
    let mut slow = TcpStream::connect(world.public).await.unwrap();
    slow.write_all(b"POST /twilio/voice HTT").await.unwrap();
    // Another request is answered: by then the slow one has been accepted and waited for.
    assert_eq!(exchange(world.public, WELL).await.status, 200);
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(3_001)).await;
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn a_listener_that_stops_finishes_what_it_was_asked_and_drops_who_asks_nothing() {
    let mut world = World::start().await;
    let mut idle = TcpStream::connect(world.public).await.unwrap();
    idle.write_all(voice_text().as_bytes()).await.unwrap();
    one_answer(&mut idle).await;
    // In the middle of a request: the body is still to come.
    let text = voice_text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut asking = TcpStream::connect(world.public).await.unwrap();
    asking.write_all(format!("{head}\r\nExpect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    let mut goes_on = [0; 25];
    asking.read_exact(&mut goes_on).await.unwrap();
    world.stop.cancel();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "idle connections end at once");
    asking.write_all(body.as_bytes()).await.unwrap();
    assert!(read_answer(&mut asking).await.body.contains("</Response>"));
    world.listeners.join_next().await.unwrap().unwrap();
    assert!(TcpStream::connect(world.public).await.is_err(), "nobody is accepted any more");
}
