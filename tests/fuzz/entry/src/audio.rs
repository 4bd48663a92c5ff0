//! Sound of any kind, in pieces of any size, through everything that audio of others passes.

use crate::script::{Sound, acts, letter};
use arbitrary::{Arbitrary, Unstructured};
use frontdesk_core::audio::g711;
use frontdesk_core::audio::resample::Resampler;
use frontdesk_core::audio::vad::{Vad, VoiceEvent};
use frontdesk_core::units::SampleRate;

/// `P` a made sound, `R` raw samples, `F` the end of an utterance, `X` a barge-in.
#[derive(Debug)]
enum Act<'a> {
    Push { sound: Sound, blocks: u8 },
    Raw(&'a [u8]),
    Flush,
    Reset,
}

impl<'a> Arbitrary<'a> for Act<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match letter(bytes)? {
            b'F' => Self::Flush,
            b'X' => Self::Reset,
            b'R' => Self::Raw(crate::script::piece(bytes)?),
            _ => Self::Push { sound: bytes.arbitrary()?, blocks: bytes.arbitrary()? },
        })
    }
}

/// The rate that a blob claims (two bytes), then acts.
pub fn audio(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(tens) = bytes.arbitrary::<u16>() else { return };
    // 24 kHz is what is always sent, and what never meets the resampler; it stands for the telephone's rate here.
    let from = SampleRate::from_hz(u32::from(tens) * 10).unwrap_or(SampleRate::TELEPHONY);
    let mut stream = Stream::new(from);
    for act in acts(&mut bytes) {
        stream.act(&act);
    }
}

struct Stream {
    from: SampleRate,
    resampler: Resampler,
    vad: Vad,
    taken: u64,
    given: Vec<i16>,
    voice: bool,
}

impl Stream {
    fn new(from: SampleRate) -> Self {
        let resampler = Resampler::new(from, SampleRate::SPEAKING);
        Self { from, resampler, vad: Vad::new(), taken: 0, given: Vec::new(), voice: false }
    }

    fn act(&mut self, act: &Act<'_>) {
        match act {
            Act::Push { sound, blocks } => self.push(&sound.pcm(usize::from(*blocks) * 16)),
            Act::Raw(bytes) => {
                let pcm: Vec<i16> = bytes.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
                self.push(&pcm);
                // Each byte is mu-law too: what is written as it was read is the same byte, but for negative zero.
                for &byte in *bytes {
                    let back = g711::encode(g711::decode(byte));
                    assert!(back == byte || byte == 0x7F, "{byte:#x} came back as {back:#x}");
                }
            }
            Act::Flush => {
                self.resampler.flush(&mut self.given);
                let due = self.taken * u64::from(SampleRate::SPEAKING.hz()) / u64::from(self.from.hz());
                assert_eq!(self.given.len() as u64, due, "as much sound comes out as went in");
                self.begin();
            }
            Act::Reset => {
                self.resampler.reset();
                self.begin();
            }
        }
    }

    fn begin(&mut self) {
        self.taken = 0;
        self.given.clear();
    }

    fn push(&mut self, pcm: &[i16]) {
        self.taken += pcm.len() as u64;
        self.resampler.push(pcm, &mut self.given);
        let voice = &mut self.voice;
        self.vad.push(pcm, pcm.len() % 2 == 1, |event| {
            let expected = matches!(event, VoiceEvent::Onset);
            assert_eq!(*voice, !expected, "{event:?} at the wrong moment");
            *voice = !matches!(event, VoiceEvent::End { .. });
        });
        assert_eq!(self.vad.is_voice(), self.voice);
    }
}
