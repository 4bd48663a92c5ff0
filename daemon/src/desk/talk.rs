//! One conversation at the desk: its driver, its journal, and how it ends.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use frontdesk_core::desk::leg::{DeskLeg, DeskOrder};
use frontdesk_core::session::effect::EndReason;
use frontdesk_core::session::id::ConversationId;
use frontdesk_hw::block::{Heard, SPEAKING, Speech};
use log::Level;
use tokio::sync::{mpsc, oneshot};

use super::port::Port;
use crate::conversation::driver::{Driver, Parting};
use crate::conversation::journal::Journal;
use crate::conversation::running::View;
use crate::net::bell::Bell;

/// The service's answer to our close is waited for that long.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Events taken from the link before the sound gets its turn.
const FAIR: usize = 32;

/// One conversation.
pub(super) struct Talk {
    pub(super) id: ConversationId,
    pub(super) driver: Driver<DeskLeg>,
    pub(super) journal: Journal,
    pub(super) commands: mpsc::Receiver<EndReason>,
    pub(super) view: Arc<View>,
    /// Where the speech stands behind what was handed out.
    pub(super) handed: u64,
    /// Dropped with the talk: whoever waits for its end then knows.
    pub(super) _running: oneshot::Sender<()>,
    pub(super) ended: Option<Instant>,
}

impl Talk {
    /// Takes what was heard.
    pub(super) fn hear(&mut self, now: Instant, heard: &Heard) {
        if let Some(leg) = self.driver.conversation.source_mut() {
            leg.hear(now, &heard.pcm, heard.voice, heard.played);
            self.driver.conversation.source_fed(now);
        }
    }

    /// The person ends it.
    pub(super) fn leave(&mut self, now: Instant) {
        if let Some(leg) = self.driver.conversation.source_mut() {
            leg.leave();
            self.driver.conversation.source_fed(now);
        } else {
            self.driver.conversation.stop(now, EndReason::CallerLeft);
        }
    }

    /// The device is gone, and with it whoever was heard there.
    pub(super) fn lose(&mut self, now: Instant) {
        self.driver.conversation.source_lost(now);
    }

    /// A device is there again, whose scale of speech stands at `played`.
    pub(super) fn resume(&mut self, now: Instant, played: u64) {
        self.handed = played;
        self.driver.conversation.attach(DeskLeg::new(now, played));
        self.driver.conversation.source_fed(now);
    }

    /// The desk is being stopped: nothing is waited for.
    pub(super) fn cut(&mut self, now: Instant) {
        self.journal.ended(now, &EndReason::Draining);
    }

    /// Does what others ask.
    pub(super) fn poll_commands(&mut self, cx: &mut Context<'_>, now: Instant) {
        while let Poll::Ready(Some(reason)) = self.commands.poll_recv(cx) {
            self.driver.conversation.stop(now, reason);
        }
    }

    /// Takes what happened on the link, whose bell was rung. Returns whether there may be more; then it rings on.
    pub(super) fn poll_link(&mut self, bell: &Bell, port: &mut Port) -> bool {
        let cx = &mut bell.context();
        for _ in 0..FAIR {
            if self.driver.poll_link(cx, &mut self.journal).is_pending() {
                return false;
            }
            self.act(port);
        }
        bell.keep_ringing();
        true
    }

    /// Carries out what the conversation wants at the desk: orders first, then speech as far as there is room.
    pub(super) fn act(&mut self, port: &mut Port) {
        if self.ended.is_some() {
            return;
        }
        let Some(leg) = self.driver.conversation.source_mut() else { return };
        while let Some(order) = leg.next_order() {
            match order {
                DeskOrder::Flush => {
                    port.knobs.begin_epoch();
                }
                DeskOrder::Duck(ducked) => port.knobs.set_ducked(ducked),
            }
        }
        let epoch = port.knobs.epoch();
        let behind_silence = port.ends.speech.is_empty();
        let mut spoke = false;
        while port.ends.speech.ready() {
            let Some(block) = leg.next_block(Instant::now()) else { break };
            let mut pcm = [0; SPEAKING];
            pcm[..block.pcm.len()].copy_from_slice(block.pcm);
            self.handed = block.end;
            let speech = Speech { epoch, end: block.end, last: block.last, len: block.pcm.len() as u16, pcm };
            // There is room: nobody else fills this ring.
            let _ = port.ends.speech.enqueue(speech);
            spoke = true;
        }
        if spoke && behind_silence {
            port.worker.ring();
        }
    }

    /// Performs what is due. Returns how the conversation ended, once.
    pub(super) fn perform(&mut self, now: Instant, port: &mut Port) -> Option<EndReason> {
        let mut over = None;
        while let Some(parting) = self.driver.perform(now, &mut self.journal) {
            let (Parting::HangUp(reason) | Parting::FallBack(reason) | Parting::Gone(reason)) = parting;
            if self.journal.ended(now, &reason) {
                let level = if matches!(reason, EndReason::Failed(_)) { Level::Warn } else { Level::Info };
                self.journal.tell(level, format_args!("conversation at the desk ended: {reason}"));
                self.ended = Some(now);
                over = Some(reason);
            }
        }
        self.driver.perform_live(now, &mut self.journal);
        self.act(port);
        self.view.show(self.driver.conversation.turn(), self.driver.conversation.live().connection());
        over
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        let closed = |since| !self.driver.is_open() || now >= since + CLOSE_WITHIN;
        // What the visitor has asked for is done, though they have gone.
        self.ended.is_some_and(closed) && !self.driver.is_working()
    }

    /// When something is due, whatever happens until then.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        // Behind what is still being done the close is looked at again.
        let close = self.ended.filter(|_| !self.driver.is_working()).map(|since| since + CLOSE_WITHIN);
        [close, self.driver.conversation.deadline(now)].into_iter().flatten().min()
    }
}
