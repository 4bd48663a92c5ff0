//! What Gemini sends: one message, and the words of a close.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use frontdesk_core::gemini::close::{Close, Phase};
use frontdesk_core::gemini::wire::{Blob, GoAway, ServerMessage, decode_pcm};
use std::time::Duration;

/// One message of the service; the same bytes serve as a close's code and reason.
pub fn gemini_message(data: &[u8]) {
    close(data);
    let Ok(message) = ServerMessage::parse(data) else { return };
    let _ = message.interaction_status();
    if let Some(left) = message.go_away.0.as_ref().and_then(GoAway::remaining) {
        assert!(left <= Duration::from_hours(24), "{left:?}");
    }
    let mut pcm = Pcm::default();
    let turn = message.server_content.0.and_then(|content| content.model_turn.0);
    for part in turn.into_iter().flat_map(|turn| turn.parts.0) {
        if let Some(blob) = part.0.and_then(|part| part.inline_data.0) {
            pcm.take(&blob);
        }
    }
}

fn close(data: &[u8]) {
    let Some((code, reason)) = data.split_at_checked(2) else { return };
    let code = u16::from_be_bytes([code[0], code[1]]);
    // A close frame holds 123 bytes of reason.
    let reason = String::from_utf8_lossy(&reason[..reason.len().min(123)]).into_owned();
    for code in [code, 1000 + code % 16] {
        let close = Close { code, reason: reason.clone() };
        for phase in [Phase::FreshSetup, Phase::Resuming, Phase::Talking] {
            let _ = close.verdict(phase);
        }
        assert!(close.to_string().starts_with(&format!("close {code}")));
    }
}

/// The pieces of a turn's audio, decoded as the session does, beside a decoder that keeps everything.
#[derive(Default)]
struct Pcm {
    scratch: Vec<u8>,
    carry: Option<u8>,
    samples: Vec<i16>,
    bytes: Vec<u8>,
}

impl Pcm {
    fn take(&mut self, blob: &Blob<'_>) {
        let (Some(_), Some(data)) = (blob.pcm_rate(), blob.data.0.as_deref()) else { return };
        let plain = STANDARD.decode(data).or_else(|_| URL_SAFE.decode(data));
        let carried = self.carry;
        let decoded = decode_pcm(data, &mut self.scratch, &mut self.carry, &mut self.samples);
        assert_eq!(decoded, plain.is_ok());
        match plain {
            Ok(plain) => self.bytes.extend(plain),
            // A piece that cannot be read takes the half sample in front of it along: the rest would be noise.
            Err(_) if carried.is_some() => {
                self.bytes.pop();
            }
            Err(_) => {}
        }
        let expected: Vec<i16> = self.bytes.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
        assert_eq!(self.samples, expected);
        assert_eq!(self.carry.is_some(), self.bytes.len() % 2 == 1);
    }
}
