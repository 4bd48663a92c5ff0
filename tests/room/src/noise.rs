//! White noise of a given level, the same in every run.

/// A source of noise.
#[derive(Debug)]
pub(crate) struct Noise {
    state: u64,
    amplitude: f32,
}

impl Noise {
    /// Noise whose root mean square is `dbfs`.
    pub(crate) fn at(dbfs: f32) -> Self {
        // Uniform noise of amplitude a has an RMS of a / sqrt(3).
        Self { state: 0x9E37_79B9_7F4A_7C15, amplitude: 32_768.0 * 10_f32.powf(dbfs / 20.0) * 3_f32.sqrt() }
    }

    /// Adds it to `block`.
    pub(crate) fn add_to(&mut self, block: &mut [f32]) {
        for sample in block {
            // Xorshift (Marsaglia 2003): the upper bits are as random as an ear can want.
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            let unit = (self.state >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
            *sample += unit * self.amplitude;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk_voice::measure::rms_dbfs;

    #[test]
    fn it_has_the_level_asked_for() {
        for dbfs in [-20.0, -40.0, -60.0] {
            let mut block = vec![0.0; 48_000];
            Noise::at(dbfs).add_to(&mut block);
            let pcm: Vec<i16> = block.iter().map(|sample| sample.round() as i16).collect();
            assert!((rms_dbfs(&pcm) - dbfs).abs() < 0.3, "{} for {dbfs}", rms_dbfs(&pcm));
        }
    }
}
