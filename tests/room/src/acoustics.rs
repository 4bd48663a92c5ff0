//! What a room does to the loudspeaker's sound on its way to the microphone: the direct sound, a few early
//! reflections, and a tail that dies away.

/// A room and a loudspeaker in it, as the microphone knows them.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Samples per second.
    pub rate_hz: u32,
    /// The sound's way to the microphone: the device's own buffers and processing, and the air.
    pub delay_ms: f32,
    /// Level of the echo as a whole, relative to what is played.
    pub level_db: f32,
    /// Time in which the tail falls by 60 dB; 0.4 s in a furnished office.
    pub rt60_s: f32,
    /// The same seed gives the same room.
    pub seed: u32,
}

/// Early reflections: table, screen, walls. Delay behind the direct sound in ms, amplitude.
const EARLY: [(f32, f32); 6] = [(1.3, 0.55), (2.9, -0.4), (5.2, 0.35), (8.7, 0.3), (13.1, -0.22), (18.4, 0.18)];
/// The tail begins so long behind the direct sound, ms.
const TAIL_FROM: f32 = 4.0;
/// The tail's energy relative to the direct sound: a speakerphone's own microphone is near its loudspeaker.
const TAIL_ENERGY: f32 = 0.25;

impl Room {
    /// An office with a speakerphone: an echo of -6 dB after 60 ms.
    pub fn office(rate_hz: u32) -> Self {
        Self { rate_hz, delay_ms: 60.0, level_db: -6.0, rt60_s: 0.4, seed: 1 }
    }

    /// The impulse response, as long as the reverberation time.
    pub fn response(&self) -> Vec<f32> {
        let samples = |ms: f32| (ms * self.rate_hz as f32 / 1_000.0).round() as usize;
        let mut behind = vec![0.0; samples(1_000.0 * self.rt60_s).max(samples(20.0))];
        self.add_tail(&mut behind[samples(TAIL_FROM)..]);
        behind[0] += 1.0;
        for (ms, amplitude) in EARLY {
            behind[samples(ms)] += amplitude;
        }
        let energy: f32 = behind.iter().map(|tap| tap * tap).sum();
        let scale = 10f32.powf(self.level_db / 20.0) / energy.sqrt();
        let mut response = vec![0.0; samples(self.delay_ms)];
        response.extend(behind.iter().map(|tap| tap * scale));
        response
    }

    /// Noise that falls by 60 dB in the reverberation time.
    fn add_tail(&self, tail: &mut [f32]) {
        let mut noise = Noise(self.seed);
        let fall = -3.0 * std::f32::consts::LN_10 / (self.rt60_s * self.rate_hz as f32);
        let mut energy = 0.0;
        for (n, tap) in tail.iter_mut().enumerate() {
            *tap = noise.sample() * (fall * n as f32).exp();
            energy += *tap * *tap;
        }
        let scale = (TAIL_ENERGY / energy).sqrt();
        for tap in tail {
            *tap *= scale;
        }
    }
}

/// White noise between -1 and 1, the same for the same seed.
#[derive(Debug, Clone)]
pub struct Noise(pub u32);

impl Noise {
    /// The next sample.
    pub fn sample(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Convolution of a stream with an impulse response, piece by piece.
#[derive(Debug, Clone)]
pub struct Echo {
    response: Vec<f32>,
    /// What earlier pieces still have to say, from the next sample on.
    pending: Vec<f32>,
}

impl Echo {
    /// The echo in `room`.
    pub fn new(room: &Room) -> Self {
        let response = room.response();
        Self { pending: vec![0.0; response.len()], response }
    }

    /// What the microphone hears of `played` and of what came before it, while `played` is played.
    pub fn hear(&mut self, played: &[i16]) -> Vec<f32> {
        self.pending.resize(played.len() + self.response.len(), 0.0);
        for (n, &sample) in played.iter().enumerate().filter(|(_, sample)| **sample != 0) {
            let sample = f32::from(sample);
            for (sum, tap) in self.pending[n..].iter_mut().zip(&self.response) {
                *sum += sample * tap;
            }
        }
        let heard = self.pending[..played.len()].to_vec();
        self.pending.drain(..played.len());
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_echo_has_its_delay_and_level() {
        let room = Room::office(16_000);
        let response = room.response();
        assert!(response[..960].iter().all(|tap| *tap == 0.0) && response[960] > 0.2);
        let energy: f32 = response.iter().map(|tap| tap * tap).sum();
        assert!((10.0 * energy.log10() + 6.0).abs() < 0.01);
    }

    #[test]
    fn the_tail_falls_by_60_db_in_its_time() {
        let room = Room { delay_ms: 0.0, ..Room::office(16_000) };
        let response = room.response();
        let level = |from_ms: usize| {
            let window = &response[from_ms * 16..(from_ms + 40) * 16];
            10.0 * (window.iter().map(|tap| tap * tap).sum::<f32>() / window.len() as f32).log10()
        };
        let fall = level(50) - level(250);
        assert!((fall - 30.0).abs() < 2.0, "{fall} dB in 200 ms");
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let mut noise = Noise(7);
        let played: Vec<i16> = (0..4_000).map(|_| (noise.sample() * 10_000.0) as i16).collect();
        let whole = Echo::new(&Room::office(16_000)).hear(&played);
        let mut echo = Echo::new(&Room::office(16_000));
        let pieces: Vec<f32> = played.chunks(160).flat_map(|piece| echo.hear(piece)).collect();
        assert!(whole.iter().zip(&pieces).all(|(a, b)| (a - b).abs() < 0.5));
    }
}
