//! Positions in what the agent says, and the marks that carry them to the far end and back.

/// A count of samples of agent speech since the call began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Position(pub u64);

/// The name of a mark: which generation it belongs to and how far the speech has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkName {
    /// Raised by every clear; echoes of older generations say nothing about the ear.
    pub generation: u32,
    /// What has been heard when it comes back.
    pub position: Position,
}

impl std::fmt::Display for MarkName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "g{}:{}", self.generation, self.position.0)
    }
}

impl std::str::FromStr for MarkName {
    type Err = NotOurMark;

    fn from_str(name: &str) -> Result<Self, NotOurMark> {
        let (generation, position) = name.strip_prefix('g').and_then(|rest| rest.split_once(':')).ok_or(NotOurMark)?;
        Ok(Self {
            generation: generation.parse().map_err(|_| NotOurMark)?,
            position: Position(position.parse().map_err(|_| NotOurMark)?),
        })
    }
}

/// A mark whose name we never gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of ours")]
pub struct NotOurMark;
