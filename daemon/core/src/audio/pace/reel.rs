//! Agent speech in one row: what may have to be taken back, what has not left yet, and the place between them.
//!
//! ```text
//!   sent, kept for a while     unsent
//!  ├───────────────────────┼──────────────────────┤
//!      take_back ◄──────── │ ────────► take       ◄ push
//! ```
//!
//! Held in blocks of an eighth of a second: a model that is ahead by half a minute needs no buffer of half a minute for the
//! rest of the call. What is kept of a reply that was played stays until the next one.

use std::collections::VecDeque;

/// Bytes of a block.
const BLOCK: usize = 1_000;
/// Emptied blocks that wait to be filled again: a backlog that stays short allocates nothing.
const SPARE: usize = 4;

/// Mu-law between the model and a line.
#[derive(Default)]
pub(super) struct Reel {
    blocks: VecDeque<Box<[u8; BLOCK]>>,
    #[expect(clippy::vec_box, reason = "the boxes go back and forth between here and the row")]
    spare: Vec<Box<[u8; BLOCK]>>,
    /// Where the row begins in the first block.
    start: usize,
    sent: usize,
    unsent: usize,
}

impl Reel {
    /// Bytes that have not left.
    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Appends to what has not left.
    pub(super) fn push(&mut self, bytes: impl IntoIterator<Item = u8>) {
        let mut bytes = bytes.into_iter().peekable();
        while bytes.peek().is_some() {
            let end = self.start + self.sent + self.unsent;
            if end == self.blocks.len() * BLOCK {
                let block = self.spare.pop().unwrap_or_else(|| Box::new([0; BLOCK]));
                self.blocks.push_back(block);
            }
            let block = &mut self.blocks[end / BLOCK][end % BLOCK..];
            let mut filled = 0;
            for (slot, byte) in block.iter_mut().zip(&mut bytes) {
                *slot = byte;
                filled += 1;
            }
            self.unsent += filled;
        }
    }

    /// Sends `count` bytes, no more than there are: appends them to `out`. Of what has left, the newest `keep` are kept.
    pub(super) fn take(&mut self, count: usize, keep: usize, out: &mut Vec<u8>) {
        let from = self.start + self.sent;
        let to = from + count.min(self.unsent);
        let mut at = from;
        while at < to {
            let piece = (to - at).min(BLOCK - at % BLOCK);
            out.extend_from_slice(&self.blocks[at / BLOCK][at % BLOCK..][..piece]);
            at += piece;
        }
        self.sent += to - from;
        self.unsent -= to - from;
        let forgotten = self.sent.saturating_sub(keep);
        self.start += forgotten;
        self.sent -= forgotten;
        while self.start >= BLOCK {
            self.start -= BLOCK;
            self.drop_first();
        }
    }

    /// The newest `count` bytes that left, no more than are kept, have not left after all. Returns how many.
    pub(super) fn take_back(&mut self, count: usize) -> usize {
        let count = count.min(self.sent);
        self.sent -= count;
        self.unsent += count;
        count
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.start, self.sent, self.unsent) = (0, 0, 0);
        while !self.blocks.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(block) = self.blocks.pop_front()
            && self.spare.len() < SPARE
        {
            self.spare.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Act {
        Push(usize),
        Take(usize),
        TakeBack(usize),
        Clear,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0..3 * BLOCK).prop_map(Act::Push),
            6 => (0..2 * BLOCK).prop_map(Act::Take),
            2 => (0..2 * BLOCK).prop_map(Act::TakeBack),
            1 => Just(Act::Clear),
        ];
        proptest::collection::vec(act, 0..60)
    }

    proptest! {
        #[test]
        fn it_is_a_row_of_bytes_with_a_place_in_it(acts in acts(), keep in 0..2 * BLOCK) {
            let (mut reel, mut fresh) = (Reel::default(), (0..=u8::MAX).cycle());
            let (mut sent, mut unsent) = (Vec::new(), VecDeque::new());
            for act in acts {
                match act {
                    Act::Push(count) => {
                        let bytes: Vec<u8> = fresh.by_ref().take(count).collect();
                        reel.push(bytes.iter().copied());
                        unsent.extend(bytes);
                    }
                    Act::Take(count) => {
                        let mut out = Vec::new();
                        reel.take(count, keep, &mut out);
                        let expected: Vec<u8> = unsent.drain(..count.min(unsent.len())).collect();
                        prop_assert_eq!(&out, &expected);
                        sent.extend(expected);
                        sent.drain(..sent.len().saturating_sub(keep));
                    }
                    Act::TakeBack(count) => {
                        let back = sent.split_off(sent.len().saturating_sub(count));
                        prop_assert_eq!(reel.take_back(count), back.len());
                        back.into_iter().rev().for_each(|byte| unsent.push_front(byte));
                    }
                    Act::Clear => {
                        reel.clear();
                        sent.clear();
                        unsent.clear();
                    }
                }
                prop_assert_eq!((reel.sent, reel.unsent()), (sent.len(), unsent.len()));
                let needed = (sent.len() + unsent.len()).div_ceil(BLOCK) + 1;
                prop_assert!(reel.blocks.len() <= needed && reel.spare.len() <= SPARE);
            }
        }
    }
}
