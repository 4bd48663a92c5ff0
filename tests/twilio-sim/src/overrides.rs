//! The `#` overrides of a webhook URL: how long Twilio waits and what it repeats.

use std::time::Duration;

/// A kind of failure that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryOn {
    Connect,
    ReadTimeout,
    Status4xx,
    Status5xx,
    Never,
}

impl RetryOn {
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        match status {
            400..=499 => Some(Self::Status4xx),
            500..=599 => Some(Self::Status5xx),
            _ => None,
        }
    }
}

/// Limits of one request. The ceiling of 15 s holds whatever is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overrides {
    pub(crate) connect: Duration,
    pub(crate) read: Duration,
    pub(crate) total: Duration,
    pub(crate) retries: u32,
    policy: Vec<RetryOn>,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            policy: vec![RetryOn::Connect],
        }
    }
}

impl Overrides {
    /// Reads `ct=2000&rt=4000&rc=1&rp=ct,rt`. A value out of range leaves the default.
    pub(crate) fn parse(fragment: &str) -> Self {
        let mut limits = Self::default();
        for (key, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            let number: u64 = value.parse().unwrap_or(u64::MAX);
            let time = Duration::from_millis(number.min(15_000));
            match key {
                "ct" if (100..=10_000).contains(&number) => limits.connect = time,
                "rt" if (100..=15_000).contains(&number) => limits.read = time,
                "tt" if (100..=15_000).contains(&number) => limits.total = time,
                "rc" if number <= 5 => limits.retries = number as u32,
                "rp" => limits.policy = policy(value),
                _ => {}
            }
        }
        limits
    }

    pub(crate) fn retries_on(&self, kind: RetryOn) -> bool {
        self.policy.contains(&kind)
    }
}

fn policy(list: &str) -> Vec<RetryOn> {
    use RetryOn::{Connect, ReadTimeout, Status4xx, Status5xx};
    list.split(',')
        .flat_map(|kind| match kind {
            "ct" => vec![Connect],
            "rt" => vec![ReadTimeout],
            "4xx" => vec![Status4xx],
            "5xx" => vec![Status5xx],
            "all" => vec![Connect, ReadTimeout, Status4xx, Status5xx],
            _ => vec![],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_changes_what_it_names_and_nothing_else() {
        let limits = Overrides::parse("ct=2000&rt=4000&rc=2&rp=ct,rt&e=dublin");
        assert_eq!(limits.connect, Duration::from_secs(2));
        assert_eq!(limits.read, Duration::from_secs(4));
        assert_eq!(limits.total, Duration::from_secs(15));
        assert_eq!(limits.retries, 2);
        assert!(limits.retries_on(RetryOn::ReadTimeout) && !limits.retries_on(RetryOn::Status5xx));
    }

    #[test]
    fn nonsense_leaves_the_defaults() {
        assert_eq!(Overrides::parse("ct=1&rt=99999&rc=9"), Overrides::default());
    }
}
