//! The stream's messages: those we send, built without a serializer, and those we receive, checked to the last field.
//!
//! A media message of the server in the usual field order is recognised by comparing bytes and only its payload is
//! decoded; any other message goes through a strict parser. Both accept exactly the same messages.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use crate::{faults::StartMode, twiml::Parameter};

/// What `start` tells about the stream.
pub(crate) struct Introduction<'a> {
    pub(crate) account_sid: &'a str,
    pub(crate) call_sid: &'a str,
    pub(crate) stream_sid: &'a str,
    pub(crate) parameters: &'a [Parameter],
    pub(crate) mode: &'a StartMode,
}

/// Writes one stream's messages and keeps its counters.
pub(crate) struct Writer {
    stream_sid: String,
    sequence: u64,
    chunk: u64,
    first_timestamp: u64,
    numeric: bool,
    buffer: String,
}

impl Writer {
    pub(crate) fn new(stream_sid: &str, first_timestamp: u64, numeric: bool) -> Self {
        Self {
            stream_sid: stream_sid.to_owned(),
            sequence: 0,
            chunk: 0,
            first_timestamp,
            numeric,
            buffer: String::with_capacity(512),
        }
    }

    pub(crate) fn connected() -> String {
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.into()
    }

    pub(crate) fn start(&mut self, intro: &Introduction<'_>) -> String {
        let foreign = |sid: &str| format!("{}{}", &sid[..2], "f".repeat(32));
        let account = match intro.mode {
            StartMode::ForeignAccount => foreign(intro.account_sid),
            _ => intro.account_sid.to_owned(),
        };
        let call = match intro.mode {
            StartMode::ForeignCall => foreign(intro.call_sid),
            _ => intro.call_sid.to_owned(),
        };
        let parameters: serde_json::Map<_, _> = match intro.mode {
            StartMode::NoParameters => serde_json::Map::new(),
            _ => intro.parameters.iter().map(|p| (p.name.clone(), p.value.clone().into())).collect(),
        };
        let format = match intro.mode {
            StartMode::OtherFormat => {
                json!({"encoding": "audio/l16", "sampleRate": 16_000, "channels": 1})
            }
            _ => json!({"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1}),
        };
        let body = json!({
            "accountSid": account,
            "streamSid": intro.stream_sid,
            "callSid": call,
            "tracks": ["inbound"],
            "mediaFormat": format,
            "customParameters": parameters,
        });
        self.enveloped("start", &body)
    }

    /// The next 20 ms of the caller. `position` counts frames of the stream's clock, so that a gap shows in the timestamp.
    pub(crate) fn media(&mut self, position: u64, payload: &[u8]) -> &str {
        self.sequence += 1;
        self.chunk += 1;
        let timestamp = self.first_timestamp + position * 20;
        let text = &mut self.buffer;
        text.clear();
        text.push_str(r#"{"event":"media","sequenceNumber":"#);
        counter(text, self.sequence, self.numeric);
        text.push_str(r#","streamSid":""#);
        text.push_str(&self.stream_sid);
        text.push_str(r#"","media":{"track":"inbound","chunk":"#);
        counter(text, self.chunk, self.numeric);
        text.push_str(r#","timestamp":"#);
        counter(text, timestamp, self.numeric);
        text.push_str(r#","payload":""#);
        STANDARD.encode_string(payload, text);
        text.push_str(r#""}}"#);
        text
    }

    /// Counts frames that got lost on the way: their chunk numbers never appear.
    pub(crate) fn skip_chunks(&mut self, frames: u64) {
        self.chunk += frames;
    }

    pub(crate) fn dtmf(&mut self, digit: char) -> String {
        self.enveloped("dtmf", &json!({"track": "inbound_track", "digit": digit.to_string()}))
    }

    pub(crate) fn mark(&mut self, name: &str) -> String {
        self.enveloped("mark", &json!({ "name": name }))
    }

    pub(crate) fn stop(&mut self, account_sid: &str, call_sid: &str) -> String {
        self.enveloped("stop", &json!({"accountSid": account_sid, "callSid": call_sid}))
    }

    /// A message of a kind that does not exist.
    pub(crate) fn unknown(&mut self) -> String {
        self.enveloped("weather", &json!({"outlook": "fair"}))
    }

    /// A media message of a stream that is not ours.
    pub(crate) fn foreign_media(&mut self, position: u64, payload: &[u8]) -> String {
        let own = std::mem::replace(&mut self.stream_sid, format!("MZ{}", "e".repeat(32)));
        let text = self.media(position, payload).to_owned();
        self.stream_sid = own;
        text
    }

    fn enveloped(&mut self, event: &str, body: &serde_json::Value) -> String {
        self.sequence += 1;
        let mut text = format!(r#"{{"event":"{event}","sequenceNumber":"#);
        counter(&mut text, self.sequence, self.numeric);
        text.push_str(r#","streamSid":""#);
        text.push_str(&self.stream_sid);
        text.push_str(r#"",""#);
        text.push_str(event);
        text.push_str(r#"":"#);
        text.push_str(&body.to_string());
        text.push('}');
        text
    }
}

/// Appends a counter: a string on Twilio's wire, a number on some compatible ones.
fn counter(text: &mut String, mut value: u64, numeric: bool) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if !numeric {
        text.push('"');
    }
    text.extend(digits[at..].iter().map(|&digit| char::from(digit)));
    if !numeric {
        text.push('"');
    }
}

/// A valid message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromServer {
    /// Audio; its bytes are in [`Reader::audio`].
    Media,
    Mark(String),
    Clear,
}

/// Checks what the server sends on one stream.
pub(crate) struct Reader {
    stream_sid: String,
    usual_head: String,
    audio: Vec<u8>,
}

const USUAL_TAIL: &str = r#""}}"#;

impl Reader {
    pub(crate) fn new(stream_sid: &str) -> Self {
        Self {
            stream_sid: stream_sid.to_owned(),
            usual_head: format!(r#"{{"event":"media","streamSid":"{stream_sid}","media":{{"payload":""#),
            audio: Vec::with_capacity(4_096),
        }
    }

    /// The mu-law bytes of the media message that [`read`](Self::read) saw last.
    pub(crate) fn audio(&self) -> &[u8] {
        &self.audio
    }

    /// One text message. An error is what Twilio's debugger would say beside 31951.
    pub(crate) fn read(&mut self, text: &str) -> Result<FromServer, String> {
        let usual = text.strip_prefix(self.usual_head.as_str()).and_then(|rest| rest.strip_suffix(USUAL_TAIL));
        if let Some(payload) = usual
            && self.decode(payload).is_ok()
        {
            return Ok(FromServer::Media);
        }
        self.read_strictly(text)
    }

    fn read_strictly(&mut self, text: &str) -> Result<FromServer, String> {
        let message: Strict<'_> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if message.stream_sid() != self.stream_sid {
            return Err(format!("streamSid {:?} is not this stream's {:?}", message.stream_sid(), self.stream_sid));
        }
        match message {
            Strict::Media { media, .. } => {
                self.decode(&media.payload)?;
                Ok(FromServer::Media)
            }
            Strict::Mark { mark, .. } if mark.name.is_empty() => Err("mark.name is empty".into()),
            Strict::Mark { mark, .. } => Ok(FromServer::Mark(mark.name.into_owned())),
            Strict::Clear { .. } => Ok(FromServer::Clear),
        }
    }

    fn decode(&mut self, payload: &str) -> Result<(), String> {
        self.audio.clear();
        STANDARD.decode_vec(payload, &mut self.audio).map_err(|e| format!("media.payload is not base64: {e}"))?;
        if self.audio.is_empty() {
            return Err("media.payload is empty".into());
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
enum Strict<'a> {
    Media {
        #[serde(rename = "streamSid", borrow)]
        stream_sid: Cow<'a, str>,
        #[serde(borrow)]
        media: StrictMedia<'a>,
    },
    Mark {
        #[serde(rename = "streamSid", borrow)]
        stream_sid: Cow<'a, str>,
        #[serde(borrow)]
        mark: StrictMark<'a>,
    },
    Clear {
        #[serde(rename = "streamSid", borrow)]
        stream_sid: Cow<'a, str>,
    },
}

impl Strict<'_> {
    fn stream_sid(&self) -> &str {
        match self {
            Self::Media { stream_sid, .. } | Self::Mark { stream_sid, .. } | Self::Clear { stream_sid } => stream_sid,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictMedia<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictMark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SID: &str = "MZ00000000000000000000000000000001";

    fn parsed(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn media_messages_look_as_on_the_wire() {
        let mut writer = Writer::new(SID, 140, false);
        let intro = Introduction {
            account_sid: "AC00000000000000000000000000000001",
            call_sid: "CA00000000000000000000000000000001",
            stream_sid: SID,
            parameters: &[Parameter { name: "token".into(), value: "t\"1".into() }],
            mode: &StartMode::Normal,
        };
        let start = parsed(&writer.start(&intro));
        assert_eq!(start["sequenceNumber"], "1");
        assert_eq!(start["start"]["customParameters"]["token"], "t\"1");
        assert_eq!(start["start"]["mediaFormat"]["sampleRate"], 8_000);
        let media = writer.media(0, &[0xFF; 160]).to_owned();
        assert_eq!(
            parsed(&media),
            json!({"event":"media","sequenceNumber":"2","streamSid":SID,
                   "media":{"track":"inbound","chunk":"1","timestamp":"140","payload":format!("{}w==", "/".repeat(213))}})
        );
        assert_eq!(parsed(writer.media(1, &[0]))["media"]["timestamp"], "160");
        let stop = parsed(&writer.stop("ACx", "CAx"));
        assert_eq!(stop["sequenceNumber"], "4");
        assert_eq!(stop["stop"]["callSid"], "CAx");
    }

    #[test]
    fn counters_can_be_numbers() {
        let mut writer = Writer::new(SID, 100, true);
        let media = parsed(writer.media(3, &[1, 2]));
        assert_eq!(media["sequenceNumber"], 1);
        assert_eq!(media["media"]["timestamp"], 160);
    }

    #[test]
    fn the_usual_media_message_and_any_other_order_are_read_alike() {
        let mut reader = Reader::new(SID);
        for text in [
            format!(r#"{{"event":"media","streamSid":"{SID}","media":{{"payload":"AQID"}}}}"#),
            format!(r#"{{ "media": {{"payload":"AQID"}}, "streamSid":"{SID}", "event":"media" }}"#),
        ] {
            assert_eq!(reader.read(&text), Ok(FromServer::Media), "{text}");
            assert_eq!(reader.audio(), [1, 2, 3]);
        }
    }

    #[test]
    fn marks_and_clear_are_read() {
        let mut reader = Reader::new(SID);
        let mark = format!(r#"{{"event":"mark","streamSid":"{SID}","mark":{{"name":"t3:end"}}}}"#);
        assert_eq!(reader.read(&mark), Ok(FromServer::Mark("t3:end".into())));
        let clear = format!(r#"{{"event":"clear","streamSid":"{SID}"}}"#);
        assert_eq!(reader.read(&clear), Ok(FromServer::Clear));
    }

    #[test]
    fn every_deviation_is_refused() {
        let mut reader = Reader::new(SID);
        let other = SID.replace('1', "2");
        for text in [
            "hello".to_owned(),
            "{}".to_owned(),
            format!(r#"{{"event":"media","streamSid":"{other}","media":{{"payload":"AQID"}}}}"#),
            format!(r#"{{"event":"media","streamSid":"{SID}","media":{{"payload":"A*ID"}}}}"#),
            format!(r#"{{"event":"media","streamSid":"{SID}","media":{{"payload":""}}}}"#),
            format!(r#"{{"event":"media","streamSid":"{SID}","media":{{"payload":"AQID","track":"x"}}}}"#),
            format!(r#"{{"event":"media","streamSid":"{SID}","media":{{"payload":"AQID"}},"sequenceNumber":"1"}}"#),
            format!(r#"{{"event":"mark","streamSid":"{SID}"}}"#),
            format!(r#"{{"event":"mark","streamSid":"{SID}","mark":{{"name":""}}}}"#),
            format!(r#"{{"event":"clear","streamSid":"{SID}","clear":{{}}}}"#),
            format!(r#"{{"event":"stop","streamSid":"{SID}"}}"#),
        ] {
            assert!(reader.read(&text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,300}") {
            let _ = Reader::new(SID).read(&text);
        }

        #[test]
        fn audio_survives_the_wire(audio in prop::collection::vec(any::<u8>(), 1..700)) {
            let mut reader = Reader::new(SID);
            let text = json!({"event":"media","streamSid":SID,"media":{"payload":STANDARD.encode(&audio)}}).to_string();
            prop_assert_eq!(reader.read(&text), Ok(FromServer::Media));
            prop_assert_eq!(reader.audio(), audio.as_slice());
        }
    }
}
