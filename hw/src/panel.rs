//! The buttons and lamps that belong to the sound card that is open: found when it is attached, let go with it.

use crate::bell::Bell;
use crate::hid::handset::{CallLamps, Handset, HidEvent};
use crate::hid::hidraw::{self, Which};
use crate::keeper::Companion;
use crate::keeper::news::Attached;
use crate::knobs::Knobs;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events and remarks that may wait for the network side.
const WAITING: usize = 32;

/// What the buttons tell.
#[derive(Debug)]
pub struct ButtonNews {
    /// What was pressed.
    pub pressed: Receiver<HidEvent>,
    /// Why there are none, and what would do.
    pub unusable: Receiver<String>,
}

#[derive(Debug, Default)]
struct Shared {
    /// As they are to be, whatever device is there.
    lamps: CallLamps,
    handset: Option<Handset>,
}

/// Sets the lamps of whatever device is there, and of the next one. Clones set the same.
#[derive(Debug, Clone, Default)]
pub struct Lamps(Arc<Mutex<Shared>>);

impl Lamps {
    /// Shows a call, or that there is none. Never waits for a device.
    pub fn show(&self, lamps: CallLamps) {
        let mut shared = self.lock();
        shared.lamps = lamps;
        if let Some(handset) = &shared.handset {
            handset.lamps(lamps);
        }
    }

    /// Shows the microphone's state after it was changed in the [`Knobs`]. Never waits for a device.
    pub fn refresh(&self) {
        if let Some(handset) = &self.lock().handset {
            handset.refresh();
        }
    }

    /// Held for a look only: starting and stopping a handset happen outside.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds the buttons of each device that is attached.
pub struct Panel {
    lamps: Lamps,
    knobs: &'static Knobs,
    pressed: SyncSender<HidEvent>,
    unusable: SyncSender<String>,
    bell: Bell,
}

impl Panel {
    /// A panel without a device. `bell` is rung when there is something to read.
    pub fn new(knobs: &'static Knobs, bell: Bell) -> (Self, Lamps, ButtonNews) {
        let (pressed, events) = sync_channel(WAITING);
        let (unusable, remarks) = sync_channel(WAITING);
        let lamps = Lamps::default();
        let panel = Self { lamps: lamps.clone(), knobs, pressed, unusable, bell };
        (panel, lamps, ButtonNews { pressed: events, unusable: remarks })
    }

    fn handset(&self, which: &Which) -> Result<Handset, String> {
        let node = hidraw::find(Path::new(hidraw::SYSFS), which).map_err(|error| chain(&error))?;
        let fd = hidraw::open(Path::new(hidraw::DEV), &node).map_err(|error| chain(&error))?;
        let lamps = self.lamps.lock().lamps;
        Handset::start(fd, node.layout, lamps, self.knobs, self.pressed.clone(), self.bell.clone())
            .map_err(|error| format!("no thread for the buttons: {error}"))
    }
}

impl Companion for Panel {
    fn attached(&mut self, attached: &Attached) {
        // What is no USB device has no buttons of its own.
        let Some(sysfs) = attached.usb.as_ref().and_then(|usb| usb.sysfs.clone()) else { return };
        match self.handset(&Which::At(sysfs)) {
            Ok(handset) => {
                let mut shared = self.lamps.lock();
                // They may have changed since it was started.
                handset.lamps(shared.lamps);
                shared.handset = Some(handset);
            }
            Err(why) => {
                // Full: the network side has remarks enough.
                let _ = self.unusable.try_send(format!("buttons and lamps are not used: {why}"));
                self.bell.ring();
            }
        }
    }

    fn detached(&mut self) {
        let handset = self.lamps.lock().handset.take();
        if let Some(handset) = handset {
            // One that does not end in time ends when the system gives up on the device.
            handset.stop();
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
