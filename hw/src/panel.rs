//! The buttons and lamps that belong to the sound card that is open: looked for from its attachment until they are there,
//! again when they are lost, and let go with it.
//!
//! A microphone that was muted stays so when its device is plugged in again; not where nobody could switch it on any more,
//! at a device without a mute key.

use crate::bell::Bell;
use crate::hid::descriptor::{Key, Layout};
use crate::hid::handset::{CallLamps, Handset, HidEvent, Lost};
use crate::hid::hidraw;
use crate::hid::search::Search;
use crate::keeper::Companion;
use crate::keeper::news::Attached;
use crate::knobs::{Earcon, Knobs};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Events and remarks that may wait for the network side.
const WAITING: usize = 32;

/// What the buttons tell.
#[derive(Debug)]
pub struct ButtonNews {
    /// What was pressed. A loss is among it, though it may be over in a moment: see [`usable`](Self::usable).
    pub pressed: Receiver<HidEvent>,
    /// Why there are none for some seconds already, and what would do; later perhaps that there are.
    pub usable: Receiver<Result<(), String>>,
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

/// Finds and opens the node of the device at this path of sysfs.
type Open = Box<dyn FnMut(&Path) -> Result<(OwnedFd, Layout), String> + Send>;

/// Finds the buttons of each device that is attached.
pub struct Panel {
    lamps: Lamps,
    knobs: &'static Knobs,
    pressed: SyncSender<HidEvent>,
    usable: SyncSender<Result<(), String>>,
    bell: Bell,
    open: Open,
    /// While a device is attached that may have buttons.
    search: Option<(PathBuf, Search)>,
}

impl Panel {
    /// A panel without a device. `bell` is rung when there is something to read.
    pub fn new(knobs: &'static Knobs, bell: Bell) -> (Self, Lamps, ButtonNews) {
        Self::with(Box::new(open), knobs, bell)
    }

    fn with(open: Open, knobs: &'static Knobs, bell: Bell) -> (Self, Lamps, ButtonNews) {
        let (pressed, events) = sync_channel(WAITING);
        let (usable, remarks) = sync_channel(WAITING);
        let lamps = Lamps::default();
        let panel = Self { lamps: lamps.clone(), knobs, pressed, usable, bell, open, search: None };
        (panel, lamps, ButtonNews { pressed: events, usable: remarks })
    }

    fn begin(&mut self, sysfs: Option<PathBuf>, now: Instant) {
        if let Some(sysfs) = sysfs {
            self.search = Some((sysfs, Search::new(now)));
            self.look_at(now);
        } else {
            // What is no USB device has no buttons of its own.
            self.unmute();
        }
    }

    fn look_at(&mut self, now: Instant) {
        let Some((sysfs, mut search)) = self.search.take() else { return };
        if let Some(lost) = self.let_go_of_the_lost() {
            self.failed(&mut search, now, &lost.to_string());
        } else if search.lasts(now) {
            self.tell(Ok(()));
        }
        if search.is_due(now) {
            match self.start(&sysfs) {
                Ok(()) => search.found(now),
                Err(why) => self.failed(&mut search, now, &why),
            }
        }
        self.search = Some((sysfs, search));
    }

    fn start(&mut self, sysfs: &Path) -> Result<(), String> {
        let (fd, layout) = (self.open)(sysfs)?;
        let can_unmute = layout.has(Key::PhoneMute);
        let lamps = self.lamps.lock().lamps;
        let handset = Handset::start(fd, layout, lamps, self.knobs, self.pressed.clone(), self.bell.clone())
            .map_err(|error| format!("no thread for the buttons: {error}"))?;
        let mut shared = self.lamps.lock();
        // They may have changed since it was started.
        handset.lamps(shared.lamps);
        shared.handset = Some(handset);
        drop(shared);
        if !can_unmute {
            self.unmute();
        }
        Ok(())
    }

    /// Why the handset is no more, if there was one and it is gone.
    fn let_go_of_the_lost(&self) -> Option<Lost> {
        let mut shared = self.lamps.lock();
        let lost = shared.handset.as_ref()?.lost()?;
        let handset = shared.handset.take();
        drop(shared);
        // Its thread is past its work: this takes no time.
        handset?.stop();
        Some(lost)
    }

    fn failed(&self, search: &mut Search, now: Instant, why: &str) {
        if search.failed(now) {
            self.tell(Err(format!("buttons and lamps are not used: {why}")));
            self.unmute();
        }
    }

    fn tell(&self, usable: Result<(), String>) {
        // Full: the network side has remarks enough.
        let _ = self.usable.try_send(usable);
        self.bell.ring();
    }

    /// Switches a microphone on that nobody at the desk can switch on any more. They are told by the earcon.
    fn unmute(&self) {
        if self.knobs.is_muted() {
            self.knobs.set_muted(false);
            self.knobs.play(Earcon::Unmuted);
            self.lamps.refresh();
            let _ = self.pressed.try_send(HidEvent::Muted(false));
            self.bell.ring();
        }
    }
}

impl Companion for Panel {
    fn attached(&mut self, attached: &Attached) {
        self.begin(attached.usb.as_ref().and_then(|usb| usb.sysfs.clone()), Instant::now());
    }

    fn look(&mut self) {
        self.look_at(Instant::now());
    }

    fn detached(&mut self) {
        self.search = None;
        let handset = self.lamps.lock().handset.take();
        if let Some(handset) = handset {
            // One that does not end in time ends when the system gives up on the device.
            handset.stop();
        }
    }
}

fn open(at: &Path) -> Result<(OwnedFd, Layout), String> {
    let (sysfs, dev) = (Path::new(hidraw::SYSFS), Path::new(hidraw::DEV));
    let node = hidraw::find(sysfs, at).map_err(|error| chain(&error))?;
    let fd = hidraw::open(sysfs, dev, &node).map_err(|error| chain(&error))?;
    Ok((fd, node.layout))
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

#[cfg(test)]
#[path = "panel_tests.rs"]
mod tests;
