//! A speakerphone in a room.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Air, SPEAKERPHONE, ServerError, SoundServer};

/// A sound server and the air around its speakerphone. Several at once do not hear each other.
#[derive(Debug)]
pub struct Room {
    air: Arc<Air>,
    server: SoundServer,
}

impl Room {
    /// Starts a room with a speakerphone that is plugged in as [`SPEAKERPHONE`].
    pub fn start() -> Result<Self, ServerError> {
        let mut room = Self { server: SoundServer::start()?, air: Arc::new(Air::new()) };
        room.plug()?;
        Ok(room)
    }

    /// What is in the air.
    pub fn air(&self) -> &Air {
        &self.air
    }

    /// The same, for another thread.
    pub fn shared_air(&self) -> Arc<Air> {
        Arc::clone(&self.air)
    }

    /// The sound server.
    pub fn server(&self) -> &SoundServer {
        &self.server
    }

    /// The value of `ALSA_CONFIG_PATH` for the program at the desk.
    pub fn alsa_config(&self) -> PathBuf {
        self.server.alsa_config()
    }

    /// Pulls the speakerphone out: what a program has open fails, and its name is unknown until it is plugged in again.
    pub fn unplug(&mut self) -> Result<(), ServerError> {
        self.air.put(None);
        self.server.unplug()
    }

    /// Plugs it in, under its old name.
    pub fn plug(&mut self) -> Result<(), ServerError> {
        self.plug_as(SPEAKERPHONE)
    }

    /// Plugs another speakerphone in, which ALSA knows as `name`. Letters, digits, `_` and `-`.
    pub fn plug_as(&mut self, name: &str) -> Result<(), ServerError> {
        self.air.put(None);
        let jack = self.server.plug(name)?;
        self.air.put(Some(jack));
        Ok(())
    }
}
