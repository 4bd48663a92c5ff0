//! The worker's part of the self-test: plays a sound while no conversation runs, and records what was played, what the
//! microphone gave and what the canceller left of it.
//!
//! The network side brings the sound and the room for the recording ([`Prober::begin`]) and asks for the result when its
//! bell was rung. A conversation always wins: an open ear, a new epoch or speech in the ring ends the test within a block,
//! and what was prepared of its sound is dropped as any stale speech is. Without a device nothing is captured, and nothing
//! ends: whoever asked knows of the device, and lets go.

use super::convert::{Converter, rate_of};
use crate::bell::Bell;
use crate::block::{Epoch, LISTENING, MOST, Playout};
use crate::knobs::{Ear, Knobs};
use crate::pcm::alsa;
use crate::selftest::{BLOCKS, Compared, Recording};
use frontdesk_core::units::SampleRate;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// Tests that may wait for the worker: one, as nobody needs two.
const WAITING: usize = 1;

/// For so long a test needs the device's streams.
const NEEDS: Duration = Duration::from_millis(BLOCKS as u64 * 10 + 2_000);

/// Why there is no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// Somebody wanted to talk.
    #[error("a conversation began")]
    Conversation,
    /// The worker failed, or has gone.
    #[error("the signal processing failed")]
    Failed,
}

/// What was asked for.
struct Order {
    stimulus: Vec<i16>,
    recording: Recording,
    dropped: Arc<AtomicBool>,
    answer: SyncSender<Result<Recording, Aborted>>,
}

/// The network side: begins tests.
#[derive(Debug, Clone)]
pub struct Prober {
    orders: SyncSender<Order>,
    knobs: &'static Knobs,
}

/// A test that was begun. Dropped, it ends.
#[derive(Debug)]
pub struct Probing {
    dropped: Arc<AtomicBool>,
    answer: Receiver<Result<Recording, Aborted>>,
}

impl Prober {
    /// Begins a test: `stimulus` (16 kHz, mono) is played, and `recording` filled. `None`: the worker still has an earlier
    /// one, because no device has moved it since. Never waits.
    pub fn begin(&self, stimulus: Vec<i16>, recording: Recording) -> Option<Probing> {
        let (tell, answer) = sync_channel(1);
        let dropped = Arc::new(AtomicBool::new(false));
        let order = Order { stimulus, recording, dropped: Arc::clone(&dropped), answer: tell };
        self.orders.try_send(order).ok()?;
        // The device may stand by.
        self.knobs.want_until(alsa::after(NEEDS));
        Some(Probing { dropped, answer })
    }
}

impl Probing {
    /// The result, once there is one. Never waits.
    pub fn result(&self) -> Option<Result<Recording, Aborted>> {
        match self.answer.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(Aborted::Failed)),
        }
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Release);
    }
}

/// The worker's side.
pub(super) struct Probe {
    orders: Receiver<Order>,
    news: Bell,
    test: Option<Test>,
}

struct Test {
    order: Order,
    epoch: Epoch,
    /// Samples of the stimulus that were given.
    given: usize,
    /// To the rate of the device that was there when it began.
    rate: Option<(u16, Converter)>,
}

impl Probe {
    /// Nothing is tested. `news` is rung when a test is over.
    pub(super) fn new(knobs: &'static Knobs, news: Bell) -> (Self, Prober) {
        let (sender, orders) = sync_channel(WAITING);
        (Self { orders, news, test: None }, Prober { orders: sender, knobs })
    }

    /// Whether a test is under way: everything that is captured is to be processed.
    pub(super) fn is_on(&self) -> bool {
        self.test.is_some()
    }

    /// Once a turn: ends what must end, begins what was asked for.
    pub(super) fn look(&mut self, knobs: &Knobs, speaks: bool) {
        let in_the_way = |test: &Test| speaks || knobs.ear() == Ear::Open || knobs.epoch() != test.epoch;
        match &self.test {
            Some(test) if test.order.dropped.load(Ordering::Acquire) => self.test = None,
            Some(test) if in_the_way(test) => self.end(Aborted::Conversation),
            Some(_) => return,
            None => {}
        }
        if let Ok(order) = self.orders.try_recv() {
            self.test = Some(Test { order, epoch: knobs.epoch(), given: 0, rate: None });
        }
    }

    /// Puts the next 10 ms of the sound into a block that is otherwise silent.
    pub(super) fn play(&mut self, block: &mut Playout, knobs: &Knobs) {
        let Some(test) = &mut self.test else { return };
        let Some(pcm) = test.order.stimulus.get(test.given..test.given + LISTENING) else { return };
        let len = usize::from(block.len).min(MOST);
        let Some(rate) = rate_of(len) else { return };
        let fits = test.rate.take_if(|(its, _)| *its == block.len);
        let (_, converter) =
            test.rate.insert(fits.unwrap_or_else(|| (block.len, Converter::new(SampleRate::LISTENING, rate))));
        converter.push(pcm);
        let mut sound = [0; MOST];
        converter.take(&mut sound[..len]);
        let volume = knobs.volume();
        for (to, from) in block.pcm.iter_mut().zip(&sound[..len]) {
            *to = to.saturating_add(volume.apply(*from));
        }
        // As speech: a conversation that begins drops what is prepared.
        block.epoch = Some(test.epoch);
        test.given += LISTENING;
    }

    /// Records 10 ms.
    pub(super) fn record(&mut self, block: &Compared) {
        // Not before its sound has begun: what was captured before is older than the test.
        let Some(test) = self.test.as_mut().filter(|test| test.given > 0) else { return };
        if test.order.recording.push(block)
            && let Some(Test { order, .. }) = self.test.take()
        {
            self.tell(order);
        }
    }

    /// Ends the test, if there is one, without a recording.
    pub(super) fn end(&mut self, why: Aborted) {
        let Some(Test { order, .. }) = self.test.take() else { return };
        // There is room: each order is answered once.
        let _ = order.answer.try_send(Err(why));
        self.news.ring();
    }

    fn tell(&self, order: Order) {
        let _ = order.answer.try_send(Ok(order.recording));
        self.news.ring();
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
